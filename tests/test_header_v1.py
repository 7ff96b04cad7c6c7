"""Headers of format version 1: those of the committed networks open, and nothing that they say is lost."""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from leannet.checkpoint import load, save
from leannet.header import DENSE_VERSION, read_header
from leannet.retired import header_of_version_1

ROOT = Path(__file__).parents[1]
FILES = sorted(
    [*(ROOT / "benchmarks/networks").glob("*.safetensors"), *(ROOT / "experiments/bases").glob("*.safetensors")]
)
NEW_NAMES = {"licence": "license", "marks": "fingerprints", "pictures": "images"}


def stored(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="numpy") as tensors:
        header: dict[str, Any] = json.loads(tensors.metadata()["leannet"])
    return header


def leaves(value: Any, *place: str) -> dict[tuple[str, ...], Any]:
    """Every value of nested dicts by the keys that lead to it, spelled as they are now. What is None is left out."""
    if not isinstance(value, dict):
        return {} if value is None else {place: value}
    return {
        key: leaf
        for name, inner in value.items()
        for key, leaf in leaves(inner, *place, NEW_NAMES.get(name, name)).items()
    }


def test_there_are_such_files() -> None:
    assert len(FILES) >= 10


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_committed_network_opens_with_all_that_it_says(path: Path) -> None:
    before = stored(path)
    assert before["format_version"] == 1
    header = read_header(path)
    after = json.loads(json.dumps(header.to_dict()))
    assert after["architecture"] == before["architecture"]
    assert after["classes"] == before["classes"]
    done = before["provenance"].pop("done")
    assert [step.done for step in header.provenance.history] == ([done] if done else [])
    for section in ("preprocessing", "split", "metrics", "provenance"):
        values = leaves(after[section])
        for place, value in leaves(before[section]).items():
            assert values[place] == value, (section, place)
    assert header.metrics.accuracy == before["metrics"]["validation"]["accuracy"]
    assert header_of_version_1(before) == header_of_version_1(json.loads(json.dumps(before)))


def test_its_digest_is_checked_and_it_is_saved_as_the_format_of_now(tmp_path: Path) -> None:
    path = min(FILES, key=lambda file: file.stat().st_size)
    network, header = load(path)
    save(tmp_path / "now.safetensors", network, header)
    assert stored(tmp_path / "now.safetensors")["format_version"] == DENSE_VERSION == 2
    again, header_again = load(tmp_path / "now.safetensors")
    assert header_again == header
    assert all((value == again.state_dict()[name]).all() for name, value in network.state_dict().items())
