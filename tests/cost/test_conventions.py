"""Other tools' totals, as they printed them (benchmarks/counters.py runs them again)."""

import pytest

from leannet.cost import CONVENTIONS, as_counted_by
from leannet.zoo import architecture

# thop 0.1.1, ptflops 0.7.5 (modules), ptflops (aten), fvcore 0.1.5: the operations beyond ours, at 224 pixels.
BEYOND = {
    "mobilenet_v1": (20_221_952, 20_272_104, 1_000, 10_135_552),
    "mobilenet_v2": (26_776_448, 19_588_456, 1_000, 13_418_944),
    "mobilenet_v3_small": (5_967_544, 4_399_632, 4_912, 3_139_136),
    "shufflenet_v2": (7_852_000, 7_579_928, 1_000, 3_950_576),
    "squeezenet_1_1": (170_000, 10_830_792, 2_589_352, 169_000),
    "resnet18": (9_960_448, 11_240_424, 1_000, 4_992_512),
    "googlenet_torchvision": (12_955_840, 18_757_416, 1_000, 6_502_496),
}


@pytest.mark.parametrize("name", BEYOND)
def test_what_the_tools_print(name: str) -> None:
    rows = architecture(name)
    _, macs = as_counted_by(rows, CONVENTIONS["leannet"])
    tools = ("thop", "ptflops", "ptflops-aten", "fvcore")
    beyond_macs = tuple(as_counted_by(rows, CONVENTIONS[tool])[1] - macs for tool in tools)
    assert beyond_macs == BEYOND[name]


def test_keras_counts_running_statistics() -> None:
    """Keras prints 4,253,864 for MobileNet; 4,231,976 of them are trained."""
    assert as_counted_by(architecture("mobilenet_v1"), CONVENTIONS["keras"])[0] == 4_253_864


def test_torch_counts_two() -> None:
    assert as_counted_by(architecture("mobilenet_v2"), CONVENTIONS["torch"])[1] == 2 * 300_774_272
