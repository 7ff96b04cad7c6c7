"""Checkpoints: exact round trip, and one line for whatever is not one."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import leannet
from leannet.checkpoint import load, save
from leannet.errors import LeannetError
from leannet.header import Header, read_header
from leannet.network import Network, transfer
from leannet.preprocessing import Preprocessing
from leannet.sections import Metrics, Provenance, SplitRecord, Summary


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    network = leannet.create("mobilenet_v3_debug", classes=3)
    header = Header(
        architecture=network.architecture,
        classes=("ape", "bee", "çat"),
        preprocessing=Preprocessing(height=32, width=32, mean=(0.1, 0.2, 1 / 3)),
        metrics=Metrics(validation=Summary(images=3, accuracy=2 / 3, accuracy_low=0.2, accuracy_high=0.9, loss=0.1)),
        provenance=Provenance(seed=7),
    )
    save(tmp_path / "net.safetensors", network, header)
    return tmp_path / "net.safetensors"


def _rewrite(path: Path, change: object) -> None:
    """The same tensors under a changed header, as someone with an editor would leave it."""
    with safe_open(path, framework="pt") as tensors:
        data = json.loads(tensors.metadata()["leannet"])
        state = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118 (no mapping)
    change(data, state)  # type: ignore[operator]
    save_file(state, path, {"leannet": json.dumps(data)})


@pytest.mark.parametrize("name", ["mobilenet_v1_debug", "mobilenet_v2_debug", "mobilenet_v3_debug", "two_layer_debug"])
def test_round_trip_is_exact(tmp_path: Path, name: str) -> None:
    network = leannet.create(name, classes=3)
    network.train()(torch.randn(4, 3, 32, 32))  # moves the running statistics
    header = Header(
        architecture=network.architecture,
        classes=("a", "b", "c"),
        preprocessing=Preprocessing(height=32, width=32),
        split=SplitRecord(seed=3, ratio=(0.8, 0.2)),
    )
    save(tmp_path / "x.safetensors", network, header)
    again, read = load(tmp_path / "x.safetensors")
    assert isinstance(again, Network)
    assert again.architecture == network.architecture
    for (key, one), (other_key, other) in zip(network.state_dict().items(), again.state_dict().items(), strict=True):
        assert key == other_key
        assert torch.equal(one, other)
    assert (read.classes, read.preprocessing, read.split) == (header.classes, header.preprocessing, header.split)


def test_the_header_is_read_without_torch(saved: Path) -> None:
    import subprocess
    import sys

    code = (
        f"import sys; from leannet.header import read_header; h = read_header({str(saved)!r});"
        "assert 'torch' not in sys.modules; print(h.classes[2].encode())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str("çat".encode())
    assert read_header(saved).provenance.seed == 7


def test_a_changed_weight_is_noticed(saved: Path) -> None:
    _rewrite(saved, lambda data, state: state["Logits.linear.bias"].add_(1e-6))
    with pytest.raises(LeannetError, match="digest does not match"):
        load(saved)


def test_an_edited_header_is_noticed(saved: Path) -> None:
    _rewrite(saved, lambda data, state: data["metrics"]["validation"].update(accuracy=0.99))
    with pytest.raises(LeannetError, match="digest does not match"):
        load(saved)


def test_a_newer_format_is_refused(saved: Path) -> None:
    _rewrite(saved, lambda data, state: data.update(format_version=4))
    with pytest.raises(LeannetError, match="format_version 4 is newer"):
        load(saved)


def test_what_is_no_checkpoint(tmp_path: Path, saved: Path) -> None:
    text = tmp_path / "words.safetensors"
    text.write_text("these are words")
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(saved.read_bytes()[:2000])
    plain = tmp_path / "plain.safetensors"
    save_file({"weight": torch.zeros(3)}, plain)
    pickled = tmp_path / "pickled.pth"
    torch.save({"weight": torch.zeros(3)}, pickled)
    for path in (text, cut, pickled):
        with pytest.raises(LeannetError, match="expected a leannet checkpoint") as error:
            load(path)
        assert str(path) in str(error.value)
    with pytest.raises(LeannetError, match="without leannet's header"):
        load(plain)
    with pytest.raises(LeannetError, match="no such checkpoint"):
        load(tmp_path / "nothing")
    with pytest.raises(LeannetError, match=r"expected a run folder with a model\.safetensors"):
        load(tmp_path)


def test_weights_go_over_but_for_a_head_of_other_classes(saved: Path) -> None:
    source, _ = load(saved)
    target = leannet.create("mobilenet_v3_debug", classes=5)
    fresh = target.state_dict()["Logits.linear.weight"].clone()
    transfer(target, source.state_dict(), "x", fresh_head=True)
    assert torch.equal(target.state_dict()["Conv1.conv.weight"], source.state_dict()["Conv1.conv.weight"])
    assert torch.equal(target.state_dict()["Logits.linear.weight"], fresh)


def test_weights_of_another_network_name_what_differs(saved: Path) -> None:
    with pytest.raises(LeannetError, match="does not fit mobilenet_v2_debug: it misses block_2"):
        leannet.create("mobilenet_v2_debug", weights=saved)


def test_a_full_disk_leaves_the_old_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()
    network, header = load(saved)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(LeannetError, match="No space left on device"):
        save(saved, network, header)
    assert saved.read_bytes() == before
    assert list(saved.parent.glob("*.part")) == []
