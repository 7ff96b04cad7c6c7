"""Detectors: a backbone's rows, and a head that says for each place of a map what is there and how far its sides are.

OneNet (Sun et al., arXiv 2012.05780): one place answers for one object, so the rows end in `top_boxes`, and nothing is
suppressed after. The head here is a feature pyramid of light convolutions. No torch.
"""

import math
from collections.abc import Sequence
from typing import Literal

from leannet.errors import LeannetError, nearest
from leannet.rows.base import RowBase
from leannet.rows.blocks import Separable
from leannet.rows.endpoints import Output, Role
from leannet.rows.fields import Norm
from leannet.rows.finding import SIDES, TopBoxes
from leannet.rows.layers import Activate, Add, Conv, Depthwise, Normalize, Resize, TransposedConv
from leannet.rows.table import Architecture

BOXES = "boxes"  # the row that finds them
Neck = Literal["pyramid", "deconv"]  # how the map of a level is made of a backbone's


def detector(
    backbone: Architecture,
    classes: int,
    channels: int = 64,
    levels: Sequence[int] = (8,),
    convolutions: int = 2,
    of_classes: int = 0,
    most: int = 100,
    light: bool = True,
    neck: Neck = "pyramid",
    taps: Sequence[str] = (),
) -> Architecture:
    """A backbone with a head of light convolutions, which ends in boxes.

    What only widens a map for the classes is left out. levels: the strides, in pixels of the image, of the maps that
    objects are found in. neck: how those are made. pyramid: the backbone's last maps from the least of the levels on
    are brought to so many channels and added, the deepest first, each enlarged to the size of the next (Lin et al.,
    arXiv 1612.03144); beyond the backbone's deepest, convolutions of stride 2 make more. deconv: the deepest alone is
    enlarged to the one level, by a transposed convolution for each time two (CenterNet, arXiv 1904.07850, section 5,
    and OneNet's first head, at stride 4). convolutions: how many of 3 x 3 stand before classes and sides, the same for
    both; those of several levels share their weights, but not their normalization, and so do classes and sides (FCOS,
    arXiv 1904.01355, section 3.2). of_classes: how many more stand before the classes alone. most: how many objects an
    image has at most. light: those convolutions are separable ones. taps: the rows of the backbone whose maps these
    are; empty: the last of each stride.

    Raises LeannetError for a level that the backbone has no map of, for several with neck deconv, and for taps that are
    no rows or of one stride.
    """
    order = sorted(levels)
    maps_of = _taps(backbone, taps)
    deepest = max(maps_of)
    deeper = tuple(deepest * 2**step for step in range(1, 4))
    missing = [level for level in order if level not in (*maps_of, *deeper)]
    if missing or not order or order[0] > deepest:
        among = ", ".join(map(str, (*maps_of, *deeper)))
        found = f"stride {missing[0]}" if missing else f"none of the backbone's own, as {deepest} (--levels {deepest})"
        raise LeannetError(f"{backbone.name}: expected levels among {among}, found {found}")
    if neck == "deconv" and len(order) > 1:
        raise LeannetError(f"{backbone.name}: expected one level with neck deconv, found {', '.join(map(str, order))}")
    used = [(stride, maps_of[stride]) for stride in sorted(maps_of, reverse=True) if stride >= order[0]]
    used = used[:1] if neck == "deconv" else used
    cut = backbone.only(*(tap for _, tap in used))
    reads = cut.reads()
    rows: list[RowBase] = [row.model_copy(update={"inputs": reads[row.name]}) for row in cut.rows]
    made, merged = _deconvolved(*used[0], order[0], channels) if neck == "deconv" else _pyramid(used, channels)
    rows += made
    for level in (each for each in deeper if each <= order[-1]):
        above, merged[level] = merged[level // 2], f"deeper_{level}"
        fields = {"name": merged[level], "inputs": (above,), "out_channels": channels, "stride": 2}
        rows.append(Separable(**fields) if light else Conv(kernel=3, norm=Norm(), activation="relu", **fields))
    for level in order:
        rows += _head(level, None if level == order[0] else order[0], merged[level], classes, channels, convolutions,
                      of_classes, alone=len(order) == 1, light=light)  # fmt: skip
    maps = tuple(f"{word}_{level}" for level in order for word in ("classes", "sides"))
    rows.append(TopBoxes(name=BOXES, inputs=maps, strides=tuple(order), most=most))
    roles: tuple[Role, Role] = ("class_map", "box_map")
    return Architecture(
        name=f"onenet_{backbone.name}",
        input=backbone.input,
        rows=tuple(rows),
        outputs=(Output(row=BOXES), *(Output(row=name, role=roles[n % 2]) for n, name in enumerate(maps))),
    )


def _taps(backbone: Architecture, named: Sequence[str]) -> dict[int, str]:
    """The rows whose maps a head reads, by stride: powers of two, whatever is left over at a map's border."""
    shapes, rows = backbone.shapes, [row.name for row in backbone.rows]
    taps: dict[int, str] = {}
    for name in named or [name for name in backbone.taps if shapes[name][1:] != (1, 1)]:
        if name not in rows:
            raise LeannetError(f"--taps {name}: {backbone.name} has no such row; nearest: {nearest(name, rows)}")
        stride = 2 ** round(math.log2(backbone.input.height / shapes[name].height))
        if stride in taps:
            raise LeannetError(f"--taps: expected one row of a stride, found {taps[stride]} and {name}, both {stride}")
        taps[stride] = name if named else _before_widening(backbone, name)
    return taps


def _pyramid(taps: Sequence[tuple[int, str]], channels: int) -> tuple[list[RowBase], dict[int, str]]:
    """The rows that add maps, the deepest first, and the sum at each stride. taps: strides and rows of the backbone."""
    rows: list[RowBase] = []
    merged: dict[int, str] = {}
    above = ""
    for stride, tap in taps:
        lateral, up = f"lateral_{stride}", f"up_{stride}"
        rows.append(Conv(name=lateral, inputs=(tap,), out_channels=channels, norm=Norm()))
        merged[stride] = lateral
        if above:
            merged[stride] = f"merged_{stride}"
            rows += [
                Resize(name=up, inputs=(above, lateral)),
                Add(name=merged[stride], inputs=(lateral, up)),
            ]
        above = merged[stride]
    return rows, merged


def _deconvolved(stride: int, tap: str, level: int, channels: int) -> tuple[list[RowBase], dict[int, str]]:
    """The rows that enlarge a map of this stride to that of a level, and what they make at each stride."""
    rows: list[RowBase] = []
    merged = {stride: tap}
    while stride > level:
        source, stride = merged[stride], stride // 2
        merged[stride] = f"deconv_{stride}"
        rows.append(
            TransposedConv(name=merged[stride], inputs=(source,), out_channels=channels, norm=Norm(), activation="relu")
        )
    return rows, merged


def learned_from(architecture: Architecture) -> Architecture:
    """A detector's rows up to the maps that boxes are found in, which are its outputs then."""
    maps = architecture.reads()[architecture.output_names[0]]
    return architecture.only(*maps).then(outputs=maps)


def _before_widening(backbone: Architecture, tap: str) -> str:
    """What a map's last row reads, where that only widens it for the classes: a pointwise convolution."""
    row, reads = backbone.row(tap), backbone.reads()[tap]
    widens = isinstance(row, Conv) and row.kernel == 1 and row.stride == 1 and reads[0] in backbone.shapes
    return reads[0] if widens and backbone.shapes[reads[0]].channels < backbone.shapes[tap].channels else tap


def _head(
    level: int,
    owner: int | None,
    source: str,
    classes: int,
    channels: int,
    convolutions: int,
    of_classes: int,
    alone: bool,
    light: bool,
) -> list[RowBase]:
    """The rows that say what is at each place of a map, and how far the sides of its box are, in strides.

    owner: the level whose weights these use; None: they have their own. alone: no other level uses them.
    """

    def whose(word: str) -> str | None:
        return None if owner is None else f"{word}_{owner}"

    def convolved(tower: str, source: str) -> list[RowBase]:
        """A convolution of 3 x 3."""
        if alone:
            fields = {"name": f"{tower}_{level}", "inputs": (source,), "out_channels": channels}
            return [Separable(**fields) if light else Conv(**fields, kernel=3, norm=Norm(), activation="relu")]
        rows: list[RowBase] = []
        for word in ("depthwise", "pointwise") if light else ("conv",):
            name, shares = f"{tower}_{word}", whose(f"{tower}_{word}")
            if word == "depthwise":
                rows.append(Depthwise(name=f"{name}_{level}", inputs=(source,), shares=shares))
            else:
                kernel = 3 if word == "conv" else 1
                fields = {"name": f"{name}_{level}", "inputs": (source,), "out_channels": channels}
                rows.append(Conv(kernel=kernel, shares=shares, **fields))
            rows += [
                Normalize(name=f"{name}_norm_{level}"),
                Activate(name=f"{name}_relu_{level}", activation="relu"),
            ]
            source = rows[-1].name
        return rows

    rows: list[RowBase] = []
    for number in range(1, convolutions + 1):
        rows += convolved(f"tower_{number}", rows[-1].name if rows else source)
    shared = rows[-1].name if rows else source
    before_classes = shared
    for number in range(1, of_classes + 1):
        rows += convolved(f"class_tower_{number}", before_classes)
        before_classes = rows[-1].name
    return [
        *rows,
        Conv(
            name=f"classes_{level}", shares=whose("classes"), out_channels=classes, inputs=(before_classes,), bias=True
        ),
        # Without the paper's ReLU: where it is 0 the side of an object stays wrong, for nothing says so.
        Conv(name=f"sides_{level}", shares=whose("sides"), out_channels=SIDES, inputs=(shared,), bias=True),
    ]
