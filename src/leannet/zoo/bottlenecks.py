"""Networks that are a stem, stages of bottlenecks and a head, as searches print them: what those families share.

A family's file has its table, a `Block` a line; the rows of every width and depth, and where timm stores the weights of
each, follow from it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from typing import Any, Literal

from leannet.rows import (
    Activation,
    Architecture,
    Conv,
    Dropout,
    FusedInvertedResidual,
    GlobalPool,
    Input,
    InvertedResidual,
    Linear,
    Norm,
    Row,
    UniversalInvertedBottleneck,
)
from leannet.zoo.foreign import Source, convolution, timm_block
from leannet.zoo.registry import family, label
from leannet.zoo.width import round_channels

Kind = Literal["separable", "inverted", "universal", "fused", "conv"]
STEM, HEAD, CLASSIFIER = "stem", "head", "classifier"


@dataclass(frozen=True)
class Block:
    """A line of a table: blocks of one kind, the first of which has the stride.

    expansion: of the widths of a block's input. squeeze: the share of channels inside squeeze-and-excitation; 0: none.
    start: the kernel of a universal bottleneck's first depthwise convolution. activation: None: the network's.
    """

    kind: Kind
    out: int
    kernel: int | None = 3
    stride: int = 1
    expansion: float = 1
    repeats: int = 1
    squeeze: float = 0.0
    start: int | None = None
    activation: Activation | None = None
    residual: bool = True


separable, inverted = partial(Block, "separable"), partial(Block, "inverted")
universal, fused, conv = partial(Block, "universal"), partial(Block, "fused"), partial(Block, "conv")
Stage = tuple[Block, ...]
NORM = Norm()


@dataclass(frozen=True)
class Design:
    """A network: its table and what stands around it.

    depth: a factor of the repeats of every stage, rounded by `repeats`. fixed_depth: not of the first and the last.
    head: a convolution, then the pooling; or the pooling, then a convolution, with a bias or with a normalization.
    squeeze_of: what the share of a `Block` counts. fixed_stem: the stem keeps its filters at every width, or at those
    below 1.
    """

    name: str
    stages: tuple[Stage, ...]
    stem: int = 32
    activation: Activation = "relu"
    head: Literal["conv", "pooled", "pooled_norm"] = "conv"
    head_channels: Callable[[float], int] = lambda width: 1280
    squeeze_of: Literal["input", "expansion"] = "input"
    squeeze_rounding: Callable[[float], int] = round
    squeeze_activation: Activation | None = None  # None: that of the block
    scale_activation: Activation = "sigmoid"
    project_activation: Activation = "linear"  # of separable blocks
    fixed_stem: Literal["", "narrow", "always"] = ""
    depth: float = 1.0
    repeats: Callable[[float], int] = ceil
    fixed_depth: bool = False
    width: float = 1.0  # of the member of the family; the user's is multiplied with it
    dropout: float = 0.2
    norm: Norm = NORM

    def blocks(self, width: float) -> Iterator[tuple[str, Row]]:
        """Each block with its place in timm, "stage.block"."""
        channels = self.stem_channels(width)
        for stage, lines in enumerate(self.stages):
            fixed = self.fixed_depth and stage in (0, len(self.stages) - 1)
            number = 0
            for line in lines:
                repeats = line.repeats if fixed else max(1, self.repeats(line.repeats * self.depth))
                for repeat in range(repeats):
                    row = self._block(f"stage_{stage}_block_{number}", line, channels, width, first=repeat == 0)
                    yield f"{stage}.{number}", row
                    channels, number = row.out_channels, number + 1

    def stem_channels(self, width: float) -> int:
        """The filters of the stem."""
        fixed = self.fixed_stem == "always" or (self.fixed_stem == "narrow" and width < 1)
        return self.stem if fixed else round_channels(self.stem * width)

    def _block(self, name: str, line: Block, channels: int, width: float, first: bool) -> Any:
        out, stride = round_channels(line.out * width), line.stride if first else 1
        expanded = round_channels(channels * line.expansion)
        activation = line.activation or self.activation
        common: dict[str, Any] = {"name": name, "out_channels": out, "stride": stride, "norm": self.norm}
        if line.kind == "conv":
            return Conv(kernel=line.kernel or 1, activation=activation, **common)
        common |= {"activation": activation, "residual": line.residual and stride == 1 and channels == out}
        match line.kind:
            case "universal":
                return UniversalInvertedBottleneck(
                    expansion_channels=expanded, start_kernel=line.start, kernel=line.kernel, **common
                )
            case "fused":
                return FusedInvertedResidual(expansion_channels=expanded, kernel=line.kernel or 3, **common)
        expansion = None if line.kind == "separable" else expanded
        if line.squeeze:
            base = channels if self.squeeze_of == "input" else expansion or channels
            common |= {
                "squeeze_channels": self.squeeze_rounding(base * line.squeeze),
                "squeeze_activation": self.squeeze_activation or activation,
                "scale_activation": self.scale_activation,
            }
        if line.kind == "separable":
            common |= {"project_activation": self.project_activation}
            common |= {"residual": False} if self.project_activation != "linear" else {}
        return InvertedResidual(expansion_channels=expansion, kernel=line.kernel or 3, **common)

    def table(self, width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
        """The rows."""
        whole, activation = self.width * width, self.activation
        rows: list[Row] = [
            Conv(
                name=STEM, out_channels=self.stem_channels(whole), kernel=3, stride=2, norm=self.norm,
                activation=activation,
            ),
            *(row for _, row in self.blocks(whole)),
        ]  # fmt: skip
        norm = None if self.head == "pooled" else self.norm
        head = Conv(
            name=HEAD, out_channels=self.head_channels(whole), norm=norm, bias=norm is None, activation=activation
        )
        pool = GlobalPool(name="global_average_pooling")
        rows += [head, pool] if self.head == "conv" else [pool, head]
        rows += [Dropout(name="dropout", rate=self.dropout), Linear(name=CLASSIFIER, out_channels=classes)]
        size = Input(channels=in_channels, height=resolution, width=resolution)
        return Architecture(name=label(self.name, width), input=size, rows=tuple(rows))

    def timm_keys(self, architecture: Architecture) -> Iterator[tuple[str, str]]:
        """Where timm stores the weights of each layer."""
        yield from convolution(STEM, "conv_stem", "bn1")
        rows = architecture.rows[1:]
        for row in rows:
            if not row.name.startswith("stage_"):
                continue
            stage, block = row.name.removeprefix("stage_").split("_block_")
            prefix = f"blocks.{stage}.{block}"
            match row:
                case InvertedResidual():
                    yield from timm_block(row, prefix)
                case UniversalInvertedBottleneck():
                    if row.start_kernel is not None:
                        yield from convolution(f"{row.name}.start", f"{prefix}.dw_start.conv", f"{prefix}.dw_start.bn")
                    yield from convolution(f"{row.name}.expand", f"{prefix}.pw_exp.conv", f"{prefix}.pw_exp.bn")
                    if row.kernel is not None:
                        yield from convolution(f"{row.name}.depthwise", f"{prefix}.dw_mid.conv", f"{prefix}.dw_mid.bn")
                    yield from convolution(f"{row.name}.project", f"{prefix}.pw_proj.conv", f"{prefix}.pw_proj.bn")
                case FusedInvertedResidual():
                    yield from convolution(f"{row.name}.expand", f"{prefix}.conv_exp", f"{prefix}.bn1")
                    yield from convolution(f"{row.name}.project", f"{prefix}.conv_pwl", f"{prefix}.bn2")
                case Conv():
                    yield from convolution(row.name, f"{prefix}.conv", f"{prefix}.bn1")
        norm = {"conv": "bn2", "pooled": None, "pooled_norm": "norm_head"}[self.head]
        yield from convolution(HEAD, "conv_head", norm)
        yield f"{CLASSIFIER}.linear", "classifier"

    def timm(self, **about: Any) -> Source:
        """timm's form of it; about: fields of Source."""
        return Source("timm", self.table, self.timm_keys, **{"interpolation": "bicubic"} | about)

    def register(
        self,
        summary: str,
        paper: str,
        resolution: int = 224,
        sources: tuple[Source, ...] | None = None,
        classes: int = 1000,
    ) -> None:
        """Puts it into the zoo. sources: None: timm."""
        found = (self.timm(),) if sources is None else sources
        family(self.name, summary, paper, resolution, classes, sources=found)(self.table)

    def debug(self, name: str, stages: tuple[Stage, ...]) -> "Design":
        """A small one of the same kind, for quick tests."""
        return replace(self, name=name, stages=stages, stem=16, head_channels=lambda width: 64, depth=1.0, width=1.0)
