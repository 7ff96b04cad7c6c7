"""The reliability diagram: how often answers are right, against how sure the network was of them."""

from typing import Any

from leannet.evaluation.calibration import Calibration
from leannet.reports.page import percent
from leannet.style import COLORS, INK, figure, inline_svg, plain_axes

FEW = 10  # images of a bin, below which its share says little
CLOSE = 0.02  # mean confidence and accuracy within two points of each other


def reliability_diagram(found: Calibration) -> str:
    """Accuracy by confidence, and below it how many images each bin holds, as an <svg> element."""
    with figure(5, 4.6) as drawn:
        draw_reliability(drawn, found)
        return inline_svg(drawn, "reliability diagram: accuracy against the probability of the answer")


def draw_reliability(drawn: Any, found: Calibration) -> None:
    """Draws both panels into a figure."""
    above, below = drawn.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    width = 100 / len(found.bins)
    above.plot([0, 100], [0, 100], color=INK, linewidth=0.9, linestyle=(0, (4, 3)), label="as sure as right")
    for each in found.bins:
        if each.accuracy is None or each.confidence is None:
            continue
        middle, right, pale = 50 * (each.low + each.high), 100 * each.accuracy, 0.35 if each.images < FEW else 0.9
        above.bar(middle, right, 0.9 * width, color=COLORS[0], alpha=pale)
        # The gap that the calibration error sums up: from how often it is right to how sure it is.
        gap = [right, 100 * each.confidence]
        above.plot([middle, middle], gap, color=COLORS[1], alpha=pale, linewidth=2.2)
    above.plot([], [], color=COLORS[0], linewidth=6, label="right")
    above.plot([], [], color=COLORS[1], linewidth=2.2, label="gap")
    above.set_ylim(0, 100)
    above.set_ylabel("is right, %")
    above.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, handlelength=1.5)
    below.bar(
        [50 * (each.low + each.high) for each in found.bins],
        [each.images for each in found.bins],
        0.9 * width,
        color=COLORS[5],
    )
    below.set_xlim(0, 100)
    below.set_xlabel("says, %")
    below.set_ylabel("images")
    plain_axes(above)
    plain_axes(below)


def calibration_words(found: Calibration, smoothing: float) -> str:
    """How sure it is and how often right, in a sentence or two."""
    says, right = percent(found.confidence), percent(found.accuracy)
    words = f"On average it gives its answer a probability of {says}, and is right {right} of the time"
    gap = found.confidence - found.accuracy
    if abs(gap) < CLOSE:
        return f"{words}: its probabilities can be taken at their word, on average."
    if gap > 0:
        return f"{words}: it is surer than it should be."
    tail = f" Label smoothing of {smoothing:g} in training teaches that." if smoothing else ""
    return f"{words}: it is less sure than it could be.{tail}"
