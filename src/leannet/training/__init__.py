"""Training: settings, the loop, what a run leaves behind."""

from leannet.training.run import Run, resume, train
from leannet.training.settings import Settings

__all__ = ["Run", "Settings", "resume", "train"]
