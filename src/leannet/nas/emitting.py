"""A folder that times networks on another device: their files, and what runs them with numpy and one engine."""

import hashlib
import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from leannet.errors import LeannetError
from leannet.nas.tables import Work
from leannet.rows import Architecture
from leannet.runtime import ENGINES
from leannet.runtime.lowering import lower
from leannet.runtime.precisions import program
from leannet.runtime.programs import FORMS

# Files of leannet that the runner needs, which import each other and nothing else.
SOURCES = ("runtime/latency.py", "runtime/processor.py", "runtime/quiet.py", "runtime/sessions.py")
RUNNER = "nas/device_runner.py"
PACKAGES = {"onnxruntime": "onnxruntime", "openvino": "openvino", "ncnn": "ncnn", "litert": "ai-edge-litert"}


def emit(
    work: Work,
    folder: Path,
    engine_name: str = "onnxruntime",
    precision: str = "float32",
    threads: int = 1,
    batch: int = 1,
    progress: Callable[[], object] = lambda: None,
) -> None:
    """Writes the folder. progress: called after each network.

    Raises LeannetError for a folder that is not empty, an engine that reads no files, and a precision that it lacks.
    """
    check_emit(folder, engine_name)
    (folder / "models").mkdir(parents=True, exist_ok=True)
    manifest = work.manifest(engine_name, precision, threads, batch)
    for name, network in work.networks.items():
        manifest["networks"][name] |= _write(network, name, folder / "models", engine_name, precision)
        progress()
    for source in SOURCES:
        (folder / Path(source).name).write_text(_alone(source))
    (folder / "run.py").write_text(_alone(RUNNER))
    text = json.dumps(manifest, sort_keys=True)
    manifest["digest"] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "requirements.txt").write_text(f"numpy\n{PACKAGES[engine_name]}\n")
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))  # last: without it nothing runs


def check_emit(folder: Path, engine_name: str) -> None:
    """Raises LeannetError, before any work, for a folder that is not empty and an engine that reads no files."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LeannetError(f"--emit {folder}: expected a new or an empty folder")
    if engine_name not in PACKAGES:
        raise LeannetError(f"--emit with --engine {engine_name}: expected an engine that reads files: "
                           f"{', '.join(PACKAGES)}")  # fmt: skip


def _write(network: Architecture, name: str, folder: Path, engine_name: str, precision: str) -> dict[str, Any]:
    """The files of a network, and what else the runner has to know of it."""
    made = program(network, precision, engine_name)
    form = ENGINES[engine_name].reads(made)
    names = []
    for file, data in zip(FORMS[form], made.form(form), strict=True):
        names.append(name + Path(file).suffix)
        (folder / names[-1]).write_bytes(data)
    outputs = {"outputs": [f"{output}:0" for output in lower(network).outputs]} if form == "ncnn" else {}
    return {"files": names} | outputs


def _alone(source: str) -> str:
    """The text of one of leannet's files, as it stands beside the others of the folder."""
    return files("leannet").joinpath(source).read_text().replace("from leannet.runtime.", "from ")
