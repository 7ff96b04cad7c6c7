"""Artefacts from where they lie."""

from pathlib import Path

from leannet.artifact.base import Artefact
from leannet.artifact.folder_artifact import FolderArtefact
from leannet.artifact.onnx_artifact import OnnxArtefact
from leannet.errors import LeannetError


def open_artefact(path: str | Path) -> Artefact:
    """Reads an ONNX file, or a folder of another runtime's files, and verifies it.

    Raises LeannetError, one line, for what is no artefact, a newer one, and one that is damaged or was edited.
    """
    file = Path(path)
    if file.suffix == ".safetensors" or (file / "model.safetensors").exists():
        raise LeannetError(f"{path}: expected an artefact, found a checkpoint: leannet export {path} makes one")
    if file.is_dir():
        return FolderArtefact.read(file)
    if not file.is_file():
        raise LeannetError(f"{path}: no such artefact; make one with leannet export RUN")
    return OnnxArtefact.read(file)
