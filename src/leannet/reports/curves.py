"""Learning curves as SVG that takes the page's own text color. Training is dashed, validation is solid, everywhere."""

from collections.abc import Sequence
from typing import Any

from leannet.style import COLORS, INK, bands, figure, inline_svg, plain_axes

TRAINING, VALIDATION = COLORS[:2]
TRAINING_LINE, VALIDATION_LINE = (0, (4, 1.5)), "-"
# Of each panel scale, label of the axis, title, and the columns of training and of validation, if there is one.
PANELS = {
    "accuracy": (100, "accuracy, %", "Accuracy by epoch", ("train_accuracy", "validation_accuracy")),
    "loss": (1, "loss", "Loss by epoch", ("train_loss", "validation_loss")),
    "AP50": (100, "AP50, and recall in training, %", "AP50 by epoch", ("train_recall", "validation_ap50")),
    "AP": (100, "AP, %", "AP by epoch", (None, "validation_ap")),
    "matching loss": (1, "loss", "Loss by epoch", ("train_loss", None)),
}


def panels(line: dict[str, float]) -> tuple[str, ...]:
    """The panels of a log. line: one of it."""
    return ("AP50", "AP", "matching loss") if "validation_ap" in line else ("accuracy", "loss")


def learning_curves(log: Sequence[dict[str, float]], best_epoch: int | None) -> list[str]:
    """Accuracy and loss of training and validation over the epochs, of a detector AP, the best epoch marked: an <svg>
    element each."""
    curves = []
    for name in panels(log[0]):
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
    scale, _, _, columns = PANELS[name]
    digits, unit = (1, " %") if scale == 100 else (3, "")
    words = [
        f"{split} {scale * line[column]:.{digits}f}{unit}"
        for split, column in zip(("training", "validation"), columns, strict=True)
        if column is not None
    ]
    return f"epoch {line['epoch']:.0f}: {', '.join(words)}"


def draw_curve(axes: Any, name: str, log: Sequence[dict[str, float]], best_epoch: int | None) -> None:
    """One panel of `panels`, training and validation on shared axes."""
    scale, label, title, columns = PANELS[name]
    best = next((line for line in log if line["epoch"] == best_epoch), None)
    epochs = [int(line["epoch"]) for line in log]
    marker = "o" if len(log) == 1 else None
    for column, split, color, style in zip(
        columns, ("training", "validation"), (TRAINING, VALIDATION), (TRAINING_LINE, VALIDATION_LINE), strict=True
    ):
        if column is None:
            continue
        values = [scale * line[column] for line in log]
        axes.plot(epochs, values, linestyle=style, color=color, label=split, marker=marker, linewidth=1.8)
    if best is not None:
        axes.axvline(best["epoch"], color=INK, linewidth=0.8, linestyle=(0, (1, 3)))
        if columns[1] is not None:
            axes.plot(best["epoch"], scale * best[columns[1]], "o", color=VALIDATION, label="best epoch", markersize=6)
    axes.set_title(title)
    _finish(axes, label)
    axes.legend(frameon=False, loc="best", handlelength=2.6)


def draw_rate(axes: Any, log: Sequence[dict[str, float]], best_epoch: int | None) -> None:
    """One panel: the learning rate."""
    epochs, rates = [int(line["epoch"]) for line in log], [line["learning_rate"] for line in log]
    axes.plot(epochs, rates, color=COLORS[2], marker="o" if len(log) == 1 else None, linewidth=1.8)
    if best_epoch in epochs:
        axes.axvline(best_epoch, color=INK, linewidth=0.8, linestyle=(0, (1, 3)))
    axes.set_ylim(bottom=0)
    axes.set_title("Learning rate by epoch")
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
