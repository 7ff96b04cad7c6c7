"""The page and the image of `clock`."""

from pathlib import Path
from typing import Any

from leannet.evaluation import interval, wilson
from leannet.files import write_whole
from leannet.style import COLORS, figure, plain_axes, write_figure

ROOT = Path(__file__).parents[1]
TEST_IMAGES = 10_000


def write_page(results: dict[str, dict[str, Any]]) -> None:
    """docs/clock.md and docs/figures/clock.svg."""
    _draw(results)
    allowed = " or ".join(sorted({f"{each['allowed_minutes']:g}" for each in results.values()}))
    machines = "; ".join(sorted({each["machine"] for each in results.values()}))
    lines = [
        "# Against the clock",
        "",
        f"Written by `python experiments/clock.py DATA TIMM_TRAIN_PY`: CIFAR-10 in {allowed} minutes, "
        f"{machines}. 45,000 images to train on, 5,000 to look at in between, and the 10,000 test images, "
        "scored once. timm's train.py trains the same rows with the same optimizer, batch, schedule and smoothing, in "
        "as many whole epochs as fit. The images are JPEGs, so accuracies run a little under those of the lossless "
        "set.",
        "",
        "| network, trained by | test accuracy | minutes | epochs |",
        "|---|--:|--:|--:|",
    ]
    for name, each in results.items():
        low, high = wilson(round(each["accuracy"] * TEST_IMAGES), TEST_IMAGES)
        lines.append(
            f"| {name} | {100 * each['accuracy']:.2f} % ({interval(low, high)}) | {each['minutes']:.1f} | "
            f"{each['epochs']} |"
        )
    lines += ["", "![Validation accuracy against minutes](figures/clock.svg)", "", "The commands:", ""]
    lines += [f"    {each['command']}" for each in results.values()]
    write_whole(ROOT / "docs" / "clock.md", ("\n".join(lines) + "\n").encode())


def _draw(results: dict[str, dict[str, Any]]) -> None:
    with figure(7.5, 4.5) as drawn:
        axes = drawn.subplots()
        for color, (name, each) in zip(COLORS, results.items(), strict=False):
            axes.plot(*zip(*[(m, 100 * value) for m, value in each["curve"]], strict=True), color=color, label=name)
        axes.set_xlim(0, 1.05 * max(each["allowed_minutes"] for each in results.values()))
        axes.set_xlabel("minutes")
        axes.set_ylabel("validation accuracy, %")
        axes.legend(frameon=False)
        plain_axes(axes)
        write_figure(drawn, ROOT / "docs" / "figures" / "clock.svg")
