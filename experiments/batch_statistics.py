"""Whose statistics batch norm wants in evaluation: of augmented images, or of images as they are evaluated.

    python experiments/batch_statistics.py DATA      # two minutes

DATA: a folder with train.parquet and test.parquet of CIFAR-10. Of each network in bases/, whose weights stay as they
are, batch norm's statistics are measured anew on training images, once padded and mirrored as in its training, once
plain. Writes docs/experiments/batch_statistics.json and docs/batch_statistics.md.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from ledger import BASES, ROOT

from leannet.checkpoint import load
from leannet.console import Console
from leannet.data.augment import Augment
from leannet.data.dataset import Dataset
from leannet.data.loader import Batches, Loader, PreparedDataset, normalize
from leannet.data.sources import open_dataset
from leannet.files import write_whole
from leannet.header import Header
from leannet.network import Network
from leannet.tasks import task_of
from leannet.training.loop import evaluation_batches, predictions_of
from leannet.training.precise_batch_norm import precise_batch_norm
from leannet.training.settings import Settings

IMAGES, BATCH = 12_800, 128
AUGMENTED, PLAIN = Augment(crop=0.0, pad=4, flip=True), None


def accuracy(network: Network, header: Header, test: Dataset) -> float:
    """Of the test images."""
    task, images = task_of(header), PreparedDataset(test, header.preprocessing)
    loader = Loader(images, evaluation_batches(np.arange(len(test.labels)), Settings.make({"data": "x"}), images), 0)
    predictions, _ = predictions_of(network, loader, images, task, torch.device("cpu"))
    return task.score(predictions, test).accuracy


def main() -> None:
    """Measures all bases, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    arguments = parser.parse_args()
    train, test = (open_dataset(str(arguments.data / f"{name}.parquet")) for name in ("train", "test"))
    some = np.random.default_rng(0).permutation(len(train.labels))[:IMAGES]
    results: dict[str, dict[str, float]] = {}
    for file in sorted(BASES.glob("*.safetensors")):
        network, header = load(file)
        of = {"running": accuracy(network, header, test)}
        for name, augment in (("augmented", AUGMENTED), ("plain", PLAIN)):
            images = PreparedDataset(train, header.preprocessing, *([augment, 0] if augment else []))
            loader = Loader(images, Batches(some, BATCH, training=True), 0)
            layout = torch.channels_last
            inputs = (normalize(x.contiguous(memory_format=layout), images.preprocessing) for x, _, _ in loader)
            precise_batch_norm(network, inputs)
            of[name] = accuracy(network, header, test)
        results[file.stem] = of
        Console().say(f"{file.stem}: {of}")
    text = [
        "# Whose statistics batch norm wants",
        "",
        "Written by `python experiments/batch_statistics.py DATA`: CIFAR-10's test images, and fixed weights. "
        f"Batch norm's statistics are those that training left (running), or the mean over {IMAGES:,} training "
        "images: augmented as in training, by zeros around them and mirroring, or plain, as the test images are.",
        "",
        "| network | running | augmented | plain |",
        "|---|--:|--:|--:|",
    ]
    text += [
        f"| {name} | {' | '.join(f'{100 * of[key]:.2f} %' for key in ('running', 'augmented', 'plain'))} |"
        for name, of in results.items()
    ]
    text += [
        "",
        "Weights learn with the statistics of augmented images, and expect them of any other. So precise batch norm "
        "([training.md](training.md#batch-norm-where-epochs-are-short)) augments the images that it measures.",
    ]
    place = ROOT / "docs" / "experiments" / "batch_statistics.json"
    write_whole(place, (json.dumps(results, indent=1) + "\n").encode())
    write_whole(ROOT / "docs" / "batch_statistics.md", ("\n".join(text) + "\n").encode())


if __name__ == "__main__":
    main()
