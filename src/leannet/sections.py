"""The typed sections of a header: split, metrics, provenance, shipping. No torch.

Unknown values are None, and are left out of the JSON.
"""

from typing import Any, Literal

from pydantic import Field

from leannet import __version__
from leannet.rows.fields import Frozen

FloatInput = Literal["float32", "uint8", "uint8-sized"]  # of files that compute in floats
Input = Literal[FloatInput, "int8"]


class Section(Frozen):
    """A section of a header."""

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON, without unknown values."""
        return self.model_dump(mode="json", exclude_none=True)


class SplitRecord(Section):
    """How the data was split, from which evaluation recognizes training images."""

    seed: int | None = None
    ratio: tuple[float, ...] | None = None
    """Shares of one: train, validation, test. None: the data's own splits."""
    sizes: dict[str, int] = Field(default_factory=dict)
    """Images in each split."""
    digests: dict[str, str] = Field(default_factory=dict)
    """SHA-256 over the images of each split, and over all images."""
    fingerprints: dict[str, str] = Field(default_factory=dict)
    """Short hashes of the images of each split (data/split.py), by which they are recognized."""
    counts: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    """Images of each class in each split."""


class Summary(Section):
    """Scores over all classes. Accuracies are fractions; low and high bound a 95 % Wilson interval."""

    images: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    top5: float | None = None
    top5_low: float | None = None
    top5_high: float | None = None
    loss: float
    """Mean cross-entropy, natural logarithm."""


class BoxSummary(Section):
    """Scores of a detector. Average precision (AP) and recall are fractions, as COCO defines them; None where there is
    no object to find."""

    images: int
    objects: int
    ap: float | None = None
    """The mean over classes and over IoU from 0.5 to 0.95."""
    ap50: float | None = None
    ap75: float | None = None
    recall: float | None = None
    """The most that is reached, the mean over the same."""


def of_classes(summary: Summary | BoxSummary | None) -> Summary | None:
    """Scores of a classifier; None where there are none, or a detector's."""
    return summary if isinstance(summary, Summary) else None


class Metrics(Section):
    """Scores of the weights in the file. epoch: counted from 1. test: scored once, after training."""

    epoch: int | None = None
    validation: Summary | BoxSummary | None = None
    test: Summary | BoxSummary | None = None

    @property
    def accuracy(self) -> float | None:
        """Of the validation images; of a detector there is none."""
        return self.validation.accuracy if isinstance(self.validation, Summary) else None


class Step(Section):
    """One step in the history of the network: trained, quantized. parameters: those of the step."""

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
    """Options for reading that data: fields of data.sources.ReadingOptions."""
    seed: int | None = None
    parent: str | None = None
    """The checkpoint that training started from."""
    source: str | None = None
    """Of weights from elsewhere: the library and the file."""
    license: str | None = None
    skipped: tuple[dict[str, Any], ...] = ()
    """Images that could not be read."""
    left_out: tuple[dict[str, Any], ...] = ()
    """What is not a labelled image, by reason."""
    remarks: tuple[str, ...] | None = None
    """What training printed about the data. None: the file is older than this field."""
    history: tuple[Step, ...] = ()
    """The steps that produced the network, oldest first."""


class Shipping(Section):
    """The input of a shipped file, the engines it is made for, and its accuracy."""

    precision: Literal["float32", "float16", "bfloat16", "int8"] = "float32"
    """Of the weights."""
    compute: Literal["float32", "bfloat16"] = "float32"
    """The type of floating-point computation, in engines and on processors that support it."""
    input: Input = "float32"
    """float32: normalized images (N, C, H, W); int8: the same as 8-bit integers, for microcontrollers; uint8: images
    (N, height, width, C) of any size; uint8-sized: images of the network's size."""
    tolerance: float = 1e-4
    """Largest difference from the golden answers, divided by the largest answer."""
    float32_gap: float | None = None
    """The same between torch's float32 and its float64."""
    branches: Literal["one", "any"] | None = None
    """Of a network with gates: what an image skips does not run, for one image at a time or for any number, gathered.
    None: all rows run for all images."""
    engines: tuple[str, ...] = ()
    """The engines it is made for. Empty: all that read its format."""
    wrong_in: dict[str, str] = Field(default_factory=dict)
    """Programs that give wrong answers without an error, and why."""
    weight_bits: int | None = None
    """Of integer weights: 7 or 8."""
    keep_float: tuple[str, ...] = ()
    """Layers kept in float."""
    calibrated_on: int | None = None
    """The number of calibration images."""
    evaluated_on: int | None = None
    """The number of images that accuracy was compared on."""
    accuracy_before: float | None = None
    accuracy_after: float | None = None
    ap_before: float | None = None
    ap_after: float | None = None
    agreement: float | None = None
    """The share of those images whose predicted class stays the same."""
    chosen_from: dict[str, Any] | None = None
    """What export --fastest measured."""
