"""A job: the network, its images and resolved settings. Every choice that leannet makes is printed."""

import shlex
import sys
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from leannet import __version__
from leannet.console import Console
from leannet.data.loader import PreparedDataset, cached
from leannet.data.scan import Scan, report_left_out, report_skipped
from leannet.data.split import Split, parse_ratio, split_as, split_dataset
from leannet.errors import LeannetError
from leannet.factory import adapt
from leannet.header import Header, checkpoint_file
from leannet.network import Network, build, zero_init_residual
from leannet.preprocessing import GREY_MEAN, GREY_STD
from leannet.rows.exits import exits
from leannet.rows.gating import draws
from leannet.sections import Provenance, SplitRecord, Step
from leannet.tasks import Task, finds_boxes, task_of
from leannet.training import processes
from leannet.training.choosing import Source, check_model, choose, choose_preprocessing, fine_tuned, start_from
from leannet.training.detecting import check_split
from leannet.training.initializing import begin_as_identities, images_to_whiten, whiten_stems
from leannet.training.objective import CrossEntropy, Distilled, Objective
from leannet.training.plausible import check_input, check_memory, fitting_batch
from leannet.training.reading import Reader, report_split
from leannet.training.set_matching import SetMatching, initialize_heads
from leannet.training.settings import Settings, Skipping
from leannet.training.skipping import Charged, Skipped, learning_to_skip, of_gates, open_gates, sharpen_gates
from leannet.training.teacher import read_teacher
from leannet.weights import read_weights
from leannet.zoo.onenet import NETWORKS

AS_WEIGHTS = "weights"  # the split that the weights to start from record
AUXILIARY = 0.3  # of an auxiliary output's loss: Szegedy et al., arXiv 1409.4842, section 5


@dataclass(frozen=True)
class Job:
    """What is trained. header: of its checkpoints, without metrics. settings: resolved, with every choice made."""

    network: Network
    header: Header
    scan: Scan
    split: Split
    settings: Settings
    objective: Objective

    @property
    def task(self) -> Task:
        """What the network is for."""
        return task_of(self.header)

    def datasets(self) -> tuple[PreparedDataset, PreparedDataset]:
        """The images with augmentation, for training, and without, for evaluation."""
        preprocessing, settings = self.header.preprocessing, self.settings
        return (
            PreparedDataset(
                self.scan.dataset, preprocessing, settings.augment, settings.seed, partners=self.split.train
            ),
            PreparedDataset(self.scan.dataset, preprocessing),
        )

    def of(self, network: Network, header: Header, settings: Settings) -> "Job":
        """The same for another network and length, with the images that have been decoded."""
        objective = self.objective
        if isinstance(objective, Charged | Skipped):  # whose costs are those of its rows
            objective = learning_to_skip(objective.inner, header.architecture, settings.skipping)
        job = replace(self, network=network, header=header, settings=settings, objective=objective)
        job.__dict__["images"] = self.images
        return job

    @cached_property
    def images(self) -> tuple[PreparedDataset, PreparedDataset]:
        """The same, decoded once where the settings ask for it and memory allows."""
        datasets = self.datasets()
        if not self.settings.cache:
            return datasets
        training, plain = cached(*datasets, sizes=self.scan.sizes, formats=self.scan.formats)
        return training, plain


def _read_source(settings: Settings, weights: str, console: Console) -> Source:
    """The weights to start from; for one of the zoo's detectors those of a classifier are enough."""
    name = settings.model if settings.model and not settings.model.endswith(".json") else None
    size = settings.width or 1.0, settings.resolution
    try:
        return read_weights(weights, name, *size, say=console.say)
    except LeannetError as error:
        if name not in NETWORKS:
            raise
        try:
            return read_weights(weights, NETWORKS[name].backbone, *size, say=console.say)
        except LeannetError:
            raise error from None


def prepare(settings: Settings, reader: Reader, console: Console, source: Source | None = None) -> Job:
    """Reads and splits the images, resolves the settings, loads weights, and builds the network.

    source: a network in hand to start from, in place of the file that `settings.weights` names.
    Raises LeannetError, one line, for data, weights or settings that cannot be used.
    """
    if settings.weights and source is None:
        torch.manual_seed(settings.seed)  # a file may lack more than the head, which is then initialized
        source = _read_source(settings, settings.weights, console)
        channels = 1 if settings.color == "L" else 3
        if source[1].architecture.input.channels != channels:
            adapted = adapt(*source, None, channels, settings.weights)
            grey = {"color": settings.color, "mean": GREY_MEAN, "std": GREY_STD} if channels == 1 else {}
            preprocessing = source[1].preprocessing.model_copy(update=grey)
            update = {"architecture": adapted.architecture, "preprocessing": preprocessing}
            source = adapted, source[1].model_copy(update=update)
    planned = check_model(settings, source)
    if planned is not None:
        check_memory(planned, settings, console)

    scan = reader.read(settings, console)
    processes.settle_threads()
    split = split_scan(scan, settings, source[1].split if source else None)
    report_split(console, scan, split)
    check_split(scan, split)
    settings = fine_tuned(settings, source, scan, len(split.train), console)
    resolved, architecture = choose(
        fitting_batch(settings, len(split.train), console), scan, source, len(split.train), console
    )
    check_input(architecture, console)
    if planned is None:
        check_memory(architecture, resolved, console)
    header = Header(
        architecture=architecture,
        classes=scan.dataset.classes,
        preprocessing=choose_preprocessing(resolved, architecture, source, scan, split),
        split=split.record(),
        provenance=Provenance(
            command=shlex.join(["leannet", *sys.argv[1:]]) if _from_command_line() else "leannet.train",
            data=resolved.data,
            reading=resolved.reading.to_dict(),
            seed=resolved.seed,
            parent=_parent(settings, source),
            license=source[1].provenance.license if source else None,
            torch=torch.__version__,
            skipped=tuple(report_skipped(scan)[:100]),
            left_out=tuple(report_left_out(scan, 100)),
            remarks=tuple(scan.lines()),
            history=(*(source[1].provenance.history if source else ()), trained(resolved)),
        ),
    )
    objective = objective_of(resolved, header, scan, split)
    torch.manual_seed(resolved.seed)
    network = build(objective.watch(architecture))
    if resolved.zero_init_residual:
        zero_init_residual(network)
    if resolved.identity_init:
        begin_as_identities(network)
    open_gates(network, resolved.skipping.learning)
    if finds_boxes(architecture):
        initialize_heads(network)
    if source is not None:
        start_from(network, source, scan.dataset.classes, str(settings.weights), console)
    if (temperature := resolved.skipping.temperature) != 1:
        if source is None or not of_gates(source[1].architecture) or draws(source[1].architecture):
            raise LeannetError(
                f"--gate-temperature {temperature:g}: sharpens gates that have learned to decide hard: expected "
                "--weights of a run with --gate and supervised learning"
            )
        sharpen_gates(network, temperature)
    job = Job(network, header, scan, split, resolved, objective)
    if resolved.whiten_stem:
        whiten_stems(network, images_to_whiten(job.images[1], split.train, resolved.seed))
    return job


def trained(settings: Settings) -> Step:
    """What a training is in the history of a network."""
    teacher, sparsity = settings.distillation.teacher, settings.sparsity
    parameters: dict[str, Any] = {} if teacher is None else {"teacher": teacher}
    if sparsity.is_used:
        parameters["sparsity"] = sparsity.model_dump(exclude_none=True)
    if settings.skipping != Skipping():
        parameters |= settings.skipping.model_dump(exclude_defaults=True)
    return Step(done="trained", leannet=__version__, parameters=parameters)


def objective_of(settings: Settings, header: Header, scan: Scan, split: Split) -> Objective:
    """The loss that the settings ask for. Balanced class weights give all classes the same total weight, and images a
    mean weight of 1."""
    weights = None
    if settings.class_weights == "balanced":
        labels, classes = scan.dataset.labels[split.train], len(scan.dataset.classes)
        counts = np.bincount(labels, minlength=classes)
        weights = tuple((len(labels) / (classes * counts)).tolist())
    auxiliary = dict.fromkeys(header.architecture.auxiliary, AUXILIARY)
    auxiliary |= dict.fromkeys((each.logits for each in exits(header.architecture)), settings.skipping.exit_weight)
    if finds_boxes(header.architecture):
        return SetMatching(header.architecture, settings.detecting.matching)
    labels_too = CrossEntropy(settings.label_smoothing, weights, auxiliary)
    teaching = settings.distillation
    if teaching.teacher is None:
        return learning_to_skip(labels_too, header.architecture, settings.skipping)
    teacher = read_teacher(teaching.teacher, header, teaching.features > 0)
    distilled = Distilled(labels_too, teacher, teaching.share, teaching.temperature, teaching.features)
    return learning_to_skip(distilled, header.architecture, settings.skipping)


def watched(network: Network, objective: Objective) -> Network:
    """The network, or one of the same weights that has what an objective looks at as outputs of training."""
    architecture = objective.watch(network.architecture)
    if architecture == network.architecture:
        return network
    other = build(architecture)
    other.load_state_dict(network.state_dict())
    return other


def split_scan(scan: Scan, settings: Settings, weights: SplitRecord | None = None) -> Split:
    """The split that the settings ask for. weights: the one that the weights to start from record.

    Raises LeannetError as `split_dataset` does.
    """
    if settings.split == AS_WEIGHTS:
        return split_as(scan.dataset, scan.digests, weights or SplitRecord(), f"--weights {settings.weights}")
    ratio = parse_ratio(settings.split) if settings.split else None
    return split_dataset(scan.dataset, scan.digests, ratio, settings.seed, _fold(settings))


def _fold(settings: Settings) -> tuple[int, int] | None:
    """Which fold of how many. Raises LeannetError if one is set without the other, or with a split."""
    if settings.folds is None and settings.fold is None:
        return None
    if settings.folds is None or settings.fold is None or settings.fold > settings.folds or settings.split:
        raise LeannetError(
            "expected folds, a fold from 1 to that number, and no split, "
            f"found folds {settings.folds}, fold {settings.fold}, split {settings.split}"
        )
    return settings.fold, settings.folds


def _parent(settings: Settings, source: Source | None) -> str | None:
    if settings.weights is None or source is None:
        return None
    return source[1].provenance.source or str(checkpoint_file(settings.weights).resolve())


def _from_command_line() -> bool:
    return Path(sys.argv[0]).name == "leannet" or Path(sys.argv[0]).parts[-2:] == ("leannet", "__main__.py")
