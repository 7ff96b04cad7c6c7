"""The noise of each layer alone as integers."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from leannet.console import Console
from leannet.quantization.comparison import relative_noise
from leannet.quantization.quantized import LayerNoise
from leannet.rows.graph import Node
from leannet.runtime import Program, engine, machine
from leannet.runtime.engines import Floats

MOST_AT_ONCE = 4  # programs, each with all weights


def noise_of_each(
    layers: Sequence[Node],
    program: Callable[[Node], Program],
    engine_name: str,
    x: Floats,
    reference: Sequence[Floats],
    console: Console,
) -> Iterator[LayerNoise]:
    """What each layer adds to a network's outputs, `reference` of images `x`, where it alone is of integers, over them.

    program: the network in which it is so. One is written while another runs, on a thread each, which takes half as
    long as both in turn on all cores.
    """

    def alone(node: Node) -> LayerNoise:
        outputs = engine(engine_name).prepare(program(node), threads=1)(x)
        noise = [relative_noise(*pair) for pair in zip(outputs, reference, strict=True)]
        return LayerNoise(node.path, str(getattr(node.row, "kind", "")), float(np.mean(noise)))

    with ThreadPoolExecutor(min(machine().cores, MOST_AT_ONCE)) as pool:
        yield from console.track(pool.map(alone, layers), len(layers), "each layer alone")
