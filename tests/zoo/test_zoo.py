"""The zoo against the papers: integers, channel lists, the width rule, and names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leannet.cost import count
from leannet.errors import LeannetError
from leannet.rows import Conv, InvertedResidual
from leannet.zoo import FAMILIES, architecture, models
from leannet.zoo.width import round_channels
from tests.conftest import in_full

# name, width, resolution, params, mult-adds; 1000 classes. Counted independently, and equal to torchvision's
# published figures where it has the network.
EXACT = [
    ("mobilenet_v1", 1.0, 224, 4_231_976, 568_740_352),
    ("mobilenet_v2", 1.0, 224, 3_504_872, 300_774_272),
    ("mobilenet_v3_large", 1.0, 224, 5_483_032, 216_589_760),
    ("mobilenet_v3_small", 1.0, 224, 2_542_856, 56_510_400),
    ("squeezenet_1_0", 1.0, 224, 1_248_424, 818_924_576),
    ("squeezenet_1_1", 1.0, 224, 1_235_496, 349_151_936),
    ("shufflenet_v2_torchvision", 0.5, 224, 1_366_792, 40_476_448),
    ("shufflenet_v2_torchvision", 1.0, 224, 2_278_604, 144_907_992),
    ("shufflenet_v2_torchvision", 1.5, 224, 3_503_624, 295_759_392),
    ("shufflenet_v2_torchvision", 2.0, 224, 7_393_996, 583_253_464),
    ("shufflenet_v1", 1.0, 224, 1_865_728, 137_460_672),
    ("cifar_resnet110", 1.0, 32, 1_730_714, 253_149_824),
]
# The same with mult-adds in millions, to two places.
ROUNDED = [
    ("mobilenet_v1", 0.75, 224, 2_585_560, 325.40),
    ("mobilenet_v1", 0.5, 160, 1_331_592, 76.52),
    ("mobilenet_v1", 0.25, 128, 470_072, 13.57),
    ("mobilenet_v2", 1.4, 224, 6_108_776, 582.20),
    ("mobilenet_v2", 1.3, 224, 5_386_792, 509.37),
    ("mobilenet_v2", 0.75, 96, 2_636_424, 39.45),
    ("mobilenet_v2", 0.5, 128, 1_968_680, 32.58),
    ("mobilenet_v2", 0.35, 96, 1_677_128, 11.93),
    ("mobilenet_v3_large", 0.75, 224, 3_993_528, 154.56),
    ("mobilenet_v3_large", 0.5, 224, 2_689_520, 69.25),
    ("mobilenet_v3_large", 1.25, 224, 7_551_976, 355.22),
    ("mobilenet_v3_small", 0.75, 224, 2_041_872, 43.40),
    ("mobilenet_v3_small", 0.5, 224, 1_592_704, 21.05),
    ("mobilenet_v3_large_minimal", 1.0, 224, 3_924_288, 209.14),
    ("mobilenet_v3_small_minimal", 1.0, 224, 2_044_736, 52.29),
    ("mobilenet_v3_large_torchvision", 0.75, 224, 3_377_576, 140.03),
    ("mobilenet_v3_large_torchvision", 1.25, 224, 8_164_744, 343.46),
    ("mobilenet_v3_small_torchvision", 0.5, 224, 917_264, 18.97),
    ("mobilenet_v3_large", 1.0, 160, 5_483_032, 112.47),
    ("mobilenet_v3_small", 1.0, 128, 2_542_856, 19.85),
    ("squeezenet_1_0", 1.0, 227, 1_248_424, 832.67),
    ("squeezenet_1_1", 1.0, 227, 1_235_496, 387.75),
    # ShuffleNetV1: the fifteen of the paper's Table 2. Six do not divide into whole groups as printed, and are one
    # step wider (the head of zoo/shufflenet_v1.py); the others are the printed widths to the integer.
    ("shufflenet_v1_g1", 1.0, 224, 1_531_936, 143.08),
    ("shufflenet_v1_g2", 1.0, 224, 1_733_848, 140.84),
    ("shufflenet_v1_g3", 1.0, 224, 1_865_728, 137.46),
    ("shufflenet_v1_g4", 1.0, 224, 1_968_344, 134.34),
    ("shufflenet_v1_g8", 1.0, 224, 2_434_768, 138.37),
    ("shufflenet_v1_g1", 0.5, 224, 534_484, 38.52),
    ("shufflenet_v1_g2", 0.5, 224, 643_932, 38.57),
    ("shufflenet_v1_g3", 0.5, 224, 718_324, 37.59),
    ("shufflenet_v1_g4", 0.5, 224, 778_040, 37.47),
    ("shufflenet_v1_g8", 0.5, 224, 1_011_448, 40.47),
    ("shufflenet_v1_g1", 0.25, 224, 209_908, 13.16),
    ("shufflenet_v1_g2", 0.25, 224, 267_690, 13.78),
    ("shufflenet_v1_g3", 0.25, 224, 306_124, 13.30),
    ("shufflenet_v1_g4", 0.25, 224, 339_420, 13.98),
    ("shufflenet_v1_g8", 0.25, 224, 454_888, 15.72),
    # With the bias of the classes, which the authors' code is without.
    ("shufflenet_v1_g3", 1.5, 224, 3_441_168 + 1000, 292.44),
    ("shufflenet_v1_g3", 2.0, 224, 5_449_776 + 1000, 524.05),
    ("shufflenet_v1_g8", 2.0, 224, 6_521_232 + 1000, 521.94),
    ("shufflenet_v2", 0.5, 224, 1_365_792 + 1000, 40.48),
    ("shufflenet_v2", 1.0, 224, 2_278_760 + 1000, 145.81),
    ("shufflenet_v2", 1.5, 224, 3_506_720 + 1000, 298.97),
    ("shufflenet_v2", 2.0, 224, 7_402_600 + 1000, 590.78),
    ("shufflenet_v2_50", 1.0, 224, 16_576_898, 2314.70),
    ("alexnet", 1.0, 224, 61_100_840, 714.19),
    ("alexnet_grouped", 1.0, 227, 60_965_224, 724.41),
    ("googlenet_torchvision", 1.0, 224, 6_624_904, 1498.38),
    ("vgg16", 1.0, 224, 138_357_544, 15470.26),
    ("resnet18", 1.0, 224, 11_689_512, 1814.07),
    ("resnet34", 1.0, 224, 21_797_672, 3663.76),
    ("resnet50", 1.0, 224, 25_557_032, 4089.18),
    ("resnet101", 1.0, 224, 44_549_160, 7801.41),
    ("resnet152", 1.0, 224, 60_192_808, 11513.63),
    ("cifar_resnet38", 1.0, 32, 564_122, 83.28),
    ("cifar_resnet74", 1.0, 32, 1_147_418, 168.22),
    ("cifar_resnet152", 1.0, 32, 2_411_226, 352.24),
    ("nasnet_a_mobile", 1.0, 224, 5_289_978, 563.64),
    # The paper's whole training is 3.6e14 FLOPs: 9.9 passes over 50,000 images, 6 for each mult-add.
    ("airbench94", 1.0, 32, 1_972_802, 118.15),
]


@pytest.mark.parametrize(("name", "width", "resolution", "params", "macs"), EXACT)
def test_exact_integers(name: str, width: float, resolution: int, params: int, macs: int) -> None:
    cost = count(architecture(name, width, resolution))
    assert (cost.params, cost.macs) == (params, macs)


@pytest.mark.parametrize(("name", "width", "resolution", "params", "macs"), ROUNDED)
def test_other_widths_and_resolutions(name: str, width: float, resolution: int, params: int, macs: float) -> None:
    cost = count(architecture(name, width, resolution))
    assert cost.params == params
    assert cost.macs / 1e6 == pytest.approx(macs, abs=0.0051)


# The channels of every row, from the authors' code at these widths.
CHANNELS = {
    ("mobilenet_v2", 1.0): [32, 16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320, 1280],
    ("mobilenet_v2", 0.75): [24, 16, 24, 24, 24, 24, 24, 48, 48, 48, 48, 72, 72, 72, 120, 120, 120, 240, 1280],
    ("mobilenet_v2", 0.5): [16, 8, 16, 16, 16, 16, 16, 32, 32, 32, 32, 48, 48, 48, 80, 80, 80, 160, 1280],
    ("mobilenet_v2", 0.35): [16, 8, 8, 8, 16, 16, 16, 24, 24, 24, 24, 32, 32, 32, 56, 56, 56, 112, 1280],
    ("mobilenet_v2", 1.4): [48, 24, 32, 32, 48, 48, 48, 88, 88, 88, 88, 136, 136, 136, 224, 224, 224, 448, 1792],
}


@pytest.mark.parametrize(("name", "width"), CHANNELS)
def test_channel_lists(name: str, width: float) -> None:
    rows = [row for row in architecture(name, width).rows if isinstance(row, Conv | InvertedResidual)]
    assert [row.out_channels for row in rows] == CHANNELS[name, width]


@given(st.floats(1, 5000))
def test_width_rule(channels: float) -> None:
    rounded = round_channels(channels)
    assert rounded % 8 == 0
    assert rounded >= 0.9 * channels
    assert rounded == 8 or abs(rounded - channels) <= 8


@pytest.mark.parametrize(("name", "width"), in_full(sorted(FAMILIES), (0.35, 1.0, 1.4)))
def test_residual_only_where_stride_is_one_and_widths_agree(name: str, width: float) -> None:
    arch = architecture(name, width, classes=10)
    before = arch.input.shape
    for row in arch.rows:
        if isinstance(row, InvertedResidual) and row.project_activation == "linear":  # lcnet's have no shortcuts
            assert row.residual == (row.stride == 1 and row.out_channels == before.channels)
        before = arch.shapes[row.name]


@pytest.mark.parametrize("name", ["mobilenet_v2", "cifar_mobilenet_v2"])
def test_rows_have_the_names_of_the_field(name: str) -> None:
    names = [row.name for row in architecture(name).rows]
    assert names[:2] == ["Conv1", "expanded_conv"]
    assert names[2:18] == [f"block_{number}" for number in range(1, 17)]
    assert names[18] == "Conv_1"
    paths = [layer.path for layer in architecture(name).layers]
    assert "expanded_conv.expand" not in paths
    assert {"expanded_conv.project", "block_1.expand", "block_1.depthwise", "block_16.project"} <= set(paths)


@pytest.mark.parametrize("name", [name for name in FAMILIES if name.startswith("cifar_")])
def test_the_32_pixel_forms_have_a_total_stride_of_8(name: str) -> None:
    arch = architecture(name)
    last = [shape for shape in arch.shapes.values() if shape.height > 1][-1]
    # ResNet's own form for CIFAR has 4.
    assert (last.height, last.width) == ((8, 8) if "resnet" in name or "skipnet" in name else (4, 4))


def test_every_family_has_a_debug_variant() -> None:
    stems = {
        "mobilenet_v1",
        "mobilenet_v2",
        "mobilenet_v3",
        "two_layer",
        "squeezenet",
        "shufflenet_v1",
        "shufflenet_v2",
    }
    stems |= {"resnet", "vgg", "googlenet", "nasnet", "mobilenet_v4", "lcnet", "mnasnet", "efficientnet", "ghostnet"}
    stems |= {
        "ghostnet_v2",
        "repghostnet",
        "mobileone",
        "repvit",
        "starnet",
        "fasternet",
        "skipnet",
        "skipnet_feedforward",
        "onenet",
        "onenet_deconv",
        "airbench",
    }
    assert {f"{stem}_debug" for stem in stems} == set(models("*_debug"))
    assert all(count(architecture(name)).macs < 20e6 for name in models("*_debug"))


def test_a_misspelt_name_gets_the_three_nearest() -> None:
    with pytest.raises(LeannetError, match="nearest: mobilenet_v2, mobilenet_v1, "):
        architecture("mobilnet_v2")


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small"])
def test_a_resolution_it_cannot_take_names_the_smallest_it_can(name: str) -> None:
    with pytest.raises(LeannetError, match=r"stride 2 needs at least 2 pixels.*the smallest it takes is 17"):
        architecture(name, resolution=16)
    architecture(name, resolution=17)
