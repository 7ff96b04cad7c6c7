"""The artifact of a site: one that browsers run. A run is exported as float32, unless integers are asked for."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leannet.artifact.artifact import Artifact
from leannet.artifact.opening import open_artifact
from leannet.console import Console
from leannet.errors import LeannetError, command_line
from leannet.header import checkpoint_file, is_artifact, read_header
from leannet.rows.sides import gates
from leannet.runtime.branching import Branches

# Of int8 over float32, on one thread in Chromium: the least and the largest ratio in docs/benchmarks/browser.json.
INT8_TIME, INT8_SIZE = ("1.3", "1.4"), ("0.30", "0.32")


@contextmanager
def artifact_file(source: str | Path, integers: bool) -> Iterator[Path]:
    """The artifact's file: the source itself, or a run's integers if they are asked for, or else its export."""
    if is_artifact(source):
        if not Path(source).is_file():
            open_artifact(source)  # says what is wrong with it, unless it is a folder of another runtime
            raise LeannetError(f"{source}: browsers run ONNX files: leannet export RUN makes one")
        yield Path(source)
        return
    checkpoint = checkpoint_file(source)
    if integers:
        file = checkpoint.with_suffix(".int8.onnx")
        if not file.is_file():
            raise LeannetError(f"--integers: expected {file}, found none: {command_line('quantize', source)} writes it")
        yield file
        return
    from leannet.artifact.exporting import export

    with tempfile.TemporaryDirectory() as folder:
        branches: Branches | None = (
            "one" if gates(read_header(checkpoint).architecture) else None
        )  # a page asks for one
        yield export(checkpoint, Path(folder) / "model.onnx", branches=branches).path


def open_for_browsers(file: Path, integers: bool, console: Console) -> Artifact:
    """The artifact. Raises LeannetError if no browser runs it, or if it is not the integers that were asked for."""
    artifact = open_artifact(file)
    if "onnxruntime" not in artifact.engines:
        raise LeannetError(
            f"{file}: expected an artifact for onnxruntime, which browsers run, found one for "
            f"{', '.join(artifact.engines)}: make one with leannet export RUN, or with leannet quantize RUN "
            "--engine onnxruntime"
        )
    is_int8 = "int8" in artifact.precision
    if integers and not is_int8:
        raise LeannetError(f"--integers: expected 8-bit integers, found {file}, which is {artifact.precision}: "
                           "leannet quantize RUN makes them")  # fmt: skip
    if is_int8 and not integers:
        (fast, slow), (small, large) = INT8_TIME, INT8_SIZE
        console.say(f"note: in a browser 8-bit integers took {fast} to {slow} times float32's time, in {small} to "
                    f"{large} of its size; leannet web RUN takes float32, and --integers drops this note")  # fmt: skip
    return artifact
