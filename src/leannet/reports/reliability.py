"""The reliability diagram: how often predictions are correct, against the network's confidence in them."""

from typing import Any

from leannet.evaluation.calibration import Calibration
from leannet.reports.page import percent
from leannet.style import COLORS, INK, figure, inline_svg, plain_axes

FEW = 10  # images of a bin, below which its accuracy says little
CLOSE = 0.02  # mean confidence and accuracy within two points of each other


def reliability_diagram(calibration: Calibration) -> str:
    """Accuracy by confidence, and below it how many images each bin has, as an <svg> element."""
    with figure(5, 4.9) as drawing:
        draw_reliability(drawing, calibration)
        return inline_svg(drawing, "reliability diagram: accuracy against confidence")


def draw_reliability(drawing: Any, calibration: Calibration) -> None:
    """Draws both panels into a figure."""
    accuracy_axes, count_axes = drawing.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    width = 100 / len(calibration.bins)
    accuracy_axes.plot(
        [0, 100], [0, 100], color=INK, linewidth=0.9, linestyle=(0, (4, 3)), label="perfectly calibrated"
    )
    for group in calibration.bins:
        if group.accuracy is None or group.confidence is None:
            continue
        middle, accuracy = 50 * (group.low + group.high), 100 * group.accuracy
        opacity = 0.35 if group.images < FEW else 0.9
        accuracy_axes.bar(middle, accuracy, 0.9 * width, color=COLORS[0], alpha=opacity)
        # The gap that the calibration error sums up: from accuracy to mean confidence.
        gap = [accuracy, 100 * group.confidence]
        accuracy_axes.plot([middle, middle], gap, color=COLORS[1], alpha=opacity, linewidth=2.2)
    accuracy_axes.plot([], [], color=COLORS[0], linewidth=6, label="accuracy")
    accuracy_axes.plot([], [], color=COLORS[1], linewidth=2.2, label="gap")
    accuracy_axes.set_ylim(0, 100)
    accuracy_axes.set_ylabel("accuracy, %")
    accuracy_axes.legend(
        frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, handlelength=1.5, columnspacing=1.2
    )
    drawing.suptitle("Accuracy by confidence", fontsize="large")
    count_axes.bar(
        [50 * (group.low + group.high) for group in calibration.bins],
        [group.images for group in calibration.bins],
        0.9 * width,
        color=COLORS[5],
    )
    count_axes.set_xlim(0, 100)
    count_axes.set_xlabel("confidence, %")
    count_axes.set_ylabel("images")
    plain_axes(accuracy_axes)
    plain_axes(count_axes)


def calibration_words(calibration: Calibration, smoothing: float) -> str:
    """Mean confidence against accuracy, in a sentence or two."""
    confidence, accuracy = percent(calibration.confidence), percent(calibration.accuracy)
    words = f"On average the network gives its prediction a probability of {confidence} and is correct {accuracy}"
    words += " of the time"
    gap = calibration.confidence - calibration.accuracy
    if abs(gap) < CLOSE:
        return f"{words}: on average its probabilities can be taken at face value."
    if gap > 0:
        return f"{words}: it is overconfident."
    reason = f" Label smoothing of {smoothing:g} in training has this effect." if smoothing else ""
    return f"{words}: it is underconfident.{reason}"
