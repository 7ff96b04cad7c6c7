"""Folders for runtimes that do not read ONNX, or read their own files faster: their files, and what using them needs.

`leannet.json` in the folder holds the checkpoint's header, the golden pictures with their answers, and a SHA-256 of
every file, and one over all of these; `check` verifies and replays them.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from leannet.data.pictures import prepare
from leannet.deploy.artefact import Artefact, as_floats
from leannet.deploy.exporting import build_artefact
from leannet.deploy.golden import Golden
from leannet.deploy.replaying import Checked
from leannet.errors import LeannetError
from leannet.header import FORMAT_VERSION, Header, checkpoint_file, parse_header
from leannet.runtime import ENGINES, Program, engine, numpy_weights
from leannet.runtime.engines import LiteRt, Ncnn, OpenVino, Run

Format = Literal["openvino", "ncnn", "litert"]
ABOUT = "leannet.json"


@dataclass(frozen=True)
class Folder:
    """What was written, and what its check found."""

    path: Path
    format: Format
    size_bytes: int
    checks: tuple[Checked, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "path": str(self.path),
            "format": self.format,
            "size_bytes": self.size_bytes,
            "checks": [each.to_dict() for each in self.checks],
        }


def export_folder(run: str | Path, format: Format, out: str | Path | None = None) -> Folder:
    """Writes a run or checkpoint as a folder of another runtime's files, checked before it is kept.

    format: openvino: `model.xml` and `model.bin`; ncnn: `model.param` and `model.bin`; litert: `model.tflite`, for
    phones. The last two are written from the rows. out: None: `model_FORMAT` beside the checkpoint.
    Raises LeannetError where the runtime is missing, the folder is not empty, or what is written does not give what
    torch gives: then nothing stays.
    """
    engine(format)
    file = checkpoint_file(run)
    target = Path(out) if out is not None else file.with_name(f"{file.stem}_{format}")
    if target.exists() and (target.is_file() or any(target.iterdir())):
        raise LeannetError(f"--out {target}: expected a new or empty folder")
    if not target.absolute().parent.is_dir():
        raise LeannetError(f"--out {target}: expected a folder in one that exists")
    plain = build_artefact(file, "float32", "float32")
    with tempfile.TemporaryDirectory(dir=target.absolute().parent, prefix=f".{target.name}.") as place:
        folder = Path(place) / "made"
        folder.mkdir()
        WRITERS[format](plain, file, folder)
        files = {each.name: _sha(each) for each in sorted(folder.iterdir())}
        about = {
            "format_version": FORMAT_VERSION,
            "format": format,
            "header": plain.header.to_dict(),
            "golden": [each.to_dict() for each in plain.golden],
            "files": files,
        }
        (folder / ABOUT).write_text(json.dumps(about | {"digest": _digest(about)}), encoding="utf-8")
        checks = check_folder(folder)
        wrong = [each for each in checks if not each.passed]
        if wrong:
            raise LeannetError(
                f"{file}: {format} does not give what torch gives: {wrong[0].line()}; nothing was written"
            )
        if target.exists():
            target.rmdir()
        shutil.move(folder, target)
    size = sum(each.stat().st_size for each in target.iterdir())
    return Folder(target, format, size, tuple(checks))


def check_folder(path: str | Path) -> list[Checked]:
    """Replays the golden pictures of a folder.

    Raises LeannetError for a damaged one, and where its runtime is missing.
    """
    format, header, golden = _opened(Path(path))
    version = engine(format).version()
    run = READERS[format](Path(path), header)
    wanted = np.stack([each.outputs for each in golden])
    tolerance = float(header.artefact.get("tolerance", 1e-4))
    pictures = np.stack([prepare(each.image(), header.preprocessing) for each in golden])
    made = np.concatenate([run(as_floats(each[None], header.preprocessing))[0] for each in pictures])
    largest = float(np.abs(wanted).max())
    difference = float(np.abs(made.reshape(wanted.shape) - wanted).max()) / largest
    same = bool((made.reshape(wanted.shape).argmax(axis=1) == wanted.argmax(axis=1)).all())
    return [Checked(version, format, 1, difference, tolerance, same)]


def _opened(folder: Path) -> tuple[Format, Header, list[Golden]]:
    """What `leannet.json` says, the files verified."""
    file = folder / ABOUT
    if not file.is_file():
        raise LeannetError(f"{folder}: expected a folder of leannet export --format, found no {ABOUT} in it")
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
        version, format = about["format_version"], about["format"]
        digest = about.pop("digest", None)
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise LeannetError(f"{file}: damaged ({error}): export it again") from None
    if not isinstance(version, int) or version > FORMAT_VERSION or format not in READERS:
        raise LeannetError(f"{file}: format {format} of version {version} is newer than this leannet reads: upgrade")
    if digest != _digest(about):
        raise LeannetError(f"{file}: its digest does not match: it is damaged or was edited: export it again")
    golden, files = [Golden.from_dict(each, file) for each in about["golden"]], about["files"]
    for name, digest in files.items():
        if not (folder / name).is_file() or _sha(folder / name) != digest:
            raise LeannetError(f"{folder / name}: missing, damaged or edited: export it again")
    return cast(Format, format), parse_header(about["header"], file), golden


def _digest(about: dict[str, Any]) -> str:
    """Over all that the file says, those of the other files included."""
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _sha(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _write_openvino(plain: Artefact, file: Path, folder: Path) -> None:
    from leannet.runtime.engines import package

    reader = ENGINES["openvino"]
    assert isinstance(reader, OpenVino)
    model = reader.core.read_model(plain.graph)
    package("openvino").save_model(model, str(folder / "model.xml"), compress_to_fp16=False)


def _program(file: Path) -> Program:
    from leannet.checkpoint import load

    network, _ = load(file)
    return Program(network.architecture, numpy_weights(network.state_dict()))


def _write_litert(plain: Artefact, file: Path, folder: Path) -> None:
    (folder / "model.tflite").write_bytes(_program(file).tflite)


def _write_ncnn(plain: Artefact, file: Path, folder: Path) -> None:
    param, data = _program(file).ncnn
    (folder / "model.param").write_text(param, encoding="utf-8")
    (folder / "model.bin").write_bytes(data)


def _read_openvino(folder: Path, header: Header) -> Run:
    reader = ENGINES["openvino"]
    assert isinstance(reader, OpenVino)
    return reader.load(folder / "model.xml", threads=1)


def _read_ncnn(folder: Path, header: Header) -> Run:
    reader = ENGINES["ncnn"]
    assert isinstance(reader, Ncnn)
    param, data = (folder / "model.param").read_text(encoding="utf-8"), (folder / "model.bin").read_bytes()
    return reader.load(param, data, header.architecture.output_names, threads=1)


def _read_litert(folder: Path, header: Header) -> Run:
    reader = ENGINES["litert"]
    assert isinstance(reader, LiteRt)
    return reader.load((folder / "model.tflite").read_bytes(), threads=1)


WRITERS: dict[Format, Callable[[Artefact, Path, Path], None]] = {
    "openvino": _write_openvino,
    "ncnn": _write_ncnn,
    "litert": _write_litert,
}
READERS: dict[Format, Callable[[Path, Header], Run]] = {
    "openvino": _read_openvino,
    "ncnn": _read_ncnn,
    "litert": _read_litert,
}
