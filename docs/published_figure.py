"""The figure of docs/tables/others.md: published top-1 accuracy against counted mult-adds."""

import io

from matplotlib import rc_context
from matplotlib.figure import Figure

from leannet.cost import count
from leannet.cost.published import (
    MOBILENET_V1,
    MOBILENET_V2,
    MOBILENET_V3,
    NASNET,
    SHUFFLENET_V1,
    SHUFFLENET_V2,
    TORCHVISION_WEIGHTS,
)
from leannet.zoo import architecture

FAMILY_COLORS = {
    "mobilenet_v1": "#2f7ed8",
    "mobilenet_v2": "#1b9e77",
    "mobilenet_v3": "#d62f5d",
    "shufflenet_v1": "#b58900",
    "shufflenet_v2": "#e07b1f",
    "squeezenet": "#7a5cc4",
    "nasnet": "#4a90a4",
    "resnet": "#808890",
    "vgg16": "#808890",
    "alexnet": "#808890",
    "googlenet": "#808890",
}
PUBLISHED = (*MOBILENET_V1, *MOBILENET_V2, *MOBILENET_V3, *SHUFFLENET_V1, *SHUFFLENET_V2, *TORCHVISION_WEIGHTS, NASNET)


def published_figure() -> str:
    """An SVG with one point for each published network."""
    grey = "#808890"  # legible on light and on dark
    style = dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), grey)
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "leannet", "font.size": 11} | style):
        figure = Figure(figsize=(9, 5.6), layout="constrained")
        axes = figure.subplots()
        for stem, color in FAMILY_COLORS.items():
            rows = [row for row in PUBLISHED if row.name.startswith(stem)]
            macs = [count(architecture(row.name, row.width, row.resolution)).macs / 1e6 for row in rows]
            label = stem if color != grey else None
            axes.scatter(macs, [row.top1 for row in rows], s=26, color=color, alpha=0.85, label=label)
            if color == grey:
                for x, row in zip(macs, rows, strict=True):
                    name = row.name.removesuffix("_torchvision")
                    below = (0, 7) if name == "googlenet" else (0, -13)  # clear of resnet18
                    axes.annotate(name, (x, row.top1), below, textcoords="offset points", ha="center", fontsize=9)
        axes.set_xscale("log")
        axes.set_xticks([10, 30, 100, 300, 1000, 3000, 10000], ["10", "30", "100", "300", "1,000", "3,000", "10,000"])
        axes.set_xlabel("mult-adds, millions (counted)")
        axes.set_ylabel("ImageNet top-1, % (published)")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color=grey, alpha=0.15)
        axes.legend(frameon=False, loc="lower right")
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return text.getvalue()[text.getvalue().index("<svg") :]
