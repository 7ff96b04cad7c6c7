"""Weights that are zero stay zero: in training, after a kill, and in a file that is smaller for it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

import leannet
from leannet.checkpoint import load, save, to_bytes
from leannet.errors import LeannetError
from leannet.header import DENSE_VERSION, SPARSE_VERSION
from leannet.network import build
from leannet.rows import TransposedConv
from leannet.run_files import MODEL
from leannet.shrink import resume_sparsifying, sparsify
from leannet.training import loop
from leannet.training.settings import Sparsity
from leannet.training.sparsity import masks, sparse_keys, turned_keys, zeros_of
from leannet.zoo import architecture

QUICK: dict[str, Any] = {"quiet": True, "workers": 0}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sparse") / "run"
    leannet.train("digits", folder, model="mobilenet_v2_debug", resolution=32, epochs=3, limit=600, **QUICK)
    return folder


def _zeros(run: Path) -> float:
    network, header = load(run)
    sizes = {key: header.architecture.parameters[key].size for key in sparse_keys(network)}
    shares = zeros_of(network)
    return sum(shares[key] * size for key, size in sizes.items()) / sum(sizes.values())


def test_the_cubic_schedule_is_that_of_the_paper() -> None:
    settings = Sparsity(amount=0.8, end=0.5)
    assert settings.target(0.0) == 0
    assert settings.target(0.25) == pytest.approx(0.8 * (1 - 0.5**3))
    assert settings.target(0.5) == settings.target(1.0) == pytest.approx(0.8)
    assert Sparsity(amount=0.8, schedule="one-shot").target(0.0) == 0.8
    assert Sparsity(schedule="fixed").target(0.3) is None


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_masks_by_brute_force(scope: str) -> None:
    generator = torch.Generator().manual_seed(0)
    weights = {"a": torch.randn(6, 4, 3, 3, generator=generator), "b": torch.randn(5, 8, generator=generator)}
    result = masks(weights, 0.5, "element", scope)
    for group in [["a", "b"]] if scope == "global" else [["a"], ["b"]]:
        numbers = torch.cat([weights[key].abs().flatten() for key in group])
        stays = torch.cat([result[key].flatten() for key in group])
        assert int((~stays).sum()) == len(numbers) // 2
        assert numbers[~stays].max() < numbers[stays].min()


def test_rows_columns_and_kernels_go_whole() -> None:
    weight = torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(1))
    for level, axes in (("row", (3,)), ("column", (2,)), ("kernel", (2, 3))):
        mask = masks({"a": weight}, 0.5, level, "layer")["a"]
        part = mask.double().mean(dim=axes)
        assert set(part.unique().tolist()) == {0.0, 1.0}
        assert float(mask.double().mean()) == pytest.approx(0.5, abs=0.05)
        norms = weight.square().mean(dim=axes)
        assert norms[part == 0].max() < norms[part == 1].min()


def test_two_of_four() -> None:
    weight = torch.randn(3, 10, 3, 3, generator=torch.Generator().manual_seed(2))
    mask = masks({"a": weight}, 0.5, "2:4", "global")["a"]
    for start in (0, 4):
        four = weight[:, start : start + 4]
        assert (mask[:, start : start + 4].sum(dim=1) == 2).all()
        least = torch.where(mask[:, start : start + 4], four.abs(), torch.inf).amin(dim=1)
        most = torch.where(mask[:, start : start + 4], 0.0, four.abs()).amax(dim=1)
        assert (most <= least).all()
    assert mask[:, 8:].all()
    turned = weight.transpose(0, 1)  # of a transposed convolution: what it reads comes first
    assert torch.equal(masks({"a": turned}, 0.5, "2:4", "global", {"a"})["a"], mask.transpose(0, 1))
    network = build(architecture("onenet_deconv_debug"))
    assert turned_keys(network) == {
        f"{layer.path}.conv.weight" for layer in network.architecture.layers if isinstance(layer.row, TransposedConv)
    }
    linear = torch.randn(5, 8)
    assert (masks({"b": linear}, 0.5, "2:4", "global")["b"].reshape(5, 2, 4).sum(dim=2) == 2).all()


def test_a_sparse_file_is_smaller_and_the_same_network(trained: Path, tmp_path: Path) -> None:
    network, header = load(trained)
    dense = len(to_bytes(network, header))
    for level, share in (("element", 0.8), ("2:4", 0.5)):
        keys = sparse_keys(network)
        sparse, _ = load(trained)
        weights = dict(sparse.named_parameters())
        with torch.no_grad():
            for key, mask in masks({key: weights[key] for key in keys}, share, level, "layer").items():
                weights[key].mul_(mask)
        for half in (False, True):
            file = tmp_path / f"{share}-{half}.safetensors"
            save(file, sparse, header, half)
            again, _ = load(file)
            for key, value in sparse.state_dict().items():
                expected = value.half().float() if half and value.ndim > 1 else value
                assert torch.equal(again.state_dict()[key], expected), key
            with safe_open(file, "numpy") as tensors:
                assert json.loads(tensors.metadata()["leannet"])["format_version"] == SPARSE_VERSION
        assert (tmp_path / f"{share}-False.safetensors").stat().st_size < 0.8 * dense
    with safe_open(trained / MODEL, "numpy") as tensors:
        assert json.loads(tensors.metadata()["leannet"])["format_version"] == DENSE_VERSION


def test_a_damaged_mask_is_told(trained: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    from leannet.checkpoint import digest

    network, header = load(trained)
    with torch.no_grad():
        network.get_parameter(sparse_keys(network)[0]).zero_()
    save(tmp_path / "sparse.safetensors", network, header)
    tensors = load_file(tmp_path / "sparse.safetensors")
    name = next(name for name in tensors if name.endswith(".mask"))
    tensors[name] = tensors[name] | 1
    data = header.to_dict(SPARSE_VERSION)
    data["digest"] = digest(tensors, data)
    save_file(tensors, tmp_path / "broken.safetensors", {"leannet": json.dumps(data)})
    with pytest.raises(LeannetError, match=r"expected \d+ values, found 0: it is damaged"):
        load(tmp_path / "broken.safetensors")


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_gradually_and_after_a_kill(trained: Path, tmp_path: Path, monkeypatch: Any, ema_decay: float) -> None:
    arguments: dict[str, Any] = {"sparsity": 0.7, "epochs": 3, "ema_decay": ema_decay, **QUICK}
    whole = sparsify(trained, out=tmp_path / "whole", **arguments)
    assert whole.sparsity == pytest.approx(0.7, abs=0.01)
    assert _zeros(tmp_path / "whole") == pytest.approx(whole.sparsity)
    assert whole.size_bytes < whole.size_bytes_before
    ticks, original = 0, loop.Learner.train_step

    class Killed(BaseException):
        pass

    def train_step(self: Any, *arguments_of_step: Any) -> Any:
        nonlocal ticks
        ticks += 1
        if ticks == 20:
            raise Killed
        return original(self, *arguments_of_step)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Learner, "train_step", train_step)
        with pytest.raises(Killed):
            sparsify(trained, out=tmp_path / "killed", **arguments)
    from leannet.training import resume

    resume(tmp_path / "killed", quiet=True)
    one, two = (load(tmp_path / name)[0].state_dict() for name in ("whole", "killed"))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_masks_survive_finetuning(trained: Path, tmp_path: Path) -> None:
    sparsify(trained, out=tmp_path / "sparse", sparsity=0.6, sparsity_schedule="one-shot", epochs=0, **QUICK)
    zeros = {key: value == 0 for key, value in load(tmp_path / "sparse")[0].state_dict().items()}
    leannet.train(
        "digits", tmp_path / "tuned", weights=str(tmp_path / "sparse"), split="weights", epochs=1, limit=600,
        sparsity={"schedule": "fixed"}, **QUICK,
    )  # fmt: skip
    tuned = load(tmp_path / "tuned")[0]
    for key in sparse_keys(tuned):
        assert torch.equal(tuned.state_dict()[key] == 0, zeros[key])
    artifact = leannet.export(tmp_path / "tuned", tmp_path / "model.onnx")
    assert artifact is not None


def test_a_lottery_ticket_goes_back_to_early_weights(trained: Path, tmp_path: Path) -> None:
    result = sparsify(
        trained, sparsity=0.5, sparsity_schedule="rewind", rewind=1, rounds=2, out=tmp_path / "run", quiet=True
    )
    assert result.sparsity == pytest.approx(0.5, abs=0.01)
    assert result.size_bytes < result.size_bytes_before == (trained / MODEL).stat().st_size
    early = load(tmp_path / "run" / "rewind" / "last.safetensors")[0].state_dict()
    first = load(tmp_path / "run" / "rounds" / "1")[0]
    assert zeros_of(first)  # a round of its own
    assert _zeros(tmp_path / "run" / "rounds" / "1") == pytest.approx(1 - 0.5**0.5, abs=0.01)
    dense = leannet.train(
        "digits", tmp_path / "again", model="mobilenet_v2_debug", resolution=32, epochs=3, limit=600, **QUICK
    )
    assert dense.finished
    one = load(trained)[0].state_dict()
    two = load(tmp_path / "again")[0].state_dict()
    assert all(torch.equal(one[key], two[key]) for key in one)  # the same run has the same early weights
    assert set(early) == set(one)
    again = resume_sparsifying(tmp_path / "run", quiet=True)
    assert again.sparsity == result.sparsity


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sparsity": 1.5}, "--sparsity 1.5: expected a share above 0 and below 1"),
        ({"rounds": 3}, "--rounds: expected --sparsity-schedule rewind"),
        ({"rewind": 2}, "--rewind 2: expected --sparsity-schedule rewind with it"),
        ({"sparsity_level": "2:4", "sparsity": 0.9}, "2:4 sets half of the weights to zero: leave it out"),
        ({"sparsity_schedule": "rewind", "epochs": 3}, "rewinding trains as the run was trained: leave out epochs"),
        ({"epochs": 0}, "--epochs 0: expected --sparsity-schedule one-shot"),
        (
            {"sparsity_schedule": "rewind", "rewind": 9},
            "--rewind: expected epochs from 1 to less than .* found 9 of 3",
        ),
    ],
)
def test_mistakes(trained: Path, tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(LeannetError, match=message):
        sparsify(trained, out=tmp_path / "run", quiet=True, **arguments)
    assert not (tmp_path / "run").exists()


def test_packed_bits_are_as_the_format_says(tmp_path: Path, trained: Path) -> None:
    """Another reader unpacks them by the words of the format alone."""
    sparsify(
        trained,
        out=tmp_path / "sparse",
        sparsity=0.6,
        sparsity_schedule="one-shot",
        sparsity_scope="layer",
        epochs=0,
        **QUICK,
    )
    network, header = load(tmp_path / "sparse")
    with safe_open(tmp_path / "sparse" / MODEL, "numpy") as tensors:
        for name in [name for name in tensors.keys() if name.endswith(".mask")]:  # noqa: SIM118 (not a mapping)
            key = name.removesuffix(".mask")
            values, whole, taken = tensors.get_tensor(f"{key}.values"), [], 0
            for position in range(header.architecture.parameters[key].size):
                is_set = tensors.get_tensor(name)[position // 8] >> (7 - position % 8) & 1 if position < 64 else None
                if is_set is None:
                    break
                whole.append(float(values[taken]) if is_set else 0.0)
                taken += int(is_set)
            expected = network.state_dict()[key].flatten()[: len(whole)].numpy()
            np.testing.assert_array_equal(np.array(whole, np.float32), expected)
