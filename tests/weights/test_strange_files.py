"""What is no file of weights, or may not be opened, is one line, and nothing of it is run."""

import argparse
import json
import os
import pickle
import tarfile
import zipfile
from collections import Counter, OrderedDict, defaultdict, deque
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from leannet.errors import LeannetError
from leannet.weights import read_weights
from leannet.weights.inert import Record, stand_ins
from leannet.weights.opening import kind_of, read_file

MARK = "a pickle ran"


class Printing:
    def __reduce__(self) -> Any:
        return print, (MARK,)


class System:
    def __reduce__(self) -> Any:
        return os.system, (f"echo {MARK}",)


class Evaluating:
    def __reduce__(self) -> Any:
        return eval, (f"print({MARK!r})",)


class Getting:
    """getattr has a stand-in, which gets nothing: what it would have given cannot be called."""

    def __reduce__(self) -> Any:
        return getattr, (Printing(), "__class__")


class Called:
    def __reduce__(self) -> Any:
        return partial(print, MARK), ()


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kind", [Printing, System, Evaluating, Getting, Called])
@pytest.mark.parametrize("place", ["whole", "args", "among the weights"])
def test_nothing_in_a_file_is_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: type, legacy: bool, place: str
) -> None:
    weights = nn.Conv2d(3, 3, 1).state_dict()
    contents = {"whole": kind(), "args": {"state_dict": weights, "args": argparse.Namespace(x=kind())}}.get(
        place, {"state_dict": {**weights, "x": kind()}}
    )
    torch.save(contents, tmp_path / "x.ckpt", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(LeannetError, match="weights-only loader refuses it") as error:
        read_weights(tmp_path / "x.ckpt", "mobilenet_v2")
    assert "\n" not in str(error.value)
    assert "\x1b" not in str(error.value)
    assert MARK not in "".join(capfd.readouterr())


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_pickled_module_is_refused_by_its_name(tmp_path: Path, legacy: bool, wrapped: bool) -> None:
    module = nn.Sequential(nn.Conv2d(3, 3, 1))
    torch.save({"model": module} if wrapped else module, tmp_path / "x", _use_new_zipfile_serialization=not legacy)
    words = (
        r"a pickled torch\.nn\.modules\.container\.Sequential, which would have to be run; save only its state_dict\(\)"
    )
    with pytest.raises(LeannetError, match=words):
        read_weights(tmp_path / "x", "mobilenet_v2")


# Made as pickle makes them, which is what a file holds.
DATA = {
    "namespace": argparse.Namespace(lr=0.1, out=PurePosixPath("x"), best=np.float64(0.5)),
    "simple namespace": SimpleNamespace(a=1),
    "windows path": PureWindowsPath("C:/x"),
    "numbers": [np.float32(1), np.float64(1), np.int64(1), np.int32(1), np.uint8(1), np.bool_(True)],
    "arrays": {"matrix": np.eye(2), "random": np.random.RandomState(0).get_state()},
    "defaultdict": defaultdict(list, {"a": [1, 2]}),
    "nested defaultdict": defaultdict(partial(defaultdict, int), {"a": 1}),
    "deque": deque([1, 2], maxlen=5),
    "counters": Counter("abba"),
    "sets": [{1}, frozenset({2}), slice(1, 2), range(3), 1j, b"bytes"],
    "types": [int, float, str, torch.float16, torch.device("cpu"), torch.Size([1])],
    "optimizers": partial(torch.optim.AdamW, lr=0.1),
    "schedules": torch.optim.lr_scheduler.ReduceLROnPlateau,
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", DATA)
def test_what_trainers_save_is_data(tmp_path: Path, name: str, legacy: bool) -> None:
    weights = nn.Conv2d(3, 3, 1).state_dict()
    file = tmp_path / "x.ckpt"
    torch.save({"state_dict": weights, "extra": DATA[name]}, file, _use_new_zipfile_serialization=not legacy)
    assert kind_of(file) == "torch"
    loaded = read_file(file, "torch")
    assert torch.equal(loaded["state_dict"]["weight"], weights["weight"])
    if name == "namespace":
        assert loaded["extra"].fields["lr"] == 0.1
    if name == "defaultdict":
        assert loaded["extra"] == {"a": [1, 2]}


def test_numpy_1_and_python_3_13_name_other_modules(tmp_path: Path) -> None:
    """The same files with those names in the pickle, which both interpreters write."""
    file, other = tmp_path / "x.pt", tmp_path / "y.pt"
    torch.save({"w": torch.ones(2), "best": np.float64(1), "path": PurePosixPath("a/b")}, file)
    with zipfile.ZipFile(file) as read, zipfile.ZipFile(other, "w") as written:
        for name in read.namelist():
            data = read.read(name)
            if name.endswith("data.pkl"):
                assert b"numpy._core.multiarray" in data
                data = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
                data = data.replace(b"cpathlib\n", b"cpathlib._local\n")
            written.writestr(name, data)
    assert torch.equal(read_file(other, "torch")["w"], torch.ones(2))


def test_stand_ins_are_ours_and_leave_torch_as_it_was(tmp_path: Path) -> None:
    """Nothing that a file names is what answers in its place, and afterwards torch refuses it again."""
    assert {kind.__module__ for kind, _ in stand_ins()} == {"leannet.weights.inert"}
    before = set(torch.serialization.get_safe_globals())
    torch.save({"w": torch.ones(1), "args": argparse.Namespace(a=1)}, tmp_path / "x.pt")
    assert isinstance(read_file(tmp_path / "x.pt", "torch")["args"], Record)
    assert set(torch.serialization.get_safe_globals()) == before
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "x.pt", weights_only=True)


def _script(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("x/data.pkl", "x/constants.pkl", "x/code/__torch__.py"):
            archive.writestr(name, b"")


def _arrays(file: Path) -> None:
    np.savez(file.with_name("inner.npz"), a=np.ones(2))
    file.with_name("inner.npz").rename(file)


def _tar(file: Path) -> None:
    torch.save({"w": torch.ones(2)}, file.with_name("inner.pth"))
    with tarfile.open(file, "w") as archive:
        archive.add(file.with_name("inner.pth"), "inner.pth")


def _cut(file: Path, legacy: bool = False) -> None:
    torch.save({"w": torch.ones(500)}, file, _use_new_zipfile_serialization=not legacy)
    file.write_bytes(file.read_bytes()[:-40])


def _cut_safetensors(file: Path) -> None:
    save_file({"w": torch.ones(500)}, file)
    file.write_bytes(file.read_bytes()[:30])


STRANGE = {
    "empty": (lambda file: file.write_bytes(b""), "expected weights, found an empty file"),
    "pointer": (lambda file: file.write_text("version https://git-lfs.github.com/spec/v1\noid x"), "git lfs pull"),
    "page": (lambda file: file.write_text("\n<!DOCTYPE html><html>Sign in"), "a web page .*the download failed"),
    "keras": (lambda file: file.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)), "HDF5"),
    "gzip": (lambda file: file.write_bytes(b"\x1f\x8b" + bytes(99)), "gzip file: unpack it"),
    "tar": (_tar, "a tar archive: unpack it"),
    "lite": (lambda file: file.write_bytes(b"\x18\0\0\0TFL3" + bytes(99)), "TensorFlow Lite"),
    "arrays": (_arrays, "a zip file that torch.save did not write"),
    "script": (_script, "a TorchScript program, not a state dict"),
    "cut": (_cut, "cut short"),
    "cut legacy": (lambda file: _cut(file, True), "damaged: a torch file that is cut short"),
    "cut safetensors": (_cut_safetensors, "damaged"),
    "pickle": (lambda file: file.write_bytes(pickle.dumps({"w": 1})), "a plain pickle, not a file of torch.save"),
    "list": (lambda file: torch.save([torch.ones(1)], file), "expected a dict of tensors, found list"),
    "nothing": (
        lambda file: torch.save({"epoch": 3, "state_dict": {}}, file),
        "expected a dict of tensors, found none",
    ),
    "protocol": (lambda file: torch.save(OrderedDict(w=torch.ones(1)), file, pickle_protocol=4), "pickle protocol"),
    "words": (lambda file: file.write_text("these are words"), "expected a leannet checkpoint"),
}


@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.parametrize("name", ["x.pth", "x.safetensors", "x"])
def test_what_holds_no_weights_is_named(tmp_path: Path, kind: str, name: str) -> None:
    make, words = STRANGE[kind]
    make(tmp_path / name)
    with pytest.raises(LeannetError, match=words) as error:
        read_weights(tmp_path / name, "mobilenet_v2")
    assert str(tmp_path / name) in str(error.value)
    assert "\n" not in str(error.value)
    assert "\x1b" not in str(error.value)


@pytest.mark.parametrize("start", [b"<\0", b" <", b"\x1f\x8b", b"PK", b"\x80\x02", b"\x89H"])
def test_a_safetensors_file_may_begin_like_anything(tmp_path: Path, start: bytes) -> None:
    """Its first bytes are the length of its header, which may be padded with spaces."""
    length = int.from_bytes(start, "little")
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode().replace(b" ", b"")
    if length < len(header):
        length, header = 60, b'{"w":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}'
    file = tmp_path / "x"
    file.write_bytes(length.to_bytes(8, "little") + header.ljust(length) + bytes(8))
    assert file.read_bytes().startswith(start)
    assert kind_of(file) == "safetensors"
    assert set(read_file(file, "safetensors")) == {"w"}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    from tests.weights.test_wrapped import NAME, SIDE, WIDTH, theirs

    state, _, _ = theirs("torchvision")
    state["features.3.conv.1.1.running_var"][2] = value
    torch.save({"state_dict": state}, tmp_path / "x.pth")
    with pytest.raises(
        LeannetError, match=r"found NaN or infinity in features\.3\.conv\.1\.1\.running_var \(1 of 96 values"
    ):
        read_weights(tmp_path / "x.pth", NAME, WIDTH, SIDE)


def test_integers_in_place_of_weights_are_refused(tmp_path: Path) -> None:
    from tests.weights.test_wrapped import NAME, SIDE, WIDTH, theirs

    state, _, _ = theirs("timm")
    state["conv_stem.weight"] = state["conv_stem.weight"].to(torch.int8)
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(LeannetError, match=r"conv_stem\.weight: expected floating-point values, found torch\.int8"):
        read_weights(tmp_path / "x.pth", NAME, WIDTH, SIDE)
