"""A network as a LiteRT (.tflite) file for phones.

Values are (N, H, W, C) there. Where padding is not that of TensorFlow's "same" rule, an operation of its own pads, or,
where memory is short, larger filters do (tflite_padding.py). The batch is 1 in the file, and may be resized. Input and
outputs are float32, whatever is within, unless the operations say otherwise.
"""

from leannet.preprocessing import Preprocessing
from leannet.rows import Architecture
from leannet.runtime.branching import Branches, branching, mixed
from leannet.runtime.epilogues import with_epilogues
from leannet.runtime.folding import Weights
from leannet.runtime.formats.spelling import check
from leannet.runtime.formats.tflite_graph import TfliteGraph
from leannet.runtime.formats.tflite_padding import padded_inside
from leannet.runtime.formats.tflite_spellings import TABLE, refusal
from leannet.runtime.lowered import Operations
from leannet.runtime.lowering import lower
from leannet.runtime.tflite_file import pack


def to_tflite(
    architecture: Architecture, weights: Weights, images: Preprocessing | None = None, branches: Branches | None = None
) -> bytes:
    """The file: `input` (N, H, W, C) float32 -> one output a row of `outputs`, a vector as (N, C).

    images: it takes uint8 images of the network's size, and normalizes them. branches: choices are branches
    (`branching`), here for one image at a time alone.
    Raises LeannetError for a row that LiteRT has no operation for, and where the package `tflite` is missing.
    """
    operations = lower(architecture, weights, images, sized=True)
    return spell_tflite((branching if branches else mixed)(operations))


def spell_tflite(operations: Operations, spare_memory: bool = False) -> bytes:
    """The file of operations."""
    graph = written(operations, spare_memory)
    return pack(graph.subgraph, *graph.bodies)


def written(operations: Operations, spare_memory: bool = False) -> TfliteGraph:
    """Tensors and operators. spare_memory: larger filters, where these need no operation that pads."""
    operations = padded_inside(operations) if spare_memory else operations
    operations = with_epilogues(operations, ("relu", "relu6"))
    check(operations, TABLE, "LiteRT", refusal)
    graph = TfliteGraph(operations)
    for step in operations:
        graph.made[step.name] = TABLE[type(step)](graph, step, *(graph.made[name] for name in step.inputs))
    graph.outputs = [graph.output(name, value) for name, value in operations.outputs.items()]
    return graph
