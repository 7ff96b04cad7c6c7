"""Every setting of a training run, in one typed tree with its defaults. Unknown keys are errors."""

import math
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import Field, ValidationError

from leannet.data.augment import Augment
from leannet.data.sources.listing import Options
from leannet.errors import LeannetError
from leannet.rows import first_error
from leannet.rows.fields import Flag, Frozen, Size

WARMUP_SHARE = 0.05  # of a run that has a clock

Share = Annotated[float, Field(ge=0, le=1)]


class Optimizer(Frozen):
    """`lr` None: the usual rate of the optimizer for a batch of 32, scaled with the batch. `weight_decay` None: the
    usual one, which is decoupled from the rate for adamw and part of the gradient for the others.
    """

    name: Literal["adamw", "adam", "sgd", "rmsprop"] = "adamw"
    lr: Annotated[float, Field(gt=0)] | None = None
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    momentum: Share = 0.9  # sgd, rmsprop
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0  # the rate of each stage over that of the next

    def rate(self, batch_size: int) -> float:
        """The peak rate: it grows with the square root of the batch for Adam's kin, in proportion for the others."""
        if self.lr is not None:
            return self.lr
        usual: float = {"adamw": 2e-3, "adam": 2e-3, "sgd": 0.05, "rmsprop": 1e-3}[self.name]
        power = 0.5 if self.name.startswith("adam") else 1.0
        return usual * float((batch_size / 32) ** power)

    def decay(self) -> float:
        """The weight decay."""
        usual = {"adamw": 0.05, "adam": 1e-4, "sgd": 1e-4, "rmsprop": 1e-5}
        return usual[self.name] if self.weight_decay is None else self.weight_decay


class Schedule(Frozen):
    """How the learning rate goes over a run: up in a line, then down a half cosine, a line, steps, or not."""

    name: Literal["cosine", "linear", "step", "constant"] = "cosine"
    warmup_epochs: Annotated[float, Field(ge=0)] = 1.0
    step_epochs: Annotated[float, Field(gt=0)] = 30.0  # step: every so many epochs ...
    step_factor: Annotated[float, Field(gt=0, lt=1)] = 0.1  # ... by this factor
    end_factor: Share = 0.01  # cosine, linear: the last rate over the peak

    def factor(self, epoch: float, epochs: int, share: float | None = None) -> float:
        """The rate over its peak after `epoch` epochs, which may be a fraction.

        share: of the whole run that is done, in a run of so many minutes: its warm-up is the first twentieth of them,
        where there is one at all. Steps are counted in epochs either way.
        """
        warmup = min(self.warmup_epochs, epochs / 2)
        if share is not None:
            warmup = WARMUP_SHARE * epochs if self.warmup_epochs else 0.0
            done = share * epochs
        else:
            done = epoch
        if done < warmup:
            return max(done / warmup, 1e-3)
        if self.name == "step":
            return self.step_factor ** ((epoch - (warmup if share is None else 0)) // self.step_epochs)
        if self.name == "constant":
            return 1.0
        way = min((done - warmup) / max(epochs - warmup, 1e-9), 1)
        left = (1 + math.cos(math.pi * way)) / 2 if self.name == "cosine" else 1 - way
        return self.end_factor + (1 - self.end_factor) * left


class Settings(Frozen):
    """A training run. None where leannet chooses by the data, and says what it chose."""

    data: str
    recipe: str | None = None  # the named settings (recipes.py) that these began with
    model: str | None = None
    width: Annotated[float, Field(gt=0, le=16)] | None = None
    resolution: Size | None = None
    color: Literal["RGB", "L"] = "RGB"
    weights: str | None = None
    split: str | None = None
    folds: Annotated[int, Field(strict=True, ge=2)] | None = None  # of a cross-validation, ...
    fold: Size | None = None  # ... and which of them validates, counted from 1
    skip: tuple[str, ...] = ()
    image_column: str | None = None  # of a table: what holds the image, ...
    label_column: str | None = None  # ... and what the label; None: the usual names
    class_depth: Literal[1, 2] | None = None  # how many folders deep class folders lie; None: refused where unclear
    limit: Size | None = None
    normalization: Literal["imagenet", "zscore"] | None = None
    resize: Literal["crop", "squash", "letterbox"] | None = None
    augment: Augment = Augment()
    epochs: Size = 30
    batch_size: Annotated[int, Field(strict=True, ge=2)] = 32  # one image cannot be normalised by its batch
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    # precise: batch norm's statistics measured anew before each validation. auto: where an epoch is under 100 steps.
    batch_statistics: Literal["auto", "running", "precise"] = "auto"
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None  # None: as the rows say
    average: Annotated[float, Field(ge=0, lt=1)] = 0.0  # decay of the weights' moving average; 0: none
    class_weights: Literal["none", "balanced"] = "none"  # in the loss
    sampling: Literal["plain", "balanced"] = "plain"  # balanced: every class as often as any other
    clip: Annotated[float, Field(gt=0)] | None = None  # the most the gradient's norm may be
    accumulate: Size = 1  # parts that a batch is learned in, where it does not fit into memory at once
    freeze: str | None = None  # the last row that keeps its weights; "stem": those before the first smaller image
    patience: Size | None = None  # epochs without a better one, after which it ends
    time: Annotated[float, Field(gt=0)] | None = None  # seconds; the schedule fits them, and `epochs` does not count
    seed: Annotated[int, Field(strict=True, ge=0)] = 0
    workers: Annotated[int, Field(strict=True, ge=0)] | None = None
    precision: Literal["no", "bf16", "fp16", "fp64"] = "no"
    sync_norm: Literal["auto", "always", "never"] = (
        "auto"  # batch norm over all processes; auto: where batches are small
    )
    cache: Flag = True  # decoded images stay in memory between epochs, where they fit
    compile: Flag = False
    cpu: Flag = False
    tensorboard: Flag = False  # event files in the run too

    @property
    def reading(self) -> Options:
        """How the data is to be read where it does not say itself."""
        return Options(self.image_column, self.label_column, self.class_depth)

    def to_toml(self) -> str:
        """As TOML; what is None is left out."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    @classmethod
    def make(cls, values: dict[str, Any], where: str = "settings") -> "Settings":
        """From plain data. Raises LeannetError: one line with the field and what was found."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise LeannetError(f"{where}: {first_error(error)}") from None


def read_toml(path: str | Path) -> dict[str, Any]:
    """The settings of a TOML file as plain data. Raises LeannetError."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise LeannetError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LeannetError(f"{path}: not TOML: {error}") from None
