"""Weights that begin with what is known: filters that whiten patches, convolutions that pass on what they read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import leannet
from leannet.errors import LeannetError
from leannet.network import Network, build
from leannet.rows import Architecture, Conv, Input, Norm
from leannet.training.initializing import FLOOR, begin_as_identities, whiten_stems
from leannet.training.run import make_settings, train

SIZE = Input(channels=3, height=9, width=11)


def stem(**values: object) -> Network:
    """A network that is one convolution."""
    row = Conv.model_validate({"name": "stem", "out_channels": 24, "kernel": 2, "padding": "valid"} | values)
    return build(Architecture(name="stem", input=SIZE, rows=(row,)))


def correlated(number: int = 40) -> torch.Tensor:
    """Images whose channels and neighbours go together."""
    noise = torch.randn(number, 3, SIZE.height, SIZE.width)
    smooth = F.avg_pool2d(F.pad(noise, (1, 1, 1, 1), mode="reflect"), 3, 1)
    mixed = torch.einsum("oc,nchw->nohw", torch.tensor([[1.0, 0.5, 0.2], [0.4, 1.0, 0.1], [0.9, 0.3, 1.0]]), smooth)
    return 3 * mixed + 0.5 * noise


@pytest.mark.parametrize(
    ("values", "side", "step"),
    [({}, 2, 1), ({"kernel": 3, "stride": 2, "out_channels": 54}, 3, 2)],
)
def test_patches_come_out_white(values: dict[str, object], side: int, step: int) -> None:
    """Patches cut by hand: their outputs have variance 1 and no correlation, and each has its negative."""
    network, images = stem(**values), correlated()
    whiten_stems(network, images.split(16))  # the last batch is smaller
    weight = network.get_parameter("stem.conv.weight").detach()
    patches = torch.stack(
        [
            images[:, :, top : top + side, left : left + side].flatten(1)
            for top in range(0, SIZE.height - side + 1, step)
            for left in range(0, SIZE.width - side + 1, step)
        ]
    ).flatten(0, 1)
    half = len(weight) // 2
    assert torch.equal(weight[half:], -weight[:half])
    white = patches.double() @ weight[:half].flatten(1).double().t()
    second = white.t() @ white / len(white)
    variances = torch.linalg.eigvalsh(patches.double().t() @ patches.double() / len(patches)).flip(0)
    torch.testing.assert_close(second, torch.diag(variances / (variances + FLOOR)), atol=1e-4, rtol=0)
    assert (second.diagonal() > 0.9).all()  # or the images would not show anything


def test_few_filters_take_the_largest_variances_and_many_leave_some_as_drawn() -> None:
    images = correlated()
    whole, few, many = stem(), stem(out_channels=5), stem(out_channels=30)
    drawn_few = few.get_parameter("stem.conv.weight").detach().clone()
    drawn = many.get_parameter("stem.conv.weight").detach().clone()
    for network in (whole, few, many):
        whiten_stems(network, [images])
    weights = whole.get_parameter("stem.conv.weight")
    assert torch.equal(few.get_parameter("stem.conv.weight")[:4], torch.cat([weights[:2], -weights[:2]]))
    assert torch.equal(few.get_parameter("stem.conv.weight")[4], drawn_few[4])
    assert torch.equal(many.get_parameter("stem.conv.weight")[:24], weights)
    assert torch.equal(many.get_parameter("stem.conv.weight")[24:], drawn[24:])


def test_a_constant_image_leaves_finite_filters() -> None:
    network = stem()
    whiten_stems(network, [torch.full((4, 3, SIZE.height, SIZE.width), 2.0)])
    assert torch.isfinite(network.get_parameter("stem.conv.weight")).all()


def test_a_stem_of_a_filter_for_each_channel_is_refused() -> None:
    with pytest.raises(LeannetError, match="reads all channels of the image, found none in stem"):
        whiten_stems(stem(groups=3), [correlated()])


def test_hidden_convolutions_pass_on_what_they_read() -> None:
    """More channels out than in, then fewer; the pointwise, the depthwise and the outer ones stay as drawn."""
    rows = (
        Conv(name="stem", out_channels=4, kernel=3),
        Conv(name="wider", out_channels=6, kernel=3),
        Conv(name="narrower", out_channels=5, kernel=3),
        Conv(name="point", out_channels=5, kernel=1),
        Conv(name="depth", out_channels=5, kernel=3, groups=5, norm=Norm()),
        Conv(name="classifier", out_channels=2, kernel=3),
    )
    network = build(Architecture(name="plain", input=SIZE, rows=rows))
    drawn = {name: value.clone() for name, value in network.state_dict().items()}
    begin_as_identities(network)
    maps = torch.randn(2, 4, 9, 11)
    wide = network.layer("wider")(maps)
    torch.testing.assert_close(wide[:, :4], maps)
    torch.testing.assert_close(network.layer("narrower")(wide), wide[:, :5])
    state = network.state_dict()
    changed = {name for name, value in drawn.items() if not torch.equal(value, state[name])}
    assert changed == {"wider.conv.weight", "narrower.conv.weight"}
    assert torch.equal(state["wider.conv.weight"][4:], drawn["wider.conv.weight"][4:])


def test_a_run_begins_with_them(shapes: Path, tmp_path: Path) -> None:
    """Twice the same, and other than without."""
    asked: dict[str, Any] = {"epochs": 2, "model": "airbench_debug", "workers": 0, "quiet": True, "cpu": True}
    asked |= {"threads": 1}
    ways = {"first": True, "again": True, "drawn": False}
    for name, way in ways.items():
        train(str(shapes), out=tmp_path / name, **asked, whiten_stem=way, identity_init=way)
    first, again, drawn = (leannet.load(tmp_path / name)[0].state_dict() for name in ways)
    assert all(torch.equal(first[name], again[name]) for name in first)
    weight = next(name for name in first if name.startswith("whiten") and name.endswith("weight"))
    assert not np.allclose(first[weight].numpy(), drawn[weight].numpy())


@pytest.mark.parametrize("name", ["whiten_stem", "identity_init"])
def test_trained_weights_are_not_overwritten(name: str) -> None:
    with pytest.raises(LeannetError, match=f"--{name.replace('_', '-')}: of fresh weights: expected no --weights"):
        make_settings("photos", {name: True, "weights": "runs/photos"})
