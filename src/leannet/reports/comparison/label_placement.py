"""Where the names of points go, so that none covers another, a point, or the edge. Geometry alone."""

from collections.abc import Iterator, Sequence

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, bottom, right, top

RINGS = (7.0, 16.0, 28.0, 42.0, 60.0)  # distances of a name from its point


def place_labels(
    points: Sequence[Point], sizes: Sequence[Point], frame: Box, taken: Sequence[Box] = (), lines: Sequence[Box] = ()
) -> list[Point | None]:
    """The lower left corner of each name, or None where there is no room left for it.

    points: in order of importance; the first ones choose first. sizes: width and height of the names. taken: boxes that
    no name may touch. lines: boxes that a name touches only where there is no other room. The leader from a point to
    its name crosses no name. All in one unit, upwards.
    """
    occupied = list(taken)
    names: list[Box] = []
    corners: list[Point | None] = []
    for point, size in zip(points, sizes, strict=True):
        fitting = []
        for corner in _candidates(point, size):
            box = (*corner, corner[0] + size[0], corner[1] + size[1])
            leader = _dots(point, anchor(point, box))
            if (
                _is_inside(box, frame)
                and not any(overlap(box, other) for other in occupied)
                and not any(overlap(dot, other) for dot in leader for other in names)
            ):
                fitting.append((corner, box, leader))
        clear = [candidate for candidate in fitting if not any(overlap(candidate[1], line) for line in lines)]
        if not fitting:
            corners.append(None)
            continue
        corner, box, leader = (clear or fitting)[0]
        names.append(box)
        occupied += [box, *leader]
        corners.append(corner)
    return corners


def anchor(point: Point, box: Box) -> Point:
    """Where the leader from a point meets the box of its name."""
    return min(max(point[0], box[0]), box[2]), min(max(point[1], box[1]), box[3])


def overlap(a: Box, b: Box) -> bool:
    """Whether two boxes share more than an edge."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _dots(start: Point, end: Point) -> list[Box]:
    """Small boxes along a line, which names keep clear of."""
    steps = int(max(abs(end[0] - start[0]), abs(end[1] - start[1])) / 3)
    shares = [step / steps for step in range(1, steps)]
    between = [(a + share * (b - a) for a, b in zip(start, end, strict=True)) for share in shares]
    return [(x - 1, y - 1, x + 1, y + 1) for x, y in between]


def _is_inside(box: Box, frame: Box) -> bool:
    return box[0] >= frame[0] and box[1] >= frame[1] and box[2] <= frame[2] and box[3] <= frame[3]


def _candidates(point: Point, size: Point) -> Iterator[Point]:
    """Right, left, above and below, then the corners; near before far."""
    (x, y), (width, height) = point, size
    for ring in RINGS:
        right, left, above, below = x + ring, x - ring - width, y + ring, y - ring - height
        middle, center = y - height / 2, x - width / 2
        yield from ((right, middle), (left, middle), (center, above), (center, below))
        yield from ((right, above), (left, above), (right, below), (left, below))
