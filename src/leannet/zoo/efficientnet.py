"""EfficientNet: one searched table, wider and deeper together; Lite without swish and squeeze-and-excitation.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", arXiv 1905.11946, Table 1, and
the authors' code (tensorflow/tpu, models/official/efficientnet, and lite/). Lite keeps the stem, the head and the depth
of the first and the last stage as they are. TinyNet (Han et al., "Model Rubik's Cube", arXiv 2010.14819, Table 3) goes
the other way, to smaller images, depths and widths.
"""

from dataclasses import replace

from leannet.zoo.bottlenecks import Design, Stage, inverted, separable
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

B0.register("searched table with swish and squeeze-and-excitation", PAPER)
replace(B0, name="efficientnet_b1", depth=1.1).register("B0, a tenth deeper", PAPER, 240)
# Of each width, depth, resolution and dropout.
for _number, (_width, _depth, _resolution, _dropout) in enumerate(
    ((1.0, 1.0, 224, 0.2), (1.0, 1.1, 240, 0.2), (1.1, 1.2, 260, 0.3), (1.2, 1.4, 280, 0.3), (1.4, 1.8, 300, 0.3))
):
    replace(LITE0, name=f"efficientnet_lite{_number}", width=_width, depth=_depth, dropout=_dropout).register(
        "EfficientNet for integers: ReLU6, no squeeze-and-excitation", LITE_CODE, _resolution
    )
for _letter, _width, _depth, _resolution in (
    ("a", 1.0, 1.2, 192), ("b", 0.75, 1.1, 188), ("c", 0.54, 0.85, 184), ("d", 0.54, 0.695, 152), ("e", 0.51, 0.6, 106)
):  # fmt: skip
    replace(TINY, name=f"tinynet_{_letter}", width=_width, depth=_depth).register(
        "EfficientNet-B0 made smaller in images, depth and width", TINY_PAPER, _resolution
    )
B0.debug("efficientnet_debug", ((separable(16, squeeze=0.25), inverted(24, 5, 2, 2, squeeze=0.25)),)).register(
    "two blocks, for quick tests", PAPER, 32, (), 10
)
