"""Three searched networks of inverted residuals: FBNet-C, Single-Path NAS and HardCoRe-NAS A.

Wu et al., "FBNet", arXiv 1812.03443, Table 2; Stamoulis et al., "Single-Path NAS", arXiv 1904.02877, Figure 6; Nayman
et al., "HardCoRe-NAS", arXiv 2102.11646, appendix, as in timm.
"""

from leannet.zoo.bottlenecks import Design, conv, inverted, separable
from leannet.zoo.width import round_channels

FBNET_C = Design(
    "fbnet_c",
    (
        (inverted(16),),
        (inverted(24, 3, 2, 6), inverted(24, 3, 1, 1, 2)),
        (inverted(32, 5, 2, 6), inverted(32, 5, 1, 3), inverted(32, 5, 1, 6), inverted(32, 3, 1, 6)),
        (inverted(64, 5, 2, 6), inverted(64, 5, 1, 3), inverted(64, 5, 1, 6, 2)),
        (inverted(112, 5, 1, 6, 3), inverted(112, 5, 1, 3)),
        (inverted(184, 5, 2, 6, 4),),
        (inverted(352, 3, 1, 6),),
    ),
    stem=16,
    head_channels=lambda width: 1984,
)
SPNASNET = Design(
    "spnasnet",
    (
        (separable(16, residual=False),),
        (inverted(24, 3, 2, 3, 3),),
        (inverted(40, 5, 2, 6), inverted(40, 3, 1, 3, 3)),
        (inverted(80, 5, 2, 6), inverted(80, 3, 1, 3, 3)),
        (inverted(96, 5, 1, 6), inverted(96, 5, 1, 3, 3)),
        (inverted(192, 5, 2, 6, 4),),
        (inverted(320, 3, 1, 6, residual=False),),
    ),
)
HARDCORENAS_A = Design(
    "hardcorenas_a",
    (
        (separable(16, activation="relu"),),
        (
            inverted(24, 5, 2, 3, activation="relu"),
            inverted(24, 5, 1, 3, squeeze=0.25, activation="relu"),
        ),
        (
            inverted(40, 5, 2, 3, activation="relu"),
            inverted(40, 5, 1, 6, squeeze=0.25, activation="relu"),
        ),
        (inverted(80, 5, 2, 6, squeeze=0.25), inverted(80, 5, 1, 6, squeeze=0.25)),
        (inverted(112, 5, 1, 6, squeeze=0.25), inverted(112, 5, 1, 6, squeeze=0.25)),
        (inverted(192, 5, 2, 6, squeeze=0.25), inverted(192, 5, 1, 6, squeeze=0.25)),
        (conv(960, 1),),
    ),
    activation="h_swish",
    head="pooled",
    squeeze_of="expansion",
    squeeze_rounding=round_channels,
    squeeze_activation="relu",
    scale_activation="h_sigmoid",
)

FBNET_FORMS = "fbnetc_100", "fbnetc_100.rmsp_in1k"  # what timm builds, and what it publishes, with another epsilon
for _design, _summary, _paper, _forms in (
    (FBNET_C, "searched by gradients for a phone", "arXiv 1812.03443, Table 2", FBNET_FORMS),
    (SPNASNET, "searched in one path for a phone", "arXiv 1904.02877, Figure 6", ()),
    (HARDCORENAS_A, "searched under a latency that must be met", "arXiv 2102.11646, appendix", ()),
):
    _design.register(_summary, _paper, sources=(_design.timm(interpolation="bilinear", forms=_forms),))
