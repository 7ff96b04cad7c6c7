"""What is refused before any work, and where integers are written."""

from pathlib import Path
from typing import Literal

from leannet.artifact.folder_artifact import folder_path
from leannet.artifact.onnx_artifact import artifact_path
from leannet.artifact.readers import NO_ANTIALIAS, wrong_in
from leannet.errors import LeannetError
from leannet.rows import Architecture
from leannet.rows.exits import exits
from leannet.runtime import engine
from leannet.sections import Input
from leannet.tasks import finds_boxes

EngineName = Literal["onnxruntime", "openvino", "litert"]


def check_before(
    file: Path, architecture: Architecture, engine_name: EngineName, input: Input, c_array: bool, finetune: int
) -> None:
    """Raises LeannetError, before any image is read, for several outputs, for what detectors cannot be, and for an
    engine that is not installed."""
    if len(architecture.output_names) != 1:
        raise LeannetError(f"{file}: expected a network of one output, found {architecture.output_names}")
    if finds_boxes(architecture):
        for flag, is_asked, why in (
            ("--input int8", input == "int8", "boxes, scores and classes leave it as floats"),
            ("--c-array", c_array, "TensorFlow Lite Micro has no kernel that finds the largest of many"),
            ("--finetune", finetune > 0, "learns from a classifier's answers"),
        ):
            if is_asked:
                raise LeannetError(f"{flag}: {why}: leave it out for {architecture.name}")
    if finetune and exits(architecture):
        raise LeannetError(f"--finetune: the float network that teaches leaves at its exits: leave it out for "
                           f"{architecture.name}")  # fmt: skip
    engine(engine_name)


def target_of(file: Path, out: str | Path | None, engine: EngineName, input: Input, c_array: bool) -> Path:
    """Where the artifact is to be written. Raises LeannetError, before any work, for what cannot be."""
    if engine == "litert":
        if input == "uint8":
            raise LeannetError(f"--input uint8: litert {NO_ANTIALIAS}: expected --input uint8-sized, whose images are "
                               "resized before")  # fmt: skip
        return folder_path(out, file.with_name(f"{file.stem}_litert_int8"))
    for flag, given in (("--input int8", input == "int8"), ("--c-array", c_array)):
        if given:
            raise LeannetError(f"{flag}: expected --engine litert, whose files microcontrollers run")
    if input == "uint8" and engine in wrong_in(input):
        raise LeannetError(f"--input uint8: {engine} {NO_ANTIALIAS}: expected --input uint8-sized, whose images "
                           "are resized outside the graph")  # fmt: skip
    return artifact_path(out, file.with_suffix(".int8.onnx"))
