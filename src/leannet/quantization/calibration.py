"""Calibration: the values that a network's activations take on real images, and the 8-bit ranges that fit them best."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from leannet.rows import INPUT, Architecture
from leannet.runtime import machine
from leannet.runtime import operations as ops
from leannet.runtime.engines import Floats
from leannet.runtime.epilogues import with_epilogues
from leannet.runtime.folding import Array, Weights
from leannet.runtime.formats.onnx import model_and_tensors
from leannet.runtime.formats.onnx_graph import onnx_package
from leannet.runtime.integers import CLIPPING, quantize_filters
from leannet.runtime.lowering import lower
from leannet.runtime.operations import BEFORE, Range
from leannet.runtime.packages import package

SAMPLES = 4096  # of each value in each batch
SHRINKS = np.concatenate([np.linspace(1, 0.5, 26), np.linspace(0.48, 0.2, 8)])


@dataclass
class Observer:
    """What was observed of one value between layers: its extremes, samples of it, and the sum of each channel."""

    low: float = np.inf
    high: float = -np.inf
    samples: list[Array] = field(default_factory=list)
    channel_sums: Array | float = 0.0
    count: int = 0  # of values in each channel

    def observe(self, value: Floats, generator: np.random.Generator) -> None:
        """Adds a batch, (N, C, ...)."""
        self.low, self.high = min(self.low, float(value.min())), max(self.high, float(value.max()))
        flat = value.reshape(-1)
        self.samples.append(flat if len(flat) <= SAMPLES else flat[generator.integers(0, len(flat), SAMPLES)])
        sums = value.reshape(*value.shape[:2], -1).sum(axis=2)  # float32 adds along a map in pairs: exact enough
        self.channel_sums = self.channel_sums + sums.sum(axis=0, dtype=np.float64)
        self.count += value.size // value.shape[1]

    @property
    def channel_means(self) -> Array:
        """The mean of each channel, (C,)."""
        return np.asarray(self.channel_sums) / self.count

    def range(self) -> tuple[float, float]:
        """The range whose rounding and clipping cost least, in mean square."""
        low, high = min(self.low, 0.0), max(self.high, 0.0)
        return self._best([(low * share, high * share) for share in SHRINKS], lambda values: values)

    def range_before_h_swish(self) -> tuple[float, float]:
        """The same by what h-swish makes of the values. It has to reach down to -3, below which h-swish is 0."""
        low, high = max(min(self.low, 0.0), -3.0), max(self.high, 0.0)
        return self._best([(low, high * share) for share in SHRINKS], h_swish)

    def _best(self, ranges: list[tuple[float, float]], activation: Callable[[Array], Array]) -> tuple[float, float]:
        values = np.concatenate(self.samples)
        unquantized = activation(values)
        losses = [
            float(np.square(activation(Range.of(*limits).fake_quantize(values)) - unquantized).mean())
            for limits in ranges
        ]
        return ranges[int(np.argmin(losses))]


def h_swish(x: Array) -> Array:
    """x ReLU6(x + 3) / 6 (Howard et al. 2019, section 5.2)."""
    return np.asarray(x * np.clip(x + 3, 0, 6) / 6)


class Calibration:
    """A network observed on some images."""

    def __init__(self, architecture: Architecture, weights: Weights, batches: Iterable[Floats], seed: int = 0):
        """batches: (N, C, H, W), normalized."""
        onnxruntime = package("onnxruntime")
        self.operations = lower(architecture, weights)
        model, tensors = model_and_tensors(self.operations)
        # What a layer makes, and what it makes before its activation function, but for those that are a limit of the
        # integers' range; boxes leave the network in parts.
        there = {name for node in model.graph.node for name in node.output}
        apart = with_epilogues(self.operations, CLIPPING).by_name
        names = {
            step.name: tensors[step.name]
            for step in self.operations
            if (step.name == step.layer or (step.name.endswith(BEFORE) and step.name in apart))
            and (tensors[step.name] in there or not isinstance(step, ops.TopBoxes))
        }
        observed = sorted(set(names.values()))
        helper, kind = onnx_package().helper, onnx_package().TensorProto.FLOAT
        for value in sorted(set(observed) - {output.name for output in model.graph.output}):
            model.graph.output.append(helper.make_tensor_value_info(value, kind, None))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self.values = {INPUT: INPUT} | names
        self.observers = {value: Observer() for value in (*observed, INPUT)}
        generators = np.random.default_rng(seed).spawn(len(self.observers))
        with ThreadPoolExecutor(machine().cores) as pool:  # numpy lets others run meanwhile
            for batch in batches:
                arrays = [*session.run(observed, {INPUT: batch}), batch]
                list(pool.map(Observer.observe, self.observers.values(), arrays, generators))

    def ranges(self) -> dict[str, tuple[float, float]]:
        """The range of the input, of each layer's output, and of that before its activation (`PATH:before`)."""
        with ThreadPoolExecutor(machine().cores) as pool:
            by_value = dict(zip(self.observers, pool.map(Observer.range, self.observers.values()), strict=True))
        ranges = {path: by_value[value] for path, value in self.values.items()}
        for path, value in self.values.items():
            after = self.operations.by_name.get(path.removesuffix(BEFORE))
            if path.endswith(BEFORE) and after is not None and ops.activation_of(after) == "h_swish":
                ranges[path] = self.observers[value].range_before_h_swish()
        return ranges

    def bias_corrections(self, bits: int = 8) -> dict[str, Array]:
        """What quantizing the weights takes from the mean of each output channel, by layer (Nagel et al., arXiv
        1906.04721, section 4.2)."""
        corrections = {}
        for step in self.operations:
            if (
                not isinstance(step, ops.Convolve | ops.ConvolveTransposed | ops.FullyConnect)
                or step.filters.bias is None
            ):
                continue
            weight = step.filters.weight
            integers, scales = quantize_filters(weight, bits)
            error = weight - integers * scales.reshape(-1, *[1] * (weight.ndim - 1))
            means = self.observers[self.values[step.inputs[0]]].channel_means
            error = error.reshape(*error.shape[:2], -1).sum(axis=2)  # (C', C / groups)
            if isinstance(step, ops.FullyConnect):
                means = np.repeat(means, error.shape[1] // len(means))
            groups = len(means) // error.shape[1]
            input_means = means.reshape(groups, -1)[np.arange(len(error)) * groups // len(error)]
            windows = step.stride**2 if isinstance(step, ops.ConvolveTransposed) else 1  # a pixel is in one of so many
            corrections[step.layer] = (error * input_means).sum(axis=1) / windows
        return corrections
