"""What a terminal of 80 columns shows: no line of any verb is broken by it."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import BROKEN, WORDS, make_place
from tests.cli.test_cli import VERBS, run

COLUMNS = 80
# Names of classes, and of a run, that people have.
LONG = ("a small disc of one color on a background of noise, seen from above", "square " + "and " * 12 + "even")
RUN = "a run whose folder has a long name, with spaces and commas, as people have them"
# Beside WORDS: what shows wider tables and longer sentences.
MORE = [
    "models",
    "count mobilenet_v3_large",
    "count mobilenet_v3_large --by row",
    "count mobilenet_v2 --by type",
    "count mobilenet_v2 --convention thop",
    "compare run other mobilenet_v3_large",
    "rows",
    "recipes cifar",
    "bench run --by row --seconds 0.1",
    "bench run mobilenet_v2_debug --seconds 0.1 --engine onnxruntime --engine torch --threads 1 --threads 2",
    "check run/model.onnx",
    "train photos --model two_layer_debug --epochs 1 --out OUT --quiet",
    "export run --format litert --out OUT",
    "evaluate run/model.onnx photos",
    "activations run photos/disc/0.png --layer block_1_project_BN --out activations.png",
    "embed run --split train --layer block_1_project_BN --perplexity 2 --out embed.html",
]
# A line that is to be copied whole, or whose only long word is a path, may be longer.
COPIED = re.compile(r"^\s*(try next\s+)?leannet |^(leannet: )?\S*(?:/\S*|\.\w+)[^ ]*$|https?://\S+$")


@pytest.fixture(scope="module")
def long_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_place(tmp_path_factory.mktemp("width"), LONG, RUN)


def too_wide(text: str, copied: tuple[str, ...] = ()) -> list[str]:
    """The lines that are wider than the terminal, but for those that are a path, an address or a command."""
    lines = [line for each in text.split("\n") for line in each.split("\r")]
    return [line for line in lines if len(line) > COLUMNS and not COPIED.match(line)
            and not any(line.endswith(end) for end in copied)]  # fmt: skip


@pytest.mark.everything  # long ones are what does not fit
@pytest.mark.parametrize("call", [*(f"{verb} {WORDS[verb]}" for verb in VERBS), *MORE])
def test_short_names(
    call: str, place: Path, short_demo: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    _check(call, call.split(), monkeypatch, capsys)


def _check(call: str, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    out = "width-" + re.sub(r"\W+", "-", call)[:40]
    code, printed, errors = run(capsys, *(word.replace("OUT", out) for word in words))
    assert code == BROKEN.get(words[0], 0), errors
    assert too_wide(printed) == []
    assert too_wide(errors) == []


@pytest.mark.parametrize("call", [*(f"{verb} {WORDS[verb]}" for verb in VERBS), *MORE])
def test_long_names(
    call: str, long_place: Path, short_demo: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(long_place)
    words = [re.sub(r"^run\b", RUN, word).replace("photos/disc", f"photos/{LONG[0]}") for word in call.split()]
    _check("long " + call, words, monkeypatch, capsys)


def test_embed_says_which_layer_a_name_of_keras_is(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    words = [
        "embed",
        "run",
        "--split",
        "train",
        "--perplexity",
        "2",
        "--quiet",
        "--out",
        "keras.html",
        "--layer",
        "block_1_project_BN",
    ]
    code, _, errors = run(capsys, *words, "--layer", "Conv1")
    assert code == 0
    names = re.findall(r"^leannet: layer (\w+) is (\S+)", errors, re.MULTILINE)
    assert names == [("block_1_project_BN", "block_1.project.norm"), ("Conv1", "Conv1")]
