"""A job: what is trained, prepared from settings: images read and split, rows chosen, a network built."""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from leannet import __version__
from leannet.console import Console
from leannet.data.dataset import Dataset
from leannet.data.loader import PreparedDataset
from leannet.data.scan import Scan, report_left_out, report_skipped
from leannet.data.split import Split, parse_ratio, split_dataset
from leannet.errors import LeannetError
from leannet.factory import adapt
from leannet.header import Header, checkpoint_file
from leannet.network import Network, build
from leannet.preprocessing import GREY_MEAN, GREY_STD
from leannet.sections import Provenance, Step
from leannet.training import processes
from leannet.training.choosing import Source, check_model, choose, choose_preprocessing, start_from
from leannet.training.plausible import check_input, check_memory, fitting_batch
from leannet.training.reading import Reader, tell_split
from leannet.training.settings import Settings
from leannet.training.task import Classification
from leannet.training.tensorboard import check_tensorboard
from leannet.weights import read_weights


@dataclass(frozen=True)
class Job:
    """A network with the images that it is to learn. settings: the resolved ones, with nothing left open."""

    network: Network
    header: Header
    scan: Scan
    split: Split
    settings: Settings

    @property
    def training_set(self) -> PreparedDataset:
        """All images with augmentation, as training prepares them."""
        return PreparedDataset(self.scan.dataset, self.header.preprocessing, self.settings.augment, self.settings.seed)

    @property
    def plain_set(self) -> PreparedDataset:
        """All images without augmentation, as validation prepares them."""
        return PreparedDataset(self.scan.dataset, self.header.preprocessing)

    @property
    def task(self) -> Classification:
        """The loss, and what is measured."""
        weights = _class_weights(self.settings, self.scan.dataset, self.split)
        return Classification(self.settings.label_smoothing, weights)


def prepare(wanted: Settings, reader: Reader, console: Console) -> Job:
    """Reads the images and the weights that settings name, says what was found and chosen, and builds the network.

    Nothing is written. Raises LeannetError, one line, for data, weights or settings that will not do.
    """
    if wanted.split:
        parse_ratio(wanted.split)  # one that is none is refused before any file is read
    source = _read_source(wanted, console) if wanted.weights else None
    planned = check_model(wanted, source)
    if planned is not None:
        check_memory(planned, wanted, console)

    scanned = reader.read(wanted, console)
    processes.settle()
    split = split_by(wanted, scanned)
    tell_split(console, scanned, split)
    settings, architecture = choose(fitting_batch(wanted, len(split.train), console), scanned, source)
    check_input(architecture, console)
    if planned is None:
        check_memory(architecture, settings, console)
    torch.manual_seed(settings.seed)
    network = build(architecture)
    if source is not None:
        start_from(network, source, scanned.dataset.classes, str(wanted.weights), console)
    header = Header(
        architecture=architecture,
        classes=scanned.dataset.classes,
        preprocessing=choose_preprocessing(settings, architecture, source, scanned, split),
        split=split.record(),
        provenance=Provenance(
            command=shlex.join(["leannet", *sys.argv[1:]]) if _from_command_line() else "leannet.train",
            data=settings.data,
            reading=settings.reading.to_dict(),
            seed=settings.seed,
            parent=_parent(wanted, source),
            license=source[1].provenance.license if source else None,
            torch=torch.__version__,
            skipped=tuple(report_skipped(scanned)[:100]),
            left_out=tuple(report_left_out(scanned, 100)),
            remarks=tuple(scanned.lines()),
            history=(*(source[1].provenance.history if source else ()), Step(done="trained", leannet=__version__)),
        ),
    )
    return Job(network, header, scanned, split, settings)


def split_by(settings: Settings, scanned: Scan) -> Split:
    """The images split as settings say. Raises LeannetError where they cannot be."""
    ratio = parse_ratio(settings.split) if settings.split else None
    return split_dataset(scanned.dataset, scanned.digests, ratio, settings.seed, _fold(settings))


def _read_source(wanted: Settings, console: Console) -> Source:
    """The weights to start from, for images of the channels that are asked for."""
    torch.manual_seed(wanted.seed)  # a file may lack more than the head
    by_name = wanted.model if wanted.model and not wanted.model.endswith(".json") else None
    weights = str(wanted.weights)
    source = read_weights(weights, by_name, wanted.width or 1.0, wanted.resolution, say=console.say)
    channels = 1 if wanted.color == "L" else 3
    if source[1].architecture.input.channels == channels:
        return source
    adapted = adapt(*source, None, channels, weights)
    grey = {"color": wanted.color, "mean": GREY_MEAN, "std": GREY_STD} if channels == 1 else {}
    preprocessing = source[1].preprocessing.model_copy(update=grey)
    update = {"architecture": adapted.architecture, "preprocessing": preprocessing}
    return adapted, source[1].model_copy(update=update)


def check_settings(wanted: Settings) -> None:
    """Raises LeannetError for settings that do not go together."""
    if wanted.tensorboard:
        check_tensorboard()
    if wanted.freeze and not wanted.weights:
        recipe = f" (recipe {wanted.recipe})" if wanted.recipe else ""
        raise LeannetError(
            f"--freeze {wanted.freeze}{recipe}: expected weights that are worth keeping, found a fresh network; "
            "give --weights RUN_OR_CHECKPOINT, or another recipe"
        )
    if wanted.class_weights == wanted.sampling == "balanced":
        raise LeannetError(
            "--class-weights balanced --sampling balanced: expected one of them, as each alone makes classes equal"
        )


def _fold(settings: Settings) -> tuple[int, int] | None:
    """Which fold of how many. Raises LeannetError where one is said without the other, or with a split."""
    if settings.folds is None and settings.fold is None:
        return None
    if settings.folds is None or settings.fold is None or settings.fold > settings.folds or settings.split:
        raise LeannetError(
            "expected folds, a fold of 1 to so many, and no split, "
            f"found folds {settings.folds}, fold {settings.fold}, split {settings.split}"
        )
    return settings.fold, settings.folds


def _class_weights(settings: Settings, dataset: Dataset, split: Split) -> tuple[float, ...] | None:
    """One a class, so that all classes weigh the same together; on average one an image."""
    if settings.class_weights == "none":
        return None
    counts = np.bincount(dataset.labels[split.train], minlength=len(dataset.classes))
    return tuple((len(split.train) / (len(counts) * counts)).tolist())


def _parent(wanted: Settings, source: Source | None) -> str | None:
    if wanted.weights is None or source is None:
        return None
    return source[1].provenance.source or str(checkpoint_file(wanted.weights).resolve())


def _from_command_line() -> bool:
    return Path(sys.argv[0]).name == "leannet" or Path(sys.argv[0]).parts[-2:] == ("leannet", "__main__.py")
