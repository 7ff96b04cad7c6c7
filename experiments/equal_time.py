"""The plain multipliers at equal milliseconds: which width, or which image size, takes as long as a network."""

import json
from pathlib import Path
from typing import Literal

import leannet
from leannet.cost import count
from leannet.rows import Architecture
from leannet.shrink.timing import Timing

CLOSE = 0.03  # of the network's milliseconds
Multiplier = Literal["width", "resolution"]


def in_equal_time(
    name: str, width: float, resolution: int, multiplier: Multiplier, like: Architecture, timing: Timing, file: Path
) -> list[str]:
    """The flags of the network by a multiplier that takes as long as `like`, measured in turns, by bisection.

    name, width, resolution: of the zoo's network that is multiplied. file: where the answer is kept, so that all runs
    have the same.
    """
    if file.exists():
        return list(json.loads(file.read_text())["flags"])
    if multiplier == "width":
        values = [round(0.01 * number, 2) for number in range(5, round(100 * width))]
        tables = [leannet.architecture(name, value, resolution) for value in values]
    else:
        values = [float(side) for side in range(12, resolution)]
        tables = [leannet.architecture(name, width, resolution).with_input(int(value)) for value in values]
    candidates, seen = [], set[str]()
    for value, table in zip(values, tables, strict=True):
        if (key := table.named("").to_json()) not in seen:  # widths are rounded, so neighbors may be one network
            seen.add(key)
            candidates.append((value, table))
    low, high = 0, len(candidates) - 1
    tried: dict[int, float] = {}
    while low <= high:
        middle = (low + high) // 2
        ours, theirs = timing.milliseconds([like, candidates[middle][1]])
        tried[middle] = theirs / ours
        low, high = (middle + 1, high) if tried[middle] < 1 else (low, middle - 1)
    best = min(tried, key=lambda number: abs(tried[number] - 1))
    value, table = candidates[best]
    flags = ["--model", name, "--width", f"{value if multiplier == 'width' else width:g}"]
    flags += ["--resolution", f"{value:g}"] if multiplier == "resolution" else []
    ratios = {f"{candidates[number][0]:g}": ratio for number, ratio in tried.items()}
    about = {"flags": flags, "ratio": tried[best], "tried": ratios, "macs": count(table).macs}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(about))
    if abs(tried[best] - 1) > CLOSE:
        print(f"{name}, {multiplier}: the nearest takes {tried[best]:.3f} of the network's time", flush=True)
    return flags
