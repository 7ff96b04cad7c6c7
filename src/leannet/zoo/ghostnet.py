"""GhostNet, GhostNetV2 and RepGhostNet: half of the features by cheap operations, concatenated or added.

Han et al., "GhostNet: More Features from Cheap Operations", arXiv 1911.11907, Table 1; Tang et al., "GhostNetV2:
Enhance Cheap Operation with Long-Range Attention", arXiv 2211.12905, whose first two blocks have no gate, as in the
authors' code; Chen et al., "RepGhost: A Hardware-Efficient Ghost Module via Re-parameterization", arXiv 2211.06088,
Table 9. Widths are multiples of 4.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from leannet.rows import (
    Architecture,
    Conv,
    Dropout,
    GhostBottleneck,
    GhostBottleneckV2,
    GlobalPool,
    Input,
    Linear,
    Norm,
    RepGhostBottleneck,
    Row,
)
from leannet.zoo.foreign import Source, convolution
from leannet.zoo.registry import family, label
from leannet.zoo.width import round_channels

Line = tuple[int, int, int, float, int]  # kernel, expansion, out, squeeze, stride
# One tuple a stage of timm.
GHOST: tuple[tuple[Line, ...], ...] = (
    ((3, 16, 16, 0, 1),),
    ((3, 48, 24, 0, 2),),
    ((3, 72, 24, 0, 1),),
    ((5, 72, 40, 0.25, 2),),
    ((5, 120, 40, 0.25, 1),),
    ((3, 240, 80, 0, 2),),
    ((3, 200, 80, 0, 1), (3, 184, 80, 0, 1), (3, 184, 80, 0, 1), (3, 480, 112, 0.25, 1), (3, 672, 112, 0.25, 1)),
    ((5, 672, 160, 0.25, 2),),
    ((5, 960, 160, 0, 1), (5, 960, 160, 0.25, 1), (5, 960, 160, 0, 1), (5, 960, 160, 0.25, 1)),
)
# Half of the expansion, but for one block.
REP_GHOST: tuple[tuple[Line, ...], ...] = (
    ((3, 8, 16, 0, 1),),
    ((3, 24, 24, 0, 2),),
    ((3, 36, 24, 0, 1),),
    ((5, 36, 40, 0.25, 2),),
    ((5, 60, 40, 0.25, 1),),
    ((3, 120, 80, 0, 2),),
    ((3, 100, 80, 0, 1), (3, 120, 80, 0, 1), (3, 120, 80, 0, 1), (3, 240, 112, 0.25, 1), (3, 336, 112, 0.25, 1)),
    ((5, 336, 160, 0.25, 2),),
    ((5, 480, 160, 0, 1), (5, 480, 160, 0.25, 1), (5, 480, 160, 0, 1), (5, 480, 160, 0.25, 1)),
)


@dataclass(frozen=True)
class Version:
    """A table, and the block that it is of. last: the last convolution's channels over the last expansion. plain: how
    many of the first blocks are those of GhostNet."""

    name: str
    stages: tuple[tuple[Line, ...], ...]
    block: Callable[..., GhostBottleneck | GhostBottleneckV2 | RepGhostBottleneck]
    last: int = 1
    head_channels: int = 1280
    plain: int = 0

    def table(self, width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
        """The rows."""

        def scaled(channels: float) -> int:
            return round_channels(channels * width, 4)

        relu = {"norm": Norm(), "activation": "relu"}
        rows: list[Row] = [Conv(name="stem", out_channels=scaled(16), kernel=3, stride=2, **relu)]
        expansion = 0
        for stage, lines in enumerate(self.stages):
            for number, (kernel, expansion, out, squeeze, stride) in enumerate(lines):
                squeezed = round_channels(scaled(expansion) * squeeze, 4) if squeeze else None
                block = GhostBottleneck if len(rows) <= self.plain else self.block
                rows.append(
                    block(
                        name=f"stage_{stage}_block_{number}", out_channels=scaled(out),
                        expansion_channels=scaled(expansion), kernel=kernel, stride=stride, squeeze_channels=squeezed,
                    )
                )  # fmt: skip
        rows += [
            Conv(name="last", out_channels=scaled(expansion * self.last), **relu),
            GlobalPool(name="global_average_pooling"),
            Conv(name="head", out_channels=self.head_channels, bias=True, activation="relu"),
            Dropout(name="dropout", rate=0.2),
            Linear(name="classifier", out_channels=classes),
        ]
        size = Input(channels=in_channels, height=resolution, width=resolution)
        return Architecture(name=label(self.name, width), input=size, rows=tuple(rows))

    def timm_keys(self, architecture: Architecture) -> Iterator[tuple[str, str]]:
        """Where timm stores the weights of each layer."""
        yield from convolution("stem", "conv_stem", "bn1")
        layers = {layer.path for layer in architecture.layers}
        for row in architecture.rows:
            if not row.name.startswith("stage_"):
                continue
            stage, block = row.name.removeprefix("stage_").split("_block_")
            prefix = f"blocks.{stage}.{block}"
            maps = [
                *((f"ghost_{number}_{ours}", f"ghost{number}.{theirs}.0", f"ghost{number}.{theirs}.1")
                  for number in (1, 2) for ours, theirs in (("primary", "primary_conv"), ("cheap", "cheap_operation"))),
                *((f"ghost_1_plain_{ours}", f"ghost1.{theirs}.0", f"ghost1.{theirs}.1")
                  for ours, theirs in (("primary", "primary_conv"), ("cheap", "cheap_operation"))),
                *((f"ghost_1_{ours}", f"ghost1.short_conv.{2 * number}", f"ghost1.short_conv.{2 * number + 1}")
                  for number, ours in enumerate(("gate", "row", "column"))),
                ("depthwise", "conv_dw", "bn_dw"),
                ("shortcut_depthwise", "shortcut.0", "shortcut.1"),
                ("shortcut_project", "shortcut.2", "shortcut.3"),
            ]  # fmt: skip
            for ours, conv, norm in maps:
                if f"{row.name}.{ours}" in layers:
                    yield from convolution(f"{row.name}.{ours}", f"{prefix}.{conv}", f"{prefix}.{norm}")
            for number in (1, 2):
                if f"{row.name}.ghost_{number}_identity" in layers:
                    yield f"{row.name}.ghost_{number}_identity.norm", f"{prefix}.ghost{number}.fusion_bn.0"
            if f"{row.name}.squeeze_excite.reduce" in layers:
                yield from convolution(f"{row.name}.squeeze_excite.reduce", f"{prefix}.se.conv_reduce")
                yield from convolution(f"{row.name}.squeeze_excite.restore", f"{prefix}.se.conv_expand")
        last = f"blocks.{len(self.stages)}.0"
        yield from convolution("last", f"{last}.conv", f"{last}.bn1")
        yield from convolution("head", "conv_head")
        yield "classifier.linear", "classifier"

    def register(self, summary: str, paper: str, resolution: int = 224, classes: int = 1000) -> None:
        """Puts it into the zoo."""
        timm = Source("timm", self.table, self.timm_keys, interpolation="bicubic")
        sources = (timm,) if classes == 1000 else ()
        family(self.name, summary, paper, resolution, classes, sources=sources)(self.table)


PAPER, V2_PAPER, REP_PAPER = "arXiv 1911.11907, Table 1", "arXiv 2211.12905, section 3.3", "arXiv 2211.06088, Table 9"
SMALL: tuple[tuple[Line, ...], ...] = (((3, 16, 12, 0, 2), (3, 24, 12, 0.25, 1)),)
Version("ghostnet_v1", GHOST, GhostBottleneck).register("half of the features by cheap operations", PAPER)
Version("ghostnet_v2", GHOST, GhostBottleneckV2, plain=2).register("ghost modules behind a gate", V2_PAPER)
Version("repghostnet", REP_GHOST, RepGhostBottleneck, last=2).register("ghost modules that fold", REP_PAPER)
Version("ghostnet_debug", SMALL, GhostBottleneck, 1, 64).register("two blocks, for quick tests", PAPER, 32, 10)
Version("ghostnet_v2_debug", SMALL, GhostBottleneckV2, 1, 64).register("two blocks, for quick tests", V2_PAPER, 32, 10)
Version("repghostnet_debug", SMALL, RepGhostBottleneck, 2, 64).register(
    "two blocks, for quick tests", REP_PAPER, 32, 10
)
