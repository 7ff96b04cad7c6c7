"""Microcontrollers: whether a network fits, before it is trained."""

from leannet.microcontrollers.fitting import Fit, fit
from leannet.microcontrollers.targets import TARGETS, Target, memory, target

__all__ = ["TARGETS", "Fit", "Target", "fit", "memory", "target"]
