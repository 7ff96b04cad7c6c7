"""SkipNet: ResNets whose gates decide, image by image, which blocks run.

Wang et al., "SkipNet: Learning Dynamic Routing in Convolutional Networks", arXiv 1711.09485, section 4.1: recurrent
gates for all depths, feed-forward gates of two convolutions below a hundred layers and of one above. The first block
always runs; a skipped block that changes the map passes it through its projection. `leannet train --gate` gives other
networks gates.
"""

from leannet.rows import Architecture
from leannet.rows.gating import GateKind, gated
from leannet.zoo.registry import FAMILIES, FamilyFunction, family, label

PAPER = "arXiv 1711.09485, section 4.1"
# Of the two depths between which the paper's feed-forward gates lose a convolution.
FEEDFORWARD: dict[int, GateKind] = {38: "feedforward", 110: "feedforward-light"}


def _gated(name: str, base: str, kind: GateKind) -> FamilyFunction:
    without = FAMILIES[base].rows

    def rows(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
        return gated(without(width, resolution, classes, in_channels), kind).named(label(name, width))

    return rows


for _depth in (38, 74, 110, 152):
    _base, _summary = f"cifar_resnet{_depth}", f"for 32 x 32 images, {_depth} layers, blocks skipped by"
    family(f"cifar_skipnet{_depth}", f"{_summary} a recurrent gate", PAPER, resolution=32, classes=10)(
        _gated(f"cifar_skipnet{_depth}", _base, "recurrent")
    )
    if _depth in FEEDFORWARD:
        _name = f"cifar_skipnet{_depth}_feedforward"
        family(_name, f"{_summary} feed-forward gates", PAPER, resolution=32, classes=10)(
            _gated(_name, _base, FEEDFORWARD[_depth])
        )
for _depth in (50, 101):
    _name = f"skipnet{_depth}"
    family(_name, f"residual network of {_depth} layers, blocks skipped by a recurrent gate", PAPER)(
        _gated(_name, f"resnet{_depth}", "recurrent")
    )
DEBUG: dict[str, GateKind] = {"skipnet_debug": "recurrent", "skipnet_feedforward_debug": "feedforward"}
for _name, _kind in DEBUG.items():
    family(_name, "a gated block, for quick tests", PAPER, resolution=32, classes=10)(
        _gated(_name, "resnet_debug", _kind)
    )
