"""Which place of a network answers for which object: one place an object, so that nothing has to be suppressed after.

OneNet (Sun et al., arXiv 2012.05780) matches each object to the place where the sum of what is wrong with class and
box is least, by what the network says now. The older rules look at where a place is alone, and neighboring places then
score alike: their duplicates need non-maximum suppression (NMS). Both are here, for the comparison.

Of N images, L places, K classes and at most M objects an image.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from leannet.detect.overlap import giou, iou
from leannet.detect.rules import Rule

ALPHA, GAMMA = 0.25, 2.0  # of the focal loss (Lin et al., arXiv 1708.02002, section 5.1)
# What classes, sides and overlap count: the paper's section 4, and the same in its loss.
CLASS_WEIGHT, SIDES_WEIGHT, OVERLAP_WEIGHT = 2.0, 5.0, 2.0
LEAST_CHANCE = 1e-8
IMPOSSIBLE = 1e8  # a cost that no place has; not infinity, with which sums and assignments are no numbers


@dataclass(frozen=True)
class Places:
    """Where a network answers: the points of its maps, all levels one behind another.

    points: (L, 2), x and y in pixels of the input. strides: (L,), pixels from one to the next. sizes: (L, 2), between
    which the longest reach from a point to a side of an object of its level is (FCOS, arXiv 1904.01355, section 3.2).
    """

    points: Tensor
    strides: Tensor
    sizes: Tensor

    @property
    def boxes(self) -> Tensor:
        """(L, 4): a box around each, eight strides wide and high, for the rule that compares boxes."""
        half = 4 * self.strides[:, None]
        return torch.cat((self.points - half, self.points + half), dim=1)


@dataclass(frozen=True)
class Objects:
    """What is to be found in N images.

    labels: (N, M), class numbers. boxes: (N, M, 4), `boxes_xyxy` in pixels of the input. are_there: (N, M), whether
    there is such an object; the others fill up.
    """

    labels: Tensor
    boxes: Tensor
    are_there: Tensor


def class_cost(logits: Tensor, labels: Tensor) -> Tensor:
    """(N, L, K), (N, M) -> (N, M, L): the focal loss of saying the object's class, less that of not saying it."""
    of_class = logits.transpose(1, 2).gather(1, labels[..., None].expand(-1, -1, logits.shape[1]))
    chance = of_class.sigmoid()
    wrong = (1 - ALPHA) * chance**GAMMA * -(1 - chance + LEAST_CHANCE).log()
    right = ALPHA * (1 - chance) ** GAMMA * -(chance + LEAST_CHANCE).log()
    return right - wrong


def sides_cost(boxes: Tensor, of_objects: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, L, 4), (N, M, 4) -> (N, M, L): the sum of how far off four sides are, over the input's (height, width)."""
    height, width = size
    whole = boxes.new_tensor((width, height, width, height))
    return torch.cdist(of_objects / whole, boxes / whole, p=1)


def cost(logits: Tensor, boxes: Tensor, objects: Objects, size: tuple[int, int]) -> Tensor:
    """(N, M, L): what it costs that a place answers for an object (section 3.2, equation 2).

    logits: (N, L, K). boxes: (N, L, 4), `boxes_xyxy` in pixels. size: of the input, (height, width).
    """
    classes = CLASS_WEIGHT * class_cost(logits, objects.labels)
    sides = SIDES_WEIGHT * sides_cost(boxes, objects.boxes, size)
    return classes + sides - OVERLAP_WEIGHT * giou(objects.boxes[:, :, None], boxes[:, None])


def location_cost(places: Places, objects: Objects, rule: Rule) -> Tensor:
    """(N, M, L): what it costs by where a place is alone."""
    boxes = objects.boxes[:, :, None]
    if rule == "box_iou":
        return -iou(boxes, places.boxes)
    centers = (objects.boxes[..., :2] + objects.boxes[..., 2:]) / 2
    distances = torch.cdist(centers, places.points.expand(len(centers), -1, -1))
    if rule == "point":
        return distances
    reach = torch.cat((places.points - boxes[..., :2], boxes[..., 2:] - places.points), dim=-1).amax(dim=-1)
    least, most = places.sizes.unbind(dim=1)
    return distances + IMPOSSIBLE * ((reach < least) | (reach > most))


def match(costs: Tensor, are_there: Tensor, one_each: bool = False) -> Tensor:
    """(N, M, L), (N, M) -> (N, M): the place of each object; -1 where there is none.

    one_each: no place is of two objects, and the sum of all costs is least (Kuhn 1955, by scipy); objects beyond the
    number of places have none, those whose costs are highest. Otherwise each has the place of its least cost; of equal
    ones the first.
    Raises ValueError for costs that are not finite.
    """
    if not bool(torch.isfinite(costs[are_there]).all()):
        raise ValueError("expected finite costs, found some that are not: the network's answers are no numbers")
    if not one_each:
        places = costs.argmin(dim=2) if costs.shape[1] else costs.new_zeros(costs.shape[:2], dtype=torch.long)
        return torch.where(are_there, places, -1)
    from scipy.optimize import linear_sum_assignment  # takes a fifth of a second

    matched = torch.full(costs.shape[:2], -1)
    each = costs.detach().double().cpu()
    for image, there in enumerate(are_there.cpu()):
        numbers = there.nonzero()[:, 0]
        if len(numbers):
            rows, columns = linear_sum_assignment(each[image, numbers].numpy())
            matched[image, numbers[torch.from_numpy(rows)]] = torch.from_numpy(columns)
    return matched.to(costs.device)


def matcher(rule: Rule, places: Places, size: tuple[int, int]) -> Callable[[Tensor, Tensor, Objects], Tensor]:
    """A function of logits (N, L, K), boxes (N, L, 4) and objects, which returns the place of each object, (N, M)."""

    @torch.no_grad()
    def places_of(logits: Tensor, boxes: Tensor, objects: Objects) -> Tensor:
        if rule in {"minimum", "hungarian"}:
            costs = cost(logits.float(), boxes.float(), objects, size)
        else:
            costs = location_cost(places, objects, rule)
        return match(costs, objects.are_there, one_each=rule == "hungarian")

    return places_of
