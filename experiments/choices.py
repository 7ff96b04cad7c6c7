"""The papers' choices as edits of a table: what each costs, how fast it is, how exact, and how well it learns.

    python experiments/choices.py DATA        # CIFAR-10 as Parquet; an hour; goes on where it stopped
    python experiments/choices.py --page      # only writes docs/choices.md and its images anew

Costs are exact. Milliseconds are of the papers' own sizes, all variants of a choice in turns. Accuracy is that of the
32-pixel forms after a short, equal training on 6,000 of CIFAR-10's images, on its 10,000 test images: enough to
see a large effect, not a small one, so each base is trained three times to show what chance does.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from choices_page import draw_activations, page
from choices_variants import V2, V3, VARIANTS
from torch import Tensor, nn

import leannet
from leannet.blocks.layers import ConvLayer
from leannet.checkpoint import load
from leannet.data.loader import Batches, Loader, PreparedDataset, normalize
from leannet.data.sources import open_dataset
from leannet.files import write_whole
from leannet.runtime import ENGINES, Program, machine, measure

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "experiments" / "choices.json"
RUNS = ROOT / "runs" / "choices"
PAGE = ROOT / "docs" / "choices.md"
TRAINING: dict[str, Any] = {"limit": 9000, "split": "80:20", "epochs": 6, "batch_size": 64, "quiet": True}
TRAINING["batch_statistics"] = "running"
SEEDS = (0, 1)


# Measuring


def latencies(seconds: float = 60) -> dict[str, dict[str, dict[str, float]]]:
    """Milliseconds of every variant at the paper's size, in each engine, one thread."""
    latency_by_engine: dict[str, dict[str, dict[str, float]]] = {name: {} for name in VARIANTS}
    for base in (V2, V3):
        names = [name for name, (owner, _) in VARIANTS.items() if owner is base]
        programs = {name: Program(base.tables(VARIANTS[name][1])[0]) for name in names}
        x = np.random.default_rng(0).random((1, 3, 224, 224), dtype=np.float32)
        for engine in ("torch", "onnxruntime"):
            runs = {name: ENGINES[engine].prepare(programs[name], 1) for name in names}
            candidates: dict[str, Callable[[], object]] = {n: lambda run=run, x=x: run(x) for n, run in runs.items()}
            for name, latency in measure(candidates, seconds / 4).items():
                latency_by_engine[name][engine] = latency.to_dict()
    return latency_by_engine


@contextmanager
def rounded(network: nn.Module, how: Callable[[Tensor], Tensor], weights: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Inside, every convolution's weights, and what each layer behind its activation makes, are rounded."""
    layers = [module for module in network.modules() if isinstance(module, ConvLayer)]
    original_weights = [layer.conv.weight.data.clone() for layer in layers]
    hooks = [layer.register_forward_hook(lambda module, inputs, output: how(output)) for layer in layers]
    for layer in layers:
        layer.conv.weight.data = weights(layer.conv.weight.data)
    try:
        yield
    finally:
        for hook, layer, weight in zip(hooks, layers, original_weights, strict=True):
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
    """Accuracy on the test images in float32, and rounded to float16 and to int8; and how far the logits moved."""
    network, header = load(run)
    dataset = PreparedDataset(open_dataset(test), header.preprocessing)
    order = np.arange(len(dataset))
    precisions: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
        "float16": (to_half, to_half),
        "int8": (to_int8, weight_to_int8),
    }
    logits: dict[str, list[Tensor]] = {"float32": [], "float16": [], "int8": []}
    labels = []
    with torch.inference_mode():
        for images, targets, _ in Loader(dataset, Batches(order, 250), workers=0):
            x = normalize(images, header.preprocessing)
            logits["float32"].append(network(x))
            labels.append(targets)
            for name, (how, weights) in precisions.items():
                with rounded(network, how, weights):
                    logits[name].append(network(x))
    truth = torch.cat(labels)
    whole = {name: torch.cat(parts) for name, parts in logits.items()}
    scores = {f"accuracy_{name}": (outputs.argmax(1) == truth).float().mean().item() for name, outputs in whole.items()}
    size = whole["float32"].abs().max()
    for name in precisions:
        scores[f"error_{name}"] = ((whole[name] - whole["float32"]).abs().max() / size).item()
        scores[f"mean_error_{name}"] = (
            (whole[name] - whole["float32"]).abs().mean() / whole["float32"].abs().mean()
        ).item()
    return scores


def trained(name: str, seed: int, data: str) -> dict[str, float]:
    """A short training of a variant's 32-pixel form, and what it is worth."""
    base, edit = VARIANTS[name]
    out = RUNS / f"{name.replace(' ', '_').replace(chr(39), '')}-{seed}"
    shutil.rmtree(out, ignore_errors=True)  # one that was stopped begins anew
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "rows.json"
        model.write_text(base.tables(edit)[1].to_json())
        leannet.train(data, out=out, model=str(model), seed=seed, **TRAINING)
    return scored(out, str(Path(data) / "test.parquet"))


def main() -> None:
    """Measures what is not measured yet, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", help="CIFAR-10 as a folder with train.parquet and test.parquet")
    parser.add_argument("--page", action="store_true", help="only write the page")
    arguments = parser.parse_args()
    if not arguments.page and arguments.data is None:
        parser.error("expected DATA, a folder with CIFAR-10 as Parquet, or --page")
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"trained": {}}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)

    def keep() -> None:
        write_whole(RESULTS, (json.dumps(results, indent=1) + "\n").encode())

    if not arguments.page:
        if "latency" not in results:
            results["machine"] = machine().line()
            results["latency"] = latencies()
            keep()
        for seed in SEEDS:
            for name in VARIANTS:
                done = results["trained"].setdefault(name, {})
                if str(seed) not in done and (seed == 0 or name in {"V2", "V3"}):
                    done[str(seed)] = trained(name, seed, arguments.data)
                    keep()
                    print(f"{name}, seed {seed}: {100 * done[str(seed)]['accuracy_float32']:.1f} %", flush=True)
    (ROOT / "docs" / "figures").mkdir(exist_ok=True)
    draw_activations(ROOT / "docs" / "figures" / "activations.svg")
    write_whole(PAGE, page(results, TRAINING["epochs"]).encode())


if __name__ == "__main__":
    main()
