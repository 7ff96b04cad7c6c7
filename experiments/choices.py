"""The papers' choices as edits of a table: what each costs, how fast it is, how exact, and how well it learns.

    python experiments/choices.py ../shared/data/cifar10      # about an hour on two cores; goes on where it stopped
    python experiments/choices.py --page                      # only writes docs/choices.md and its pictures anew

Costs are exact. Milliseconds are of the papers' own sizes, all variants of a choice in turns. Accuracy is that of the
32-pixel forms after a short, equal training on 6,000 of CIFAR-10's pictures, on its 10,000 test pictures: enough to
see a large effect, not a small one, so each base is trained three times to show what chance does.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import leannet
from leannet.blocks.layers import ConvLayer
from leannet.checkpoint import load
from leannet.cost import count
from leannet.data.loader import Batches, Loader, PictureSet, normalize
from leannet.data.sources import open_pictures
from leannet.drawing import COLORS, INK, figure, plain_axes, write_picture
from leannet.files import write_whole
from leannet.rows import Architecture, Conv, InvertedResidual
from leannet.runtime import ENGINES, Program, machine, measure

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "experiments" / "choices.json"
RUNS = ROOT / "runs" / "choices"
PAGE = ROOT / "docs" / "choices.md"
TRAINING: dict[str, Any] = {"limit": 9000, "split": "80:20", "epochs": 6, "batch_size": 64, "quiet": True}
TRAINING["batch_statistics"] = "running"
SEEDS = (0, 1, 2)
Edit = Callable[[Architecture], Architecture]


# The edits


def rows_changed(change: Callable[[Any], dict[str, Any]]) -> Edit:
    """An edit that changes fields of many rows at once."""

    def edit(table: Architecture) -> Architecture:
        rows = tuple(type(row)(**{**dict(row), **change(row)}) for row in table.rows)
        return Architecture(**{**dict(table), "rows": rows})

    return edit


def on_blocks(**fields: Any) -> Edit:
    """Fields of every inverted residual."""
    return rows_changed(lambda row: fields if isinstance(row, InvertedResidual) else {})


def activation(old: str, new: str) -> Edit:
    """Another activation wherever the old one stands."""

    def change(row: Any) -> dict[str, Any]:
        names = ("activation", "project_activation", "squeeze_activation", "scale_activation")
        return {name: new for name in names if getattr(row, name, None) == old}

    return rows_changed(change)


def stem(channels: int) -> Edit:
    """Another width of the first convolution; the first block then cannot add its input."""

    def edit(table: Architecture) -> Architecture:
        rows = list(table.rows)
        rows[0] = rows[0].model_copy(update={"out_channels": channels})
        rows[1] = rows[1].model_copy(update={"residual": False})
        return Architecture(**{**dict(table), "rows": tuple(rows)})

    return edit


def tail_of_v2(table: Architecture) -> Architecture:
    """The last stage before MobileNetV3 shortened it (figure 5 of its paper).

    One more projection, to twice the width, and the wide 1x1 convolution in front of the pooling.
    """
    rows = list(table.rows)
    wide = next(row for row in rows if row.name == "Conv_1")
    last = next(row for row in rows if row.name == "Conv_2")
    assert isinstance(wide, Conv)
    assert isinstance(last, Conv)
    before = table.shapes[rows[rows.index(wide) - 1].name].channels
    extra = InvertedResidual(
        name="block_last", expansion_channels=wide.out_channels, out_channels=2 * before, activation="h_swish"
    )
    features = Conv(name="Conv_1", out_channels=last.out_channels, norm=wide.norm, activation="h_swish")
    kept = [row for row in rows if row is not last]
    kept[kept.index(wide) : kept.index(wide) + 1] = [extra, features]
    return Architecture(**{**dict(table), "rows": tuple(kept)})


def unchanged(table: Architecture) -> Architecture:
    """The paper's own."""
    return table


@dataclass(frozen=True)
class Base:
    """A network of a paper, and its 32-pixel form."""

    name: str
    large: str
    small: str
    width: float  # of the small one

    def tables(self, edit: Edit) -> tuple[Architecture, Architecture]:
        """Both, edited."""
        small = leannet.architecture(self.small, width=self.width)
        return edit(leannet.architecture(self.large)), edit(small)


V2 = Base("V2", "mobilenet_v2", "cifar_mobilenet_v2", 0.5)
V3 = Base("V3", "mobilenet_v3_large", "cifar_mobilenet_v3_small", 1.0)
VARIANTS: dict[str, tuple[Base, Edit]] = {
    "V2": (V2, unchanged),
    "V2 with ReLU6 bottlenecks": (V2, on_blocks(project_activation="relu6")),
    "V2 without expansion": (V2, on_blocks(expansion_channels=None)),
    "V2 with ReLU": (V2, activation("relu6", "relu")),
    "V3": (V3, unchanged),
    "V3 with V2's tail": (V3, tail_of_v2),
    "V3 with 32 stem filters": (V3, stem(32)),
    "V3 with swish": (V3, activation("h_swish", "swish")),
    "V3 with ReLU": (V3, activation("h_swish", "relu")),
    "V3 without squeeze-and-excitation": (V3, on_blocks(squeeze_channels=None)),
    "V3 with sigmoid": (V3, activation("h_sigmoid", "sigmoid")),
}


@dataclass(frozen=True)
class Choice:
    """One choice of a paper: the variants to set side by side, the paper's own first."""

    title: str
    where: str
    says: str
    variants: tuple[str, ...]


CHOICES = (
    Choice(
        "Linear or ReLU6 bottlenecks",
        "MobileNetV2, section 3.2 and figure 6a",
        "a non-linearity in the narrow layers destroys what they carry",
        ("V2", "V2 with ReLU6 bottlenecks"),
    ),
    Choice(
        "Expansion or none",
        "MobileNetV2, section 3.3",
        "the depthwise convolution needs a wide space to filter in",
        ("V2", "V2 without expansion"),
    ),
    Choice(
        "ReLU6 or ReLU",
        "MobileNetV2, section 3.3: robust in low-precision computation",
        "a bounded activation is kept by few bits",
        ("V2", "V2 with ReLU"),
    ),
    Choice(
        "V3's short tail or V2's",
        "MobileNetV3, section 5.1 and figure 5: 30 M mult-adds and 7 ms less, at no loss",
        "the wide 1x1 convolution belongs behind the pooling",
        ("V3", "V3 with V2's tail"),
    ),
    Choice(
        "16 or 32 stem filters",
        "MobileNetV3, section 5.1: 10 M mult-adds and 2 ms less",
        "with h-swish half of the first filters are enough",
        ("V3", "V3 with 32 stem filters"),
    ),
    Choice(
        "h-swish, swish or ReLU",
        "MobileNetV3, section 5.2",
        "the hard form loses no accuracy and is cheap everywhere",
        ("V3", "V3 with swish", "V3 with ReLU"),
    ),
    Choice(
        "Squeeze-and-excitation or none",
        "MobileNetV3, section 5.3",
        "more parameters, no discernible time, more accuracy",
        ("V3", "V3 without squeeze-and-excitation"),
    ),
    Choice(
        "h-sigmoid or sigmoid",
        "MobileNetV3, section 5.2",
        "as above, for the scale of squeeze-and-excitation",
        ("V3", "V3 with sigmoid"),
    ),
)


# Measuring


def latencies(seconds: float = 60) -> dict[str, dict[str, dict[str, float]]]:
    """Milliseconds of every variant at the paper's size, in each engine, one thread."""
    found: dict[str, dict[str, dict[str, float]]] = {name: {} for name in VARIANTS}
    for base in (V2, V3):
        names = [name for name, (owner, _) in VARIANTS.items() if owner is base]
        programs = {name: Program(base.tables(VARIANTS[name][1])[0]) for name in names}
        x = np.random.default_rng(0).random((1, 3, 224, 224), dtype=np.float32)
        for engine in ("torch", "onnxruntime"):
            runs = {name: ENGINES[engine].prepare(programs[name], 1) for name in names}
            candidates: dict[str, Callable[[], object]] = {n: lambda run=run, x=x: run(x) for n, run in runs.items()}
            for name, latency in measure(candidates, seconds / 4).items():
                found[name][engine] = latency.to_dict()
    return found


@contextmanager
def rounded(network: nn.Module, how: Callable[[Tensor], Tensor], weights: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Inside, every convolution's weights, and what each layer behind its activation makes, are rounded."""
    layers = [module for module in network.modules() if isinstance(module, ConvLayer)]
    kept = [layer.conv.weight.data.clone() for layer in layers]
    hooks = [layer.register_forward_hook(lambda module, given, made: how(made)) for layer in layers]
    for layer in layers:
        layer.conv.weight.data = weights(layer.conv.weight.data)
    try:
        yield
    finally:
        for hook, layer, weight in zip(hooks, layers, kept, strict=True):
            hook.remove()
            layer.conv.weight.data = weight


def to_half(x: Tensor) -> Tensor:
    """Rounded to float16."""
    return x.half().float()


def to_int8(x: Tensor) -> Tensor:
    """Rounded to 256 steps between the least and the most value there is."""
    low, high = min(x.min().item(), 0.0), max(x.max().item(), 0.0)
    step = max((high - low) / 255, 1e-12)
    return torch.round((x - low) / step) * step + low


def weight_to_int8(weight: Tensor) -> Tensor:
    """Rounded to 255 steps around zero, for each filter."""
    step = weight.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12) / 127
    return torch.round(weight / step) * step


def scored(run: Path, test: str) -> dict[str, float]:
    """Accuracy on the test pictures in float32, and rounded to float16 and to int8; and how far the logits moved."""
    network, header = load(run)
    pictures = PictureSet(open_pictures(test), header.preprocessing)
    order = np.arange(len(pictures))
    precisions: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
        "float16": (to_half, to_half),
        "int8": (to_int8, weight_to_int8),
    }
    logits: dict[str, list[Tensor]] = {"float32": [], "float16": [], "int8": []}
    labels = []
    with torch.inference_mode():
        for images, targets, _ in Loader(pictures, Batches(order, 250), workers=0):
            x = normalize(images, header.preprocessing)
            logits["float32"].append(network(x))
            labels.append(targets)
            for name, (how, weights) in precisions.items():
                with rounded(network, how, weights):
                    logits[name].append(network(x))
    truth = torch.cat(labels)
    whole = {name: torch.cat(parts) for name, parts in logits.items()}
    found = {f"accuracy_{name}": (made.argmax(1) == truth).float().mean().item() for name, made in whole.items()}
    size = whole["float32"].abs().max()
    for name in precisions:
        found[f"error_{name}"] = ((whole[name] - whole["float32"]).abs().max() / size).item()
        found[f"mean_error_{name}"] = (
            (whole[name] - whole["float32"]).abs().mean() / whole["float32"].abs().mean()
        ).item()
    return found


def trained(name: str, seed: int, data: str) -> dict[str, float]:
    """A short training of a variant's 32-pixel form, and what it is worth."""
    base, edit = VARIANTS[name]
    out = RUNS / f"{name.replace(' ', '_').replace(chr(39), '')}-{seed}"
    if not (out / "model.safetensors").exists():
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "rows.json"
            model.write_text(base.tables(edit)[1].to_json())
            leannet.train(data, out=out, model=str(model), seed=seed, **TRAINING)
    return scored(out, str(Path(data) / "test.parquet"))


# The page


def page(results: dict[str, Any]) -> str:
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
        f"{TRAINING['epochs']} epochs on 6,000 pictures of CIFAR-10, on its 10,000 test pictures (95 % interval about "
        "±1 point), the mean over seeds and, behind ±, half of the spread from the least to the most. Differences "
        "below about two points mean nothing here.",
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
        "![activations](pictures/activations.svg)",
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
            chance = 100 * max(max(g) - min(g) for g in gained)
            clear = "more than chance does" if abs(points) > max(chance, 1.0) else "no more than chance does"
            words += f", {points:+.1f} points of accuracy, {clear}"
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
        write_picture(drawn, path)


def main() -> None:
    """Measures what is not measured yet, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", help="CIFAR-10 as a folder with train.parquet and test.parquet")
    parser.add_argument("--page", action="store_true", help="only write the page")
    given = parser.parse_args()
    if not given.page and given.data is None:
        parser.error("expected DATA, a folder with CIFAR-10 as Parquet, or --page")
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"trained": {}}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)

    def keep() -> None:
        write_whole(RESULTS, (json.dumps(results, indent=1) + "\n").encode())

    if not given.page:
        if "latency" not in results:
            results["machine"] = machine().line()
            results["latency"] = latencies()
            keep()
        for seed in SEEDS:
            for name in VARIANTS:
                done = results["trained"].setdefault(name, {})
                if str(seed) not in done and (seed == 0 or name in {"V2", "V3"}):
                    done[str(seed)] = trained(name, seed, given.data)
                    keep()
                    print(f"{name}, seed {seed}: {100 * done[str(seed)]['accuracy_float32']:.1f} %", flush=True)
    (ROOT / "docs" / "pictures").mkdir(exist_ok=True)
    draw_activations(ROOT / "docs" / "pictures" / "activations.svg")
    write_whole(PAGE, page(results).encode())


if __name__ == "__main__":
    main()
