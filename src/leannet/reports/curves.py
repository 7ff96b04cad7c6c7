"""Learning curves as SVG that takes the page's own text colour."""

from collections.abc import Sequence

from leannet.drawing import COLORS, INK, figure, inline_svg, plain_axes

TRAINING, VALIDATION = COLORS[:2]


def learning_curves(log: Sequence[dict[str, float]], best_epoch: int | None) -> list[str]:
    """Accuracy and loss of training and validation over the epochs, the best epoch marked: two <svg> elements."""
    from matplotlib.ticker import MaxNLocator

    epochs = [int(line["epoch"]) for line in log]
    best = next((line for line in log if line["epoch"] == best_epoch), None)
    pictures = []
    for name, scale, label in (("accuracy", 100, "accuracy, %"), ("loss", 1, "loss")):
        with figure(5, 3.4) as drawn:
            axes = drawn.subplots()
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
            plain_axes(axes)
            axes.legend(frameon=False, loc="best")
            pictures.append(inline_svg(drawn, f"{name} over the epochs"))
    return pictures
