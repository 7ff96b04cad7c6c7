"""Runs for the pages to show, with predictions drawn at random, of as many classes and images as needed."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from leannet import build
from leannet.checkpoint import save
from leannet.data.dataset import Dataset
from leannet.data.sources import open_dataset
from leannet.data.split import fingerprint
from leannet.header import Header
from leannet.preprocessing import Preprocessing
from leannet.sections import Metrics, Provenance, SplitRecord
from leannet.tasks.metrics import score
from leannet.tasks.predictions import write_predictions
from leannet.training import Settings
from leannet.zoo import architecture


def synthetic_run(root: Path, classes: int, images: int, accuracy: float = 0.8, seed: int = 0) -> Path:
    """A run folder of a debug network, with predictions drawn at random: a share of them correct, neighbors confused.

    Its data do not exist; its records of them do.
    """
    random = np.random.default_rng(seed)
    root.mkdir(parents=True)
    names = tuple(f"kind {number:03d}" for number in range(classes))
    labels = random.integers(0, classes, images)
    predicted = np.where(random.random(images) < accuracy, labels, (labels + random.integers(1, 4, images)) % classes)
    logits = random.normal(0, 1, (images, classes))
    logits[np.arange(images), predicted] += random.uniform(2, 9, images)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    network = architecture("mobilenet_v3_debug", classes=classes)
    listed = tuple(f"{names[label]}/{number}.jpg" for number, label in enumerate(labels))
    dataset = Dataset("synthetic", "gone", names, listed, labels, (None,) * images, lambda _: b"")
    write_predictions(root / "predictions.csv", dataset, probabilities.astype(np.float32))
    scores = score(probabilities, labels, names)
    header = Header(
        architecture=network,
        classes=names,
        preprocessing=Preprocessing(height=network.input.height, width=network.input.width),
        split=SplitRecord(seed=0, ratio=(0.8, 0.2), sizes={"train": 4 * images, "validation": images, "test": 0}),
        metrics=Metrics(epoch=8, validation=scores.summary()),
        provenance=Provenance(command="leannet train gone", data=str(root / "gone"), seed=0),
    )
    save(root / "model.safetensors", build(network), header)
    settings = Settings(data=str(root / "gone"), model="mobilenet_v3_debug", epochs=10)
    (root / "config.toml").write_text(settings.to_toml())
    lines = ["epoch,train_loss,train_accuracy,validation_loss,validation_accuracy,learning_rate,seconds,images_per_s"]
    for epoch in range(1, 11):
        known = 1 - 0.7**epoch
        rate = 0.002 * (1 - epoch / 10)
        losses = 3 - 2 * known, 2.8 - 1.9 * known
        lines.append(f"{epoch},{losses[0]:.4f},{known:.4f},{losses[1]:.4f},{accuracy * known:.4f},{rate},2.5,900")
    (root / "log.csv").write_text("\n".join(lines) + "\n")
    return root


def with_images(run: Path, folder: Path) -> None:
    """Puts small images where a synthetic run has its data, and the fingerprints of both splits into its header."""
    from leannet.checkpoint import load
    from leannet.tasks.predictions import read_predictions

    names, _, _, classes = read_predictions(run / "predictions.csv")
    for kind in classes:
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        draw_kind(classes.index(name.split("/")[0]), number).save(folder / name, quality=80)
    for kind, word in enumerate(classes):
        for number in range(2):
            draw_kind(kind, len(names) + number).save(folder / word / f"trained {number}.jpg", quality=80)
    network, header = load(run)
    digests = digests_of(open_dataset(str(folder)))
    trained = [digest for name, digest in digests.items() if name not in set(names)]
    marks = {"train": fingerprint(trained), "validation": fingerprint([digests[name] for name in names]), "test": ""}
    sizes = {"train": len(trained), "validation": len(names), "test": 0}
    update: dict[str, Any] = {"split": header.split.model_copy(update={"fingerprints": marks, "sizes": sizes})}
    save(run / "model.safetensors", network, header.model_copy(update=update))


def digests_of(dataset: Dataset) -> dict[str, str]:
    """SHA-256 of the bytes of each file, by name."""
    import hashlib

    digests = {}
    for index, name in enumerate(dataset.names):
        path = dataset.reader(index)
        assert isinstance(path, Path)
        digests[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return digests


def draw_kind(kind: int, seed: int, size: int = 48) -> Image.Image:
    """A small image of a kind: as many corners and such a color as its number says, on noise."""
    random = np.random.default_rng((seed, kind))
    image = Image.fromarray(random.integers(0, 90, (size, size, 3), dtype=np.uint8))
    color = tuple(int(c) for c in np.random.default_rng(kind).integers(110, 255, 3))
    x, y = random.integers(size // 3, size - size // 3, 2)
    pen = ImageDraw.Draw(image)
    pen.regular_polygon((int(x), int(y), size // 3), 3 + kind % 8, rotation=int(random.integers(0, 90)), fill=color)
    return image
