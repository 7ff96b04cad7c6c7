"""A network before and after a change, evaluated on the same images; and what so many images can show.

A limit of half a point means nothing where one image is a whole point. The accuracy decides only where the 95 %
interval of the difference of paired proportions is narrow enough to tell a change that costs nothing from one that
costs the limit: where half its width is at most the limit. Half an image is added to each of the four cells of the
paired table, so that the interval is not empty where no image differs (Agresti and Min, Statistics in Medicine 24,
2005, 729-740). For half a point that takes 390 images where both networks are correct on the same ones, and 1,600
where they differ on one of a hundred.

Fewer images still tell two things without their labels: how much noise the change adds to the outputs, and how many
images keep their class. Of four networks, quantized to 8 down to 4 bits, none lost clearly more than 50 points times
the noise, as a share of the outputs' variance (docs/int8.md): half a point goes with a hundredth, 20 dB.
"""

import abc
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from leannet.runtime.engines import Floats
from leannet.tasks import Result
from leannet.tasks.detection import BoxScores
from leannet.tasks.metrics import Scores

Criterion = Literal["accuracy", "noise"]
Z = 1.96  # 95 % of a normal distribution lie within so many standard errors
POINTS_PER_NOISE = 50  # that a noise as large as the outputs' variance would cost, in proportion
LEAST_DROP = 0.1  # a limit of less is taken for this one, where noise decides
MIN_AGREEMENT = 0.95  # of few images; at 20 dB networks keep 97 % and more. One image may always change


@dataclass(frozen=True, kw_only=True)
class Comparison(abc.ABC):
    """A network before and after a change, evaluated on the same images. agreement: how much of what it says stays."""

    agreement: float

    @property
    @abc.abstractmethod
    def scores(self) -> tuple[Result, Result]:
        """Before and after."""

    @property
    @abc.abstractmethod
    def drop(self) -> float:
        """Points lost, of what the task is measured by."""

    @property
    @abc.abstractmethod
    def drop_error(self) -> float | None:
        """Its standard error, in points; None: not known."""

    @abc.abstractmethod
    def criterion(self, max_drop: float) -> Criterion:
        """What decides whether the change costs more than `max_drop` points."""

    @abc.abstractmethod
    def within(self, max_drop: float, min_agreement: float, criterion: Criterion) -> bool:
        """Whether the change costs no more than is allowed."""

    @abc.abstractmethod
    def is_enough(self, max_drop: float, min_agreement: float, criterion: Criterion) -> bool:
        """Whether no more layers need to stay in float: as `within`, but what is luck moves no layer."""

    @abc.abstractmethod
    def note(self, max_drop: float) -> str:
        """One line for images that are too few for accuracy to decide."""

    @abc.abstractmethod
    def line(self, max_drop: float, criterion: Criterion) -> str:
        """What the change costs, by what decides."""

    @abc.abstractmethod
    def to_dict(self, max_drop: float) -> dict[str, Any]:
        """As plain data, for JSON."""


@dataclass(frozen=True, kw_only=True)
class ClassComparison(Comparison):
    """Of classifiers. agreement: the share of the images that keep their class, correct or not."""

    before: Scores
    after: Scores
    lost: int  # images that are correct before only
    gained: int  # images that are correct after only
    decibels: float  # the outputs over the noise that the change adds to them

    @property
    def scores(self) -> tuple[Scores, Scores]:
        return self.before, self.after

    @property
    def drop(self) -> float:
        """Points of accuracy lost."""
        return 100 * (self.lost - self.gained) / self.before.images

    @property
    def drop_error(self) -> float:
        """Its standard error, in points: of a difference of paired answers (McNemar 1947)."""
        n = self.before.images
        return 100 * math.sqrt(max(self.lost + self.gained - (self.lost - self.gained) ** 2 / n, 0.0)) / n

    @property
    def drop_interval(self) -> tuple[float, float]:
        """The 95 % interval of the points lost (Agresti and Min 2005)."""
        images, difference = self.before.images + 2, self.lost - self.gained
        margin = Z * math.sqrt(self.lost + self.gained + 1 - difference**2 / images)
        return 100 * (difference - margin) / images, 100 * (difference + margin) / images

    def criterion(self, max_drop: float) -> Criterion:
        """Noise decides where images are too few."""
        low, high = self.drop_interval
        return "accuracy" if (high - low) / 2 <= abs(max_drop) else "noise"

    def images_needed(self, max_drop: float) -> int | None:
        """With how many images accuracy would decide, if as many of them differed. None: with no number of them."""
        if max_drop == 0:
            return None
        factor, differing = 100 * Z / abs(max_drop), (self.lost + self.gained) / self.before.images
        # Of the margin, Z sqrt(differing n + 1) / n, which is to be the limit.
        return math.ceil((differing * factor**2 + math.sqrt(differing**2 * factor**4 + 4 * factor**2)) / 2)

    def within(self, max_drop: float, min_agreement: float, criterion: Criterion) -> bool:
        """Whether the change costs no more than is allowed.

        accuracy: at most `max_drop` points, and the class of at least `min_agreement` (0 to 1) of the images is kept.
        noise: the outputs are `min_decibels` over the noise, 95 % of the images keep their class (one may always
        change; `min_agreement` of them in any case), and the interval of the points lost begins at most at `max_drop`.
        """
        if self.agreement < min_agreement:
            return False
        if criterion == "accuracy":
            return self.drop <= max_drop
        changed = round((1 - self.agreement) * self.before.images)
        few_changed = changed <= max(1, (1 - MIN_AGREEMENT) * self.before.images)
        return self.decibels >= min_decibels(max_drop) and few_changed and self.drop_interval[0] <= max_drop

    def is_enough(self, max_drop: float, min_agreement: float, criterion: Criterion) -> bool:
        # Agreement of few images is luck too: it says yes or no in the end, but moves no layer.
        if criterion == "accuracy":
            return self.within(max_drop, min_agreement, criterion)
        return self.decibels >= min_decibels(max_drop)

    def note(self, max_drop: float) -> str:
        """One line for images that are too few for accuracy to decide."""
        images, needed = self.before.images, self.images_needed(max_drop)
        enough = "no number of images shows a loss of 0"
        if needed is not None:
            enough = f"about {max(needed, images + 1):,} can"
        return (
            f"{images:,} image{'s' if images > 1 else ''}, of which one is {100 / images:.2g} points, cannot show a "
            f"loss of {abs(max_drop):g} points ({enough}): noise and agreement decide instead"
        )

    def line(self, max_drop: float, criterion: Criterion) -> str:
        agree = f"{100 * self.agreement:.2f} % agree"
        if criterion == "accuracy":
            return f"{self.drop:+.2f} points lost, {agree}"
        return f"outputs {self.decibels:.1f} dB over the noise (needed: {min_decibels(max_drop):.1f}), {agree}"

    def to_dict(self, max_drop: float) -> dict[str, Any]:
        low, high = self.drop_interval
        return {
            "images": self.before.images,
            "images_needed": self.images_needed(max_drop),
            "accuracy_before": self.before.accuracy,
            "accuracy_after": self.after.accuracy,
            "drop_points": self.drop,
            "drop_error_points": self.drop_error,
            "drop_low_points": low,
            "drop_high_points": high,
            "lost": self.lost,
            "gained": self.gained,
            "agreement": self.agreement,
            "decibels": self.decibels,
        }


@dataclass(frozen=True, kw_only=True)
class BoxComparison(Comparison):
    """Of detectors. agreement: the share of the likely objects of either that the other finds too.

    Points are those of AP from an IoU of 0.5 to 0.95, which feels boxes that move; what stays in float is decided by
    it alone.
    """

    before: BoxScores
    after: BoxScores

    @property
    def scores(self) -> tuple[BoxScores, BoxScores]:
        return self.before, self.after

    @property
    def drop(self) -> float:
        """Points of AP lost."""
        return 100 * (self.before.precision.ap - self.after.precision.ap)

    @property
    def drop_error(self) -> None:
        return None

    def criterion(self, max_drop: float) -> Criterion:
        return "accuracy"

    def within(self, max_drop: float, min_agreement: float, criterion: Criterion) -> bool:
        return self.drop <= max_drop and self.agreement >= min_agreement

    def is_enough(self, max_drop: float, min_agreement: float, criterion: Criterion) -> bool:
        return self.within(max_drop, min_agreement, criterion)

    def note(self, max_drop: float) -> str:
        return ""

    def line(self, max_drop: float, criterion: Criterion) -> str:
        return f"{self.drop:+.2f} points of AP lost, {100 * self.agreement:.2f} % agree"

    def to_dict(self, max_drop: float) -> dict[str, Any]:
        before, after = self.before.precision, self.after.precision
        return {
            "images": self.before.images,
            "ap_before": before.ap,
            "ap_after": after.ap,
            "ap50_before": before.ap50,
            "ap50_after": after.ap50,
            "drop_points": self.drop,
            "agreement": self.agreement,
        }


def min_decibels(max_drop: float) -> float:
    """How far outputs have to be over the noise where it decides: 20 dB for half a point, 17 for one."""
    return decibels(max(abs(max_drop), LEAST_DROP) / POINTS_PER_NOISE)


def relative_noise(outputs: Floats, reference: Floats) -> float:
    """The mean square of what changed in outputs (N, classes), over the variance of those before."""
    return float(np.square(outputs - reference).mean()) / max(float(reference.var()), 1e-12)


def decibels(noise: float) -> float:
    """The outputs over a relative noise; at most 120."""
    return -10 * math.log10(max(noise, 1e-12))
