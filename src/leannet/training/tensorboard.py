"""Event files for TensorBoard, on request: RUN/tensorboard has the values of log.csv, one step per epoch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from leannet.errors import LeannetError

FOLDER = "tensorboard"
SCALARS = {  # column of log.csv -> name in TensorBoard
    "train_loss": "train/loss",
    "train_accuracy": "train/accuracy",
    "validation_loss": "validation/loss",
    "validation_accuracy": "validation/accuracy",
    "train_recall": "train/recall",
    "validation_ap": "validation/ap",
    "validation_ap50": "validation/ap50",
    "learning_rate": "learning_rate",
    "images_per_s": "images_per_s",
}

Write = Callable[[dict[str, float]], None]


def check_tensorboard() -> None:
    """Raises LeannetError, before any work, if the package is missing."""
    try:
        _writer()
    except ImportError:
        raise LeannetError("--tensorboard needs the package tensorboard: pip install 'leannet[tensorboard]'") from None


@contextmanager
def events(run: Path | None, done: int) -> Iterator[Write]:
    """A function that writes a line of the log. run: None: it writes nothing. done: epochs already in the log.

    A resumed run begins a new file, which replaces later epochs of an older one.
    """
    if run is None:
        yield lambda line: None
        return
    with _writer()(str(run / FOLDER), purge_step=done + 1) as writer:

        def write(line: dict[str, float]) -> None:
            for column, name in SCALARS.items():
                if column in line:
                    writer.add_scalar(name, line[column], int(line["epoch"]))
            writer.flush()

        yield write


def _writer() -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter
