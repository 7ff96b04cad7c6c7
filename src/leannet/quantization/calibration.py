"""What values a network's activations take on real images, and the ranges of 8 bits that fit them best."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from leannet import rows
from leannet.rows import INPUT, Architecture
from leannet.runtime.engines import Floats
from leannet.runtime.folding import Array, Weights
from leannet.runtime.int8_graph import Range, quantize_filters
from leannet.runtime.onnx_graph import GraphWriter
from leannet.runtime.packages import package

SAMPLES = 4096  # of each value in each batch
SHRINKS = np.concatenate([np.linspace(1, 0.5, 26), np.linspace(0.48, 0.2, 8)])


@dataclass
class Seen:
    """What was seen of one value."""

    low: float = np.inf
    high: float = -np.inf
    some: list[Array] = field(default_factory=list)
    total: Array | float = 0.0  # of each channel
    count: int = 0

    def add(self, value: Floats, draw: np.random.Generator) -> None:
        """One batch more."""
        self.low, self.high = min(self.low, float(value.min())), max(self.high, float(value.max()))
        flat = value.reshape(-1)
        self.some.append(flat if len(flat) <= SAMPLES else flat[draw.integers(0, len(flat), SAMPLES)])
        axes = tuple(axis for axis in range(value.ndim) if axis != 1)
        self.total = self.total + value.sum(axis=axes, dtype=np.float64)
        self.count += value.size // value.shape[1]

    @property
    def means(self) -> Array:
        """Of each channel."""
        return np.asarray(self.total) / self.count

    def range(self) -> tuple[float, float]:
        """The range whose rounding and cutting lose least, in mean square."""
        low, high = min(self.low, 0.0), max(self.high, 0.0)
        return self._best([(low * share, high * share) for share in SHRINKS], lambda values: values)

    def range_before_h_swish(self) -> tuple[float, float]:
        """The same, judged behind h-swish. It has to reach down to -3, below which h-swish is 0."""
        low, high = max(min(self.low, 0.0), -3.0), max(self.high, 0.0)
        return self._best([(low, high * share) for share in SHRINKS], h_swish)

    def _best(self, ranges: list[tuple[float, float]], behind: Callable[[Array], Array]) -> tuple[float, float]:
        values = np.concatenate(self.some)
        wanted = behind(values)
        losses = [float(np.square(behind(Range.of(*each).rounded(values)) - wanted).mean()) for each in ranges]
        return ranges[int(np.argmin(losses))]


def h_swish(x: Array) -> Array:
    """x ReLU6(x + 3) / 6 (Howard et al. 2019, section 5.2)."""
    return np.asarray(x * np.clip(x + 3, 0, 6) / 6)


class Calibration:
    """A network's values on some images."""

    def __init__(self, architecture: Architecture, weights: Weights, batches: Iterable[Floats], seed: int = 0):
        """batches: (N, C, H, W), normalised."""
        onnxruntime = package("onnxruntime")
        self.writer = GraphWriter(architecture, weights)
        self.architecture = architecture
        model = self.writer.model()
        names = {path: value for path, value in self.writer.values.items() if path != INPUT}
        made = {node.name for node in model.graph.node}
        last = {placed.path: f"add_{len(placed.inputs) - 2}" for placed in architecture.layers
                if isinstance(placed.layer, rows.Add) and len(placed.inputs) > 2}  # fmt: skip
        before = {
            f"{path}:before": f"{path}:{kind}" for path in names for kind in ("conv", "gemm", last.get(path, "add"))
            if f"{path}:{kind}" in made
        }  # fmt: skip
        names |= before
        wanted = sorted(set(names.values()))
        kind = self.writer.onnx.TensorProto.FLOAT
        for value in sorted(set(wanted) - {output.name for output in model.graph.output}):
            model.graph.output.append(self.writer.onnx.helper.make_tensor_value_info(value, kind, None))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self.values = {INPUT: INPUT} | names
        self.seen = {value: Seen() for value in (*wanted, INPUT)}
        draw = np.random.default_rng(seed)
        for batch in batches:
            found = dict(zip(wanted, session.run(wanted, {INPUT: batch}), strict=True))
            for value, array in ({INPUT: batch} | found).items():
                self.seen[value].add(array, draw)

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Of the input, of each layer's output, and before its activation (`PATH:before`)."""
        by_value = {value: seen.range() for value, seen in self.seen.items()}
        found = {path: by_value[value] for path, value in self.values.items()}
        for path, value in self.values.items():
            if path.endswith(":before") and self._kind(path.removesuffix(":before")) == "h_swish":
                found[path] = self.seen[value].range_before_h_swish()
        return found

    def _kind(self, path: str) -> str:
        layer = next(placed.layer for placed in self.architecture.layers if placed.path == path)
        return str(getattr(layer, "activation", "linear"))

    def corrections(self, bits: int = 8) -> dict[str, Array]:
        """What rounding the weights takes from each channel's mean (Nagel et al., arXiv 1906.04721, section 4.2)."""
        found = {}
        for placed in self.architecture.layers:
            layer = placed.layer
            if isinstance(layer, rows.Conv | rows.Depthwise):
                weight, _ = self.writer.folded(placed)
            elif isinstance(layer, rows.Linear) and layer.bias:
                weight = self.writer.weights[f"{placed.shares or placed.path}.linear.weight"]
            else:
                continue
            whole, scale = quantize_filters(weight, bits)
            error = weight - whole * scale.reshape(-1, *[1] * (weight.ndim - 1))
            means = self.seen[self.values[placed.inputs[0]]].means
            error = error.reshape(*error.shape[:2], -1).sum(axis=2)  # (C', C / groups)
            if isinstance(layer, rows.Linear):
                means = np.repeat(means, error.shape[1] // len(means))
            groups = len(means) // error.shape[1]
            shared = means.reshape(groups, -1)[np.arange(len(error)) * groups // len(error)]
            found[placed.path] = (error * shared).sum(axis=1)
        return found
