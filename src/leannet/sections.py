"""The typed sections of a header: split, metrics, provenance, shipping. No torch.

What a file does not say is None, and is left out of its JSON.
"""

from typing import Any, Literal

from pydantic import Field

from leannet import __version__
from leannet.rows.fields import Frozen

Input = Literal["float32", "uint8", "uint8-sized"]


class Section(Frozen):
    """A section of a header."""

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON, without what is not known."""
        return self.model_dump(mode="json", exclude_none=True)


class SplitRecord(Section):
    """How the data was split, so that evaluation never scores training images by accident."""

    seed: int | None = None
    ratio: tuple[float, ...] | None = None
    """Shares of one: train, validation, test. None: the data came split."""
    sizes: dict[str, int] = Field(default_factory=dict)
    """Images in each split."""
    digests: dict[str, str] = Field(default_factory=dict)
    """SHA-256 over the images of each split, and of all."""
    fingerprints: dict[str, str] = Field(default_factory=dict)
    """Short hashes of the images of each split (data/split.py), by which each is known again."""
    counts: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    """Images of each class in each split."""


class Summary(Section):
    """The figures of all classes together. Accuracies are fractions; low and high end a 95 % Wilson interval."""

    images: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    top5: float | None = None
    top5_low: float | None = None
    top5_high: float | None = None
    loss: float
    """Mean cross-entropy, natural logarithm."""


class Metrics(Section):
    """Figures of the weights in the file. epoch: counted from 1. test: scored once, after training."""

    epoch: int | None = None
    validation: Summary | None = None
    test: Summary | None = None

    @property
    def accuracy(self) -> float | None:
        """Of the validation images."""
        return self.validation.accuracy if self.validation else None


class Step(Section):
    """One thing that was done to the network: trained, quantized. parameters: what it was done with."""

    done: str
    leannet: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)


class Provenance(Section):
    """Where the weights come from."""

    leannet: str = __version__
    """The version that wrote the file."""
    torch: str | None = None
    command: str | None = None
    data: str | None = None
    """Where the training images lay."""
    reading: dict[str, Any] = Field(default_factory=dict)
    """How that data was read where it does not say so itself: fields of data.sources.ReadingOptions."""
    seed: int | None = None
    parent: str | None = None
    """The checkpoint that training began with."""
    source: str | None = None
    """Of weights from elsewhere: the library and the file."""
    license: str | None = None
    skipped: tuple[dict[str, Any], ...] = ()
    """Images that could not be read."""
    left_out: tuple[dict[str, Any], ...] = ()
    """What is no labelled image, by reason."""
    remarks: tuple[str, ...] | None = None
    """What training said of the data. None: the file is older than these."""
    history: tuple[Step, ...] = ()
    """What was done to the network, the first thing first."""


class Shipping(Section):
    """What a shipped file takes, which engines it is made for, and how accurate it is."""

    precision: Literal["float32", "float16", "bfloat16", "int8"] = "float32"
    """Of the weights."""
    compute: Literal["float32", "bfloat16"] = "float32"
    """What is not an integer is computed in this type, in an engine and on a processor that have it."""
    input: Input = "float32"
    """float32: normalized images (N, C, H, W); uint8: images (N, height, width, C) of any size; uint8-sized: images of
    the network's size."""
    tolerance: float = 1e-4
    """Largest difference from the golden answers, over the largest answer."""
    float32_gap: float | None = None
    """The same between torch's float32 and its float64."""
    engines: tuple[str, ...] = ()
    """Those that it is made for. Empty: all that read its format."""
    wrong_in: dict[str, str] = Field(default_factory=dict)
    """Programs that give other answers without an error, and why."""
    weight_bits: int | None = None
    """Of integer weights: 7 or 8."""
    keep_float: tuple[str, ...] = ()
    """Layers that were not quantized."""
    calibrated_on: int | None = None
    """Images that ranges were measured on."""
    evaluated_on: int | None = None
    """Images that accuracy was compared on."""
    accuracy_before: float | None = None
    accuracy_after: float | None = None
    agreement: float | None = None
    """The share of those images that keep their class."""
    chosen_from: dict[str, Any] | None = None
    """What export --fastest measured."""
