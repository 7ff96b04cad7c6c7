"""What a detector learns: one place answers for one object, and all others say that nothing is there (OneNet)."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from leannet.blocks.finding import all_places, points
from leannet.data.targets import CROWD, OBJECT
from leannet.detect.matching import (
    ALPHA,
    CLASS_WEIGHT,
    GAMMA,
    OVERLAP_WEIGHT,
    SIDES_WEIGHT,
    Objects,
    Places,
    matcher,
)
from leannet.detect.overlap import giou
from leannet.detect.rules import Rule
from leannet.errors import LeannetError
from leannet.network import Network, subnetwork
from leannet.rows import Architecture, TopBoxes
from leannet.rows.detecting import learned_from
from leannet.training.objective import Losses, Objective, Run

# Columns of a target: the class, the box in pixels of the input, and what it is (data/targets.py).
LABEL, BOX, WHAT = 0, slice(1, 5), 5
FEW = 0.01  # the chance of a class that fresh heads say
REACH = 3.0  # strides that a fresh box reaches from its place
# Between which the longest reach from a place to a side is, over its stride, of objects that its level is for: FCOS has
# levels of 8 to 128 px, for 0 to 64, 64 to 128, ... and from 512 on.
SMALLEST, LARGEST = 4, 8


@dataclass(frozen=True)
class SetMatching(Objective):
    """Focal loss of all places, and for the place of each object how far its sides are off, and its generalized IoU
    (arXiv 2012.05780, section 3.2, equation 1).

    Targets are (N, M, 6): class, left, top, right and bottom in pixels of the architecture's input, and 1, 0 for what
    fills up, or -1 for a crowd: places in one may say its class or not, as in evaluation. Of `Losses.correct` an image
    counts the share of its objects whose place says their class.
    """

    architecture: Architecture
    rule: Rule = "minimum"

    def watch(self, architecture: Architecture) -> Architecture:
        """The architecture with its maps as outputs of training."""
        _, names = self.boxes_row
        with_classes = architecture.with_features(*names[::2], role="class_map")
        return with_classes.with_features(*names[1::2], role="box_map")

    def losses(self, network: Run, images: Tensor, targets: Tensor) -> Losses:
        outputs = network(images)
        if not isinstance(outputs, dict):
            raise TypeError("expected the maps of a detector in training, found one output")
        row, names = self.boxes_row
        maps = [outputs[name] for name in names]
        if not all(bool(torch.isfinite(each).all()) for each in maps):  # nothing to match; the loop says the rest
            return Losses({"classes": maps[0].sum() * float("nan")}, maps[0].new_zeros(()))
        units = [1 if row.unit == "pixel" else stride for stride in row.strides]
        logits, boxes = (each.transpose(1, 2) for each in all_places(maps, row.strides, units))
        size, full = (images.shape[2], images.shape[3]), self.architecture.input
        scale = targets.new_tensor((size[1] / full.width, size[0] / full.height) * 2)  # of images that still grow
        what = targets[..., WHAT]
        objects = Objects(targets[..., LABEL].long(), targets[..., BOX] * scale, what == OBJECT)
        answering = places(maps, row.strides)
        matched = matcher(self.rule, answering, size)(logits, boxes, objects)
        image, number = (matched >= 0).nonzero(as_tuple=True)
        place, label = matched[image, number], objects.labels[image, number]
        class_targets = torch.zeros_like(logits)
        class_targets[image, place, label] = 1
        free = None
        if bool((what == CROWD).any()):
            free = in_crowds(answering, objects, what == CROWD, logits.shape[2]) & (class_targets == 0)
        boxes_matched, boxes_true = boxes[image, place], objects.boxes[image, number]
        whole = boxes_matched.new_tensor((size[1], size[0], size[1], size[0]))
        parts = {
            "classes": CLASS_WEIGHT * focal_loss(logits, class_targets, free),
            "sides": SIDES_WEIGHT * ((boxes_matched - boxes_true) / whole).abs().sum(),
            "overlap": OVERLAP_WEIGHT * (1 - giou(boxes_matched, boxes_true)).sum(),
        }
        says = (logits[image, place, label] > 0).float()
        number_of = torch.bincount(image, minlength=len(images)).clamp(min=1)
        return Losses(parts, (says / number_of[image]).sum())

    def evaluated(self, network: Network) -> Network:
        """The same up to its maps, since in evaluation a detector gives boxes alone."""
        return subnetwork(network, learned_from(network.architecture))

    @property
    def boxes_row(self) -> tuple[TopBoxes, tuple[str, ...]]:
        """The row that finds boxes, and the maps that it reads. Raises LeannetError where there is none."""
        name = self.architecture.output_names[0]
        row = self.architecture.row(name)
        if not isinstance(row, TopBoxes):
            raise LeannetError(f"{self.architecture.name} finds no boxes: expected a detector, which ends in top_boxes")
        return row, self.architecture.reads()[name]

    def weight(self, targets: Tensor) -> Tensor:
        """The number of objects, and at least one."""
        return (targets[..., WHAT] == OBJECT).sum().float().clamp(min=1)


def initialize_heads(network: Network) -> None:
    """Fresh heads say of every place that nothing is there (Lin et al., section 4.1: a chance of one in a hundred), and
    that a box reaches a few strides each way."""
    architecture = network.architecture
    row = architecture.output_names[0]
    if isinstance(architecture.row(row), TopBoxes):
        for place, name in enumerate(architecture.reads()[row]):
            owner = architecture.row(name).shares or name
            bias = network.get_parameter(f"{architecture.made_by[owner]}.conv.bias")
            torch.nn.init.constant_(bias, REACH if place % 2 else -math.log(1 / FEW - 1))


def in_crowds(places: Places, objects: Objects, are_crowds: Tensor, classes: int) -> Tensor:
    """(N, L, K): whether a place is in a crowd of a class. are_crowds: (N, M), of the objects."""
    x, y = places.points.unbind(dim=1)
    left, top, right, bottom = objects.boxes[..., None].unbind(dim=2)  # (N, M, 1) each
    inside = are_crowds[..., None] & (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
    return torch.einsum("nml,nmk->nlk", inside.float(), F.one_hot(objects.labels, classes).float()) > 0


def focal_loss(logits: Tensor, class_targets: Tensor, free: Tensor | None = None) -> Tensor:
    """The sum over all (Lin et al., arXiv 1708.02002, equation 5). class_targets: 1 or 0 for each logit. free: which
    logits do not count."""
    chance = logits.sigmoid()
    losses = F.binary_cross_entropy_with_logits(logits, class_targets, reduction="none")
    wrong = chance + class_targets - 2 * chance * class_targets
    share = ALPHA * class_targets + (1 - ALPHA) * (1 - class_targets)
    each = share * wrong**GAMMA * losses
    return (each if free is None else each.masked_fill(free, 0)).sum()


def places(maps: list[Tensor], strides: tuple[int, ...]) -> Places:
    """Where a network with maps of classes and of sides in turn answers."""
    classes = maps[::2]
    all_points = [points(each.shape[2:], stride, each).T for each, stride in zip(classes, strides, strict=True)]
    counts = [len(each) for each in all_points]
    last = len(strides) - 1
    sizes = [
        (0.0 if place == 0 else SMALLEST * stride, float("inf") if place == last else LARGEST * stride)
        for place, stride in enumerate(strides)
    ]
    whole = torch.cat(all_points)
    repeats = torch.tensor(counts, device=whole.device)
    return Places(
        whole,
        whole.new_tensor(strides).repeat_interleave(repeats),
        whole.new_tensor(sizes).repeat_interleave(repeats, dim=0),
    )
