"""The names of the rules by which a place of a network is made to answer for an object. No torch."""

from typing import Literal, get_args

# minimum: the place of least cost; two objects may share one (the first version of the paper). hungarian: the places of
# least cost in all, one object each (its last). The others look at places alone. box_iou: the place whose box, of one
# size a level, overlaps most, as anchors are matched by Faster R-CNN, SSD and YOLO. point: the nearest place, as in
# CenterNet. point_in_scale: the nearest one of the level that objects of such a size are of, as in FCOS.
Rule = Literal["minimum", "hungarian", "box_iou", "point", "point_in_scale"]
RULES: tuple[Rule, ...] = get_args(Rule)
