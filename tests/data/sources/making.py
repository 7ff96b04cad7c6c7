"""Data sets of drawn images in usual layouts. Images of different kinds or numbers differ."""

import io
import json
import tarfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from leannet.data.dataset import Dataset
from tests.conftest import draw


def image(kind: str, number: int, form: str = "PNG") -> bytes:
    """The bytes of a drawn image."""
    stream = io.BytesIO()
    draw("disc" if kind in {"a", "cat", "0"} else kind, number, 16).save(stream, form)
    return stream.getvalue()


def folder(path: Path, classes: Sequence[str], each: int = 4, first: int = 0) -> Path:
    """Class folders of drawn images."""
    for kind in classes:
        (path / kind).mkdir(parents=True, exist_ok=True)
        for number in range(first, first + each):
            (path / kind / f"{number}.png").write_bytes(image(kind, number))
    return path


def table(path: Path, labels: Sequence[object], names: Sequence[str] = (), first: int = 0) -> Path:
    """A Parquet file of images and labels, with class names as Hugging Face writes them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [{"bytes": image(str(label), first + number), "path": None} for number, label in enumerate(labels)]
    rows = pa.table({"image": cells, "label": labels})
    if names:
        features = {"image": {"_type": "Image"}, "label": {"names": list(names), "_type": "ClassLabel"}}
        rows = rows.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(rows, path)
    return path


def tar(path: Path, members: Sequence[tuple[str, bytes]]) -> Path:
    """A tar file of these members."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def image_counts(dataset: Dataset) -> dict[tuple[str | None, str], int]:
    """How many images there are of each split and class."""
    words = [dataset.classes[label] for label in dataset.labels]
    return dict(Counter(zip(dataset.splits, words, strict=True)))


def left_out_by_reason(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """What was left out, by reason."""
    return {f"{entry.what} {entry.why}": entry.names for entry in dataset.left_out}
