"""EfficientNet: one searched table, wider and deeper together; Lite without swish and squeeze-and-excitation.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", arXiv 1905.11946, Table 1, and
the authors' code (tensorflow/tpu, models/official/efficientnet, and lite/). Lite keeps the stem, the head and the depth
of the first and the last stage as they are. TinyNet (Han et al., "Model Rubik's Cube", arXiv 2010.14819, Table 3) goes
the other way, to smaller images, depths and widths.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from leannet.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from leannet.rows import Architecture, InvertedResidual
from leannet.zoo.bottlenecks import CLASSIFIER, HEAD, STEM, Design, Stage, inverted, separable
from leannet.zoo.foreign import Source, as_tensorflow, convolution
from leannet.zoo.width import round_channels

PAPER, LITE_CODE = "arXiv 1905.11946, Table 1", "tensorflow/tpu, models/official/efficientnet/lite"
TINY_PAPER = "arXiv 2010.14819, Table 3"


def _stages(squeeze: float) -> tuple[Stage, ...]:
    return (
        (separable(16, squeeze=squeeze),),
        (inverted(24, 3, 2, 6, 2, squeeze),),
        (inverted(40, 5, 2, 6, 2, squeeze),),
        (inverted(80, 3, 2, 6, 3, squeeze),),
        (inverted(112, 5, 1, 6, 3, squeeze),),
        (inverted(192, 5, 2, 6, 4, squeeze),),
        (inverted(320, 3, 1, 6, 1, squeeze),),
    )


B0 = Design(
    "efficientnet_b0",
    _stages(0.25),
    activation="swish",
    head_channels=lambda width: round_channels(1280 * width),
)
LITE0 = Design("efficientnet_lite0", _stages(0), activation="relu6", fixed_stem="always", fixed_depth=True)
TINY = replace(
    B0, fixed_stem="always", repeats=round, head_channels=lambda width: max(1280, round_channels(1280 * width))
)


def _keys(architecture: Architecture) -> Iterator[tuple[str, str]]:
    """Where EfficientNet-PyTorch stores the weights of each layer."""
    yield from convolution(STEM, "_conv_stem", "_bn0")
    for number, row in enumerate(row for row in architecture.rows if isinstance(row, InvertedResidual)):
        prefix = f"_blocks.{number}"
        if row.expansion_channels is not None:
            yield from convolution(f"{row.name}.expand", f"{prefix}._expand_conv", f"{prefix}._bn0")
        yield from convolution(f"{row.name}.depthwise", f"{prefix}._depthwise_conv", f"{prefix}._bn1")
        if row.squeeze_channels is not None:
            yield from convolution(f"{row.name}.squeeze_excite.reduce", f"{prefix}._se_reduce")
            yield from convolution(f"{row.name}.squeeze_excite.restore", f"{prefix}._se_expand")
        yield from convolution(f"{row.name}.project", f"{prefix}._project_conv", f"{prefix}._bn2")
    yield from convolution(HEAD, "_conv_head", "_bn1")
    yield f"{CLASSIFIER}.linear", "_fc"


def _pytorch(design: Design, mean: tuple[float, ...], std: tuple[float, ...]) -> Source:
    """EfficientNet-PyTorch's form: TensorFlow's padding and epsilon, and the images that its weights were trained on.

    Its padding is that of the size a network was made for, whatever the image: at that size it is TensorFlow's.
    """

    def rows(*arguments: Any) -> Architecture:
        return as_tensorflow(design.table(*arguments))

    return Source("EfficientNet-PyTorch", rows, _keys, mean=mean, std=std, interpolation="bicubic")


def _register(
    design: Design, summary: str, paper: str, resolution: int, forms: tuple[str, ...], halves: bool = False
) -> None:
    """halves: images of EfficientNet-PyTorch's from -1 to 1."""
    mean, std = ((0.5,) * 3, (0.5,) * 3) if halves else (IMAGENET_MEAN, IMAGENET_STD)
    design.register(summary, paper, resolution, (design.timm(forms=forms), _pytorch(design, mean, std)))


B0_FORMS = "efficientnet_b0.ra_in1k", "efficientnet_b0.ra4_e3600_r224_in1k", "tf_efficientnet_b0.in1k"
B1_FORMS = "efficientnet_b1.ft_in1k", "efficientnet_b1.ra4_e3600_r240_in1k", "tf_efficientnet_b1.in1k"
_register(B0, "searched table with swish and squeeze-and-excitation", PAPER, 224, B0_FORMS)
_register(replace(B0, name="efficientnet_b1", depth=1.1), "B0, a tenth deeper", PAPER, 240, B1_FORMS)
# Of each width, depth, resolution and dropout.
LITE = ((1.0, 1.0, 224, 0.2), (1.0, 1.1, 240, 0.2), (1.1, 1.2, 260, 0.3), (1.2, 1.4, 280, 0.3), (1.4, 1.8, 300, 0.3))
LITE_SUMMARY = "EfficientNet for integers: ReLU6, no squeeze-and-excitation"
for _number, (_width, _depth, _resolution, _dropout) in enumerate(LITE):
    _lite = replace(LITE0, name=f"efficientnet_lite{_number}", width=_width, depth=_depth, dropout=_dropout)
    _forms = f"efficientnet_lite{_number}", f"tf_efficientnet_lite{_number}.in1k"
    _register(_lite, LITE_SUMMARY, LITE_CODE, _resolution, _forms, halves=True)
for _letter, _width, _depth, _resolution in (
    ("a", 1.0, 1.2, 192), ("b", 0.75, 1.1, 188), ("c", 0.54, 0.85, 184), ("d", 0.54, 0.695, 152), ("e", 0.51, 0.6, 106)
):  # fmt: skip
    replace(TINY, name=f"tinynet_{_letter}", width=_width, depth=_depth).register(
        "EfficientNet-B0 made smaller in images, depth and width", TINY_PAPER, _resolution
    )
B0.debug("efficientnet_debug", ((separable(16, squeeze=0.25), inverted(24, 5, 2, 2, squeeze=0.25)),)).register(
    "two blocks, for quick tests", PAPER, 32, (), 10
)
