"""Learning curves as SVG that takes the page's own text color."""

from collections.abc import Sequence
from typing import Any

from leannet.style import COLORS, INK, bands, figure, inline_svg, plain_axes

TRAINING, VALIDATION = COLORS[:2]
PANELS = {"accuracy": (100, "accuracy, %"), "loss": (1, "loss")}


def learning_curves(log: Sequence[dict[str, float]], best_epoch: int | None) -> list[str]:
    """Accuracy and loss of training and validation over the epochs, the best epoch marked: two <svg> elements."""
    images = []
    for name in PANELS:
        with figure(5, 3.4) as drawn:
            axes = drawn.subplots()
            draw_curve(axes, name, log, best_epoch)
            told = bands(axes, {line["epoch"]: _told(name, line) for line in log})
            images.append(inline_svg(drawn, f"{name} over the epochs", told))
    return images


def rate_curve(log: Sequence[dict[str, float]], best_epoch: int | None) -> str:
    """The learning rate at the end of each epoch, as an <svg> element."""
    with figure(5, 3.4) as drawn:
        axes = drawn.subplots()
        draw_rate(axes, log, best_epoch)
        told = bands(axes, {line["epoch"]: f"epoch {line['epoch']:.0f}: {line['learning_rate']:.3g}" for line in log})
        return inline_svg(drawn, "learning rate over the epochs", told)


def _told(name: str, line: dict[str, float]) -> str:
    """The values of one epoch in words."""
    digits, unit = (1, " %") if name == "accuracy" else (3, "")
    training, validation = (
        f"{part} {PANELS[name][0] * line[f'{key}_{name}']:.{digits}f}{unit}"
        for part, key in (("training", "train"), ("validation", "validation"))
    )
    return f"epoch {line['epoch']:.0f}: {training}, {validation}"


def draw_curve(axes: Any, name: str, log: Sequence[dict[str, float]], best_epoch: int | None) -> None:
    """One panel: `accuracy` or `loss`, training and validation on shared axes."""
    scale, label = PANELS[name]
    best = next((line for line in log if line["epoch"] == best_epoch), None)
    epochs = [int(line["epoch"]) for line in log]
    for part, color, style in (("train", TRAINING, (0, (4, 1.5))), ("validation", VALIDATION, "-")):
        values = [scale * line[f"{part}_{name}"] for line in log]
        word = "training" if part == "train" else part
        marker = "o" if len(log) == 1 else None
        axes.plot(epochs, values, linestyle=style, color=color, label=word, marker=marker, linewidth=1.8)
    if best is not None:
        axes.axvline(best["epoch"], color=INK, linewidth=0.8, linestyle=(0, (2, 3)))
        kept = scale * best[f"validation_{name}"]
        axes.plot(best["epoch"], kept, "o", color=VALIDATION, label="best epoch", markersize=6)
    _finish(axes, label)
    axes.legend(frameon=False, loc="best")


def draw_rate(axes: Any, log: Sequence[dict[str, float]], best_epoch: int | None) -> None:
    """One panel: the learning rate."""
    epochs, rates = [int(line["epoch"]) for line in log], [line["learning_rate"] for line in log]
    axes.plot(epochs, rates, color=COLORS[2], marker="o" if len(log) == 1 else None, linewidth=1.8)
    if best_epoch in epochs:
        axes.axvline(best_epoch, color=INK, linewidth=0.8, linestyle=(0, (2, 3)))
    axes.set_ylim(bottom=0)
    _finish(axes, "learning rate")


def _finish(axes: Any, label: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    low, high = axes.get_xlim()
    if high - low < 1:  # one epoch alone
        axes.set_xlim((low + high - 1) / 2, (low + high + 1) / 2)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    plain_axes(axes)
