"""A plain convolutional network of two layers: what a lightweight network must beat to be worth its trouble."""

from leannet.rows import Architecture, Conv, Input, Linear, Norm, Pool, Row
from leannet.zoo.registry import family, label

# name, filters; each 3 x 3, batch norm, ReLU, then 2 x 2 max pooling
LAYERS = (("conv_1", 16), ("conv_2", 32))


def _table(name: str, width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    rows: list[Row] = []
    for layer, filters in LAYERS:
        channels = max(1, round(filters * width))
        rows += [
            Conv(name=layer, out_channels=channels, kernel=3, norm=Norm(), activation="relu"),
            Pool(name=layer.replace("conv", "pool"), op="max", kernel=2, stride=2),
        ]
    rows.append(Linear(name="Logits", out_channels=classes))
    size = Input(channels=in_channels, height=resolution, width=resolution)
    return Architecture(name=label(name, width), input=size, rows=tuple(rows))


@family("two_layer", "two plain convolutions and a fully connected row: the baseline", "none")
def two_layer(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    return _table("two_layer", width, resolution, classes, in_channels)


@family("two_layer_debug", "the baseline at 32 pixels, for quick tests", "none", resolution=32, classes=10)
def two_layer_debug(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    return _table("two_layer_debug", width, resolution, classes, in_channels)
