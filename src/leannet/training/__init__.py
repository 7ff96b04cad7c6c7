"""Training: settings, the loop, what a run leaves behind."""

from leannet.training.folds import Folds, cross_validate
from leannet.training.run import Run, resume, train
from leannet.training.settings import Settings

__all__ = ["Folds", "Run", "Settings", "cross_validate", "resume", "train"]
