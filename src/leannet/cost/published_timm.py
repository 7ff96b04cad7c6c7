"""Accuracies that timm publishes of its weights for networks of the zoo, by their names there. No torch.

They say what a network can reach with a recipe of today: MobileNetV1 of 2017 is 4.5 points above its own paper.
"""

from leannet.cost.published import BY_SOURCE, Published

RESULTS = "huggingface/pytorch-image-models, results/results-imagenet.csv, commit 7479d45"
RESULTS_2026 = "huggingface/pytorch-image-models, results/results-imagenet.csv, August 2026"

# name, width, resolution, top-1, weights in timm
_ROWS = (
    ("mobilenet_v1", 1.0, 224, 75.384, "mobilenetv1_100.ra4_e3600_r224_in1k"),
    ("mobilenet_v1", 1.0, 256, 76.086, "mobilenetv1_100.ra4_e3600_r224_in1k"),
    ("mobilenet_v1", 1.25, 224, 76.928, "mobilenetv1_125.ra4_e3600_r224_in1k"),
    ("mobilenet_v1", 1.25, 256, 77.584, "mobilenetv1_125.ra4_e3600_r224_in1k"),
    ("mobilenet_v2", 1.4, 224, 76.528, "mobilenetv2_140.ra_in1k"),
    ("mobilenet_v2", 1.0, 224, 72.936, "mobilenetv2_100.ra_in1k"),
    ("mobilenet_v2", 0.5, 224, 65.930, "mobilenetv2_050.lamb_in1k"),
    ("mobilenet_v3_large", 1.0, 224, 75.786, "mobilenetv3_large_100.ra_in1k"),
    ("mobilenet_v3_small", 1.0, 224, 67.638, "mobilenetv3_small_100.lamb_in1k"),
    ("mobilenet_v3_small", 0.75, 224, 65.266, "mobilenetv3_small_075.lamb_in1k"),
    ("mobilenet_v3_small", 0.5, 224, 57.924, "mobilenetv3_small_050.lamb_in1k"),
    ("mobilenet_v4_conv_small", 1.0, 224, 73.730, "mobilenetv4_conv_small.e2400_r224_in1k"),
    ("mobilenet_v4_conv_small", 1.0, 256, 74.644, "mobilenetv4_conv_small.e2400_r224_in1k"),
    ("mobilenet_v4_conv_medium", 1.0, 224, 79.092, "mobilenetv4_conv_medium.e500_r224_in1k"),
    ("mobilenet_v4_conv_medium", 1.0, 256, 79.922, "mobilenetv4_conv_medium.e500_r256_in1k"),
    ("lcnet", 1.0, 224, 72.128, "lcnet_100.ra2_in1k"),
    ("lcnet", 0.75, 224, 68.784, "lcnet_075.ra2_in1k"),
    ("lcnet", 0.5, 224, 63.130, "lcnet_050.ra2_in1k"),
    ("mnasnet_a1", 1.0, 224, 75.464, "semnasnet_100.rmsp_in1k"),
    ("mnasnet_a1", 0.75, 224, 73.008, "semnasnet_075.rmsp_in1k"),
    ("mnasnet_b1", 1.0, 224, 74.662, "mnasnet_100.rmsp_in1k"),
    ("mnasnet_small", 1.0, 224, 66.196, "mnasnet_small.lamb_in1k"),
    ("efficientnet_lite0", 1.0, 224, 75.490, "efficientnet_lite0.ra_in1k"),
    ("efficientnet_lite1", 1.0, 240, 76.672, "tf_efficientnet_lite1.in1k"),
    ("efficientnet_lite2", 1.0, 260, 77.472, "tf_efficientnet_lite2.in1k"),
    ("efficientnet_lite3", 1.0, 300, 79.832, "tf_efficientnet_lite3.in1k"),
    ("efficientnet_b0", 1.0, 224, 78.572, "efficientnet_b0.ra4_e3600_r224_in1k"),
    ("efficientnet_b0", 1.0, 256, 79.370, "efficientnet_b0.ra4_e3600_r224_in1k"),
    ("efficientnet_b1", 1.0, 240, 80.404, "efficientnet_b1.ra4_e3600_r240_in1k"),
    ("tinynet_a", 1.0, 192, 77.664, "tinynet_a.in1k"),
    ("tinynet_b", 1.0, 188, 74.966, "tinynet_b.in1k"),
    ("tinynet_c", 1.0, 184, 71.224, "tinynet_c.in1k"),
    ("tinynet_d", 1.0, 152, 66.966, "tinynet_d.in1k"),
    ("tinynet_e", 1.0, 106, 59.874, "tinynet_e.in1k"),
    ("fbnet_c", 1.0, 224, 75.114, "fbnetc_100.rmsp_in1k"),
    ("spnasnet", 1.0, 224, 74.082, "spnasnet_100.rmsp_in1k"),
    ("hardcorenas_a", 1.0, 224, 75.926, "hardcorenas_a.miil_green_in1k"),
    ("ghostnet_v1", 1.0, 224, 73.960, "ghostnet_100.in1k"),
    ("ghostnet_v2", 1.0, 224, 75.176, "ghostnetv2_100.in1k"),
    ("ghostnet_v2", 1.3, 224, 76.762, "ghostnetv2_130.in1k"),
    ("ghostnet_v2", 1.6, 224, 77.836, "ghostnetv2_160.in1k"),
    ("repghostnet", 0.5, 224, 66.980, "repghostnet_050.in1k"),
    ("repghostnet", 0.58, 224, 68.934, "repghostnet_058.in1k"),
    ("repghostnet", 0.8, 224, 72.236, "repghostnet_080.in1k"),
    ("repghostnet", 1.0, 224, 74.200, "repghostnet_100.in1k"),
    ("repghostnet", 1.11, 224, 75.068, "repghostnet_111.in1k"),
    ("repghostnet", 1.3, 224, 76.366, "repghostnet_130.in1k"),
    ("repghostnet", 1.5, 224, 77.470, "repghostnet_150.in1k"),
    ("repghostnet", 2.0, 224, 78.790, "repghostnet_200.in1k"),
    ("mobileone_s0", 1.0, 224, 71.398, "mobileone_s0.apple_in1k"),
    ("mobileone_s1", 1.0, 224, 75.774, "mobileone_s1.apple_in1k"),
    ("mobileone_s2", 1.0, 224, 77.504, "mobileone_s2.apple_in1k"),
    ("mobileone_s3", 1.0, 224, 78.002, "mobileone_s3.apple_in1k"),
    ("mobileone_s4", 1.0, 224, 79.450, "mobileone_s4.apple_in1k"),
    ("repvit_m0_9", 1.0, 224, 79.058, "repvit_m0_9.dist_450e_in1k"),
    ("repvit_m1", 1.0, 224, 78.542, "repvit_m1.dist_in1k"),
)
_ROWS_2026 = (
    ("mobilenet_v4_conv_small", 0.5, 224, 64.8, "mobilenetv4_conv_small_050"),
    ("starnet_s1", 1.0, 224, 73.5, "starnet_s1"),
    ("starnet_s2", 1.0, 224, 74.7, "starnet_s2"),
    ("starnet_s3", 1.0, 224, 77.4, "starnet_s3"),
    ("fasternet_t0", 1.0, 224, 71.7, "fasternet_t0"),
    ("fasternet_t1", 1.0, 224, 75.9, "fasternet_t1"),
)


def _published(rows: tuple[tuple[str, float, int, float, str], ...]) -> tuple[Published, ...]:
    return tuple(
        Published(name, width, px, None, None, top1, weights=weights) for name, width, px, top1, weights in rows
    )


TIMM = ((RESULTS, _published(_ROWS)), (RESULTS_2026, _published(_ROWS_2026)))


def most_accurate() -> dict[tuple[str, float, int], tuple[Published, str]]:
    """For each name, width and resolution the best accuracy that is published, by anyone, with its source."""
    best: dict[tuple[str, float, int], tuple[Published, str]] = {}
    for source, rows in (*BY_SOURCE, *TIMM):
        for row in rows:
            key = row.name, row.width, row.resolution
            if key not in best or row.top1 > best[key][0].top1:
                best[key] = row, source
    return best
