"""MobileOne: branches side by side in training, one convolution afterwards.

Vasu et al., "MobileOne: An Improved One millisecond Mobile Backbone", arXiv 2206.04040, Tables 2 and 3. Each separable
block is two of `parallel_conv`; `leannet reparameterize` folds them. S0 has four branches, S4 squeeze-and-excitation.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from leannet.rows import Architecture, GlobalPool, Input, Linear, ParallelConv, Row
from leannet.zoo.foreign import Source, convolution
from leannet.zoo.registry import family, label
from leannet.zoo.width import round_channels

PAPER = "arXiv 2206.04040, Tables 2 and 3"
CHANNELS, DEPTHS, STEM = (64, 128, 256, 512), (2, 8, 10, 1), 64


@dataclass(frozen=True)
class Version:
    """Factors of the four stages' channels; branches; and in how many of a stage's last blocks channels are scaled."""

    name: str
    factors: tuple[float, ...]
    branches: int = 1
    squeezed: tuple[int, ...] = (0, 0, 0, 0)
    depths: tuple[int, ...] = DEPTHS

    def table(self, width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
        """The rows."""
        outs = [round_channels(channels * factor * width)
                for channels, factor in zip(CHANNELS, self.factors, strict=False)]  # fmt: skip
        channels = min(round_channels(STEM * width), outs[0])
        rows: list[Row] = [ParallelConv(name="stem", out_channels=channels, kernel=3, stride=2)]
        for stage, (out, depth) in enumerate(zip(outs, self.depths, strict=True)):
            for block in range(depth):
                name, stride = f"stage_{stage}_block_{block}", 1 if block else 2
                squeezes = block >= depth - self.squeezed[stage]
                rows += [
                    ParallelConv(
                        name=f"{name}_depthwise", kernel=3, stride=stride, branches=self.branches,
                        identity=stride == 1, squeeze_channels=squeeze(channels) if squeezes else None,
                    ),
                    ParallelConv(
                        name=f"{name}_pointwise", out_channels=out, branches=self.branches, identity=channels == out,
                        squeeze_channels=squeeze(out) if squeezes else None,
                    ),
                ]  # fmt: skip
                channels = out
        rows += [GlobalPool(name="global_average_pooling"), Linear(name="classifier", out_channels=classes)]
        size = Input(channels=in_channels, height=resolution, width=resolution)
        return Architecture(name=label(self.name, width), input=size, rows=tuple(rows))

    def timm_keys(self, architecture: Architecture) -> Iterator[tuple[str, str]]:
        """Where timm stores the weights of each layer."""
        for row in architecture.rows:
            if not isinstance(row, ParallelConv):
                continue
            prefix = "stem"
            if row.name != "stem":
                stage, place = row.name.removeprefix("stage_").split("_block_")
                block, half = place.split("_")
                prefix = f"stages.{stage}.{2 * int(block) + (half == 'pointwise')}"
            for number in range(row.branches):
                theirs = f"{prefix}.conv_kxk.{number}"
                yield from convolution(f"{row.name}.conv_{number + 1}", f"{theirs}.conv", f"{theirs}.bn")
            if row.kernel > 1:
                yield from convolution(f"{row.name}.scale", f"{prefix}.conv_scale.conv", f"{prefix}.conv_scale.bn")
            if row.identity:
                yield f"{row.name}.identity.norm", f"{prefix}.identity"
            if row.squeeze_channels is not None:
                yield from convolution(f"{row.name}.squeeze_excite.reduce", f"{prefix}.attn.fc1")
                yield from convolution(f"{row.name}.squeeze_excite.restore", f"{prefix}.attn.fc2")
        yield "classifier.linear", "head.fc"


def squeeze(channels: int) -> int:
    """A sixteenth, in multiples of 8."""
    return max(8, int(channels / 16 + 4) // 8 * 8)


VERSIONS = (
    Version("mobileone_s0", (0.75, 1.0, 1.0, 2.0), 4),
    Version("mobileone_s1", (1.5, 1.5, 2.0, 2.5)),
    Version("mobileone_s2", (1.5, 2.0, 2.5, 4.0)),
    Version("mobileone_s3", (2.0, 2.5, 3.0, 4.0)),
    Version("mobileone_s4", (3.0, 3.5, 3.5, 4.0), squeezed=(0, 0, 5, 1)),
)
for _version in VERSIONS:
    _timm = Source("timm", _version.table, _version.timm_keys, license="MobileOne")
    family(_version.name, "branches that fold into one convolution", PAPER, sources=(_timm,))(_version.table)
_DEBUG = Version("mobileone_debug", (0.25, 0.25), 2, (0, 1), (1, 2))
family(_DEBUG.name, "three blocks, for quick tests", PAPER, 32, 10)(_DEBUG.table)
