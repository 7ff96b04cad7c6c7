"""Spaces that a network's own rows suggest. No torch."""

from collections.abc import Sequence
from pathlib import Path

from leannet.errors import LeannetError
from leannet.nas.space import Space, Stage
from leannet.rows import Activation, Architecture
from leannet.rows.blocks import InvertedResidual
from leannet.what import resolve


def read_space(word: str, width: float = 1.0, resolution: int | None = None) -> Space:
    """A space from a file, or the one that a network's own rows suggest.

    Raises LeannetError for what is neither, and for a network that suggests none.
    """
    path = Path(word)
    if path.suffix == ".toml":
        return Space.load(path)
    if path.suffix == ".json" and path.exists() and '"stages"' in path.read_text(errors="replace"):
        return Space.load(path)
    return space_of(resolve(word, 1.0 if path.exists() else width, resolution))


def stages_of(base: Architecture) -> tuple[tuple[str, ...], ...]:
    """The rows of each stage: an inverted residual that expands, and those behind it that add what they read."""
    stages: list[list[str]] = []
    for node in base.graph.nodes:
        row = node.row
        if not isinstance(row, InvertedResidual) or row.expansion_channels is None:
            continue
        if row.residual and stages and node.reads == (stages[-1][-1],):
            stages[-1].append(row.name)
        else:
            stages.append([row.name])
    return tuple(map(tuple, stages))


def space_of(
    base: Architecture,
    kernel: Sequence[int] = (3, 5),
    expansion: Sequence[float] = (3, 6),
    squeeze: Sequence[float] = (0, 0.25),
    width: Sequence[float] = (0.75, 1),
    activation: Sequence[Activation] = (),
    skip: Sequence[bool] = (),
    resolution: Sequence[int] = (),
    depth: bool = True,
) -> Space:
    """The space around a network of inverted residuals: every stage chooses from the same options, and how many of its
    rows are left. Where the first row of a stage adds what it reads, the stage is as wide as what is before it.

    Raises LeannetError for a network that has none.
    """
    tied = {node.row.name for node in base.graph.nodes if isinstance(node.row, InvertedResidual) and node.row.residual}
    stages = tuple(
        Stage(
            rows=rows,
            kernel=tuple(kernel),
            expansion=tuple(expansion),
            squeeze=tuple(squeeze),
            width=() if rows[0] in tied else tuple(width),
            activation=tuple(activation),
            skip=tuple(skip) if len(rows) > 1 else (),
            depth=tuple(range(1, len(rows) + 1)) if depth and len(rows) > 1 else (),
        )
        for rows in stages_of(base)
    )
    if not stages:
        raise LeannetError(
            f"{base.name}: expected inverted residuals, whose kernels, widths and depths are searched, found none; "
            "take mobilenet_v2, mobilenet_v3_small, cifar_mobilenet_v2 or another network of them"
        )
    return Space(name="space", base=base, stages=stages, resolution=tuple(resolution))
