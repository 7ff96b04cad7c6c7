"""How much boxes overlap, as tensors: intersection over union (IoU) and its generalization.

Boxes are (..., 4): left, top, right, bottom in pixels, `boxes_xyxy`. Shapes broadcast, so `boxes[:, :, None]` with
`others[:, None]` compares all of one with all of the other.
"""

import torch
from torch import Tensor


def area(boxes: Tensor) -> Tensor:
    """(..., 4) -> (...): 0 for a box whose right is not right of its left, or whose bottom is not below its top."""
    sides = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0)
    return sides[..., 0] * sides[..., 1]


def iou(boxes: Tensor, others: Tensor) -> Tensor:
    """The area that two boxes share over the area that they cover, 0 to 1; 0 where neither has an area."""
    shared, covered = _shared_and_covered(boxes, others)
    return shared / covered.clamp(min=_least(boxes))


def giou(boxes: Tensor, others: Tensor) -> Tensor:
    """Generalized IoU, -1 to 1 (Rezatofighi et al., arXiv 1902.09630, algorithm 1).

    The IoU less the share of the smallest box around both that neither covers: it says how far apart boxes are that do
    not overlap.
    """
    shared, covered = _shared_and_covered(boxes, others)
    around = torch.cat((torch.minimum(boxes, others)[..., :2], torch.maximum(boxes, others)[..., 2:]), dim=-1)
    whole, least = area(around), _least(boxes)
    return shared / covered.clamp(min=least) - (whole - covered) / whole.clamp(min=least)


def _shared_and_covered(boxes: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    both = torch.cat((torch.maximum(boxes, others)[..., :2], torch.minimum(boxes, others)[..., 2:]), dim=-1)
    shared = area(both)
    return shared, area(boxes) + area(others) - shared


def _least(boxes: Tensor) -> float:
    """What is divided by at least."""
    return float(torch.finfo(boxes.dtype).tiny)
