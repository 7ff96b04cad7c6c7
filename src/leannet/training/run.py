"""`train`: from pictures to a run folder. Says what it found and chose, trains, and scores the test part once."""

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from leannet import __version__
from leannet.checkpoint import load, save
from leannet.console import Console
from leannet.data.loader import Batches, Loader, PictureSet, cached, told_of_workers
from leannet.data.picture_list import Pictures
from leannet.data.scan import Scan, report_skipped, scan
from leannet.data.sources import open_pictures
from leannet.data.split import Split, parse_ratio, split
from leannet.errors import LeannetError
from leannet.evaluation.metrics import Scores, score
from leannet.factory import adapt
from leannet.files import alone_in, write_whole
from leannet.header import Header, checkpoint_file, read_header
from leannet.network import Network, build
from leannet.preprocessing import GREY_MEAN, GREY_STD
from leannet.training import processes
from leannet.training.choosing import Source, check_model, choose, choose_preprocessing, start_from
from leannet.training.learner import make_accelerator
from leannet.training.loop import fit, predictions_of
from leannet.training.recipes import with_recipe
from leannet.training.settings import Settings, read_toml
from leannet.training.showing import run_html
from leannet.training.state import FILE as STATE
from leannet.training.state import Saved, find_state, load_state
from leannet.training.task import Classification
from leannet.training.tensorboard import check_tensorboard
from leannet.weights import read_weights

RUN_FILES = ("model.safetensors", "last.safetensors", "log.csv", str(STATE))


@dataclass(frozen=True)
class Run:
    """What training left behind."""

    path: Path
    header: Header
    validation: Scores | None
    test: Scores | None
    finished: bool
    log: list[dict[str, float]]
    skipped: list[dict[str, str]]

    def _repr_html_(self) -> str:
        """For a notebook: what it is worth, and its curves."""
        return run_html(self)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "run": str(self.path),
            "model": self.header.architecture.name,
            "classes": list(self.header.classes),
            "finished": self.finished,
            "best_epoch": self.header.metrics.get("epoch"),
            "validation": self.validation.to_dict() if self.validation else None,
            "test": self.test.to_dict() if self.test else None,
            "log": self.log,
            "skipped": self.skipped,
            "split": {key: value for key, value in self.header.split.items() if key != "marks"},
            "provenance": self.header.provenance,
        }


@told_of_workers()
def train(data: str | Path, out: str | Path | None = None, quiet: bool = False, **settings: Any) -> Run:
    """Trains a network on pictures and returns the run.

    data: a folder of class folders (split or not), Parquet, CSV, or `digits`. out: the run folder; None: a new one
    under runs/. settings: fields of training.settings.Settings.
    Raises LeannetError, one line, for data, settings or a folder that will not do.
    """
    wanted = Settings.make(with_recipe({"data": str(data), **settings}))
    _check_settings(wanted)
    _join(wanted)
    _check_out(out, wanted)
    processes.meet()  # no process makes the folder before all have seen that it is free
    ratio = parse_ratio(wanted.split) if wanted.split else None
    console = Console(quiet or processes.rank() > 0)
    source = None
    if wanted.weights:
        torch.manual_seed(wanted.seed)  # a file may lack more than the head
        by_name = wanted.model if wanted.model and not wanted.model.endswith(".json") else None
        source = read_weights(wanted.weights, by_name, wanted.width or 1.0, wanted.resolution, say=console.say)
        channels = 1 if wanted.color == "L" else 3
        if source[1].architecture.input.channels != channels:
            adapted = adapt(*source, None, channels, wanted.weights)
            grey = {"color": wanted.color, "mean": GREY_MEAN, "std": GREY_STD} if channels == 1 else {}
            preprocessing = source[1].preprocessing.model_copy(update=grey)
            update = {"architecture": adapted.architecture, "preprocessing": preprocessing}
            source = adapted, source[1].model_copy(update=update)
    check_model(wanted, source)

    found = _read(wanted, console)
    parts = split(found.pictures, found.digests, ratio, wanted.seed, _fold(wanted))
    _tell_split(console, found, parts)
    settings_, table = choose(wanted, found, source)
    torch.manual_seed(settings_.seed)
    network = build(table)
    if source is not None:
        start_from(network, source, found.pictures.classes, str(wanted.weights), console)
    header = Header(
        architecture=table,
        classes=found.pictures.classes,
        preprocessing=choose_preprocessing(settings_, table, source, found, parts),
        split=parts.record(),
        provenance={
            "command": shlex.join(["leannet", *sys.argv[1:]]) if _from_command_line() else "leannet.train",
            "data": settings_.data,
            "reading": settings_.reading.to_dict(),
            "seed": settings_.seed,
            "parent": _parent(wanted, source),
            "licence": source[1].provenance.get("licence") if source else None,
            "done": "trained",
            "torch": torch.__version__,
            "skipped": report_skipped(found)[:100],
            "remarks": found.lines(),
        },
    )
    run = processes.in_first(lambda: _make_run(out, settings_.data))
    with _alone_in(run):
        processes.in_first(lambda: _begin(run, out, settings_, header))
        return _train(network, header, found, parts, settings_, run, console)


@told_of_workers()
def resume(run: str | Path, quiet: bool = False) -> Run:
    """Goes on with a run that was stopped, to the same end as if it had not been. Raises LeannetError."""
    return _resume(Path(run), quiet)


def revisit(run: str | Path, quiet: bool = False) -> Run:
    """The same, and of a run that has finished what it came to, judged anew by the same pictures."""
    return _resume(Path(run), quiet, finished_too=True)


def _resume(path: Path, quiet: bool, finished_too: bool = False) -> Run:
    console = Console(quiet or processes.rank() > 0)
    find_state(path)
    settings = Settings.make(read_toml(path / "config.toml"), str(path / "config.toml"))
    if settings.tensorboard:
        check_tensorboard()
    _join(settings)
    with _alone_in(path):
        saved = load_state(path)
        done = saved.standing.ended or (settings.time is None and saved.standing.epoch >= settings.epochs)
        # A run killed between its last epoch and its test part has that left to do.
        untested = done and saved.header.split["sizes"]["test"] and "test" not in read_header(path).metrics
        if done and not untested and not finished_too:
            raise LeannetError(
                f"{path}: has finished its {saved.standing.epoch} epochs; to train on, a new run, --weights {path}"
            )
        found = _read(settings, console, saved.header)
        ratio = parse_ratio(settings.split) if settings.split else None
        parts = split(found.pictures, found.digests, ratio, settings.seed, _fold(settings))
        if saved.header.split["digests"] != parts.digests:
            raise LeannetError(
                f"{path}: the pictures have changed since this run began; start a new one, --weights {path}"
            )
        return _train(build(saved.header.architecture), saved.header, found, parts, settings, path, console, saved)


@contextmanager
def _alone_in(run: Path) -> Iterator[None]:
    """Keeps other trainings out of the folder; the processes of this one are one to them."""
    with ExitStack() as stack:
        processes.in_first(lambda: stack.enter_context(alone_in(run)))
        yield


def _check_settings(wanted: Settings) -> None:
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


def _join(settings: Settings) -> None:
    """Under a launcher of several processes: meets the others, before anything is read or written."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        make_accelerator(settings)


def _read(settings: Settings, console: Console, known: Header | None = None) -> Scan:
    pictures = open_pictures(settings.data, settings.reading).without(settings.skip)
    if known is not None:  # numbers of classes are those of the network, however the data numbers them now
        pictures = pictures.numbered_as(known.classes, "this run")
    if settings.limit:
        pictures = _some(pictures, settings.limit, settings.seed)
    console.say(f"{settings.data}: {pictures.kind}, {len(pictures):,} pictures, {len(pictures.classes)} classes")
    grey_range = known.preprocessing.grey_range if known is not None else None
    found = scan(pictures, console.reading, color=settings.color, shared_by=processes.shared_out, grey_range=grey_range)
    for line in found.lines():
        console.say(f"  {line}", style="yellow")
    return found


def _train(
    network: Network,
    header: Header,
    found: Scan,
    parts: Split,
    settings: Settings,
    run: Path,
    console: Console,
    saved: Saved | None = None,
) -> Run:
    preprocessing = header.preprocessing
    console.say(f"training {header.architecture.name} at {preprocessing.width} x {preprocessing.height} px, into {run}")
    training_set = PictureSet(found.pictures, preprocessing, settings.augment, settings.seed)
    plain = PictureSet(found.pictures, preprocessing)
    if settings.cache:
        training_set, plain = cached(training_set, plain, found.sizes, found.formats)
        if training_set.cache is None:
            console.say("the decoded pictures do not fit into memory: each is read anew in every epoch")
    task = Classification(settings.label_smoothing, _class_weights(settings, found.pictures, parts))
    standing = fit(network, task, training_set, plain, parts, settings, header, run, console, saved)
    finished = standing.ended or (settings.time is None and standing.epoch == settings.epochs)
    processes.meet()  # the first process has written the best
    best, header = load(run / "model.safetensors")
    device = next(network.parameters()).device
    validation = _scores(best, plain, parts.validation, settings, device)
    test = None
    if finished and len(parts.test):  # once, and kept
        test = _scores(best, plain, parts.test, settings, device)
        header = header.model_copy(update={"metrics": header.metrics | {"test": test.summary()}})
        if processes.rank() == 0:
            save(run / "model.safetensors", best, header)
    return Run(run, header, validation, test, finished, standing.log, report_skipped(found))


def _class_weights(settings: Settings, pictures: Pictures, parts: Split) -> tuple[float, ...] | None:
    """One a class, so that all classes weigh the same together; on average one a picture."""
    if settings.class_weights == "none":
        return None
    counts = np.bincount(pictures.labels[parts.train], minlength=len(pictures.classes))
    return tuple((len(parts.train) / (len(counts) * counts)).tolist())


def _parent(wanted: Settings, source: Source | None) -> str | None:
    if wanted.weights is None or source is None:
        return None
    return source[1].provenance.get("source") or str(checkpoint_file(wanted.weights).resolve())


def _from_command_line() -> bool:
    return Path(sys.argv[0]).name == "leannet" or Path(sys.argv[0]).parts[-2:] == ("leannet", "__main__.py")


def _some(pictures: Pictures, limit: int, seed: int) -> Pictures:
    """About so many pictures, each class of each part in its proportion, and two of each at least."""
    order = np.random.default_rng(seed).permutation(len(pictures))
    groups: dict[tuple[str | None, int], list[int]] = {}
    for index in order.tolist():
        groups.setdefault((pictures.parts[index], int(pictures.labels[index])), []).append(index)
    share = min(1.0, limit / max(len(pictures), 1))
    return pictures.keep(sorted(i for group in groups.values() for i in group[: max(2, round(share * len(group)))]))


def _tell_split(console: Console, found: Scan, parts: Split) -> None:
    how = "as the data comes" if parts.ratio is None else f"by content, seed {parts.seed}"
    sizes = f"{len(parts.train):,} to train on, {len(parts.validation):,} to validate on"
    console.say(f"split {how}: {sizes}" + (f", {len(parts.test):,} to test on" if len(parts.test) else ""))
    if parts.dropped:
        names = ", ".join(found.pictures.names[i] for i in parts.dropped[:3])
        console.say(
            f"  {len(parts.dropped)} images with another label in a later split are left out: {names}", style="yellow"
        )
    both = {found.digests[i] for i in parts.train} & {found.digests[i] for i in (*parts.validation, *parts.test)}
    if both:
        console.say(f"  {len(both)} pictures are in the training part and in another, as equal copies", style="yellow")


def _scores(
    best: Network, plain: PictureSet, part: NDArray[np.int64], settings: Settings, device: torch.device
) -> Scores:
    best.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack this form
    shared = Batches(part, 2 * settings.batch_size, rank=processes.rank(), world=processes.world())
    batches = Loader(plain, shared, settings.workers or 0)
    predictions = predictions_of(best, batches, plain, Classification(), device)
    return score(predictions, plain.pictures.labels[part], plain.pictures.classes)


def _check_out(out: str | Path | None, settings: Settings) -> None:
    """Refuses a run folder that holds another run, is a file, or lies among the pictures."""
    path = Path(out) if out is not None else Path("runs")
    held = [name for name in RUN_FILES if out is not None and (path / name).exists()]
    if held:
        raise LeannetError(f"--out {out}: holds another run ({held[0]}); choose a new folder, or --resume {out}")
    if any(parent.is_file() for parent in (path, *path.parents)):
        raise LeannetError(f"--out {out}: expected a new or empty folder, found a file")
    data = Path(settings.data).resolve()
    if data.is_dir() and path.resolve().is_relative_to(data):
        raise LeannetError(f"--out {path}: lies among the pictures of {settings.data}; choose a folder outside")


def _make_run(out: str | Path | None, data: str) -> Path:
    if out is not None:
        run = Path(out)
        run.mkdir(parents=True, exist_ok=True)
    else:
        stem, number = Path(data).stem, 1
        while True:  # another run may start at the same moment: who makes the folder has it
            run = Path("runs") / (stem if number == 1 else f"{stem}-{number}")
            try:
                run.mkdir(parents=True)
                break
            except FileExistsError:
                number += 1
    return run


def _begin(run: Path, out: str | Path | None, settings: Settings, header: Header) -> None:
    """The first file of a run, once no other training can come between."""
    _check_out(out, settings)
    words = f"# leannet {__version__}\n# {header.provenance['command']}\n"
    write_whole(run / "config.toml", (words + settings.to_toml()).encode())
