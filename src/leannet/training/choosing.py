"""What a run leaves to leannet: the rows, the workers, the preprocessing, and what is taken over from other weights."""

import os
from pathlib import Path

import torch

from leannet.console import Console
from leannet.data.loader import PreparedDataset, mean_and_std
from leannet.data.scan import Scan
from leannet.data.split import Split
from leannet.errors import LeannetError
from leannet.header import Header
from leannet.network import Network, transfer
from leannet.preprocessing import GREY_MEAN, GREY_STD, IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from leannet.rows import Architecture, Dropout
from leannet.runtime.processor import cores as machine_cores
from leannet.training.optimizing import frozen_rows
from leannet.training.settings import Settings
from leannet.zoo import architecture

SMALL_IMAGES = 48  # pixels of the shorter side up to which the 32-pixel forms are the default

FEW_CORES = 2

Source = tuple[Network, Header]  # the weights to start from, and what is known of them


def check_model(wanted: Settings, source: Source | None) -> Architecture | None:
    """The network, where it is known before any image is read. Raises LeannetError for one that cannot be trained."""
    name = wanted.model
    if name is not None and name.endswith(".json"):
        table = Architecture.load(name)
    elif name is not None:
        table = architecture(name, wanted.width or 1.0, wanted.resolution)
    elif source is not None:
        table = source[1].architecture
    else:
        return None
    if wanted.width is not None and (name is None or name.endswith(".json")):
        raise LeannetError(f"--width {wanted.width:g}: a multiplier is for zoo names; {table.name} has its widths")
    output = table.shapes[table.output_names[0]]
    if len(table.output_names) > 1 or (output.height, output.width) != (1, 1):
        raise LeannetError(
            f"{table.name}: expected one output of one value a class, found {', '.join(table.output_names)}"
        )
    table = table.with_classes(2)
    return table.with_input(wanted.resolution) if wanted.resolution else table


def choose(wanted: Settings, found: Scan, source: Source | None) -> tuple[Settings, Architecture]:
    """The settings with what was left open filled in, and the rows."""
    classes, channels = len(found.dataset.classes), 1 if wanted.color == "L" else 3
    name = wanted.model
    if name is None and source is None:
        small = min(found.median_size) <= SMALL_IMAGES
        name = "cifar_mobilenet_v2" if small else "mobilenet_v3_small"
    if source is not None and (name is None or source[1].provenance.source):
        table = source[1].architecture  # another library's weights bring its own form of the rows
    elif name is not None and name.endswith(".json"):
        table = Architecture.load(name)
    else:
        assert name is not None
        table = architecture(name, wanted.width or 1.0, wanted.resolution, classes, channels)
    table = table.with_classes(classes)
    if wanted.resolution:
        table = table.with_input(wanted.resolution)
    if table.input.channels != channels:
        raise LeannetError(
            f"{table.name} reads {table.input.channels} channels, --color {wanted.color} gives {channels}"
        )
    workers = wanted.workers
    if workers is None:
        # Tiny images are prepared faster than they are handed from one process to another; and where there are two
        # cores, a step on both of them loses more to workers than they save it.
        together = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        share = machine_cores() // together
        spare = share > FEW_CORES or torch.cuda.is_available()
        workers = min(share, 8) if spare and max(found.median_size) > 16 else 0
    if wanted.dropout is not None:
        table = with_dropout(table, wanted.dropout)
    frozen_rows(table, wanted.freeze)
    # From wherever the run is used next. A zoo name stays one, also where a folder happens to be called like it.
    paths = {"data": wanted.data, "weights": wanted.weights}
    paths["model"] = name if name is not None and name.endswith(".json") else None
    absolute = {key: in_full(path) for key, path in paths.items() if path}
    size = table.input
    chosen = {"model": name, "resolution": size.height if size.height == size.width else None, "workers": workers}
    return wanted.model_copy(update=chosen | absolute), table


def in_full(path: str) -> str:
    """A path as it is called from everywhere. A word that is none, as `digits`, stays."""
    return str(Path(path).resolve()) if path != "digits" and Path(path).exists() else path


def start_from(network: Network, source: Source, classes: tuple[str, ...], name: str, console: Console) -> None:
    """Copies weights. The head comes along where the classes are the same ones, in their new order."""
    parent, header = source
    state, head = parent.state_dict(), parent.architecture.head
    same = set(classes) == set(header.classes)
    if same:
        order = [header.classes.index(c) for c in classes]
        state = {key: value[order] if key.startswith(head + ".") else value for key, value in state.items()}
    transfer(network, state, name, fresh_head=not same)
    named = ", ".join(classes[:5]) + (", ..." if len(classes) > 5 else "")
    console.say(f"weights from {name}" + ("" if same else f"; a fresh {head} for {named}"))


def choose_preprocessing(
    settings: Settings, table: Architecture, source: Source | None, found: Scan, split: Split
) -> Preprocessing:
    """The weights' own where nothing else is asked for; for zscore mean and deviation of the training split."""
    size = {"height": table.input.height, "width": table.input.width}
    if source is not None:
        chosen = source[1].preprocessing.model_copy(update=size)
    else:
        # Small images are used whole: their borders are not spare.
        ratio = 1.0 if table.input.height <= SMALL_IMAGES else 0.875
        chosen = Preprocessing(**size, color=settings.color, crop_ratio=ratio)
    if chosen.grey_range == Preprocessing.model_fields["grey_range"].default:  # else it is that of the weights
        chosen = chosen.model_copy(update={"grey_range": found.grey_range})
    if settings.resize is not None:
        chosen = chosen.model_copy(update={"resize": settings.resize})
    if settings.normalization == "imagenet" or (source is None and settings.normalization is None):
        grey = settings.color == "L"
        constants = {"mean": GREY_MEAN if grey else IMAGENET_MEAN, "std": GREY_STD if grey else IMAGENET_STD}
        chosen = chosen.model_copy(update=constants)
    elif settings.normalization == "zscore":
        mean, std = mean_and_std(PreparedDataset(found.dataset, chosen), split.train, settings.workers or 0)
        chosen = chosen.model_copy(update={"mean": mean, "std": std})
    return chosen


def with_dropout(table: Architecture, rate: float) -> Architecture:
    """The same rows with another rate of dropout. Raises LeannetError where no row is dropout."""
    rows = [row for row in table.rows if isinstance(row, Dropout)]
    if not rows:
        raise LeannetError(f"--dropout: {table.name} has no row of that kind")
    for row in rows:
        table = table.edit(row.name, rate=rate)
    return table
