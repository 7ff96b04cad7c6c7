"""A network as a LiteRT (.tflite) file for phones.

Values are (N, H, W, C) there. Where padding is not that of TensorFlow's "same" rule, an operation of its own pads. The
batch is 1 in the file, and may be resized. Input and outputs are float32, whatever is within.
"""

from leannet.rows import INPUT, Architecture
from leannet.runtime.folding import Weights
from leannet.runtime.formats.spelling import check
from leannet.runtime.formats.tflite_graph import TfliteGraph
from leannet.runtime.formats.tflite_spellings import TABLE, refusal
from leannet.runtime.lowering import lower
from leannet.runtime.operations import Operations, with_epilogues
from leannet.runtime.tflite_file import pack


def to_tflite(architecture: Architecture, weights: Weights) -> bytes:
    """The file: `input` (N, H, W, C) float32 -> one output a row of `outputs`, a vector as (N, C).

    Raises LeannetError for a row that LiteRT has no operation for, and where the package `tflite` is missing.
    """
    return spell_tflite(lower(architecture, weights))


def spell_tflite(operations: Operations) -> bytes:
    """The file of operations."""
    graph = written(operations)
    outputs = [graph.output(name, value) for name, value in operations.outputs.items()]
    return pack(operations.name, graph.tensors, graph.operators, [graph.made[INPUT]], outputs)


def written(operations: Operations) -> TfliteGraph:
    """Tensors and operators, but for those that only reshape what leaves the network."""
    operations = with_epilogues(operations, ("relu", "relu6"))
    check(operations, TABLE, "LiteRT", refusal)
    graph = TfliteGraph(operations)
    for step in operations:
        graph.made[step.name] = TABLE[type(step)](graph, step, *(graph.made[name] for name in step.inputs))
    return graph
