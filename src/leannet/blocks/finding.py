"""Boxes from maps, in torch: the layer `top_boxes`."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from leannet import rows
from leannet.rows import Shape
from leannet.rows.finding import TIE


class TopBoxes(nn.Module):
    """(N, K, H, W) logits and (N, 4, H, W) sides, of each level -> (N, 6, most, 1)."""

    def __init__(self, row: rows.TopBoxes, shapes: Sequence[Shape]):
        super().__init__()
        self.strides, self.units = row.strides, [1 if row.unit == "pixel" else stride for stride in row.strides]
        self.places, self.of_all = row.numbers(shapes)

    def forward(self, *maps: Tensor) -> Tensor:
        logits, boxes = all_places(maps, self.strides, self.units)
        classes = logits.shape[1]
        place = _largest(logits.amax(1), self.places)  # (N, places)
        best = logits.gather(2, place[:, None].expand(-1, classes, -1)).transpose(1, 2).flatten(1)
        top = _largest(best, self.of_all)
        where = place.gather(1, top // classes)
        top_boxes = boxes.gather(2, where[:, None].expand(-1, 4, -1))
        score, label = best.gather(1, top).sigmoid(), (top % classes).to(boxes.dtype)
        return torch.cat((top_boxes, score[:, None], label[:, None]), dim=1)[..., None]


def _largest(values: Tensor, number: int) -> Tensor:
    """The places of the largest along the last axis, the largest first."""
    return (values - TIE * torch.arange(values.shape[-1], device=values.device)).topk(number, dim=-1).indices


def all_places(maps: Sequence[Tensor], strides: Sequence[int], units: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Maps of classes and of sides in turn -> (N, K, L) logits and (N, 4, L) boxes, in pixels, level after level.

    units: the pixels that 1 of a map of sides is.
    """
    logits = torch.cat([classes.flatten(2) for classes in maps[::2]], dim=2)
    sign = logits.new_tensor((-1, -1, 1, 1))[:, None]
    boxes = [
        points(sides.shape[2:], stride, sides).repeat(2, 1) + sign * unit * sides.flatten(2)
        for sides, stride, unit in zip(maps[1::2], strides, units, strict=True)
    ]
    return logits, torch.cat(boxes, dim=2)


def points(size: Sequence[int], stride: int, like: Tensor) -> Tensor:
    """(2, H * W): x and y of the middle of each place of a map, in pixels."""
    down, across = (torch.arange(length, device=like.device, dtype=like.dtype) for length in size)
    y, x = torch.meshgrid(down, across, indexing="ij")
    return torch.stack((x.flatten(), y.flatten())) * stride + stride / 2
