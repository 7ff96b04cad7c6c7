"""`train`: from pictures to a run folder. Says what it found and chose, trains, and scores the test part once."""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from leannet import __version__
from leannet.checkpoint import load, save
from leannet.console import Console
from leannet.data.loader import Batches, PictureSet, loader, mean_and_std
from leannet.data.scan import Scan, report_skipped, scan
from leannet.data.sources import Pictures, open_pictures
from leannet.data.split import Split, parse_ratio, split
from leannet.errors import LeannetError
from leannet.evaluation.metrics import Scores, score
from leannet.files import write_whole
from leannet.header import Header, checkpoint_file
from leannet.network import Network, build, transfer
from leannet.preprocessing import GREY_MEAN, GREY_STD, Preprocessing
from leannet.rows import Architecture
from leannet.training.loop import fit, outputs_of
from leannet.training.settings import Settings, read_toml
from leannet.training.state import FILE as STATE
from leannet.training.task import Classification
from leannet.zoo import architecture, find

SMALL_PICTURES = 48  # pixels of the shorter side up to which the 32-pixel forms are the default
RUN_FILES = ("model.safetensors", "last.safetensors", "config.toml", "log.csv")


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
            "split": {key: value for key, value in self.header.split.items() if key != "trained"},
            "provenance": self.header.provenance,
        }


def train(data: str, out: str | Path | None = None, quiet: bool = False, **settings: Any) -> Run:
    """Trains a network on pictures and returns the run.

    data: a folder of class folders (split or not), Parquet, CSV, or `digits`. out: the run folder; None: a new one
    under runs/. settings: fields of training.settings.Settings.
    Raises LeannetError, one line, for data, settings or a folder that will not do.
    """
    console = Console(quiet)
    wanted = Settings.make({"data": str(data), **settings})
    return _train(wanted, _new_run(out, wanted), console, resume=False)


def resume(run: str | Path, quiet: bool = False) -> Run:
    """Goes on with a run that was stopped, to the same end as if it had not been. Raises LeannetError."""
    path = Path(run)
    if not (path / STATE).exists() or not (path / "config.toml").exists():
        raise LeannetError(f"{run}: expected a run that can be resumed (config.toml and {STATE}), found none")
    values = read_toml(path / "config.toml")
    return _train(Settings.make(values, str(path / "config.toml")), path, Console(quiet), resume=True)


def _train(wanted: Settings, run: Path, console: Console, resume: bool) -> Run:
    pictures = open_pictures(wanted.data).without(wanted.skip)
    if wanted.limit:
        pictures = _some(pictures, wanted.limit, wanted.seed)
    console.say(f"{wanted.data}: {pictures.kind}, {len(pictures):,} pictures, {len(pictures.classes)} classes")
    found = scan(pictures, lambda items, total: console.track(items, total, "reading every picture once"))
    for line in found.lines():
        console.say(f"  {line}", style="yellow")
    parts = split(found.pictures, found.digests, parse_ratio(wanted.split) if wanted.split else None, wanted.seed)
    _tell_split(console, wanted, found, parts)

    settings, table, source = _choose(wanted, found)
    torch.manual_seed(settings.seed)
    network = build(table)
    parent = _start_from(network, source, settings, console)
    preprocessing = _preprocessing(settings, table, source, found.pictures, parts)
    header = Header(
        architecture=table,
        classes=found.pictures.classes,
        preprocessing=preprocessing,
        split=parts.record(),
        provenance={
            "command": shlex.join(["leannet", *sys.argv[1:]]) if sys.argv[0].endswith("leannet") else "leannet.train",
            "data": settings.data,
            "seed": settings.seed,
            "parent": parent,
            "done": "trained",
            "torch": torch.__version__,
            "skipped": report_skipped(found)[:100],
        },
    )
    if not resume:
        run.mkdir(parents=True, exist_ok=True)
        words = f"# leannet {__version__}\n# {header.provenance['command']}\n"
        write_whole(run / "config.toml", (words + settings.to_toml()).encode())
    console.say(f"training {table.name} at {preprocessing.width} x {preprocessing.height} px, into {run}")

    training_set = PictureSet(found.pictures, preprocessing, settings.augment, settings.seed)
    task = Classification(settings.label_smoothing)
    standing = fit(network, task, training_set, parts, settings, header, run, console, resume)
    finished = standing.epoch == settings.epochs
    best, header = load(run / "model.safetensors")
    validation, test = _final_scores(best, header, found.pictures, parts, settings)
    if finished and test is not None and "test" not in header.metrics:
        numbers = test.to_dict()
        metrics = header.metrics | {"test": {k: numbers[k] for k in numbers if k not in {"per_class", "confusion"}}}
        header = header.model_copy(update={"metrics": metrics})
        save(run / "model.safetensors", best, header)
    return Run(run, header, validation, test if finished else None, finished, standing.log, report_skipped(found))


def _some(pictures: Pictures, limit: int, seed: int) -> Pictures:
    """At most so many pictures, each class in its proportion."""
    import numpy as np

    order = np.random.default_rng(seed).permutation(len(pictures))
    share = min(1.0, limit / len(pictures))
    kept: list[int] = []
    for label in range(len(pictures.classes)):
        members = order[pictures.labels[order] == label]
        kept += members[: max(2, round(share * len(members)))].tolist()
    return pictures.keep(sorted(kept))


def _tell_split(console: Console, wanted: Settings, found: Scan, parts: Split) -> None:
    how = "as the data comes" if parts.ratio is None else f"by content, seed {parts.seed}"
    sizes = f"{len(parts.train):,} to train on, {len(parts.validation):,} to validate on"
    console.say(f"split {how}: {sizes}" + (f", {len(parts.test):,} to test on" if len(parts.test) else ""))
    both = {found.digests[i] for i in parts.train} & {found.digests[i] for i in (*parts.validation, *parts.test)}
    if both:
        console.say(f"  {len(both)} pictures are in the training part and in another, as equal copies", style="yellow")


def _choose(wanted: Settings, found: Scan) -> tuple[Settings, Architecture, Header | None]:
    """The settings with what was left open filled in, the rows, and the header of the weights to start from."""
    classes = len(found.pictures.classes)
    channels = 1 if wanted.color == "L" else 3
    source = load(wanted.weights)[1] if wanted.weights else None
    small = min(found.median_size) <= SMALL_PICTURES
    name = wanted.model or ("cifar_mobilenet_v2" if small else "mobilenet_v3_small")
    if source is not None and wanted.model is None:
        table = source.architecture.with_classes(classes)
        if wanted.resolution:
            table = table.with_input(wanted.resolution)
        name = table.name
    elif name.endswith(".json"):
        table = Architecture.load(name).with_classes(classes)
        if wanted.resolution:
            table = table.with_input(wanted.resolution)
    else:
        table = architecture(name, wanted.width, wanted.resolution or find(name).resolution, classes, channels)
    if table.input.channels != channels:
        raise LeannetError(f"{name} reads {table.input.channels} channels, --color {wanted.color} gives {channels}")
    workers = wanted.workers
    if workers is None:
        # Tiny pictures are prepared faster than they are handed from one process to another.
        workers = 0 if max(found.median_size) <= 16 else min(torch.get_num_threads(), 8)
    chosen: dict[str, Any] = {
        "model": None if source is not None and wanted.model is None else name,
        "resolution": table.input.height,
        "workers": workers,
        "batch_size": min(wanted.batch_size, len(found.pictures)),
    }
    return wanted.model_copy(update=chosen), table, source


def _start_from(network: Network, source: Header | None, settings: Settings, console: Console) -> str | None:
    if source is None or settings.weights is None:
        return None
    parent, _ = load(settings.weights)
    fresh = transfer(network, parent.state_dict(), settings.weights)
    if fresh:
        console.say(f"weights from {settings.weights}; a fresh {fresh[0]} for {network.architecture.classes} classes")
    return str(checkpoint_file(settings.weights))


def _preprocessing(
    settings: Settings, table: Architecture, source: Header | None, pictures: Pictures, parts: Split
) -> Preprocessing:
    """The weights' own, or the settings', with mean and deviation measured on the training part when asked for."""
    size = {"height": table.input.height, "width": table.input.width}
    if source is not None:
        return source.preprocessing.model_copy(update=size)
    # Small pictures are used whole: their borders are not spare.
    ratio = 1.0 if table.input.height <= SMALL_PICTURES else 0.875
    plain = Preprocessing(**size, color=settings.color, resize=settings.resize, crop_ratio=ratio)
    if settings.color == "L":
        plain = plain.model_copy(update={"mean": GREY_MEAN, "std": GREY_STD})
    if settings.normalization == "zscore":
        mean, std = mean_and_std(PictureSet(pictures, plain), parts.train, settings.workers or 0)
        return plain.model_copy(update={"mean": mean, "std": std})
    return plain


def _final_scores(
    best: Network, header: Header, pictures: Pictures, parts: Split, settings: Settings
) -> tuple[Scores | None, Scores | None]:
    plain = PictureSet(pictures, header.preprocessing)
    best.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    scores: list[Scores | None] = []
    for part in (parts.validation, parts.test):
        if not len(part):
            scores.append(None)
            continue
        batches = loader(plain, Batches(part, 2 * settings.batch_size), settings.workers or 0)
        outputs = outputs_of(best, batches, plain, Classification(), torch.device("cpu"))
        scores.append(score(outputs, pictures.labels[part], header.classes))
    return scores[0], scores[1]


def _new_run(out: str | Path | None, settings: Settings) -> Path:
    """A folder for a new run. Raises LeannetError where the one asked for holds another run."""
    if out is not None:
        path = Path(out)
        if path.is_file():
            raise LeannetError(f"--out {out}: expected a new or empty folder, found a file")
        held = [name for name in RUN_FILES if (path / name).exists()]
        if held:
            raise LeannetError(f"--out {out}: holds another run ({held[0]}); choose a new folder, or --resume {out}")
        return path
    stem = Path(settings.data).resolve().stem if settings.data != "digits" else "digits"
    number = 1
    while (path := Path("runs") / (stem if number == 1 else f"{stem}-{number}")).exists():
        number += 1
    return path
