"""A run in a notebook: its accuracies, and its curves inline."""

from html import escape
from typing import TYPE_CHECKING

from leannet.run_files import epochs_done
from leannet.style import COLORS, figure, inline_svg, plain_axes

if TYPE_CHECKING:
    from leannet.training.run import Run

LINES = (("training", "-"), ("validation", "--"))
# Of each figure what it shows, and its columns of training and validation.
CURVES = (("accuracy", "train_accuracy", "validation_accuracy"), ("loss", "train_loss", "validation_loss"))
BOX_CURVES = (("AP50", "", "validation_ap50"), ("loss", "train_loss", ""))


def run_html(run: "Run") -> str:
    """A heading, the accuracies, and accuracy and loss over the epochs as SVG in the notebook's own text color."""
    best = run.header.metrics.epoch
    lines = [f"<b>{escape(run.header.architecture.name)}</b>, {escape(str(run.path))}"]
    if run.validation:
        lines.append(f"validation {run.validation.line()}, epoch {best} of {epochs_done(run.log)}")
    if run.test:
        lines.append(f"test {run.test.line()}, scored once")
    if not run.finished:
        lines.append("stopped early")
    return f"<div>{'<br>'.join(lines)}</div>{_curves(run.log) if run.log else ''}"


def _curves(log: list[dict[str, float]]) -> str:
    from matplotlib.ticker import MaxNLocator

    epochs = [int(line["epoch"]) for line in log]
    with figure(8.5, 2.8) as canvas:
        curves = BOX_CURVES if "validation_ap" in log[0] else CURVES
        for axes, (name, *columns) in zip(canvas.subplots(1, 2), curves, strict=True):
            scale, unit = (1, "") if name == "loss" else (100, ", %")
            for color, column, (word, style) in zip(COLORS, columns, LINES, strict=False):
                if not column:
                    continue
                values = [scale * line[column] for line in log]
                axes.plot(epochs, values, style, color=color, label=word, marker="o" if len(log) == 1 else None)
            axes.set_xlabel("epoch")
            axes.set_ylabel(f"{name}{unit}")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
            plain_axes(axes)
            axes.legend(frameon=False)
        return inline_svg(canvas, f"{curves[0][0]} and loss over the epochs")
