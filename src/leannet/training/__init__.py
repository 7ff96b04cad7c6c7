"""Training: settings, the loop, and the files of a run."""

from typing import TYPE_CHECKING

from leannet.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Folds": ".folds",
        "LearningRates": ".lr_finder",
        "Run": ".run",
        "Settings": ".settings",
        "cross_validate": ".folds",
        "find_lr": ".lr_finder",
        "resume": ".run",
        "train": ".run",
    },
)

if TYPE_CHECKING:
    from leannet.training.folds import Folds as Folds
    from leannet.training.folds import cross_validate as cross_validate
    from leannet.training.lr_finder import LearningRates as LearningRates
    from leannet.training.lr_finder import find_lr as find_lr
    from leannet.training.run import Run as Run
    from leannet.training.run import resume as resume
    from leannet.training.run import train as train
    from leannet.training.settings import Settings as Settings
