"""How other libraries name the weights of a network that the zoo has.

A family names its sources beside its rows. A source has the rows as that library builds them (its epsilon, activation,
stem and width rules), and where it stores the weights of each of our layers. Maps are made from the rows, so they hold
for any width and depth.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from leannet.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from leannet.rows import Architecture, InvertedResidual, Norm

RowsFunction = Callable[[float, int, int, int], Architecture]
# Layer by layer: our module's path and theirs, as "block_1.expand.conv" and "blocks.1.0.conv_pw".
KeyMap = Callable[[Architecture], Iterator[tuple[str, str]]]


@dataclass(frozen=True)
class Source:
    """A library that has a family too."""

    name: str  # "timm" or "torchvision"
    rows: RowsFunction
    keys: KeyMap
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    interpolation: str = "bilinear"
    license: str = "Apache-2.0"
    optional: tuple[str, ...] = field(default=())  # prefixes of theirs that may be left out, as auxiliary heads
    forms: tuple[str, ...] = ()  # timm's names for weights of the same keys that differ in what no file says


def convolution(ours: str, conv: str, norm: str | None = None) -> Iterator[tuple[str, str]]:
    """The two modules of one of our layers: its convolution and its normalization."""
    yield f"{ours}.conv", conv
    if norm is not None:
        yield f"{ours}.norm", norm


def stages(printed: Sequence[int]) -> list[str]:
    """ "stage.block" for rows whose printed widths are these: a stage is a run of equal widths, as timm groups them."""
    names: list[str] = []
    stage, block = -1, 0
    for number, width in enumerate(printed):
        stage, block = (stage, block + 1) if number and printed[number - 1] == width else (stage + 1, 0)
        names.append(f"{stage}.{block}")
    return names


def timm_block(row: InvertedResidual, prefix: str) -> Iterator[tuple[str, str]]:
    """An inverted residual as timm names it; without an expansion its "depthwise separable" block."""
    if row.expansion_channels is not None:
        yield from convolution(f"{row.name}.expand", f"{prefix}.conv_pw", f"{prefix}.bn1")
        yield from convolution(f"{row.name}.depthwise", f"{prefix}.conv_dw", f"{prefix}.bn2")
        yield from convolution(f"{row.name}.project", f"{prefix}.conv_pwl", f"{prefix}.bn3")
    else:
        yield from convolution(f"{row.name}.depthwise", f"{prefix}.conv_dw", f"{prefix}.bn1")
        yield from convolution(f"{row.name}.project", f"{prefix}.conv_pw", f"{prefix}.bn2")
    if row.squeeze_channels is not None:
        yield from convolution(f"{row.name}.squeeze_excite.reduce", f"{prefix}.se.conv_reduce")
        yield from convolution(f"{row.name}.squeeze_excite.restore", f"{prefix}.se.conv_expand")


def as_tensorflow(architecture: Architecture) -> Architecture:
    """The same rows as timm's `tf_` models have them: TensorFlow's padding, and its epsilon."""
    rows = with_tensorflows_epsilon(architecture)
    return rows.edit(
        {row.name: {"padding": "same"} for row in rows.rows if getattr(row, "padding", None) == "symmetric"}
    )


def with_tensorflows_epsilon(architecture: Architecture) -> Architecture:
    """The same rows with an epsilon of 1e-3."""
    norms = {row.name: norm for row in architecture.rows if isinstance(norm := getattr(row, "norm", None), Norm)}
    return architecture.edit({name: {"norm": norm.model_copy(update={"eps": 1e-3})} for name, norm in norms.items()})


def ported(source: Source) -> Source:
    """timm's form of weights from TensorFlow: its padding and epsilon. The range of the images is another matter."""
    return _changed(source, f"{source.name}, from TensorFlow", as_tensorflow)


def with_epsilon(source: Source) -> Source:
    """A source whose weights have TensorFlow's epsilon alone."""
    return _changed(source, source.name, with_tensorflows_epsilon)


def _changed(source: Source, name: str, change: Callable[[Architecture], Architecture]) -> Source:
    def rows(*arguments: Any) -> Architecture:
        return change(source.rows(*arguments))

    return replace(source, name=name, rows=rows)
