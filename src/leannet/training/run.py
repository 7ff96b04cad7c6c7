"""`train`: from images to a run folder. Prints what it found and chose, trains, and scores the test split once."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from leannet import launcher
from leannet.checkpoint import load, save
from leannet.console import Console
from leannet.data.loader import Loader, PreparedDataset, raise_worker_failures
from leannet.data.scan import report_left_out, report_skipped
from leannet.data.split import parse_ratio, split_as
from leannet.errors import LeannetError, command_line
from leannet.header import Header, read_header
from leannet.network import Network, build
from leannet.retired import current_settings
from leannet.run_files import CONFIG, MODEL
from leannet.tasks import Result, task_of
from leannet.training import processes
from leannet.training.choosing import absolute_path
from leannet.training.folder import begin_run, check_out, lock_run, make_run, write_settings
from leannet.training.job import AS_WEIGHTS, Job, objective_of, prepare, split_scan
from leannet.training.learner import make_accelerator
from leannet.training.loop import Fitted, evaluation_batches, fit, predictions_of
from leannet.training.objective import Objective
from leannet.training.reading import Reader
from leannet.training.recipes import with_recipe
from leannet.training.settings import Settings, read_toml
from leannet.training.showing import run_html
from leannet.training.state import SavedState, find_state, load_state
from leannet.training.tensorboard import check_tensorboard

DIGITS = "digits"  # the built-in images, and the recipe that they are trained by unless a network is named
NETWORK_CHOICES = {"model", "recipe", "weights", "resolution", "width"}


@dataclass(frozen=True)
class Run:
    """The result of training."""

    path: Path
    header: Header
    validation: Result | None
    test: Result | None
    finished: bool
    log: list[dict[str, float]]
    skipped: list[dict[str, str]]  # images that cannot be read
    left_out: list[dict[str, Any]]  # what is not a labelled image, by reason
    interrupted: bool = False  # by Ctrl-C, perhaps too late to end it early

    def _repr_html_(self) -> str:
        """For a notebook: its accuracies and curves."""
        return run_html(self)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "run": str(self.path),
            "model": self.header.architecture.name,
            "classes": list(self.header.classes),
            "finished": self.finished,
            "best_epoch": self.header.metrics.epoch,
            "validation": self.validation.to_dict() if self.validation else None,
            "test": self.test.to_dict() if self.test else None,
            "log": self.log,
            "skipped": self.skipped,
            "left_out": self.left_out,
            "split": {key: value for key, value in self.header.split.to_dict().items() if key != "fingerprints"},
            "provenance": self.header.provenance.to_dict(),
        }


def train(data: str | Path, out: str | Path | None = None, quiet: bool = False, **settings: Any) -> Run:
    """Trains a network on images and returns the run.

    data: a folder of class folders (split or not), Parquet, CSV, or `digits`. out: the run folder; None: a new one
    under runs/. settings: fields of training.settings.Settings.
    Raises LeannetError, one line, for data, settings or a folder that cannot be used.
    """
    return start(make_settings(data, settings), out, quiet, Reader())


def make_settings(data: str | Path, values: dict[str, Any]) -> Settings:
    """The settings of a new run. Raises LeannetError for invalid settings, and for ones that exclude each other."""
    if str(data) == DIGITS and not NETWORK_CHOICES.intersection(values):
        values = {"recipe": DIGITS, **values}
    settings = Settings.make(with_recipe({"data": str(data), **values}))
    _check_settings(settings)
    return settings


@processes.raise_process_failures()
@raise_worker_failures()
def start(settings: Settings, out: str | Path | None, quiet: bool, reader: Reader) -> Run:
    """`train` with finished settings, and a reader whose images another run may have read already."""
    join(settings)
    check_out(out, settings)
    processes.barrier()  # no process creates the folder before all have checked that it is free
    console = Console(quiet or processes.rank() > 0)
    return begin(prepare(settings, reader, console), out, console)


@processes.raise_process_failures()
@raise_worker_failures()
def begin(job: Job, out: str | Path | None, console: Console, until: int | None = None) -> Run:
    """A run of a job in hand. until: as `fit` takes it."""
    run = processes.main_process_first(lambda: make_run(out, job.settings.data))
    with lock_run(run):
        processes.main_process_first(lambda: begin_run(run, out, job.settings, job.header))
        return _train(job, run, console, until=until)


def resume(run: str | Path, quiet: bool = False, cpu: bool = False, data: str | None = None) -> Run:
    """Continues a stopped run, with the same result as if it had never stopped.

    cpu: does not use a GPU, even if the run began on one. data: where its images are now; they are recognized by their
    content. Raises LeannetError if the images differ, or the run has finished.
    """
    return continue_run(Path(run), quiet, cpu, Reader(), data)


@processes.raise_process_failures()
@raise_worker_failures()
def continue_run(
    path: Path,
    quiet: bool,
    cpu: bool,
    reader: Reader,
    data: str | None = None,
    finished_too: bool = False,
    until: int | None = None,
    wrap: Callable[[Objective], Objective] = lambda objective: objective,
) -> Run:
    """`resume` with a reader whose images another run may have read already.

    finished_too: a finished run is scored again, on the same images. until: as `fit` takes it. wrap: what the run
    learned besides the objective of its settings.
    """
    console = Console(quiet or processes.rank() > 0)
    find_state(path)
    settings = Settings.make(current_settings(read_toml(path / CONFIG)), str(path / CONFIG))
    recorded_data = settings.data
    settings = settings.model_copy(update={"cpu": settings.cpu or cpu, "data": absolute_path(data or settings.data)})
    if data is None and settings.data != "digits" and not Path(settings.data).exists():
        raise LeannetError(
            f"{settings.data}: no longer exists; if the images have moved: {command_line('train DATA --resume', path)}"
        )
    if settings.tensorboard:
        check_tensorboard()
    join(settings)
    with lock_run(path):
        saved = load_state(path)
        settings = settings.model_copy(update={"task": settings.task or task_of(saved.header).name})
        done = _has_finished(saved, settings)
        # A run killed between its last epoch and its test split still has to score that.
        untested = done and saved.header.split.sizes["test"] and read_header(path).metrics.test is None
        if done and not untested and not finished_too:
            raise LeannetError(
                f"{path}: has finished its {saved.state.epoch} epochs; to train further, start a new run with "
                f"--weights {path}"
            )
        scan = reader.read(settings, console, saved.header)
        split = split_scan(scan, settings, saved.header.split)
        if split.digests != saved.header.split.digests and scan.dataset.truths is not None:
            # Images without objects were split with others once.
            split = split_as(scan.dataset, scan.digests, saved.header.split, str(path))
        if saved.header.split.digests != split.digests:
            elsewhere = f" and differ from those of {settings.data}" if data else ""
            raise LeannetError(
                f"{path}: the images have changed since this run began{elsewhere}; start a new run with "
                f"--weights {path}"
            )
        header = saved.header
        if settings.data != recorded_data:
            header = header.model_copy(
                update={"provenance": header.provenance.model_copy(update={"data": settings.data})}
            )
            processes.main_process_first(lambda: write_settings(path, settings, header))
        objective = wrap(objective_of(settings, header, scan, split))
        network = build(objective.watch(header.architecture))
        job = Job(network, header, scan, split, settings, objective)
        return _train(job, path, console, saved, until)


def _check_settings(settings: Settings) -> None:
    """Raises LeannetError for settings that exclude each other."""
    if settings.tensorboard:
        check_tensorboard()
    if settings.split == AS_WEIGHTS:
        if not settings.weights:
            raise LeannetError("--split weights: expected --weights, whose split it is, found none")
    elif settings.split:
        parse_ratio(settings.split)  # raises before any image is read
    if settings.freeze and not settings.weights:
        recipe = f" (recipe {settings.recipe})" if settings.recipe else ""
        raise LeannetError(
            f"--freeze {settings.freeze}{recipe}: expected trained weights to freeze, found a fresh network; "
            "give --weights RUN_OR_CHECKPOINT, or another recipe"
        )
    for flag, fresh in (("--whiten-stem", settings.whiten_stem), ("--identity-init", settings.identity_init)):
        if fresh and settings.weights:
            raise LeannetError(f"{flag}: of fresh weights: expected no --weights, found {settings.weights}")
    if settings.class_weights == settings.sampling == "balanced":
        raise LeannetError(
            "--class-weights balanced --sampling balanced: expected one of them, as each alone balances the classes"
        )


def join(settings: Settings) -> None:
    """Under a launcher, joins the other processes before anything is read or written.

    Raises LeannetError if they cannot be joined.
    """
    launcher.check_not_left_alone()
    if launcher.world() > 1:
        make_accelerator(settings)


def _train(job: Job, run: Path, console: Console, saved: SavedState | None = None, until: int | None = None) -> Run:
    header, settings, split = job.header, job.settings, job.split
    if saved is not None and _has_finished(saved, settings):
        console.say(f"{run}: finished with epoch {saved.state.epoch}; scoring its best weights")
        ended, device = Fitted(saved.state, False), make_accelerator(settings).device
    else:
        size = f"{header.preprocessing.width} x {header.preprocessing.height} px"
        console.say(f"training {header.architecture.name} at {size}, into {run}")
        if settings.compile:
            console.say("torch.compile: the first steps compile the network, which may take minutes")
        if settings.cache and job.images[0].cache is None:
            console.say("the decoded images do not fit into memory: each is decoded again in every epoch")
        ended = fit(job, run, console, saved, until)
        device = next(job.network.parameters()).device
    state = ended.state
    finished = state.ended or (settings.time is None and state.epoch == settings.epochs)
    processes.barrier()  # the main process has written the best weights
    best, header = load(run / MODEL)
    _, plain = job.datasets() if saved is not None and _has_finished(saved, settings) else job.images
    validation = ended.best
    if validation is None:
        validation = _scores(best, plain, split.validation, job, device)
    test = None
    if finished and len(split.test):  # only once
        test = _scores(best, plain, split.test, job, device)
        if header.metrics.test is None:
            metrics = header.metrics.model_copy(update={"test": test.summary()})
            header = header.model_copy(update={"metrics": metrics})
            if processes.rank() == 0:
                save(run / MODEL, best, header)
    skipped, left_out = report_skipped(job.scan), report_left_out(job.scan)
    return Run(run, header, validation, test, finished, state.log, skipped, left_out, ended.interrupted)


def _has_finished(saved: SavedState, settings: Settings) -> bool:
    """Whether a run has no step left."""
    return saved.state.ended or (settings.time is None and saved.state.epoch >= settings.epochs)


def _scores(
    best: Network, plain: PreparedDataset, indices: NDArray[np.int64], job: Job, device: torch.device
) -> Result:
    best.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack this form
    processes.settle_threads()
    batches = Loader(plain, evaluation_batches(indices, job.settings, plain), job.settings.workers or 0)
    predictions, _ = predictions_of(best, batches, plain, job.task, device)
    return job.task.score(predictions, plain.dataset.keep(indices))
