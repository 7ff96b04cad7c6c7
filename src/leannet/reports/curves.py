"""Learning curves as SVG that takes the page's own text color. Training is dashed, validation is solid, everywhere."""

from collections.abc import Sequence
from typing import Any

from leannet.style import COLORS, INK, bands, figure, inline_svg, plain_axes

TRAINING, VALIDATION = COLORS[:2]
TRAINING_LINE, VALIDATION_LINE = (0, (4, 1.5)), "-"
PANELS = {"accuracy": (100, "accuracy, %"), "loss": (1, "loss")}  # name -> scale and label of the axis
TITLES = {"accuracy": "Accuracy by epoch", "loss": "Loss by epoch", "rate": "Learning rate by epoch"}


def learning_curves(log: Sequence[dict[str, float]], best_epoch: int | None) -> list[str]:
    """Accuracy and loss of training and validation over the epochs, the best epoch marked: two <svg> elements."""
    curves = []
    for name in PANELS:
        with figure(5, 3.6) as drawing:
            axes = drawing.subplots()
            draw_curve(axes, name, log, best_epoch)
            tooltips = bands(axes, {line["epoch"]: _tooltip(name, line) for line in log})
            curves.append(inline_svg(drawing, f"{name} over the epochs", tooltips))
    return curves


def rate_curve(log: Sequence[dict[str, float]], best_epoch: int | None) -> str:
    """The learning rate at the end of each epoch, as an <svg> element."""
    with figure(5, 3.6) as drawing:
        axes = drawing.subplots()
        draw_rate(axes, log, best_epoch)
        words = {line["epoch"]: f"epoch {line['epoch']:.0f}: {line['learning_rate']:.3g}" for line in log}
        return inline_svg(drawing, "learning rate over the epochs", bands(axes, words))


def _tooltip(name: str, line: dict[str, float]) -> str:
    """The values of one epoch in words."""
    digits, unit = (1, " %") if name == "accuracy" else (3, "")
    training, validation = (
        f"{split} {PANELS[name][0] * line[f'{key}_{name}']:.{digits}f}{unit}"
        for split, key in (("training", "train"), ("validation", "validation"))
    )
    return f"epoch {line['epoch']:.0f}: {training}, {validation}"


def draw_curve(axes: Any, name: str, log: Sequence[dict[str, float]], best_epoch: int | None) -> None:
    """One panel: `accuracy` or `loss`, training and validation on shared axes."""
    scale, label = PANELS[name]
    best = next((line for line in log if line["epoch"] == best_epoch), None)
    epochs = [int(line["epoch"]) for line in log]
    marker = "o" if len(log) == 1 else None
    for key, split, color, style in (
        ("train", "training", TRAINING, TRAINING_LINE),
        ("validation", "validation", VALIDATION, VALIDATION_LINE),
    ):
        values = [scale * line[f"{key}_{name}"] for line in log]
        axes.plot(epochs, values, linestyle=style, color=color, label=split, marker=marker, linewidth=1.8)
    if best is not None:
        axes.axvline(best["epoch"], color=INK, linewidth=0.8, linestyle=(0, (1, 3)))
        value = scale * best[f"validation_{name}"]
        axes.plot(best["epoch"], value, "o", color=VALIDATION, label="best epoch", markersize=6)
    axes.set_title(TITLES[name])
    _finish(axes, label)
    axes.legend(frameon=False, loc="best", handlelength=2.6)


def draw_rate(axes: Any, log: Sequence[dict[str, float]], best_epoch: int | None) -> None:
    """One panel: the learning rate."""
    epochs, rates = [int(line["epoch"]) for line in log], [line["learning_rate"] for line in log]
    axes.plot(epochs, rates, color=COLORS[2], marker="o" if len(log) == 1 else None, linewidth=1.8)
    if best_epoch in epochs:
        axes.axvline(best_epoch, color=INK, linewidth=0.8, linestyle=(0, (1, 3)))
    axes.set_ylim(bottom=0)
    axes.set_title(TITLES["rate"])
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
