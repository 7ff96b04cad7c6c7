"""Learning curves as SVG that takes the page's own text colour."""

import io
from collections.abc import Sequence
from typing import Any

INK = "#0a0b0c"  # stands for the page's text colour until the SVG is written
TRAINING, VALIDATION = "#2f7ed8", "#e07b1f"


def learning_curves(log: Sequence[dict[str, float]], best_epoch: int | None) -> list[str]:
    """Accuracy and loss of training and validation over the epochs, the best epoch marked: two <svg> elements."""
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
    best = next((line for line in log if line["epoch"] == best_epoch), None)
    pictures = []
    for name, scale, label in (("accuracy", 100, "accuracy, %"), ("loss", 1, "loss")):
        with rc_context(style):
            figure = Figure(figsize=(5, 3.4), layout="constrained")
            axes = figure.subplots()
            for part, color in (("train", TRAINING), ("validation", VALIDATION)):
                values = [scale * line[f"{part}_{name}"] for line in log]
                word = "training" if part == "train" else part
                axes.plot(epochs, values, color=color, label=word, marker="o" if len(log) == 1 else None, linewidth=1.8)
            if best is not None:
                axes.axvline(best["epoch"], color=INK, linewidth=0.8, linestyle=(0, (2, 3)))
                kept = scale * best[f"validation_{name}"]
                axes.plot(best["epoch"], kept, "o", color=VALIDATION, label="best epoch", markersize=6)
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
        pictures.append(svg.replace("<svg ", f'<svg role="img" aria-label="{name} over the epochs" ', 1))
    return pictures
