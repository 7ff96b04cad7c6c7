"""The width rule of the MobileNets."""


def round_channels(channels: float, divisor: int = 8) -> int:
    """`channels` to the nearest multiple of `divisor`, but never more than a tenth below what was asked.

    The rule of the authors' code (tensorflow/models, slim, mobilenet.py: _make_divisible), which the published
    channel counts follow. Devices are fastest on multiples of 8.
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def scale_channels(channels: int, width: float) -> int:
    """For papers without a width multiplier: as printed at width 1, else the MobileNets' rule."""
    return channels if width == 1 else round_channels(channels * width)
