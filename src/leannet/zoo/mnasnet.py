"""MnasNet, searched for the milliseconds of a phone: A1 with squeeze-and-excitation, B1 without, and a small one.

Tan et al., "MnasNet: Platform-Aware Neural Architecture Search for Mobile", arXiv 1807.11626, Figure 7 (A1), and the
authors' code (B1, small). The head has 1280 filters at every width.
"""

from leannet.zoo.bottlenecks import Design, inverted, separable

PAPER, CODE = "arXiv 1807.11626, Figure 7", "tensorflow/tpu, models/official/mnasnet"
A1 = Design(
    "mnasnet_a1",
    (
        (separable(16, residual=False),),
        (inverted(24, 3, 2, 6, 2),),
        (inverted(40, 5, 2, 3, 3, 0.25),),
        (inverted(80, 3, 2, 6, 4),),
        (inverted(112, 3, 1, 6, 2, 0.25),),
        (inverted(160, 5, 2, 6, 3, 0.25),),
        (inverted(320, 3, 1, 6),),
    ),
)
B1 = Design(
    "mnasnet_b1",
    (
        (separable(16, residual=False),),
        (inverted(24, 3, 2, 3, 3),),
        (inverted(40, 5, 2, 3, 3),),
        (inverted(80, 5, 2, 6, 3),),
        (inverted(96, 3, 1, 6, 2),),
        (inverted(192, 5, 2, 6, 4),),
        (inverted(320, 3, 1, 6, residual=False),),
    ),
)
SMALL = Design(
    "mnasnet_small",
    (
        (separable(8),),
        (inverted(16, 3, 2, 3),),
        (inverted(16, 3, 2, 6, 2),),
        (inverted(32, 5, 2, 6, 4, 0.25),),
        (inverted(32, 3, 1, 6, 3, 0.25),),
        (inverted(88, 5, 2, 6, 3, 0.25),),
        (inverted(144, 3, 1, 6),),
    ),
    stem=8,
)

A1.register("searched for a phone, with squeeze-and-excitation", PAPER)
B1.register("searched for a phone, without squeeze-and-excitation", CODE)
SMALL.register("searched for a phone, small", CODE)
A1.debug("mnasnet_debug", ((separable(16), inverted(24, 5, 2, 3, squeeze=0.25)),)).register(
    "two blocks, for quick tests", PAPER, 32, (), 10
)
