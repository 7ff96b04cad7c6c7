"""Writes docs/tables and docs/figures/published.svg anew: published beside counted figures. Run: make docs

Why two figures differ is worked out here, not typed: each published number is compared with what other ways of
counting give, and the way that reproduces it is named. Where none does, the table says that it is not reproduced.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from published_figure import published_figure

from leannet.cost import Count, count
from leannet.cost.published import (
    MOBILENET_V1,
    MOBILENET_V1_PAPER,
    MOBILENET_V2,
    MOBILENET_V3,
    NASNET,
    SHUFFLENET_V1,
    SHUFFLENET_V1_PAPER,
    SHUFFLENET_V2,
    SHUFFLENET_V2_PAPER,
    TABLE_8,
    TABLE_9,
    TORCHVISION,
    TORCHVISION_WEIGHTS,
    V1_PAPER,
    V1_README,
    V2_V3_README,
    Published,
)
from leannet.rows import Architecture
from leannet.zoo import FAMILIES, architecture

TABLES = Path(__file__).parent / "tables"
SOURCE = "Written by `make docs` (docs/write_tables.py). 1000 classes; conventions as in [counting](../counting.md).\n"


def markdown(headers: Sequence[str], lines: Iterable[Sequence[object]], left: int = 1, words_last: bool = False) -> str:
    """A table of GitHub's kind, aligned in the source too: the first `left` columns left, numbers right."""
    cells = [[str(cell) for cell in line] for line in (headers, *lines)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(headers))]
    to_left = [i < left or (words_last and i == len(headers) - 1) for i in range(len(headers))]
    rows = [
        [c.ljust(w) if leftward else c.rjust(w) for c, w, leftward in zip(line, widths, to_left, strict=True)]
        for line in cells
    ]
    ruler = ["-" * (w + 2) if leftward else "-" * (w + 1) + ":" for w, leftward in zip(widths, to_left, strict=True)]
    lines_of = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines_of[0], "|" + "|".join(ruler) + "|", *lines_of[1:]]) + "\n"


def with_last(network: Architecture, channels: int) -> Architecture:
    """MobileNetV3 with another width behind the pooling."""
    return network.edit("Conv_2", out_channels=channels)


def decimals(number: float) -> int:
    return len(str(number).split(".")[1]) if isinstance(number, float) else 0


def two_digits(number: float) -> int:
    """140 for 137.5, 2300 for 2315."""
    step = 10 ** max(len(str(int(number))) - 2, 0)
    return round(number / step) * step


Way = tuple[str, Callable[[Count], float], Callable[[float], float]]
# How a figure may have been counted and put into print, the likeliest first.
MACS: list[Way] = [
    ("", lambda c: c.macs, round),
    ("cut off", lambda c: c.macs, math.floor),
    ("rounded up", lambda c: c.macs, math.ceil),
    ("without the first convolution", lambda c: c.macs - c.layers[0].macs, round),
    ("convolutions alone", lambda c: c.macs - sum(x.macs for x in c.layers if x.type == "fully connected"), round),
    ("to two digits", lambda c: c.macs, two_digits),
]
PARAMS: list[Way] = [
    ("", lambda c: c.params, round),
    ("weights alone, no biases or normalization", lambda c: c.total.weights, round),
    ("three values a normalized channel", lambda c: c.params + sum(x.norm_params for x in c.layers) / 2, round),
    ("cut off", lambda c: c.params, math.floor),
]


def why(printed: float, network: Architecture, ways: list[Way]) -> str:
    """How a figure printed in millions comes about: nothing where it is the counted one, rounded."""
    variants = [("", network)]
    if "mobilenet_v3_small" in network.name:
        variants.append(("with the 1280 of the early paper", with_last(network, 1280)))
    scale = 10 ** decimals(printed)
    for variant, rows in variants:
        cost = count(rows)
        for way, number, to_print in ways:
            if to_print(number(cost) / 1e6 * scale) == round(printed * scale):
                return ", ".join(word for word in (way, variant) if word)
    return "not reproduced by any way of counting known to us"


def remark(row: Published, network: Architecture) -> str:
    parts = []
    for what, printed, ways in (("mult-adds", row.macs_m, MACS), ("params", row.params_m, PARAMS)):
        reason = "" if printed is None else why(printed, network, ways)
        if reason:
            parts.append(f"{what} {printed:g}: {reason}")
    return "; ".join(parts)


def compare(
    published: Iterable[Published], extra: Sequence[tuple[str, Callable[[Published], object]]], named: bool
) -> str:
    lines = []
    for row in published:
        network = architecture(row.name, row.width, row.resolution)
        cost = count(network)
        lines.append(
            [
                *([f"`{row.name}`"] if named else []),
                f"{row.width:g}",
                row.resolution,
                f"{cost.params:,}",
                "" if row.params_m is None else f"{row.params_m:g}",
                f"{cost.macs / 1e6:.2f}",
                "" if row.macs_m is None else f"{row.macs_m:g}",
                *(value(row) if value(row) is not None else "" for _, value in extra),
                remark(row, network),
            ]
        )
    headers = [
        *(["network"] if named else []),
        "width",
        "pixels",
        "params",
        "published, M",
        "mult-adds, M",
        "published",
        *(name for name, _ in extra),
        "how the published figures come about, where they are not these rounded",
    ]
    return markdown(headers, lines, words_last=True)


TOP1 = ("top-1, %", lambda row: row.top1)
TOP5 = ("top-5, %", lambda row: row.top5)
INT8 = ("top-1 in 8 bits", lambda row: row.top1_int8)
PIXEL = ("Pixel 1, ms", lambda row: row.latency_ms)


def mobilenet_v1() -> str:
    cost = count(architecture("mobilenet_v1"))
    body = markdown(
        ("layer", "type / stride", "filter", "input", "params", "mult-adds", "fraction of dense"),
        [
            (
                f"`{x.path}`",
                f"{x.type} / s{x.stride}",
                x.filter,
                x.in_shape,
                f"{x.params:,}",
                f"{x.macs:,}",
                f"{100 * x.saving:.1f} %" if x.saving else "",
            )
            for x in cost.layers
            if x.filter
        ],
        left=4,
    )
    types = markdown(
        ("type", "mult-adds", "%", "paper", "weights", "%", "paper"),
        [
            (
                group.name,
                f"{group.macs:,}",
                f"{100 * group.macs / cost.macs:.2f}",
                paper[0],
                f"{group.weights:,}",
                f"{100 * group.weights / cost.total.weights:.2f}",
                paper[1],
            )
            for group, paper in zip(
                cost.by_type(), (("94.86", "74.59"), ("3.06", "1.06"), ("1.19", "0.02"), ("0.18", "24.33")), strict=True
            )
        ],
    )
    errata = "\n".join(f"- {note}" for note in FAMILIES["mobilenet_v1"].notes)
    return f"""# MobileNetV1

{SOURCE}
## All sixteen of the authors' code

Source: {V1_README}. Its accuracies are not the paper's (70.9 here, 70.6 there at width 1 and 224 pixels).

{compare(MOBILENET_V1, (TOP1, TOP5, INT8), named=False)}
## The paper's own

Source: {V1_PAPER}.

{compare(MOBILENET_V1_PAPER, (TOP1,), named=False)}
## Table 1, the body

`leannet count mobilenet_v1`. "Fraction of dense" is the cost of a depthwise and a pointwise layer over that of the
convolution they stand for, 1/N + 1/Dk^2 (section 3.1).

{body}
{errata}

## Table 2, where the cost is

`leannet count mobilenet_v1 --by type`. The paper's share of the parameters is that of the weights alone.

{types}"""


def mobilenet_v2() -> str:
    network = architecture("mobilenet_v2")
    bug = network.edit("expanded_conv", expansion_channels=32)
    wrong = count(bug)
    return f"""# MobileNetV2

{SOURCE}
## All twenty-two of the authors' code

Source: {V2_V3_README}.

{compare(MOBILENET_V2, (TOP1, TOP5, PIXEL), named=False)}
## Two figures that are often quoted

- {wrong.macs / 1e6:.1f} M mult-adds, {wrong.params:,} parameters: the first block with a 1x1 expansion that it does
  not have. In rows: `rows.edit("expanded_conv", expansion_channels=32)`. Seen as "313 M" in papers and tools.
- 6.9 M parameters for width 1.4 (the paper, Table 4): not reproduced; the rows, the authors' table and torch say
  {count(architecture("mobilenet_v2", 1.4)).params:,}.
"""


def mobilenet_v3() -> str:
    widths = []
    for size in ("large", "small"):
        for width in (0.5, 0.75, 1.0, 1.25):
            ours = count(architecture(f"mobilenet_v3_{size}", width))
            theirs = count(architecture(f"mobilenet_v3_{size}_torchvision", width))
            widths.append(
                (
                    size,
                    f"{width:g}",
                    f"{ours.params:,}",
                    f"{ours.macs / 1e6:.2f}",
                    f"{theirs.params:,}",
                    f"{theirs.macs / 1e6:.2f}",
                )
            )
    early = count(with_last(architecture("mobilenet_v3_small"), 1280))
    both = markdown(("", "width", "params", "mult-adds, M", "torchvision's params", "mult-adds, M"), widths)
    return f"""# MobileNetV3

{SOURCE}
## Published

Source: {V2_V3_README}.

{compare(MOBILENET_V3, (TOP1, INT8, PIXEL), named=True)}
MobileNetV3-Small is "2.9 M" in the early arXiv version, which ends in 1280 channels ({early.params:,} parameters,
{early.macs / 1e6:.1f} M mult-adds), and "2.5 M" in the later ones, which end in 1024, as the authors' code does. Its
"66 M" mult-adds are reproduced by neither.

## Two rules of width

The authors' code and timm take each expansion from the rounded width of the row above and leave the last row alone:
`mobilenet_v3_large`. torchvision scales the table's expansion and the last row: `mobilenet_v3_large_torchvision`.
They agree at width 1 only. The published weights for 0.75 follow the first.

{both}"""


def shufflenet() -> str:
    return f"""# ShuffleNet

{SOURCE}
## V1: the fifteen of Table 2

Source: {SHUFFLENET_V1_PAPER}. The complexities are printed once for each scale: 140, 38 and 13 M; top-1 is 100 less the
printed error. The paper does not say how the stem scales, nor what to do where channels do not divide into groups: see
the head of `zoo/shufflenet_v1.py` for what stands here and why. That is also why some of the small ones are a little
dearer than printed.

{compare(SHUFFLENET_V1, (TOP1,), named=True)}
## V2: Table 8

Source: {SHUFFLENET_V2_PAPER}, in the authors' structure.

{compare(SHUFFLENET_V2, (TOP1,), named=True)}
torchvision's structure, `shufflenet_v2_torchvision`, is in [others](others.md): up to 1.3 % less work, other shapes, so
its weights do not fit the authors' structure.
"""


def others() -> str:
    nine = {row.name: count(architecture(row.name, row.width, row.resolution)).macs for row in TABLE_9}
    ratio = nine["squeezenet_1_0"] / nine["mobilenet_v1"]
    printed = TABLE_9[1].macs_m / TABLE_9[0].macs_m
    padded = count(architecture("squeezenet_1_0", 1.0, 227).edit("conv10", padding=1)).macs / 1e6
    return f"""# The others

{SOURCE}
## All in one figure

One point a published network: top-1 as published, with its authors' or torchvision's first weights, against mult-adds
by one count.

![accuracy against mult-adds](../figures/published.svg)

## What torchvision publishes

Source: {TORCHVISION}, the first weights of each.

{compare(TORCHVISION_WEIGHTS, (TOP1, TOP5), named=True)}
## Tables 8 and 9 of the MobileNets paper

{V1_PAPER.split(",")[0]}. GoogLeNet is the paper's network: biases, 5x5 convolutions, no batch norm.

{compare(TABLE_8, (TOP1,), named=True)}
{compare(TABLE_9, (TOP1,), named=True)}
**SqueezeNet's 1700 is not in mult-adds.** The authors' repository says 1.72 GFLOPS an image: twice {padded:.1f} M
mult-adds at 227 pixels with a padded last convolution. Beside true mult-adds (AlexNet 720, MobileNet 76) it makes
SqueezeNet look {printed:.0f} times as dear as MobileNet; by one count it is {ratio:.0f} times.

## NASNet-A, mobile

Source: tensorflow/models, research/slim/nets/nasnet/README.md.

{compare((NASNET,), (TOP1, TOP5), named=True)}
Both agree: 5,289,978 is "5.3 M" and 563.6 M is "564 M".
"""


def main() -> None:
    TABLES.mkdir(exist_ok=True)
    for write in (mobilenet_v1, mobilenet_v2, mobilenet_v3, shufflenet, others):
        path = TABLES / f"{write.__name__}.md"
        path.write_text(write())
        print(path.relative_to(TABLES.parents[1]))
    path = TABLES.parent / "figures" / "published.svg"
    path.write_text(published_figure())
    print(path.relative_to(TABLES.parents[1]))


if __name__ == "__main__":
    main()
