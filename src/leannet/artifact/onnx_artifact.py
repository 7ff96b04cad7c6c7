"""The usual artifact: one ONNX file.

Its metadata hold the checkpoint's header as JSON under `leannet`, golden images with their answers under
`leannet_golden`, and a SHA-256 over graph, header and golden images under `leannet_digest`, which opening verifies.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from leannet.artifact.artifact import Artifact, check_consistent
from leannet.artifact.golden import Golden
from leannet.errors import LeannetError
from leannet.files import check_writable, write_whole
from leannet.header import KEY, onnx_header, parse_header
from leannet.onnx_file import split_metadata, with_metadata
from leannet.runtime import ENGINES, Program
from leannet.runtime.formats.onnx_graph import onnx_package

GOLDEN, DIGEST = f"{KEY}_golden", f"{KEY}_digest"
RUNNERS = tuple(name for name, each in ENGINES.items() if each.form == "onnx")


@dataclass(frozen=True, kw_only=True)
class OnnxArtifact(Artifact):
    """One ONNX file. graph: the same without metadata."""

    graph: bytes

    @classmethod
    def read(cls, file: Path) -> "OnnxArtifact":
        """Opens a file, verified. Raises LeannetError."""
        graph, pairs = split_metadata(file.read_bytes(), file)
        data = onnx_header(pairs, file)
        digest = _digest(graph, pairs)
        if pairs.get(DIGEST) != digest:
            raise LeannetError(f"{file}: its digest does not match: the file is damaged or was edited; export it again")
        golden = tuple(Golden.from_dict(each, file) for each in json.loads(pairs.get(GOLDEN, "[]")))
        header = parse_header(data, file)
        check_consistent(header, golden, file)
        return cls(graph=graph, header=header, golden=golden, path=file, digest=digest)

    def save(self, path: str | Path) -> None:
        pairs = {
            KEY: json.dumps(self.header.to_dict()),
            GOLDEN: json.dumps([each.to_dict() for each in self.golden]),
        }
        write_whole(path, with_metadata(self.graph, pairs | {DIGEST: _digest(self.graph, pairs)}))

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines that it is made for: integers may be written in a form that only one reads."""
        return self.shipping.engines or RUNNERS

    @property
    def program(self) -> Program:
        return Program.of_file(self.header.architecture, self.graph, self.compute, self.shipping.branches)

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size if self.path else len(self.graph)


def with_doc_string(graph: bytes, text: str) -> bytes:
    """A graph with a text for people, which viewers of networks show."""
    model = onnx_package().ModelProto.FromString(graph)
    model.doc_string = text
    return bytes(model.SerializeToString())


def artifact_path(out: str | Path | None, default: Path) -> Path:
    """Where an artifact is to be written. Raises LeannetError, before any work, where it cannot be."""
    target = Path(out) if out is not None else default
    if target.suffix != ".onnx" or target.is_dir() or not target.absolute().parent.is_dir():
        format_ = {".tflite": "litert", ".xml": "openvino", ".param": "ncnn"}.get(target.suffix)
        other = f"; for {target.suffix}: --format {format_}, and a folder" if format_ else ""
        raise LeannetError(f"--out {target}: expected a name that ends in .onnx, in a folder that exists{other}")
    check_writable(target)
    return target


def _digest(graph: bytes, pairs: dict[str, str]) -> str:
    digest = hashlib.sha256(graph)
    for key in (KEY, GOLDEN):
        digest.update(hashlib.sha256(pairs.get(key, "").encode()).digest())
    return digest.hexdigest()
