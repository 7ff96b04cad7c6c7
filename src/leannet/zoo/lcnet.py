"""PP-LCNet: MobileNetV1's separable blocks with h-swish, 5 x 5 kernels and squeeze-and-excitation late.

Cui et al., "PP-LCNet: A Lightweight CPU Convolutional Neural Network", arXiv 2109.15099, Table 1.
"""

from leannet.zoo.bottlenecks import Design, separable

PAPER = "arXiv 2109.15099, Table 1"
LCNET = Design(
    "lcnet",
    (
        (separable(32),),
        (separable(64, 3, 2, repeats=2),),
        (separable(128, 3, 2, repeats=2),),
        (separable(256, 3, 2), separable(256, 5)),
        (separable(256, 5, repeats=4),),
        (separable(512, 5, 2, repeats=2, squeeze=0.25),),
    ),
    stem=16,
    activation="h_swish",
    head="pooled",
    squeeze_activation="relu",
    scale_activation="h_sigmoid",
    project_activation="h_swish",
)

LCNET.register("separable blocks with h-swish, for CPUs", PAPER)
LCNET.debug("lcnet_debug", ((separable(24, 3, 2), separable(24, 5, squeeze=0.25)),)).register(
    "two blocks, for quick tests", PAPER, 32, (), 10
)
