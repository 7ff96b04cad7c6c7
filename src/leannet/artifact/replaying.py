"""Golden images again, in every engine there is.

A graph that resizes is asked twice more: for images as Pillow has resized them, and as they are. What it makes of the
second must be what it makes of the first, but for rounding.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leannet.artifact.base import Artifact
from leannet.data.images import fit, to_array, to_image
from leannet.errors import LeannetError
from leannet.runtime import ENGINES
from leannet.runtime.engines import Floats, is_installed

BATCHES = (1, 7)


@dataclass(frozen=True)
class Checked:
    """What one engine made of the golden images, against what was recorded when the artifact was made."""

    engine: str  # with its version; empty where it is not installed
    name: str
    batch: int
    difference: float  # the largest, over the largest output
    tolerance: float
    same_class: bool  # of every image
    problem: str = ""
    resized: bool = False  # by the graph
    named: str = ""  # why it is wrong there, as the file says itself

    @property
    def passed(self) -> bool:
        return not self.problem and self.same_class and self.difference <= self.tolerance

    def line(self) -> str:
        """For a person."""
        what = f"batch {self.batch}" + (", resized by the graph" if self.resized else "")
        if self.problem:
            return f"{self.engine or self.name}, {what}: {self.problem}"
        words = "same classes" if self.same_class else "ANOTHER CLASS"
        allowed = f"{self.tolerance:.1e}".replace(".0e", "e")
        found = f"largest difference {self.difference:.1e} (allowed {allowed}), {words}"
        if not self.passed and self.resized:
            found += f"; {self.named}, as the file says" if self.named else "; it does not resize as Pillow does"
            found += ": resize before, or export with --input uint8-sized"
        return f"{self.engine}, {what}: {found}"

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self) | {"passed": self.passed}


def check_artifact(artifact: Artifact, engines: Sequence[str] | None = None) -> list[Checked]:
    """Replays the golden images of an artifact, from PNG file to output.

    engines: None: all that are installed; one that is asked for has no excuse in what the file says of it.
    Raises LeannetError for an engine that is asked for and not installed, and where none is installed.
    """
    found = []
    for name in engines or [name for name in artifact.engines if is_installed(name)]:
        if name not in artifact.engines:
            raise LeannetError(f"--engine {name}: expected one of {', '.join(artifact.engines)}")
        found += [_checked(artifact, name, batch) for batch in BATCHES]
        if artifact.input == "uint8":
            found.append(_resized(artifact, name, "" if engines else artifact.wrong_in.get(name, "")))
    if not found:
        raise LeannetError(
            f"it was made for {', '.join(artifact.engines)}, which is not here: pip install 'leannet[deploy,litert]'"
        )
    return found


def write_checked(artifact: Artifact, target: Path, trouble: str, note: str = "") -> tuple[Checked, ...]:
    """Replays an artifact's golden images and writes it; what every engine found.

    Raises LeannetError that begins with `trouble` and ends with `note` where one is wrong, and the artifact does not
    say so itself: then nothing is written.
    """
    checks = check_artifact(artifact)
    wrong = [each for each in checks if not each.passed and not each.named]
    if wrong:
        raise LeannetError(f"{trouble}: {wrong[0].line()}; nothing was written" + (f"; {note}" if note else ""))
    artifact.save(target)
    return tuple(checks)


def _checked(artifact: Artifact, name: str, batch: int) -> Checked:
    version, tolerance = ENGINES[name].version(), _tolerance(artifact)
    if not artifact.golden:
        return Checked(version, name, batch, 0.0, tolerance, False, "the artifact has no golden images")
    chosen = [artifact.golden[number % len(artifact.golden)] for number in range(max(batch, len(artifact.golden)))]
    try:
        wanted = np.stack([each.outputs for each in chosen])
        made = np.concatenate(
            [
                artifact.outputs([each.image() for each in chosen[start : start + batch]], name)
                for start in range(0, len(chosen), batch)
            ]
        )
    except Exception as error:  # whatever an engine raises for a graph that it cannot run
        return Checked(version, name, batch, float("inf"), tolerance, False, _one_line(error))
    return Checked(version, name, batch, _difference(made, wanted), tolerance, _same(made, wanted, tolerance))


def _resized(artifact: Artifact, name: str, named: str) -> Checked:
    """Whether the graph resizes as Pillow does: noise of two to three times the network's size, each image whole.

    Allowed is a quarter of what a resize without antialiasing changes.
    """
    version, tolerance = ENGINES[name].version(), _tolerance(artifact)
    preprocessing = artifact.header.preprocessing.model_copy(update={"resize": "squash"})
    size, draw = (preprocessing.width, preprocessing.height), np.random.default_rng(0)
    shapes = [(3 * size[1] + 1, 2 * size[0] + 3), (2 * size[1] + 5, 3 * size[0] + 2)]
    noise: list[NDArray[Any]] = [draw.integers(0, 256, (*each, preprocessing.channels), np.uint8) for each in shapes]
    resized: NDArray[Any] = np.stack([to_array(fit(to_image(each), preprocessing)) for each in noise])
    cruder: NDArray[Any] = np.stack([without_antialiasing(each, *size) for each in noise])
    try:
        run = artifact.run(name)
        wanted, aliased = run(resized)[0], run(cruder)[0]
        made = np.concatenate([run(each[None])[0] for each in noise])
    except Exception as error:  # whatever an engine raises for a graph that it cannot run
        return Checked(version, name, 1, float("inf"), tolerance, False, _one_line(error), True, named)
    tolerance = max(tolerance, _difference(aliased, wanted) / 4)
    same = _same(made, wanted, tolerance)
    return Checked(version, name, 1, _difference(made, wanted), tolerance, same, resized=True, named=named)


def without_antialiasing(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """(height, width, C) of (H, W, C): each pixel from the four around its place, and no others."""
    places = [
        np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
        for size, length in ((height, image.shape[0]), (width, image.shape[1]))
    ]
    (top, left), (bottom, right) = ([rule(each).astype(int) for each in places] for rule in (np.floor, np.ceil))
    down, across = (places[0] - top)[:, None, None], (places[1] - left)[:, None]
    above, below = (image[line][:, left] * (1 - across) + image[line][:, right] * across for line in (top, bottom))
    return np.rint(above * (1 - down) + below * down).astype(np.uint8)


def _tolerance(artifact: Artifact) -> float:
    return artifact.shipping.tolerance


def _difference(made: Floats, wanted: Floats) -> float:
    """The largest, over the largest output."""
    return float(np.abs(made - wanted).max()) / max(float(np.abs(wanted).max()), 1e-30)


def _same(made: Floats, wanted: Floats, tolerance: float) -> bool:
    """Whether each image has the same class. Of two that are as good as equal, either is right."""
    best = np.take_along_axis(made, wanted.argmax(axis=1)[:, None], axis=1)[:, 0]
    return bool((best >= made.max(axis=1) - tolerance * float(np.abs(wanted).max())).all())


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
