"""ResNet8: the image classifier of MLPerf Tiny, which microcontrollers are compared with.

Banbury et al., "MLPerf Tiny Benchmark", arXiv 2106.07597, Table 1, and the authors' code
(mlcommons/tiny, benchmark/training/image_classification): biases in front of batch norm, a shortcut without one, and
TensorFlow's padding. Its visual wake words are MobileNetV1 at width 0.25 and 96 px.
"""

from leannet.rows import Add, Architecture, Conv, GlobalPool, Input, Linear, Norm, Row
from leannet.zoo.registry import family, label
from leannet.zoo.width import scale_channels

PAPER = "arXiv 2106.07597, Table 1"
WIDTHS = (16, 32, 64)


@family("resnet8", "MLPerf Tiny's image classifier, 32 x 32 pixels", PAPER, resolution=32, classes=10)
def resnet8(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    """The rows."""
    outs = [scale_channels(printed, width) for printed in WIDTHS]
    same = {"kernel": 3, "padding": "same", "bias": True, "norm": Norm(eps=1e-3, momentum=0.01)}
    above = "conv"
    rows: list[Row] = [Conv(name=above, out_channels=outs[0], activation="relu", **same)]
    for stage, out in enumerate(outs, start=1):
        stride, prefix = 1 if stage == 1 else 2, f"stage_{stage}"
        rows += [
            Conv(name=f"{prefix}_conv_1", out_channels=out, stride=stride, activation="relu", **same),
            Conv(name=f"{prefix}_conv_2", out_channels=out, **same),
        ]
        shortcut = above
        if stride > 1:
            shortcut = f"{prefix}_shortcut"
            rows.append(
                Conv(name=shortcut, inputs=(above,), out_channels=out, stride=stride, padding="same", bias=True)
            )
        above = f"{prefix}_add"
        rows.append(Add(name=above, inputs=(f"{prefix}_conv_2", shortcut), activation="relu"))
    rows += [GlobalPool(name="global_average_pooling"), Linear(name="classifier", out_channels=classes)]
    size = Input(channels=in_channels, height=resolution, width=resolution)
    return Architecture(name=label("resnet8", width), input=size, rows=tuple(rows))
