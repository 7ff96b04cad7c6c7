"""What a detection set asks of a run: a network with a head for boxes, an input of the images' proportions, and no
setting that knows only classes."""

from leannet.data.scan import Scan
from leannet.data.split import Split
from leannet.detect.average_precision import check_installed
from leannet.errors import LeannetError
from leannet.preprocessing import CROPS
from leannet.rows import Architecture
from leannet.rows.detecting import Neck, detector
from leannet.tasks import finds_boxes
from leannet.training.settings import Settings

MODEL, WIDTH = "onenet_shufflenet_v2", 0.5  # without a name
LONGER_SIDE = 320  # pixels of the input, without --resolution
STEP = 16  # what its sides are multiples of
CHANNELS = 48  # of the head of a backbone that has none
LEVELS: dict[Neck, tuple[int, ...]] = {"pyramid": (8,), "deconv": (4,)}


def check_settings(settings: Settings) -> None:
    """Raises LeannetError for what is asked for and is not for boxes, and where what scores boxes is not installed."""
    check_installed()
    augment, teacher, gate = settings.augment, settings.distillation.teacher, settings.skipping
    for is_asked, flag, why in (
        (
            augment.policy in ("trivial", "rand"),
            f"--policy {augment.policy}",
            "moves what is in an image, but not its boxes; --policy color does not",
        ),
        (augment.mixup or augment.cutmix, "--mixup, --cutmix", "mix the classes of images"),
        (settings.class_weights != "none", "--class-weights", "weighs the classes of images"),
        (settings.sampling != "plain", "--sampling", "draws by the classes of images"),
        (teacher is not None, "--teacher", "teaches classes"),
        (gate.gate is not None or gate.exits, "--gate, --exits", "learn from classes"),
        (gate.learning is not None or gate.alpha is not None, "--gate-learning, --alpha", "learn from classes"),
        (settings.resize in CROPS, f"--resize {settings.resize}", "cuts objects off; letterbox and squash do not"),
    ):
        if is_asked:
            raise LeannetError(f"{flag}: {why}: leave it out for a detection set")


def with_boxes(architecture: Architecture, settings: Settings, scan: Scan) -> Architecture:
    """The network with a head for boxes, where it has none.

    Raises LeannetError where the network has a head already and another is asked for, or no map of a level.
    """
    asked = settings.detecting
    if finds_boxes(architecture):
        if asked.levels or asked.taps or asked.head_channels or asked.neck != "pyramid":
            raise LeannetError(f"--levels, --taps, --neck, --head-channels: {architecture.name} has its head already: "
                               "leave them out, or name a backbone")  # fmt: skip
        made = architecture
    else:
        levels = asked.levels or LEVELS[asked.neck]
        channels = asked.head_channels or CHANNELS
        made = detector(architecture, len(scan.dataset.classes), channels, levels, neck=asked.neck,
                        taps=asked.taps)  # fmt: skip
    return made


def check_split(scan: Scan, split: Split) -> None:
    """Raises LeannetError for a validation split without an object, of which nothing could be scored."""
    truths = scan.dataset.truths
    if truths is not None and not any((~truths[index].is_crowd).any() for index in split.validation):
        raise LeannetError(f"{scan.dataset.where}: expected objects in its validation split, found none in "
                           f"{len(split.validation):,} images")  # fmt: skip


def input_size(longer: int, size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of an input for images of this (width, height): the longer side as said, the other in proportion,
    in steps of 16 pixels."""
    width, height = size
    shorter = max(STEP, STEP * round(longer * min(size) / max(size) / STEP))
    return (shorter, longer) if width >= height else (longer, shorter)
