"""MobileNetV4's convolutional networks: universal inverted bottlenecks, ReLU alone, no squeeze-and-excitation.

Qin et al., "MobileNetV4: Universal Models for the Mobile Ecosystem", arXiv 2404.10518, appendix D. The stem keeps its
filters at widths below 1, as in timm.
"""

from leannet.zoo.bottlenecks import Design, Stage, conv, fused, universal

PAPER = "arXiv 2404.10518, appendix D"
LAST: Stage = (conv(960, 1),)
SMALL = Design(
    "mobilenet_v4_conv_small",
    (
        (conv(32, 3, 2), conv(32, 1)),
        (conv(96, 3, 2), conv(64, 1)),
        (
            universal(96, 5, 2, 3, start=5),
            universal(96, 3, 1, 2, 4),
            universal(96, None, 1, 4, start=3),
        ),
        (
            universal(128, 3, 2, 6, start=3),
            universal(128, 5, 1, 4, start=5),
            universal(128, 5, 1, 4),
            universal(128, 5, 1, 3),
            universal(128, 3, 1, 4, 2),
        ),
        LAST,
    ),
    head="pooled_norm",
    fixed_stem="narrow",
)
MEDIUM = Design(
    "mobilenet_v4_conv_medium",
    (
        (fused(48, 3, 2, 4),),
        (universal(80, 5, 2, 4, start=3), universal(80, 3, 1, 2, start=3)),
        (
            universal(160, 5, 2, 6, start=3),
            universal(160, 3, 1, 4, 2, start=3),
            universal(160, 5, 1, 4, start=3),
            universal(160, 3, 1, 4, start=3),
            universal(160, None, 1, 4, start=3),
            universal(160, None, 1, 2),
            universal(160, None, 1, 4, start=3),
        ),
        (
            universal(256, 5, 2, 6, start=5),
            universal(256, 5, 1, 4, start=5),
            universal(256, 5, 1, 4, 2, start=3),
            universal(256, None, 1, 4),
            universal(256, None, 1, 4, start=3),
            universal(256, 5, 1, 2, start=3),
            universal(256, 5, 1, 4, start=5),
            universal(256, None, 1, 4, 2),
            universal(256, None, 1, 2, start=5),
        ),
        LAST,
    ),
    head="pooled_norm",
    fixed_stem="narrow",
)
LARGE = Design(
    "mobilenet_v4_conv_large",
    (
        (fused(48, 3, 2, 4),),
        (universal(96, 5, 2, 4, start=3), universal(96, 3, 1, 4, start=3)),
        (
            universal(192, 5, 2, 4, start=3),
            universal(192, 3, 1, 4, 3, start=3),
            universal(192, 5, 1, 4, start=3),
            universal(192, 3, 1, 4, 5, start=5),
            universal(192, None, 1, 4, start=3),
        ),
        (
            universal(512, 5, 2, 4, 4, start=5),
            universal(512, None, 1, 4, start=5),
            universal(512, 3, 1, 4, start=5),
            universal(512, None, 1, 4, 2, start=5),
            universal(512, 3, 1, 4, start=5),
            universal(512, 5, 1, 4, start=5),
            universal(512, None, 1, 4, 3, start=5),
        ),
        LAST,
    ),
    stem=24,
    head="pooled_norm",
    fixed_stem="narrow",
)
DEBUG = SMALL.debug(
    "mobilenet_v4_debug",
    ((fused(16, 3, 2, 2),), (universal(24, 5, 1, 2, start=3), universal(24, None, 1, 2, start=3))),
)

SMALL.register("universal inverted bottlenecks, ReLU alone, small", PAPER)
MEDIUM.register("universal inverted bottlenecks, ReLU alone, medium", PAPER, 256)
LARGE.register("universal inverted bottlenecks, ReLU alone, large", PAPER, 384)
DEBUG.register("three blocks, for quick tests", PAPER, 32, (), 10)
