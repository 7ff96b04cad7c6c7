"""The metadata of a .tflite, read by a reader of the public schema, beside a network that is what it was."""

import io
import zipfile
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
import tflite
import torch
from flatbuffers import number_types as numbers

import leannet
from leannet.artifact import export, open_artifact
from leannet.artifact.artifact import normalized
from leannet.artifact.exporting import described_tflite, export_folder
from leannet.checkpoint import load, save
from leannet.errors import LeannetError
from leannet.header import Header
from leannet.network import build
from leannet.preprocessing import Preprocessing
from leannet.runtime import ENGINES, Program, numpy_weights
from leannet.runtime.formats.tflite import to_tflite
from leannet.zoo import FAMILIES, architecture
from tests.conftest import draw, draw_folder, lively

CLASSES = ("ape", "çat", "", "two words", "bee")


def header_of(name: str) -> tuple[Header, bytes]:
    """A header, and the .tflite of its network as it was before there were metadata."""
    network = lively(build(architecture(name, classes=len(CLASSES))))
    shape = network.architecture.input
    color: dict[str, Any] = {"mean": (0.1, 0.2, 0.3), "std": (0.2, 0.3, 0.4)}
    if shape.channels == 1:
        color = {"color": "L", "mean": (0.4,), "std": (0.25,)}
    preprocessing = Preprocessing(height=shape.height, width=shape.width, resize="squash", **color)
    header = Header(architecture=network.architecture, classes=CLASSES, preprocessing=preprocessing)
    return header, to_tflite(network.architecture, numpy_weights(network.state_dict()))


class Table:
    """A table of a FlatBuffer by the numbers of its fields (metadata_schema.fbs of tensorflow/tflite-support)."""

    def __init__(self, data: bytes, position: int):
        self.table = flatbuffers.table.Table(data, position)

    @classmethod
    def root(cls, data: bytes) -> "Table":
        return cls(data, flatbuffers.encode.Get(flatbuffers.packer.uoffset, data, 0))

    def _place(self, field: int) -> int:
        offset = self.table.Offset(4 + 2 * field)
        assert offset, f"field {field} is missing"
        return int(offset)

    def child(self, field: int) -> "Table":
        return Table(self.table.Bytes, self.table.Indirect(self._place(field) + self.table.Pos))

    def text(self, field: int) -> str:
        return str(self.table.String(self._place(field) + self.table.Pos).decode())

    def byte(self, field: int) -> int:
        return int(self.table.Get(numbers.Uint8Flags, self._place(field) + self.table.Pos))

    def number(self, field: int) -> int:
        return int(self.table.Get(numbers.Uint32Flags, self._place(field) + self.table.Pos))

    def float(self, field: int) -> float:
        return float(self.table.Get(numbers.Float32Flags, self._place(field) + self.table.Pos))

    def floats(self, field: int) -> list[float]:
        return [float(value) for value in self.table.GetVectorAsNumpy(numbers.Float32Flags, self._place(field))]

    def tables(self, field: int) -> list["Table"]:
        start, length = self.table.Vector(self._place(field)), self.table.VectorLen(self._place(field))
        return [Table(self.table.Bytes, self.table.Indirect(start + 4 * index)) for index in range(length)]


def metadata(file: bytes) -> Table:
    model = tflite.Model.GetRootAs(file, 0)
    assert model.MetadataLength() == 1
    assert model.Metadata(0).Name() == b"TFLITE_METADATA"
    buffer = model.Buffers(model.Metadata(0).Buffer()).DataAsNumpy().tobytes()
    assert flatbuffers.util.BufferHasIdentifier(buffer, 0, b"M001")
    return Table.root(buffer)


@pytest.mark.parametrize("name", ["mobilenet_v2_debug", "two_layer_debug"])
def test_they_say_what_the_header_says(name: str) -> None:
    header, plain = header_of(name)
    file, preprocessing = described_tflite(plain, header), header.preprocessing
    model = metadata(file)
    assert model.text(0) == name
    assert model.text(7) == "1.0.0"  # what the first parser reads
    (graph,) = model.tables(3)
    (image,), (logits,) = graph.tables(2), graph.tables(3)
    content = image.child(3)
    assert (content.byte(0), content.child(1).byte(0)) == (2, {"RGB": 1, "L": 2}[preprocessing.color])
    size = content.child(1).child(1)
    assert (size.number(0), size.number(1)) == (preprocessing.width, preprocessing.height)
    (unit,) = image.tables(4)
    assert unit.byte(0) == 1
    mean, std = (np.array(unit.child(1).floats(field)) for field in (0, 1))
    pixels = np.random.default_rng(0).integers(0, 256, (1, 4, 4, preprocessing.channels), np.uint8)
    ours = normalized(pixels, preprocessing).transpose(0, 2, 3, 1)
    np.testing.assert_allclose((pixels - mean) / std, ours, atol=1e-5)
    most, least = image.child(5).floats(0), image.child(5).floats(1)
    np.testing.assert_allclose(most, (255 - mean) / std, atol=1e-5)
    np.testing.assert_allclose(least, -mean / std, atol=1e-5)
    (threshold,) = logits.tables(4)  # without it, readers drop what is below 0
    assert threshold.byte(0) == 3
    assert threshold.child(1).float(0) == np.finfo(np.float32).min
    (labels,) = logits.tables(6)
    assert (labels.text(0), labels.byte(2)) == ("labels.txt", 2)
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        (info,) = archive.infolist()
        assert info.compress_type == zipfile.ZIP_STORED
        assert archive.read("labels.txt").decode() == "".join(f"{name}\n" for name in CLASSES)


def test_of_a_detector_they_say_what_its_three_outputs_are() -> None:
    header, plain = header_of("onenet_debug")
    model = metadata(described_tflite(plain, header))
    assert model.text(1).startswith("A detector of objects of ")
    (graph,) = model.tables(3)
    outputs = graph.tables(3)
    assert [each.text(0) for each in outputs] == ["boxes", "scores", "classes"]
    boxes = outputs[0].child(3)
    assert (boxes.byte(0), boxes.child(1).byte(1), boxes.child(1).byte(2)) == (3, 1, 1)
    (labels,) = outputs[2].tables(6)
    assert (labels.text(0), labels.byte(2)) == ("labels.txt", 3)


@pytest.mark.parametrize("name", sorted(name for name in FAMILIES if name.endswith("_debug")))
def test_the_network_is_what_it_was(name: str) -> None:
    """Byte for byte inside the new file, where the new model refers to its operators, tensors and weights; and LiteRT
    answers the same to the bit."""
    header, plain = header_of(name)
    file = described_tflite(plain, header)
    assert file == described_tflite(plain, header)  # reproducible
    start = file.find(plain)
    assert start > 0
    assert start % 16 == 0  # alignments stay
    before, after = tflite.Model.GetRootAs(plain, 0), tflite.Model.GetRootAs(file, 0)
    assert after.SubgraphsLength() == before.SubgraphsLength() == 1
    assert after.Subgraphs(0)._tab.Pos == before.Subgraphs(0)._tab.Pos + start
    codes = range(before.OperatorCodesLength())
    assert [after.OperatorCodes(i)._tab.Pos - start for i in codes] == [before.OperatorCodes(i)._tab.Pos for i in codes]
    buffers = range(before.BuffersLength())
    assert [after.Buffers(i)._tab.Pos - start for i in buffers] == [before.Buffers(i)._tab.Pos for i in buffers]
    assert (after.Version(), after.Description()) == (before.Version(), before.Description())
    x = np.random.default_rng(0).normal(size=(3, *header.architecture.input.shape)).astype(np.float32)
    ours, theirs = (
        ENGINES["litert"].prepare(Program.of_forms(header.architecture, {"tflite": (each,)}), 1)(x)[0]
        for each in (file, plain)
    )
    np.testing.assert_array_equal(ours, theirs)


def test_what_is_shipped_carries_them(tmp_path: Path) -> None:
    """Floats and integers; beside a folder from before, which has none and opens as ever (tests/data_v1)."""
    images = draw_folder(tmp_path / "shapes", each=30)
    words = {"model": "mobilenet_v2_debug", "epochs": 1, "batch_size": 16, "quiet": True}
    run = leannet.train(images, tmp_path / "run", **words).path
    floats = export_folder(run, "litert", tmp_path / "floats").path
    integers = leannet.quantize(run, out=tmp_path / "integers", engine="litert", max_drop=100, quiet=True).path
    for folder in (floats, integers):
        assert folder is not None
        file = (folder / "model.tflite").read_bytes()
        assert metadata(file).text(0) == "mobilenet_v2_debug"
        with zipfile.ZipFile(folder / "model.tflite") as archive:
            assert archive.read("labels.txt") == b"disc\nsquare\n"
        assert all(each.passed for each in leannet.check(folder))
    outputs = open_artifact(export(run, tmp_path / "x.onnx").path).outputs([draw("disc", 5)])
    np.testing.assert_allclose(open_artifact(floats).outputs([draw("disc", 5)]), outputs, atol=1e-4)


def test_a_class_of_two_lines_is_refused(tmp_path: Path) -> None:
    header, _ = header_of("mobilenet_v2_debug")
    network = lively(build(header.architecture))
    torch.manual_seed(0)
    save(tmp_path / "net.safetensors", network, header.model_copy(update={"classes": ("a\nb", *CLASSES[1:])}))
    load(tmp_path / "net.safetensors")
    with pytest.raises(LeannetError, match=r"class 'a\\nb': expected a name of one line"):
        export_folder(tmp_path / "net.safetensors", "litert", tmp_path / "out")
    assert not (tmp_path / "out").exists()
