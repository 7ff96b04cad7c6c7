"""Layouts and labels drawn at random, against a plain model of what should come out: nothing is lost without a word."""

import csv
import io
import json
import math
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from leannet.data.dataset import Dataset
from leannet.data.sources import open_dataset
from leannet.errors import LeannetError
from tests.data.sources.making import image_counts, left_out_by_reason, tar

FOLDERS = ["train", "test", "Val", "training_set", "seg_test", "cat", "dog", "10", "9", "images", "test_tube", "é"]
FILES = ["0.png", "1.JPG", "2.jpeg", "x.txt", "README.md", ".hidden.png", "._0.png", "Thumbs.db", "y.heic", "plain"]
IMAGES = {".png", ".jpg", ".jpeg"}

Tree = dict[str, Any]  # name -> tree, or None for a file, or ".." or a name for a link


def _folders(inside: st.SearchStrategy[Any]) -> st.SearchStrategy[Tree]:
    names = st.sampled_from([*FOLDERS, ".git", "__MACOSX"])
    folders = st.dictionaries(names, inside | st.sampled_from(["..", "gone", "beside"]), max_size=5)
    files = st.dictionaries(st.sampled_from(FILES), st.none(), max_size=3)
    return st.tuples(folders, files).map(lambda both: both[0] | both[1])


trees = st.recursive(st.dictionaries(st.sampled_from(FILES), st.none(), max_size=4), _folders, max_leaves=25)


def write_tree(tree: Tree, root: Path, beside: Path) -> None:
    """Makes the files, folders and links of a tree."""
    root.mkdir(parents=True, exist_ok=True)
    for name, inside in tree.items():
        if inside is None:
            (root / name).write_bytes(b"x")
        elif inside == "..":
            (root / name).symlink_to(root.parent if root.parent.exists() else root)
        elif inside == "gone":
            (root / name).symlink_to("/not/there")
        elif inside == "beside":
            (root / name).symlink_to(beside)
        else:
            write_tree(inside, root / name, beside)


def visible_entries(root: Path, ancestors: tuple[Path, ...] = ()) -> Iterator[tuple[str, Path]]:
    """(kind, path) of everything in a folder that is neither hidden nor another program's, links followed."""
    for name in os.listdir(root):
        path = root / name
        if name.startswith(".") or name in {"__MACOSX", "Thumbs.db"}:
            continue
        if path.is_dir():
            if path.resolve() in (*ancestors, root.resolve()):
                yield "loop", path
            else:
                yield from visible_entries(path, (*ancestors, root.resolve()))
        elif path.exists():
            yield ("image" if path.suffix.lower() in IMAGES else "other"), path
        else:
            yield "dangling", path


def opened_or_refused(open_: Callable[[], Dataset]) -> tuple[Dataset | None, str]:
    """What was opened, or the one line that refuses it."""
    try:
        return open_(), ""
    except LeannetError as error:
        return None, str(error)


def check_tree(tree: Tree, outcomes: Counter[str]) -> None:
    """Each file of a tree is one image of the set, or left out by name, or the tree is refused."""
    with tempfile.TemporaryDirectory() as folder:
        root, beside = Path(folder) / "data", Path(folder) / "linked"
        write_tree({"0.png": None, "x.txt": None, "deeper": {"1.png": None}}, beside, beside)
        write_tree(tree, root, beside)
        images, refusal = opened_or_refused(lambda: open_dataset(str(root)))
        if images is None:
            outcomes["refused"] += 1
            assert str(root) in refusal
            return
        outcomes["with splits" if any(images.splits) else "opened"] += 1
        names = [f"{root}/{name}" for name in images.names]
        left_out = [f"{root}/{name}" for entry in images.left_out for name in entry.names]
        folders = tuple(f"{name}/" for name in left_out if os.path.isdir(name) and not os.path.islink(name))
        entries = list(visible_entries(root))
        for kind, path in entries:
            mentions = names.count(str(path)) + left_out.count(str(path))
            if kind == "image":
                assert mentions == 1, (path, names, left_out)
            else:
                assert mentions == 1 or str(path).startswith(folders), (kind, path, left_out)
        assert len(names) == len(set(names))
        assert set(names) <= {str(path) for kind, path in entries if kind == "image"}
        # Each class is one of the folders above its images, and no split is a class beside other splits.
        for name, label in zip(images.names, images.labels, strict=True):
            assert images.classes[label] in name.split("/")[:-1]
        if any(images.splits):
            assert not {"train", "test", "Val"} & set(images.classes) or "train" in images.splits


def test_every_file_of_any_layout_is_an_image_of_the_set_or_named() -> None:
    outcomes: Counter[str] = Counter()
    settings(max_examples=400)(given(trees)(lambda tree: check_tree(tree, outcomes)))()
    assert min(outcomes[outcome] for outcome in ("opened", "with splits", "refused")) > 0, outcomes


LABELS = st.one_of(
    st.none(),
    st.integers(0, 12),
    st.floats(0, 3).map(round).map(float),
    st.just(math.nan),
    st.sampled_from(["cat", " dog ", "", "  ", "NaN", "null", "None", "7", "07", "cat,dog", "é"]),
    st.lists(st.integers(0, 3), max_size=2),
    st.fixed_dictionaries({"id": st.integers(0, 3)}),
)


def model(label: Any) -> str | None:
    """The class that a label means, None for none. Raises ValueError for what is no label."""
    if isinstance(label, list | dict):
        raise ValueError
    if label is None or (isinstance(label, float) and math.isnan(label)):
        return None
    if isinstance(label, str):
        return label.strip() if label.strip().lower() not in {"", "nan", "null", "none"} else None
    return str(int(label))


def check(open_: Callable[[], Dataset], labels: list[Any]) -> None:
    """What is read against the model: refused where one label is none, else each class with its number."""
    try:
        words = [model(label) for label in labels]
    except ValueError:
        words = []
    known = {word for word in words if word}
    if not known or ("cat,dog" in known and {"cat", "dog"} <= known):
        dataset, refusal = opened_or_refused(open_)
        assert dataset is None
        assert refusal
        return
    images = open_()
    assert image_counts(images) == {(None, word): n for word, n in Counter(words).items() if word}
    assert sum(map(len, left_out_by_reason(images).values())) == words.count(None)
    in_order = sorted(known, key=lambda word: (int(word), word)) if all(map(str.isdigit, known)) else sorted(known)
    assert list(images.classes) == in_order


def same_kind(labels: list[Any]) -> bool:
    """Whether one column of a Parquet file can hold them."""
    kinds = {type(label) for label in labels if label is not None}
    return len(kinds) <= 1


@settings(max_examples=150)
@given(st.lists(LABELS, min_size=1, max_size=8).filter(same_kind))
def test_labels_of_parquet(labels: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.parquet"
        pq.write_table(pa.table({"image": [b"x"] * len(labels), "label": labels}), path)
        check(lambda: open_dataset(str(path)), labels)


@settings(max_examples=150)
@given(st.lists(LABELS, min_size=1, max_size=8), st.booleans())
def test_labels_of_shards(labels: list[Any], by_last_dot: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        stem = "a.{}" if by_last_dot and len(labels) > 1 else "{}"
        members = [(f"{stem.format(n)}.jpg", b"x") for n in range(len(labels))]
        members += [(f"{stem.format(n)}.json", json.dumps({"label": label}).encode()) for n, label in enumerate(labels)]
        path = tar(Path(folder) / "x.tar", members)
        check(lambda: open_dataset(str(path)), labels)


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from(["cat", "dog", "", "NaN", "7", "07", "é", '"', "a b", "x\ty"]), min_size=1, max_size=8),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["path", "File Name", "image_id", "IMG"]),
    st.sampled_from(["label", "Class", "category"]),
    st.booleans(),
    st.sampled_from(["", "\n", "\r\n\r\n", "\n;;\n"]),
)
def test_labels_of_tables(labels: list[str], delimiter: str, image: str, label: str, quoted: bool, tail: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        text = io.StringIO()
        writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)
        writer.writerows([(image, label), *((f"{n}.png", word) for n, word in enumerate(labels))])
        path = Path(folder) / "x.csv"
        path.write_text(text.getvalue() + tail.replace(";", delimiter), newline="")
        check(lambda: open_dataset(str(path)), labels)
