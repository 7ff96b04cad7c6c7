"""`open_artifact`: a file or a folder as an artifact, whatever its form."""

from pathlib import Path

from leannet.artifact.artifact import Artifact
from leannet.artifact.folder_artifact import FolderArtifact
from leannet.artifact.onnx_artifact import OnnxArtifact
from leannet.errors import LeannetError, command_line
from leannet.header import other_file


def open_artifact(path: str | Path) -> Artifact:
    """Reads an ONNX file, or a folder of another runtime's files, and verifies it.

    Raises LeannetError, one line, for what is no artifact, a newer one, and one that is damaged or was edited.
    """
    file = Path(path)
    if file.suffix == ".safetensors" or (file / "model.safetensors").exists():
        raise LeannetError(
            f"{path}: expected an artifact, found a checkpoint: {command_line('export', path)} makes one"
        )
    if file.is_dir():
        return FolderArtifact.read(file)
    if not file.is_file():
        raise LeannetError(f"{path}: no such artifact; make one with leannet export RUN")
    if file.suffix != ".onnx" and (kind := other_file(file)):
        raise LeannetError(f"{path}: expected an artifact, found {kind}")
    return OnnxArtifact.read(file)
