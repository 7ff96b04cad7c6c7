"""Published figures, as printed, each with its source. No torch.

docs/tables sets them beside the counted ones, and says where they differ and why.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One printed row. `macs_m` and `params_m` in millions; accuracies in percent of ImageNet's validation set."""

    name: str
    width: float
    resolution: int
    macs_m: float | None
    params_m: float | None
    top1: float
    top5: float | None = None
    top1_int8: float | None = None
    latency_ms: float | None = None  # Pixel 1, one big core, batch 1, TFLite, float
    weights: str = ""  # whose accuracy it is, by their name where they are published


V1_README = "tensorflow/models, research/slim/nets/mobilenet_v1.md"
V2_V3_README = "tensorflow/models, research/slim/nets/mobilenet/README.md"

# width, resolution, mult-adds in millions, parameters in millions, top-1, top-5, top-1 in 8 bits
MOBILENET_V1 = tuple(
    Published("mobilenet_v1", width, resolution, macs, params, top1, top5, top1_int8)
    for width, resolution, macs, params, top1, top5, top1_int8 in (
        (1.00, 224, 569, 4.24, 70.9, 89.9, 69.7),
        (1.00, 192, 418, 4.24, 70.0, 89.2, 69.0),
        (1.00, 160, 291, 4.24, 68.0, 87.7, 67.3),
        (1.00, 128, 186, 4.24, 65.2, 85.8, 64.0),
        (0.75, 224, 317, 2.59, 68.4, 88.2, 67.9),
        (0.75, 192, 233, 2.59, 67.2, 87.3, 66.2),
        (0.75, 160, 162, 2.59, 65.3, 86.0, 63.9),
        (0.75, 128, 104, 2.59, 62.1, 83.9, 59.8),
        (0.50, 224, 150, 1.34, 63.3, 84.9, 62.2),
        (0.50, 192, 110, 1.34, 61.7, 83.6, 60.4),
        (0.50, 160,  77, 1.34, 59.1, 81.9, 57.7),
        (0.50, 128,  49, 1.34, 56.3, 79.4, 54.9),
        (0.25, 224,  41, 0.47, 49.8, 74.2, 48.2),
        (0.25, 192,  34, 0.47, 47.7, 72.3, 45.8),
        (0.25, 160,  21, 0.47, 45.5, 70.3, 43.5),
        (0.25, 128,  14, 0.47, 41.5, 66.3, 39.9),
    )
)  # fmt: skip

V1_PAPER = "arXiv 1704.04861, Tables 6 and 7"
# The paper's own figures, which are not those of its authors' later training.
MOBILENET_V1_PAPER = tuple(
    Published("mobilenet_v1", width, resolution, macs, params, top1)
    for width, resolution, macs, params, top1 in (
        (1.00, 224, 569, 4.2, 70.6),
        (0.75, 224, 325, 2.6, 68.4),
        (0.50, 224, 149, 1.3, 63.7),
        (0.25, 224,  41, 0.5, 50.6),
        (1.00, 192, 418, 4.2, 69.1),
        (1.00, 160, 290, 4.2, 67.2),
        (1.00, 128, 186, 4.2, 64.4),
    )
)  # fmt: skip

# width, resolution, mult-adds in millions, parameters in millions, top-1, top-5, milliseconds
MOBILENET_V2 = tuple(
    Published("mobilenet_v2", width, resolution, macs, params, top1, top5, latency_ms=latency_ms)
    for width, resolution, macs, params, top1, top5, latency_ms in (
        (1.40, 224, 582, 6.06, 75.0, 92.5, 138.0),
        (1.30, 224, 509, 5.34, 74.4, 92.1, 123.0),
        (1.00, 224, 300, 3.47, 71.8, 91.0,  73.8),
        (1.00, 192, 221, 3.47, 70.7, 90.1,  55.1),
        (1.00, 160, 154, 3.47, 68.8, 89.0,  40.2),
        (1.00, 128,  99, 3.47, 65.3, 86.9,  27.6),
        (1.00,  96,  56, 3.47, 60.3, 83.2,  17.6),
        (0.75, 224, 209, 2.61, 69.8, 89.6,  55.8),
        (0.75, 192, 153, 2.61, 68.7, 88.9,  41.6),
        (0.75, 160, 107, 2.61, 66.4, 87.3,  30.4),
        (0.75, 128,  69, 2.61, 63.2, 85.3,  21.9),
        (0.75,  96,  39, 2.61, 58.8, 81.6,  14.2),
        (0.50, 224,  97, 1.95, 65.4, 86.4,  28.7),
        (0.50, 192,  71, 1.95, 63.9, 85.4,  21.1),
        (0.50, 160,  50, 1.95, 61.0, 83.2,  14.9),
        (0.50, 128,  32, 1.95, 57.7, 80.8,   9.9),
        (0.50,  96,  18, 1.95, 51.2, 75.8,   6.4),
        (0.35, 224,  59, 1.66, 60.3, 82.9,  19.7),
        (0.35, 192,  43, 1.66, 58.2, 81.2,  14.6),
        (0.35, 160,  30, 1.66, 55.7, 79.1,  10.5),
        (0.35, 128,  20, 1.66, 50.8, 75.0,   6.9),
        (0.35,  96,  11, 1.66, 45.5, 70.4,   4.5),
    )
)  # fmt: skip

# name, width, mult-adds in millions, parameters in millions, top-1, top-1 in 8 bits, milliseconds
MOBILENET_V3 = tuple(
    Published(name, width, 224, macs, params, top1, top1_int8=top1_int8, latency_ms=latency_ms)
    for name, width, macs, params, top1, top1_int8, latency_ms in (
        ("mobilenet_v3_large",         1.00, 217, 5.4, 75.2, 73.9, 51.2),
        ("mobilenet_v3_large",         0.75, 155, 4.0, 73.3, None, 39.8),
        ("mobilenet_v3_small",         1.00,  66, 2.9, 67.5, 64.9, 15.8),
        ("mobilenet_v3_small",         0.75,  44, 2.4, 65.4, None, 12.8),
        ("mobilenet_v3_large_minimal", 1.00, 209, 3.9, 72.3, 71.3, 44.1),
        ("mobilenet_v3_small_minimal", 1.00,  65, 2.0, 61.9, None, 12.2),
    )
)  # fmt: skip

SHUFFLENET_V1_PAPER = "arXiv 1707.01083, Table 2"
# groups, scale, top-1 error; complexity as printed above the columns: 140, 38 and 13 MFLOPs
SHUFFLENET_V1 = tuple(
    Published(f"shufflenet_v1_g{groups}", scale, 224, macs, None, round(100 - error, 1))
    for scale, macs, errors in (
        (1.00, 140, (33.6, 32.7, 32.6, 32.8, 32.4)),
        (0.50,  38, (45.1, 44.4, 43.2, 41.6, 42.3)),
        (0.25,  13, (57.1, 56.8, 55.0, 54.2, 52.7)),
    )
    for groups, error in zip((1, 2, 3, 4, 8), errors, strict=True)
)  # fmt: skip

SHUFFLENET_V2_PAPER = "arXiv 1807.11164, Table 8"
SHUFFLENET_V2 = tuple(
    Published(name, scale, 224, macs, None, round(100 - error, 2))
    for name, scale, macs, error in (
        ("shufflenet_v2",    0.5,   41, 39.7),
        ("shufflenet_v2",    1.0,  146, 30.6),
        ("shufflenet_v2",    1.5,  299, 27.4),
        ("shufflenet_v2",    2.0,  591, 25.1),
        ("shufflenet_v2_se", 2.0,  597, 24.6),
        ("shufflenet_v2_50", 1.0, 2300, 22.8),
    )
)  # fmt: skip

TORCHVISION = "pytorch/vision, weight metadata"
# what torchvision publishes beside its first weights: mult-adds in millions, parameters in millions, top-1, top-5
TORCHVISION_WEIGHTS = tuple(
    Published(name, width, 224, macs, params, top1, top5)
    for name, width, macs, params, top1, top5 in (
        ("squeezenet_1_0",            1.0,   819,   1.248424, 58.092, 80.420),
        ("squeezenet_1_1",            1.0,   349,   1.235496, 58.178, 80.624),
        ("shufflenet_v2_torchvision", 0.5,    40,   1.366792, 60.552, None),
        ("shufflenet_v2_torchvision", 1.0,   145,   2.278604, 69.362, None),
        ("shufflenet_v2_torchvision", 1.5,   296,   3.503624, 72.996, None),
        ("shufflenet_v2_torchvision", 2.0,   583,   7.393996, 76.230, None),
        ("alexnet",                   1.0,   714,  61.100840, 56.522, 79.066),
        ("googlenet_torchvision",     1.0,  1498,   6.624904, 69.778, 89.530),
        ("vgg16",                     1.0, 15470, 138.357544, 71.592, 90.382),
        ("resnet18",                  1.0,  1814,  11.689512, 69.758, None),
        ("resnet50",                  1.0,  4089,  25.557032, 76.130, None),
        ("resnet101",                 1.0,  7801,  44.549160, 77.374, None),
    )
)  # fmt: skip

# The MobileNets paper's own comparisons: mult-adds in millions, parameters in millions, top-1
TABLE_8 = (
    Published("mobilenet_v1", 1.0, 224, 569, 4.2, 70.6),
    Published("googlenet", 1.0, 224, 1550, 6.8, 69.8),
    Published("vgg16", 1.0, 224, 15300, 138, 71.5),
)
TABLE_9 = (
    Published("mobilenet_v1", 0.5, 160, 76, 1.32, 60.2),
    Published("squeezenet_1_0", 1.0, 227, 1700, 1.25, 57.5),
    Published("alexnet_grouped", 1.0, 227, 720, 60, 57.2),
)

NASNET = Published("nasnet_a_mobile", 1.0, 224, 564, 5.3, 74.0, 91.6)

# Every published row with its source, the paper's authors' own figures first.
BY_SOURCE = (
    (V1_README, MOBILENET_V1),
    (V2_V3_README, (*MOBILENET_V2, *MOBILENET_V3)),
    (SHUFFLENET_V1_PAPER, SHUFFLENET_V1),
    (SHUFFLENET_V2_PAPER, SHUFFLENET_V2),
    (TORCHVISION, TORCHVISION_WEIGHTS),
    ("tensorflow/models, research/slim/nets/nasnet/README.md", (NASNET,)),
)


def find_all(name: str, width: float, resolution: int) -> list[tuple[Published, str]]:
    """What is published of a network at a width and resolution, with its source; of MobileNetV1 the paper's last."""
    return [
        (row, source)
        for source, rows in (*BY_SOURCE, (V1_PAPER, MOBILENET_V1_PAPER))
        for row in rows
        if (row.name, row.width, row.resolution) == (name, width, resolution)
    ]


def find(name: str, width: float, resolution: int) -> tuple[float | None, str]:
    """Published top-1 in percent and its source, the first of `find_all`; None where nothing is published."""
    return next(((row.top1, source) for row, source in find_all(name, width, resolution)), (None, ""))
