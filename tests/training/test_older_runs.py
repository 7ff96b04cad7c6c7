"""A run that an older leannet began, in the words of its files, goes on to the same weights, bit for bit."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from leannet.checkpoint import load
from leannet.run_files import CONFIG, STATE, STEPS
from leannet.training import resume, train
from tests.conftest import stop_at_step

SETTINGS: dict[str, Any] = {
    "model": "mobilenet_v3_debug", "batch_size": 5, "workers": 0, "quiet": True, "epochs": 2, "ema_decay": 0.9,
}  # fmt: skip


def _as_before(run: Path) -> None:
    """Writes the files of a run in the words of format version 1, which had no steps.csv."""
    with safe_open(run / STATE, framework="pt") as state_file:
        words = json.loads(state_file.metadata()["state"])
        tensors = {name: state_file.get_tensor(name) for name in state_file.keys()}  # noqa: SIM118 (no mapping)
    state, header = words.pop("state"), words["header"]
    words["standing"] = {"right" if key == "correct" else key: value for key, value in state.items()}
    header["format_version"] = 1
    header["split"]["marks"] = header["split"].pop("fingerprints")
    provenance = header["provenance"]
    provenance["done"] = provenance.pop("history")[0]["done"]
    provenance |= {"licence": None, "parent": None}
    tensors = {name.replace("ema.", "average.", 1) if name.startswith("ema.") else name: value
               for name, value in tensors.items()}  # fmt: skip
    save_file(tensors, run / STATE, {"state": json.dumps(words)})
    text = (run / CONFIG).read_text()
    assert "ema_decay = 0.9" in text
    (run / CONFIG).write_text(text.replace("ema_decay", "average"))
    (run / STEPS).unlink()


def test_it_goes_on(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(str(shapes), out=tmp_path / "whole", **SETTINGS)
    with monkeypatch.context() as patched:
        stop_at_step(patched, 2)
        assert not train(str(shapes), out=tmp_path / "run", **SETTINGS).finished
    _as_before(tmp_path / "run")
    assert resume(tmp_path / "run", quiet=True).finished
    for name in ("model", "last"):
        one, other = (load(tmp_path / run / f"{name}.safetensors")[0].state_dict() for run in ("run", "whole"))
        assert all(torch.equal(value, other[key]) for key, value in one.items())
    lines = (tmp_path / "whole" / STEPS).read_text().splitlines()
    assert (tmp_path / "run" / STEPS).read_text().splitlines() == [lines[0], *lines[3:]]
