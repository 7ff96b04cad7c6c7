"""docs/choices.md, from what choices.py measured."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from choices_variants import CHOICES, V2, V3, VARIANTS, Choice
from torch import Tensor

from leannet.cost import count
from leannet.style import COLORS, INK, figure, plain_axes, write_figure

CLEAR = 2.0  # points of accuracy


def page(results: dict[str, Any], epochs: int) -> str:
    """docs/choices.md."""
    runs = results["trained"]
    lines = [
        "# The papers' choices, as edits of a table",
        "",
        "Written by `python experiments/choices.py DATA` (DATA: CIFAR-10 as Parquet); figures in "
        "[experiments/choices.json](experiments/choices.json).",
        "",
        f"Mult-adds, parameters and milliseconds are of {V2.large} and {V3.large} at 224 px; milliseconds with one "
        "thread, batch 1, float32, the median, all variants of a network in turns, on "
        f"{results['machine']}. Accuracy is that of {V2.small} at width {V2.width:g} and of {V3.small} after "
        f"{epochs} epochs on 6,000 images of CIFAR-10, on its 10,000 test images (95 % interval about "
        "±1 point), of one seed; of V2 and V3 the mean of two and, behind ±, half of their difference. Differences "
        f"below {CLEAR:g} points may be chance, and what a long training would bring out (by the papers, "
        "squeeze-and-excitation) a short one need not show.",
    ]
    for choice in CHOICES:
        lines += ["", f"## {choice.title}", "", f"{choice.where}. The claim: {choice.says}.", ""]
        lines += _table(choice, results, runs)
        lines += ["", _verdict(choice, results, runs)]
    lines += [
        "",
        "## ReLU6 and ReLU in few bits",
        "",
        "The networks above, their weights and every activation rounded: to float16, and to 256 steps between the "
        "least and the most value of a batch (weights: 255 steps a filter). The error is the largest change of a logit "
        "over the largest logit; in brackets the mean change over the mean logit.",
        "",
        *_precision(runs),
        "",
        "## The activations and their hard forms",
        "",
        "![activations](figures/activations.svg)",
        "",
        _gaps(),
    ]
    return "\n".join(lines) + "\n"


def _accuracies(runs: dict[str, Any], name: str, key: str = "accuracy_float32") -> list[float]:
    return [run[key] for run in runs.get(name, {}).values()]


def _spread(values: Sequence[float], scale: float = 100, unit: str = " %") -> str:
    if not values:
        return "not trained"
    middle = f"{scale * float(np.mean(values)):.1f}"
    return middle + (f" ± {scale * (max(values) - min(values)) / 2:.1f}" if len(values) > 1 else "") + unit


def _table(choice: Choice, results: dict[str, Any], runs: dict[str, Any]) -> list[str]:
    lines = [
        "| variant | mult-adds | parameters | torch, ms | ONNX Runtime, ms | accuracy |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name in choice.variants:
        base, edit = VARIANTS[name]
        cost = count(base.tables(edit)[0])
        times = results["latency"][name]
        lines.append(
            f"| {name} | {cost.macs:,} | {cost.params:,} | {times['torch']['median_ms']:.1f} | "
            f"{times['onnxruntime']['median_ms']:.2f} | {_spread(_accuracies(runs, name))} |"
        )
    return lines


def _verdict(choice: Choice, results: dict[str, Any], runs: dict[str, Any]) -> str:
    """What came out, in words, against the paper's own."""
    first = choice.variants[0]
    sentences = []
    for other in choice.variants[1:]:
        macs = [count(VARIANTS[n][0].tables(VARIANTS[n][1])[0]).macs for n in (first, other)]
        speed = [results["latency"][n]["onnxruntime"]["median_ms"] for n in (first, other)]
        gained = [_accuracies(runs, n) for n in (first, other)]
        words = f"{other}: {(macs[1] - macs[0]) / 1e6:+.1f} M mult-adds, {speed[1] - speed[0]:+.2f} ms in ONNX Runtime"
        if all(gained):
            points = 100 * (float(np.mean(gained[1])) - float(np.mean(gained[0])))
            clear = "" if abs(points) >= CLEAR else ", which may be chance"
            words += f", {points:+.1f} points of accuracy{clear}"
        sentences.append(words + ".")
    return " ".join(sentences)


def _precision(runs: dict[str, Any]) -> list[str]:
    lines = ["| network | float16 error | float16 accuracy | int8 error | int8 accuracy | float32 accuracy |"]
    lines.append("|---|--:|--:|--:|--:|--:|")
    for name in ("V2", "V2 with ReLU", "V3", "V3 with ReLU"):
        if name not in runs:
            continue
        cells = []
        for precision in ("float16", "int8"):
            most = float(np.mean(_accuracies(runs, name, f"error_{precision}")))
            mean = float(np.mean(_accuracies(runs, name, f"mean_error_{precision}")))
            cells += [f"{most:.2g} ({mean:.2g})", _spread(_accuracies(runs, name, f"accuracy_{precision}"))]
        lines.append(f"| {name} | {' | '.join(cells)} | {_spread(_accuracies(runs, name))} |")
    return lines


CURVES: tuple[tuple[str, Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]], ...] = (
    ("swish and h-swish", F.silu, F.hardswish),
    ("sigmoid and h-sigmoid", torch.sigmoid, F.hardsigmoid),
    ("ReLU and ReLU6", F.relu, F.relu6),
)


def _gaps() -> str:
    x = torch.linspace(-8, 8, 160001)
    words = []
    for title, soft, hard in CURVES[:2]:
        gap = (soft(x) - hard(x)).abs()
        words.append(f"{title} differ by {gap.max():.3f} at most, at x = ±{abs(x[gap.argmax()]):.2f}")
    return "; ".join(words) + ". ReLU6 is ReLU up to 6 and holds no larger value."


def draw_activations(path: Path) -> None:
    """Each activation beside its hard form, and below it their difference."""
    x = torch.linspace(-8, 8, 801)
    with figure(12, 5) as drawn:
        panels = drawn.subplots(2, 3, sharex=True, height_ratios=(3, 1))
        for column, (title, soft, hard) in enumerate(CURVES):
            names = title.split(" and ")
            upper, lower = panels[:, column]
            upper.plot(x, soft(x), color=COLORS[0], label=names[0])
            upper.plot(x, hard(x), color=COLORS[1], label=names[1], linestyle="--")
            upper.legend(frameon=False)
            upper.set_title(title)
            lower.plot(x, hard(x) - soft(x), color=INK, linewidth=1)
            lower.set_ylabel("difference" if column == 0 else "")
            for axes in (upper, lower):
                plain_axes(axes)
        write_figure(drawn, path)
