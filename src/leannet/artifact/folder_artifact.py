"""Artifacts for runtimes that do not read ONNX, or read their own files faster: a folder of their files.

`leannet.json` in the folder holds the checkpoint's header, the golden images with their answers, a SHA-256 of every
file, and one over all of these, which opening verifies; and the choices that are the host's, where ncnn has gates.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from leannet.artifact.artifact import Artifact, check_consistent
from leannet.artifact.golden import Golden
from leannet.errors import LeannetError
from leannet.files import check_writable
from leannet.header import ARTIFACT_HEADER, DENSE_VERSION, FORMAT_VERSION, is_artifact, parse_header
from leannet.runtime import Program
from leannet.runtime.host_steps import host_choices
from leannet.runtime.programs import FORMS

Format = Literal["openvino", "ncnn", "litert"]
FORM_OF: dict[str, str] = {"openvino": "ir", "ncnn": "ncnn", "litert": "tflite"}


@dataclass(frozen=True, kw_only=True)
class FolderArtifact(Artifact):
    """A folder of one runtime's files. files: their contents, in the order of FORMS."""

    format: str
    files: tuple[bytes, ...]

    @classmethod
    def read(cls, folder: Path) -> "FolderArtifact":
        """Opens a folder, verified. Raises LeannetError."""
        file = folder / ARTIFACT_HEADER
        if not file.is_file():
            raise LeannetError(
                f"{folder}: expected a folder of leannet export --format, found no {ARTIFACT_HEADER} in it"
            )
        try:
            about = json.loads(file.read_bytes())
            version, format, digest = about["format_version"], str(about["format"]), about.pop("digest", None)
        except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError) as error:
            raise LeannetError(f"{file}: damaged ({error}): export it again") from None
        if not isinstance(version, int) or version > FORMAT_VERSION or format not in FORM_OF:
            raise LeannetError(
                f"{file}: format {format} of version {version} is newer than this leannet reads: upgrade"
            )
        if digest != _digest(about):
            raise LeannetError(f"{file}: its digest does not match: it is damaged or was edited: export it again")
        digests, golden_data, files = about.get("files"), about.get("golden"), []
        if not isinstance(digests, dict) or not isinstance(golden_data, list):
            raise LeannetError(f"{file}: damaged (its files or golden images are missing): export it again")
        for name in FORMS[FORM_OF[format]]:
            data = (folder / name).read_bytes() if (folder / name).is_file() else b""
            if digests.get(name) != hashlib.sha256(data).hexdigest():
                raise LeannetError(f"{folder / name}: missing, damaged or edited: export it again")
            files.append(data)
        golden = tuple(Golden.from_dict(each, file) for each in golden_data)
        header = parse_header(about.get("header"), file)
        check_consistent(header, golden, file)
        return cls(header=header, golden=golden, path=folder, digest=digest, format=format, files=tuple(files))

    def save(self, path: str | Path) -> None:
        with _write_folder(Path(path)) as folder:
            names = FORMS[FORM_OF[self.format]]
            for name, data in zip(names, self.files, strict=True):
                (folder / name).write_bytes(data)
            about: dict[str, Any] = {
                "format_version": DENSE_VERSION,
                "format": self.format,
                "header": self.header.to_dict(),
                "golden": [each.to_dict() for each in self.golden],
                "files": {name: hashlib.sha256(data).hexdigest() for name, data in zip(names, self.files, strict=True)},
            }
            if self.format == "ncnn" and self.shipping.branches:
                choices = host_choices(self.header.architecture, self.files[0].decode())
                about["choices"] = [choice.to_dict() for choice in choices]
            (folder / ARTIFACT_HEADER).write_text(json.dumps(about | {"digest": _digest(about)}), encoding="utf-8")

    @property
    def engines(self) -> tuple[str, ...]:
        return (self.format,)

    @property
    def program(self) -> Program:
        forms = {FORM_OF[self.format]: self.files}
        return Program.of_forms(self.header.architecture, forms, branches=self.shipping.branches)

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.files))


def folder_path(out: str | Path | None, default: Path, replace: bool = False) -> Path:
    """Where a folder is to be written. replace: an artifact at the default path may be replaced.

    Raises LeannetError, before any work, where it cannot be.
    """
    target = Path(out) if out is not None else default
    if out is None and replace and is_artifact(target):
        return target
    if target.exists() and (target.is_file() or any(target.iterdir())):
        raise LeannetError(f"{target}: expected a new or empty folder; another one: --out FOLDER")
    if not target.absolute().parent.is_dir():
        raise LeannetError(f"{target}: expected a folder in one that exists")
    check_writable(target)
    return target


@contextmanager
def _write_folder(target: Path) -> Iterator[Path]:
    """A folder to write into: the target appears whole; after an error, not at all."""
    with tempfile.TemporaryDirectory(dir=target.absolute().parent, prefix=f".{target.name}.") as place:
        folder = Path(place) / "new"
        folder.mkdir()
        yield folder
        if is_artifact(target):
            shutil.move(target, Path(place) / "before")
        elif target.exists():
            target.rmdir()
        shutil.move(folder, target)


def _digest(about: dict[str, Any]) -> str:
    """Over all that the file says, those of the other files included."""
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
