"""`check`: whether what was shipped still answers as it did, by replaying its golden images in every engine.

A graph that resizes is run twice more: on images that Pillow has resized, and on the same as they are. Its outputs must
be the same, but for rounding.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leannet.artifact.artifact import Artifact
from leannet.artifact.opening import open_artifact
from leannet.data.images import fit, to_array, to_image
from leannet.errors import LeannetError
from leannet.rows.sides import gates
from leannet.runtime import ENGINES
from leannet.runtime.engines import is_installed
from leannet.tasks import Classification

BATCHES = (1, 7)


@dataclass(frozen=True)
class EngineCheck:
    """One engine's outputs for the golden images, against those recorded when the artifact was made."""

    engine: str  # with its version
    name: str
    batch: int
    difference: float  # the largest, over the largest output
    tolerance: float
    same_class: bool  # for every image; of a detector, the same objects
    problem: str = ""  # why there are no outputs
    resized: bool = False  # by the graph
    known: str = ""  # why it is wrong in this engine, as the file says itself
    skips: str | None = None  # of a network with gates, how what an image skips does not run; empty: all rows run
    words: tuple[str, str] = (Classification.same, Classification.other)  # what `same_class` says

    @property
    def passed(self) -> bool:
        return not self.problem and self.same_class and self.difference <= self.tolerance

    def line(self) -> str:
        """For a person."""
        what = f"batch {self.batch}" + (", resized by the graph" if self.resized else "")
        if self.problem:
            return f"{self.engine}, {what}: {self.problem}"
        classes = self.words[0] if self.same_class else self.words[1]
        if self.skips is not None:
            what += f", skips ({self.skips})" if self.skips else ", runs all blocks"
        tolerance = f"{self.tolerance:.1e}".replace(".0e", "e")
        result = f"largest difference {self.difference:.1e} (allowed {tolerance}), {classes}"
        if not self.passed and self.resized:
            result += f"; {self.known}, as the file says" if self.known else "; it does not resize as Pillow does"
            result += ": resize before, or export with --input uint8-sized"
        return f"{self.engine}, {what}: {result}"

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {key: value for key, value in asdict(self).items() if key != "words"} | {"passed": self.passed}


def check(path: str | Path, engines: Sequence[str] | None = None) -> list[EngineCheck]:
    """Replays the golden images of an artifact, file or folder, from PNG file to output.

    engines: None: all that are installed. Raises LeannetError for what is damaged, an engine that is asked for and not
    installed, and where none is installed.
    """
    return check_artifact(open_artifact(path), engines)


def check_artifact(artifact: Artifact, engines: Sequence[str] | None = None) -> list[EngineCheck]:
    """`check`, of an artifact that is open.

    engines: None: all that are installed; what the file says of an engine is no excuse for one that is asked for.
    """
    checks = []
    for name in engines or [name for name in artifact.engines if is_installed(name)]:
        if name not in artifact.engines:
            raise LeannetError(f"--engine {name}: expected one of {', '.join(artifact.engines)}")
        checks += [_check_golden(artifact, name, batch) for batch in BATCHES]
        if artifact.input == "uint8":
            checks.append(_check_resizing(artifact, name, "" if engines else artifact.wrong_in.get(name, "")))
    if not checks:
        raise LeannetError(
            f"it was made for {', '.join(artifact.engines)}, which is not here: pip install 'leannet[deploy,litert]'"
        )
    return checks


def write_checked(artifact: Artifact, target: Path, problem: str, note: str = "") -> tuple[EngineCheck, ...]:
    """Replays an artifact's golden images, writes it, and returns what every engine gave.

    Raises LeannetError that begins with `problem` and ends with `note` where an engine is wrong and the artifact does
    not say so itself: then nothing is written.
    """
    checks = check_artifact(artifact)
    wrong = [check for check in checks if not check.passed and not check.known]
    if wrong:
        raise LeannetError(f"{problem}: {wrong[0].line()}; nothing was written" + (f"; {note}" if note else ""))
    artifact.save(target)
    return tuple(checks)


def _check_golden(artifact: Artifact, name: str, batch: int) -> EngineCheck:
    version, tolerance, task = ENGINES[name].version(), artifact.shipping.tolerance, artifact.task
    if not artifact.golden:
        return EngineCheck(version, name, batch, 0.0, tolerance, False, "the artifact has no golden images")
    golden = [artifact.golden[number % len(artifact.golden)] for number in range(max(batch, len(artifact.golden)))]
    try:
        recorded = np.stack([each.outputs for each in golden])
        outputs = np.concatenate(
            [
                artifact.outputs([each.image() for each in golden[start : start + batch]], name)
                for start in range(0, len(golden), batch)
            ]
        )
    except Exception as error:  # whatever an engine raises for a graph that it cannot run
        return EngineCheck(version, name, batch, float("inf"), tolerance, False, _one_line(error))
    same, difference = task.agrees(outputs, recorded, tolerance), task.difference(outputs, recorded, tolerance)
    has_gates = bool(gates(artifact.header.architecture))
    skips = ENGINES[name].skips(artifact.program) if has_gates else None
    words = task.same, task.other
    return EngineCheck(version, name, batch, difference, tolerance, same, skips=skips, words=words)


def _check_resizing(artifact: Artifact, name: str, known: str) -> EngineCheck:
    """Whether the graph resizes as Pillow does: noise of two to three times the network's size, each image whole.

    Allowed is a quarter of what a resize without antialiasing changes.
    """
    version, tolerance, task = ENGINES[name].version(), artifact.shipping.tolerance, artifact.task
    preprocessing = artifact.header.preprocessing.model_copy(update={"resize": "squash"})
    size, generator = (preprocessing.width, preprocessing.height), np.random.default_rng(0)
    shapes = [(3 * size[1] + 1, 2 * size[0] + 3), (2 * size[1] + 5, 3 * size[0] + 2)]
    noise: list[NDArray[Any]] = [
        generator.integers(0, 256, (*shape, preprocessing.channels), np.uint8) for shape in shapes
    ]
    resized: NDArray[Any] = np.stack([to_array(fit(to_image(image), preprocessing)) for image in noise])
    aliased: NDArray[Any] = np.stack([without_antialiasing(image, *size) for image in noise])
    try:
        run, joined = artifact.run(name), task.joined
        reference, aliased_outputs = joined(run(resized)), joined(run(aliased))
        outputs = np.concatenate([joined(run(image[None])) for image in noise])
    except Exception as error:  # whatever an engine raises for a graph that it cannot run
        return EngineCheck(version, name, 1, float("inf"), tolerance, False, _one_line(error), True, known)
    tolerance = max(tolerance, task.difference(aliased_outputs, reference, tolerance) / 4)
    same, difference = task.agrees(outputs, reference, tolerance), task.difference(outputs, reference, tolerance)
    words = task.same, task.other
    return EngineCheck(version, name, 1, difference, tolerance, same, resized=True, known=known, words=words)


def without_antialiasing(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """An image (H, W, C) at (height, width, C): each pixel from the four around its place, and no others."""
    places = [
        np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
        for size, length in ((height, image.shape[0]), (width, image.shape[1]))
    ]
    (top, left), (bottom, right) = ([rule(each).astype(int) for each in places] for rule in (np.floor, np.ceil))
    down, across = (places[0] - top)[:, None, None], (places[1] - left)[:, None]
    above, below = (image[line][:, left] * (1 - across) + image[line][:, right] * across for line in (top, bottom))
    return np.rint(above * (1 - down) + below * down).astype(np.uint8)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
