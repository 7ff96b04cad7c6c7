"""Tasks: what a network's outputs say of an image, how that is scored, compared and written.

All that knows whether an answer is a class or a list of boxes. No torch.
"""

from leannet.header import Header
from leannet.rows import Architecture, TopBoxes
from leannet.tasks.classification import Classification, Prediction
from leannet.tasks.detection import Detection, Found, FoundObjects
from leannet.tasks.task import Result, Task

__all__ = [
    "Classification",
    "Detection",
    "Found",
    "FoundObjects",
    "Prediction",
    "Result",
    "Task",
    "finds_boxes",
    "task_of",
]


def finds_boxes(architecture: Architecture) -> bool:
    """Whether a network ends in boxes."""
    return isinstance(architecture.row(architecture.output_names[0]), TopBoxes)


def task_of(header: Header) -> Task:
    """What a network is for, by the row that it ends in."""
    kind = Detection if finds_boxes(header.architecture) else Classification
    return kind(header.classes, header.preprocessing)
