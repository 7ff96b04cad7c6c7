"""Commands that the program suggests can be pasted: a shell and the parser take them, and what they name is there."""

import re
import shlex
from pathlib import Path

import pytest

from leannet.errors import command_line
from tests.cli.conftest import make_place
from tests.cli.test_cli import VERBS, run
from tests.conftest import draw_folder

RUN, OUT = "my run; it's new", "another's $HOME, too"
# Calls that suggest commands, by word or by error: exit status, and the verbs suggested.
CALLS: dict[tuple[str, ...], tuple[int, list[str]]] = {
    ("train", "my photos", "--model", "two_layer_debug", "--epochs", "1", "--quiet", "--out", f"{OUT} 1"): (
        0,
        ["predict", "count"],
    ),
    ("export", RUN, "--out", f"{OUT}.onnx"): (0, ["predict", "bench"]),
    ("export", RUN, "--format", "litert", "--out", f"{OUT} 2"): (0, ["check"]),
    ("quantize", RUN, "--max-drop", "100", "--engine", "onnxruntime", "--out", f"{OUT} 3.onnx"): (
        0,
        ["check", "predict"],
    ),
    ("prune", RUN, "--macs", "70%", "--epochs", "0", "--images", "16", "--out", f"{OUT} 5", "--quiet"): (
        0,
        ["quantize", "export"],
    ),
    ("sparsify", RUN, "--sparsity-schedule", "one-shot", "--epochs", "0", "--out", f"{OUT} 6", "--quiet"): (
        0,
        ["evaluate"],
    ),
    ("sensitivity", RUN, "--images", "16", "--ratios", "0.5", "--out", f"{OUT}.json", "--quiet"): (0, ["prune"]),
    ("reparameterize", "mobileone_debug", "--out", f"{OUT} 8.json"): (0, ["count"]),
    ("rewrite", "resnet_debug", "--rule", "separable", "--out", f"{OUT} 7.json"): (0, ["count"]),
    ("web", f"{RUN}/model.onnx", "--out", f"{OUT} 4"): (0, ["serve"]),
    ("advise", "my photos", "--seconds", "0.1"): (0, ["train"]),
    ("serve", RUN): (2, ["export"]),
    ("check", f"{RUN}/model.safetensors"): (2, ["export"]),
    ("quantize", RUN, "--keep-float", "none"): (2, ["count"]),
}
END = re.compile(r"   ·   |\n| makes one| writes it")


@pytest.fixture(scope="module")
def spaced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_place(tmp_path_factory.mktemp("suggested"), ("disc", "square"), RUN)
    draw_folder(folder / "my photos")
    return folder


def commands(text: str) -> list[list[str]]:
    """The words of each command in a text, as a shell reads them."""
    starts = re.finditer(rf"\bleannet (?=({'|'.join(VERBS)}) )", text)
    return [shlex.split(END.split(text[start.start() :])[0]) for start in starts]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call[0]}-{call[1]}"[:30])
def test_suggestions_can_be_pasted(
    call: tuple[str, ...], spaced: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(spaced)
    status, verbs = CALLS[call]
    code, printed, errors = run(capsys, *call)
    assert code == status, errors
    suggested = [words for words in commands(printed + errors) if not {"RUN", "DATA"} & {*words}]  # of any
    assert [words[1] for words in suggested] == verbs, printed + errors
    for _, verb, *words in suggested:
        VERBS[verb].make_context(verb, list(words))
        assert Path(words[0]).exists(), words


def test_what_was_imported_is_imported_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leannet.errors.IMPORTED", ["my_blocks", "more"])
    assert command_line("check", "a b") == "leannet --import my_blocks --import more check 'a b'"
