"""Standard output: whatever it cannot take, every verb ends as its work does; with --json, in one object."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from leannet.cli.app import app, main
from leannet.cli.streams import lenient_streams
from tests.cli.conftest import BROKEN, KIND, WORDS
from tests.cli.test_cli import VERBS, refused, run
from tests.conftest import crossed

GROUP: Any = typer.main.get_command(app)  # always the same one, whose verbs a test may replace


def _open(kind: str) -> io.TextIOWrapper:
    """A strict standard output of this kind, as Python makes it."""
    if kind == "closed pipe":
        reader, writer = os.pipe()
        os.close(reader)
        return open(writer, "w", encoding="utf-8")
    if kind == "full device":
        return open("/dev/full", "w", encoding="utf-8")
    return open("output.txt", "w", encoding=kind)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, place: Path, short_demo: None) -> None:
    monkeypatch.chdir(place)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
@pytest.mark.parametrize(
    ("verb", "kind"), crossed(VERBS, ["closed pipe", "ascii", "full device"], ("count", "train", "report"))
)
def test_no_output_ends_a_verb(
    quick: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str, kind: str
) -> None:
    out = f"{verb} {kind}".replace(" ", "-")
    words = [verb, *WORDS[verb].replace("OUT", out).split()]
    monkeypatch.setattr(sys, "argv", ["leannet", *words])
    with _open(kind) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(SystemExit) as end:
            main()
        assert sys.stdout is stream
    errors = capsys.readouterr().err
    assert (end.value.code or 0) == BROKEN.get(verb, 0), errors
    assert "Traceback" not in errors
    lost = kind == "full device" and verb not in {"serve", "guidelines"}
    assert ("standard output: No space left on device" in errors) == lost


def test_json_loses_no_character(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("ascii", "cp1252", "utf-8"):
        monkeypatch.setattr(sys, "argv", ["leannet", "evaluate", "run", "--json", "--quiet"])
        with _open(kind) as stream:
            monkeypatch.setattr(sys, "stdout", stream)
            with pytest.raises(SystemExit):
                main()
        found = json.loads(Path("output.txt").read_text(encoding=kind))
        assert KIND in {each["name"] for each in found["per_class"]}


@pytest.mark.parametrize("verb", VERBS)
def test_json_is_one_object_where_a_verb_fails(
    quick: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    """A flag that is none; what it works on is not there; Ctrl-C; a fault of its own. `refused` looks at the object."""
    assert "No such option" in refused(capsys, verb, "--no-such-flag", "--json")
    takes = [p for p in VERBS[verb].params if p.param_type_name == "argument"]
    if takes:
        refused(capsys, verb, *["no-such-thing"] * sum(p.required or p is takes[0] for p in takes), "--json")
    found = []
    for fault in (KeyboardInterrupt(), RuntimeError("a fault")):

        def fail(fault: BaseException = fault, **_: object) -> None:
            raise fault

        monkeypatch.setattr(GROUP.commands[verb], "callback", fail)
        monkeypatch.setattr("typer.main.get_command", lambda _: GROUP)
        needed = [p for p in VERBS[verb].params if p.required]
        words = [verb, *(word for p in needed for word in ([] if p in takes else [p.opts[0]]) + ["x"]), "--json"]
        if isinstance(fault, KeyboardInterrupt):
            code, out, errors = run(capsys, *words)
            assert (code, errors) == (130, "leannet: stopped\n")
            found.append(json.loads(out))
        else:
            monkeypatch.setattr(sys, "argv", ["leannet", *words])
            with pytest.raises(RuntimeError):
                main()
            found.append(json.loads(capsys.readouterr().out))
    assert found == [{"error": "stopped"}, {"error": "RuntimeError: a fault"}]


def test_a_server_outlives_its_readers(place: Path) -> None:
    """Its address goes to a device that is full, its words to a reader that leaves."""
    pytest.importorskip("uvicorn")
    command = [sys.executable, "-m", "leannet", "serve", "run/model.onnx", "--port", "0", "--json"]
    with (
        open("/dev/full", "w") as full,
        subprocess.Popen(command, cwd=place, stdout=full, stderr=subprocess.PIPE, text=True) as process,
    ):
        assert process.stderr is not None
        assert "answers at" in process.stderr.readline()
        process.stderr.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) in {0, 130}


def test_a_reader_that_leaves_is_no_word(place: Path) -> None:
    """As `leannet models | head -1`, from outside; the whole of it, standard error too."""
    reader, writer = os.pipe()
    os.close(reader)
    for streams in ({"stdout": writer, "stderr": subprocess.PIPE}, {"stdout": writer, "stderr": writer}):
        done = subprocess.run([sys.executable, "-m", "leannet", "models"], text=True, check=False, **streams)
        assert done.returncode == 0
        assert not done.stderr
    os.close(writer)
    closed = [sys.executable, "-c", "import os, sys; os.close(1); os.execv(sys.executable, sys.argv[1:])"]
    done = subprocess.run([*closed, sys.executable, "-m", "leannet", "models"], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_stream_that_is_slow_gets_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It does not block, and takes a little at a time: what one write leaves, the next one brings."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    text = "0123456789" * 50_000
    with open(tmp_path / "out", "wb") as out, subprocess.Popen(["cat"], stdin=reader, stdout=out):
        os.close(reader)
        with open(writer, "w") as stream:
            monkeypatch.setattr(sys, "stdout", stream)
            with lenient_streams():
                print(text, end="")
    assert (tmp_path / "out").read_text() == text


def test_what_is_no_stream_of_the_system_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    held = io.StringIO()
    monkeypatch.setattr(sys, "stdout", held)
    with lenient_streams():
        assert sys.stdout is held
        print("words")
    assert held.getvalue() == "words\n"
