"""Learning curves as SVG that takes the page's own text colour."""

import io
from collections.abc import Sequence
from typing import Any

INK = "#0a0b0c"  # stands for the page's text colour until the SVG is written
TRAINING, VALIDATION = "#2f7ed8", "#e07b1f"


def learning_curves(log: Sequence[dict[str, float]]) -> str:
    """Loss and accuracy of training and validation over the epochs, the best epoch marked: an <svg> element."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    style: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "leannet",
        "font.size": 11,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
    }
    epochs = [int(line["epoch"]) for line in log]
    best = max(log, key=lambda line: (line["validation_accuracy"], -line["validation_loss"]))
    with rc_context(style):
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        for axes, name, scale, label in zip(
            figure.subplots(1, 2), ("accuracy", "loss"), (100, 1), ("accuracy, %", "loss"), strict=True
        ):
            for part, color in (("train", TRAINING), ("validation", VALIDATION)):
                values = [scale * line[f"{part}_{name}"] for line in log]
                word = "training" if part == "train" else part
                axes.plot(epochs, values, color=color, label=word, marker="o" if len(log) == 1 else None, linewidth=1.8)
            axes.axvline(best["epoch"], color=INK, linewidth=0.8, linestyle=(0, (2, 3)))
            axes.plot(
                best["epoch"],
                scale * best[f"validation_{name}"],
                "o",
                color=VALIDATION,
                label="best epoch",
                markersize=6,
            )
            axes.set_xlabel("epoch")
            axes.set_ylabel(label)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(axis="y", color=INK, alpha=0.12)
            axes.legend(frameon=False, loc="best")
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    return svg.replace("<svg ", '<svg role="img" aria-label="Learning curves" ', 1)
