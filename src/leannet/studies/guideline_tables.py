"""The four experiments of ShuffleNetV2's section 2, as rows, with the speeds that the paper prints.

Ma et al., "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design", arXiv 1807.11164, Tables 1 to 4:
GPU, a GeForce GTX 1080Ti, in batches a second; ARM, one thread of a Snapdragon 810, in images a second. The networks
are those of the paper's ARM columns. Where the paper does not say, here: convolutions have a bias and no
normalization, those of Tables 1 to 3 no activation; branches are added; a bottleneck is a quarter as wide inside.
No torch.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from leannet.rows import Add, Architecture, Conv, Input
from leannet.rows.layers import RowBase

REPEATS = 10
SCALES = (1, 2, 4)
Speeds = tuple[float, float, float]


@dataclass(frozen=True)
class Case:
    """One line of a table: at each scale a network, with about equal mult-adds in all lines."""

    name: str
    networks: tuple[Architecture, ...]  # one a scale
    gpu: Speeds  # as printed: batches a second
    arm: Speeds  # images a second


@dataclass(frozen=True)
class Guideline:
    """One table. Its first line is the one that the guideline recommends."""

    key: str
    title: str
    claim: str  # "... takes longer", of a line against the first
    table: int
    cases: tuple[Case, ...]


def tables() -> tuple[Guideline, ...]:
    """The four, in the paper's order."""
    return (
        Guideline("G1", "Equal channel width minimizes memory access cost", "channel ratio", 1, tuple(_ratios())),
        Guideline("G2", "Excessive group convolution increases memory access cost", "groups", 2, tuple(_groups())),
        Guideline("G3", "Fragmentation reduces the degree of parallelism", "fragments", 3, tuple(_fragments())),
        Guideline("G4", "Element-wise operations are non-negligible", "element-wise", 4, tuple(_elementwise())),
    )


def _ratios() -> Iterator[Case]:
    """Table 1: pairs of 1x1 convolutions, c1 to c2 and back."""
    for name, (narrow, wide), gpu, arm in (
        ("1:1", (32, 32), (1480, 723, 232), (76.2, 21.7, 5.3)),
        ("1:2", (22, 44), (1296, 586, 206), (72.9, 20.5, 5.1)),
        ("1:6", (13, 78), (876, 489, 189), (69.1, 17.9, 4.6)),
        ("1:12", (9, 108), (748, 392, 163), (57.6, 15.1, 4.4)),
    ):
        yield Case(name, tuple(_stack(s * narrow, _pointwise(s * wide, s * narrow)) for s in SCALES), gpu, arm)


def _groups() -> Iterator[Case]:
    """Table 2: grouped 1x1 convolutions."""
    for groups, channels, gpu, arm in (
        (1, 64, (2451, 1289, 437), (40.0, 10.2, 2.3)),
        (2, 90, (1725, 873, 341), (35.0, 9.5, 2.2)),
        (4, 128, (1026, 644, 338), (32.9, 8.7, 2.1)),
        (8, 180, (634, 445, 230), (27.8, 7.5, 1.8)),
    ):
        # 8 groups do not divide 180 channels; 184, the next number that they divide, is 2 % wider.
        width = -(-channels // groups) * groups
        name = "1 group" if groups == 1 else f"{groups} groups"
        yield Case(name, tuple(_stack(s * width, _pointwise(s * width, groups=groups)) for s in SCALES), gpu, arm)


def _fragments() -> Iterator[Case]:
    """Table 3: one to four 1x1 convolutions a block, in series or in parallel."""
    for name, channels, series, parallel, gpu, arm in (
        ("1 fragment", 64, 1, 1, (2446, 1274, 434), (40.2, 10.1, 2.3)),
        ("2 in series", 45, 2, 1, (1790, 909, 336), (38.6, 10.1, 2.2)),
        ("4 in series", 32, 4, 1, (752, 745, 349), (38.4, 10.1, 2.3)),
        ("2 in parallel", 45, 1, 2, (1537, 803, 320), (33.4, 9.1, 2.2)),
        ("4 in parallel", 32, 1, 4, (691, 572, 292), (35.0, 8.4, 2.1)),
    ):
        networks = []
        for scale in SCALES:
            width = scale * channels
            block = _beside(width, parallel) if parallel > 1 else _pointwise(*[width] * series)
            networks.append(_stack(width, block))
        yield Case(name, tuple(networks), gpu, arm)


def _elementwise() -> Iterator[Case]:
    """Table 4: ResNet's bottleneck with and without ReLU and shortcut. Its first line has neither here."""
    for name, relu, shortcut, gpu, arm in (
        ("neither", False, False, (2842, 2376, 1782), (66.3, 20.2, 5.4)),
        ("shortcut", False, True, (2672, 2121, 1458), (57.3, 18.2, 5.1)),
        ("ReLU", True, False, (2647, 2256, 1735), (61.9, 18.8, 5.2)),
        ("ReLU and shortcut", True, True, (2427, 2066, 1436), (56.7, 16.9, 5.0)),
    ):
        yield Case(name, tuple(_stack(32 * s, _bottleneck(32 * s, relu, shortcut)) for s in SCALES), gpu, arm)


Block = list[RowBase]


def _pointwise(*widths: int, groups: int = 1) -> Block:
    return [Conv(name=f"conv_{i}", out_channels=w, groups=groups, bias=True) for i, w in enumerate(widths, start=1)]


def _beside(width: int, branches: int) -> Block:
    rows: Block = [
        Conv(name=f"conv_{i}", inputs=("above",), out_channels=width, bias=True) for i in range(1, branches + 1)
    ]
    return [*rows, Add(name="sum", inputs=tuple(row.name for row in rows))]


def _bottleneck(width: int, relu: bool, shortcut: bool) -> Block:
    activation = "relu" if relu else "linear"
    inside = width // 4
    rows: Block = [
        Conv(name="reduce", out_channels=inside, bias=True, activation=activation),
        Conv(name="conv", out_channels=inside, kernel=3, bias=True, activation=activation),
        Conv(name="restore", out_channels=width, bias=True, activation="linear" if shortcut else activation),
    ]
    if shortcut:
        rows.append(Add(name="sum", inputs=("restore", "above"), activation=activation))
    return rows


def _stack(channels: int, block: Block) -> Architecture:
    """The block ten times over, on 56 x 56 pixels; "above" in a row's inputs is what the block reads."""
    rows: list[RowBase] = []
    above = "input"
    for number in range(1, REPEATS + 1):
        for row in block:
            names = {"above": above} | {other.name: f"block_{number}_{other.name}" for other in block}
            inputs = tuple(names[name] for name in row.inputs)
            rows.append(row.model_copy(update={"name": f"block_{number}_{row.name}", "inputs": inputs}))
        above = rows[-1].name
    return Architecture(name="stack", input=Input(channels=channels, height=56, width=56), rows=tuple(rows))
