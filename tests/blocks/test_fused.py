"""Batch norm and activation in one pass: against torch in float64, the same with any number of threads."""

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from leannet import native
from leannet.blocks import fused
from leannet.blocks.activations import Hardswish, ReLU6
from leannet.blocks.fused import can_fuse, fused_batch_norm, norm_and_activation
from leannet.factory import create
from leannet.training.precise_batch_norm import precise_batch_norm
from leannet.zoo import FAMILIES

KINDS: tuple[type[nn.Module], ...] = (nn.Identity, nn.ReLU, ReLU6, Hardswish, nn.SiLU)
SHAPES = ((2, 1, 3, 5), (3, 24, 7, 7), (5, 17, 1, 1), (2, 200, 33, 31), (32, 96, 16, 16), (2, 1000, 2, 2))


@pytest.fixture(autouse=True)
def _enabled() -> Any:
    with fused_batch_norm() as can:
        if not can:
            pytest.skip("no C compiler")
        yield
    torch.set_num_threads(1)


def _draw(shape: tuple[int, ...], mean: float = 0.3, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(shape, generator=generator) * 2 + mean).contiguous(memory_format=torch.channels_last)


def _norm(channels: int, momentum: float | None = 0.1) -> nn.BatchNorm2d:
    torch.manual_seed(1)
    norm = nn.BatchNorm2d(channels, eps=1e-3, momentum=momentum)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    nn.init.uniform_(norm.weight, -1.5, 1.5)
    nn.init.normal_(norm.bias)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    return norm


def _both_ways(x: Tensor, norm: nn.BatchNorm2d, kind: type[nn.Module]) -> tuple[list[Tensor], list[Tensor]]:
    """Output, gradients and running statistics of the loops, and of torch in float64."""
    results = []
    for exact in (False, True):
        layer = copy.deepcopy(norm).double() if exact else copy.deepcopy(norm)
        leaf = (x.detach().double() if exact else x.detach().clone()).requires_grad_()
        if not exact:
            assert can_fuse(leaf, layer)
            y = norm_and_activation(leaf, layer, kind())
            assert y.dtype == x.dtype
        else:
            y = kind()(layer(leaf))
        y.backward(_draw(tuple(x.shape), seed=7).to(x.dtype).to(leaf.dtype))
        assert leaf.grad is not None
        tensors = [y, leaf.grad, layer.weight.grad, layer.bias.grad, layer.running_mean, layer.running_var]
        results.append([tensor.detach().clone() for tensor in tensors if tensor is not None])
        assert layer.num_batches_tracked is not None
        assert int(layer.num_batches_tracked) == 1
    return results[0], results[1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mean", [0.3, -500.0])
def test_it_is_what_torch_gives(kind: type[nn.Module], shape: tuple[int, ...], mean: float) -> None:
    """And nearer to float64 than torch's float32, where a mean is far from zero."""
    x, norm = _draw(shape, mean), _norm(shape[1])
    ours, exact = _both_ways(x, norm, kind)
    # An output at a kink of the activation may lie on either side: its gradient is left out.
    z = norm.double().train()(x.double())
    clear = ((z - 0).abs() > 1e-3) & ((z - 6).abs() > 1e-3) & ((z.abs() - 3).abs() > 1e-3)
    scale = 1e-5 * max(1, abs(mean) / 2)
    for number, (mine, true) in enumerate(zip(ours, exact, strict=True)):
        if number == 1:
            mine, true = mine[clear], true[clear]
        largest = float(true.abs().max()) if true.numel() else 0.0
        torch.testing.assert_close(mine.double(), true, rtol=0, atol=scale * max(largest, 1.0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_maps_of_bfloat16(kind: type[nn.Module], shape: tuple[int, ...]) -> None:
    """Computed in float32 and rounded once: half a unit in the last place from float64, and statistics as exact."""
    x, norm = _draw(shape).bfloat16(), _norm(shape[1])
    ours, exact = _both_ways(x, norm, kind)
    z = norm.double().train()(x.double())
    clear = ((z - 0).abs() > 1e-3) & ((z - 6).abs() > 1e-3) & ((z.abs() - 3).abs() > 1e-3)
    for number, (mine, true) in enumerate(zip(ours, exact, strict=True)):
        if number == 1:
            mine, true = mine[clear], true[clear]
        largest = max(float(true.abs().max()), 1.0) if true.numel() else 1.0
        rounded, again = number < 2, kind is nn.SiLU  # which follows in torch's own loops, and they round too
        rtol, atol = 1.01 * 2.0 ** (-6 if again else -8) * rounded, (1e-2 if again else 1e-5) * largest
        torch.testing.assert_close(mine.double(), true, rtol=rtol, atol=atol)


def test_rounding_to_bfloat16_is_torchs() -> None:
    """Ties to even, and what is not finite."""
    values = torch.tensor([1 + 2**-8, 1 + 3 * 2**-8, 3e38, 3.4e38, float("inf"), float("-inf"), float("nan"), -0.0])
    norm = nn.BatchNorm2d(8, eps=0.0, momentum=1.0)
    with torch.no_grad():
        norm.bias.copy_(values)
        norm.weight.zero_()
    x = torch.randn(4, 8, 3, 3).bfloat16().contiguous(memory_format=torch.channels_last)
    y = norm_and_activation(x, norm, nn.Identity())
    torch.testing.assert_close(y[0, :, 0, 0], values.bfloat16(), rtol=0, atol=0, equal_nan=True)


def test_statistics_of_many_values_are_exact() -> None:
    """torch's in channels last are not: findings/torch_batch_norm_channels_last_statistics.sh."""
    x = torch.rand(8, 3, 448, 448).contiguous(memory_format=torch.channels_last)
    norm = _norm(3, momentum=1.0)
    norm_and_activation(x, norm, nn.Identity())
    assert norm.running_var is not None
    torch.testing.assert_close(norm.running_var.double(), x.double().var((0, 2, 3)), rtol=1e-6, atol=0)


@pytest.mark.parametrize("kind", KINDS[:4])
def test_threads_change_no_bit(kind: type[nn.Module]) -> None:
    x, norm = _draw((8, 40, 19, 23)), _norm(40)
    results = []
    for threads in (1, 2, 3, 2):
        torch.set_num_threads(threads)
        results.append(_both_ways(x, norm, kind)[0])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_a_gradient_in_the_plain_layout_is_read_right() -> None:
    x, norm = _draw((4, 12, 9, 9)), _norm(12)
    gradients = []
    for layout in (torch.channels_last, torch.contiguous_format):
        leaf = x.clone(memory_format=torch.preserve_format).requires_grad_()
        y = norm_and_activation(leaf, copy.deepcopy(norm), ReLU6())
        y.backward(_draw((4, 12, 9, 9), seed=3).contiguous(memory_format=layout))
        gradients.append(leaf.grad)
    assert gradients[0] is not None
    assert gradients[1] is not None
    assert torch.equal(gradients[0], gradients[1])


def test_what_is_not_finite_is_not_hidden() -> None:
    """A loss has to say so."""
    for kind in KINDS:
        x = _draw((4, 6, 5, 5))
        x[1, 2, 3, 3] = float("nan")
        y = norm_and_activation(x, _norm(6), kind())
        assert y[:, 2].isnan().all()
        assert y[:, [0, 1, 3, 4, 5]].isfinite().all()


def test_the_plain_mean_of_all_batches() -> None:
    """As precise batch norm asks for it: momentum None."""
    norm = _norm(6, momentum=None)
    norm.reset_running_stats()
    batches = [_draw((8, 6, 5, 5), seed=seed) for seed in range(3)]
    for batch in batches:
        norm_and_activation(batch, norm, nn.Identity())
    assert norm.running_mean is not None
    assert norm.running_var is not None
    torch.testing.assert_close(norm.running_mean, torch.stack([b.mean((0, 2, 3)) for b in batches]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([b.var((0, 2, 3)) for b in batches]).mean(0))


def test_what_is_not_in_training_goes_through_torch() -> None:
    x, norm = _draw((4, 6, 5, 5)), _norm(6)
    assert can_fuse(x, norm)
    assert not can_fuse(x.contiguous(), norm)
    assert not can_fuse(x.double(), norm)
    assert not can_fuse(x[:1, :, :1, :1].contiguous(memory_format=torch.channels_last), norm)
    assert not can_fuse(x, nn.SyncBatchNorm(6))
    assert not can_fuse(x, nn.Identity())
    assert not can_fuse(x, norm.eval())
    with fused_batch_norm(enabled=False):
        assert not can_fuse(x, norm.train())
    assert can_fuse(x, norm)


def _gradients(name: str, enabled: bool, dtype: torch.dtype) -> dict[str, Tensor]:
    network = create(name, classes=5).to(memory_format=torch.channels_last)
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0.1, 0.3)
    x = _draw((6, 3, network.architecture.input.height, network.architecture.input.width)).to(dtype)
    network.to(dtype).train()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    with fused_batch_norm(enabled):
        outputs = network(x)
        values = list(outputs.values()) if isinstance(outputs, dict) else [outputs]
        torch.stack([value.square().mean() for value in values]).sum().backward()
    return {key: value.grad.double() for key, value in network.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("name", sorted(name for name in FAMILIES if name.endswith("debug")))
def test_a_network_learns_the_same(name: str) -> None:
    """The gradients of every family: as near to float64 as torch's in float32, which are far off in deep networks."""
    exact = _gradients(name, False, torch.float64)
    ours, torchs = (_gradients(name, enabled, torch.float32) for enabled in (True, False))
    assert ours.keys() == torchs.keys() == exact.keys()

    def distance(gradients: dict[str, Tensor]) -> float:
        squares = [((gradients[key] - true).norm() / (true.norm() + 1e-9)) ** 2 for key, true in exact.items()]
        return float(torch.stack(squares).mean().sqrt())

    assert distance(ours) < 3 * distance(torchs) + 1e-5


def test_precise_batch_norm_takes_it_too() -> None:
    network = create("mobilenet_v3_debug", classes=3).to(memory_format=torch.channels_last)
    other = copy.deepcopy(network)
    batches = [_draw((6, 3, 32, 32), seed=seed) for seed in range(2)]
    precise_batch_norm(network, batches)
    with fused_batch_norm(enabled=False):
        precise_batch_norm(other, batches)
    for (key, value), true in zip(network.state_dict().items(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(value, true, rtol=1e-4, atol=1e-5, msg=key)


def test_without_a_compiler_torch_does_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CC", str(tmp_path / "none"))
    monkeypatch.setattr(fused, "_functions", lambda: native.library.__wrapped__(Path(fused.__file__)))
    with fused_batch_norm() as can:
        assert not can
        assert not can_fuse(_draw((4, 6, 5, 5)), _norm(6))


def test_it_is_compiled_once_and_never_run_from_what_others_may_write(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = Path(fused.__file__).with_name("batch_norm.c")
    compiler = native.compiler_here()
    assert compiler is not None
    assert native._compiled(source, compiler) is not None
    (kept,) = (tmp_path / "leannet").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o755
    began = kept.stat().st_mtime_ns
    assert native._compiled(source, compiler) is not None
    assert kept.stat().st_mtime_ns == began
    kept.chmod(0o777)
    assert native._compiled(source, compiler) is not None
    assert (kept.stat().st_mode & 0o777, kept.stat().st_mtime_ns > began) == (0o755, True)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", nobody)
    assert native._compiled(source, compiler) is None
    broken = tmp_path / "broken.c"
    broken.write_text("this is no C")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert native._compiled(broken, compiler) is None


def test_one_pool_of_threads(tmp_path: Path) -> None:
    """Two OpenMP libraries in a process would wait for each other's cores."""
    program = (
        "import torch\n"
        "from leannet.blocks.fused import fused_batch_norm\n"
        "with fused_batch_norm() as can:\n"
        "    assert can\n"
        "    maps = open('/proc/self/maps').read()\n"
        "print(len({line.split()[-1] for line in maps.splitlines() if 'gomp' in line}))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ, check=True)
    assert done.stdout.strip() == "1"
