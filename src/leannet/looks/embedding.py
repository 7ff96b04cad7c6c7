"""Embedding: what a layer makes of many images, laid out in a plane by t-SNE."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from leannet.checkpoint import load
from leannet.console import Console
from leannet.data.loader import Batches, Loader, PreparedDataset, normalize
from leannet.errors import LeannetError
from leannet.evaluation.labelled_images import LabelledImages, labelled_images
from leannet.header import Header, checkpoint_file
from leannet.looks.hooks import Point, early_layer, find, late_layer, record_outputs, to_feature_maps
from leannet.looks.inputs import first_output, load_network
from leannet.looks.suspect_labels import Suspects, has_folds, ranked, suspects
from leannet.looks.thumbnails import thumbnail
from leannet.network import Network
from leannet.tasks import finds_boxes

BATCH = 64
COMPONENTS = 50  # van der Maaten & Hinton 2008, section 4.2, take 30; this is what is usual since
NEIGHBOURS = 5
FEWEST = 10  # images that make a map
SHOWN = 24  # suspects with a thumbnail


@dataclass(frozen=True)
class Plane:
    """One layer's images in a plane. near_*: the share whose class most of their five nearest neighbours have."""

    layer: str
    channels: int
    points: NDArray[np.float32]  # (N, 2)
    near_here: float  # neighbours in the plane
    near_features: float  # neighbours in the features themselves


@dataclass(frozen=True)
class Embedding:
    """The same images in the planes of some layers. labels (N,) and predictions (N,) are numbers of classes.

    thumbnails: (h, w, C) uint8 of each image. suspects: None where the network has trained on the images.
    """

    checkpoint: Path
    data: str
    split: str
    planes: tuple[Plane, ...]
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    predictions: NDArray[np.int64]
    confidences: NDArray[np.float32]  # (N,) of the prediction
    classes: tuple[str, ...]
    thumbnails: tuple[NDArray[np.uint8], ...]
    suspects: Suspects | None
    suspect_thumbnails: dict[str, NDArray[np.uint8]]  # of the first of them, by name

    @property
    def columns(self) -> tuple[str, ...]:
        """Of `lines`."""
        axes = [f"{axis}_{plane.layer}" for plane in self.planes for axis in "xy"]
        return "path", "class", "prediction", "probability", *axes

    def lines(self) -> Iterator[tuple[Any, ...]]:
        """A line an image."""
        for i, name in enumerate(self.names):
            places = [float(value) for plane in self.planes for value in plane.points[i]]
            truth, said = self.classes[self.labels[i]], self.classes[self.predictions[i]]
            yield name, truth, said, float(self.confidences[i]), *places

    @property
    def largest_share(self) -> float:
        """Of the images, those of the most frequent class: what guessing that one reaches."""
        return float(np.bincount(self.labels).max() / len(self.labels))

    def to_dict(self, most: int | None = None) -> dict[str, Any]:
        """As plain data, for JSON: the figures, and the first `most` suspects."""
        layers = [
            {
                "layer": plane.layer,
                "channels": plane.channels,
                "neighbours_in_plane": plane.near_here,
                "neighbours_in_features": plane.near_features,
            }
            for plane in self.planes
        ]
        return {
            "checkpoint": str(self.checkpoint),
            "data": self.data,
            "split": self.split,
            "images": len(self.names),
            "largest_class": self.largest_share,
            "layers": layers,
            "suspects": None if self.suspects is None else self.suspects.to_dict(most),
        }


def embed(
    run: str | Path | Network,
    data: str | None = None,
    layers: Sequence[str] = (),
    split: str | None = None,
    limit: int = 2000,
    perplexity: float = 30.0,
    seed: int = 0,
    quiet: bool = False,
) -> Embedding:
    """Lays the images out by what some layers make of them, each layer in a plane of its own.

    run: a run folder, a checkpoint or a loaded network; or a folder of folds, whose first network makes the map and all
    of whose images are judged for suspects. data, split: as for `evaluate`. layers: none: an early one and the pooling
    before the classes; one that makes an image is averaged over its positions. limit: at most so many images, drawn
    by chance from `seed`.
    Raises LeannetError as `evaluate` does, for a detector, for an unknown layer, and for fewer than ten images.
    """
    console = Console(quiet)
    if isinstance(run, Network):
        file = Path(run.architecture.name)  # it does not know where it was loaded from
        network, header = load_network(run)
    else:
        file = checkpoint_file(Path(run) / "fold-1" if has_folds(run) else run)
        network, header = load(file)
    if finds_boxes(network.architecture):
        raise LeannetError(f"{file}: expected a classifier, whose images have a class each, found a detector")
    names = layers or (early_layer(network.architecture), late_layer(network.architecture))
    points = [find(network, name) for name in names]
    labelled = labelled_images(file, header, data, split, console)
    if len(labelled.indices) > limit:
        drawn = np.random.default_rng(seed).choice(labelled.indices, limit, replace=False)
        labelled = labelled.only(np.sort(drawn))
    if len(labelled.indices) < FEWEST:
        raise LeannetError(f"{labelled.data}: expected {FEWEST} images or more, found {len(labelled.indices)}")
    features, probabilities, thumbnails = _run(network, header, points, labelled, console)
    planes = []
    steps = console.track(iter(zip(points, features, strict=True)), len(points), "t-SNE")
    for point, values in steps:
        plane = to_plane(values, point.path, perplexity)
        near = (near_share(plane, labelled.labels), near_share(values, labelled.labels))
        planes.append(Plane(point.path, values.shape[1], plane, *near))
    doubted = _suspects(run, labelled, probabilities, header)
    return Embedding(
        checkpoint=file,
        data=labelled.data,
        split=labelled.split,
        planes=tuple(planes),
        names=labelled.names,
        labels=labelled.labels,
        predictions=probabilities.argmax(axis=1),
        confidences=probabilities.max(axis=1),
        classes=header.classes,
        thumbnails=thumbnails,
        suspects=doubted,
        suspect_thumbnails=_thumbnails(labelled, header, doubted),
    )


def to_plane(
    features: NDArray[np.floating[Any]], name: str = "features", perplexity: float = 30.0
) -> NDArray[np.float32]:
    """(N, C) -> (N, 2) by t-SNE (van der Maaten & Hinton 2008) of the first 50 principal components.

    Features are centered and not scaled: a channel counts by how much it varies. The plane begins as the first two
    components, so nothing is drawn by chance. perplexity: at most a third of the images.
    Raises LeannetError where all features are equal, or are no numbers.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    centered = np.asarray(features - features.mean(axis=0), dtype=np.float64)
    if not np.isfinite(centered).all():
        raise LeannetError(f"{name}: makes values that are no numbers, so there is no map of them")
    spread = float(np.abs(centered).max())
    if spread <= 1e-6 * max(float(np.abs(features).max()), 1e-30):
        raise LeannetError(f"{name}: makes the same of every image, so there is no map of them")
    if centered.shape[1] < 2:
        centered = np.pad(centered, ((0, 0), (0, 1)))
    components = min(COMPONENTS, centered.shape[1], len(centered) - 1)
    reduced = PCA(components, svd_solver="full").fit_transform(centered / spread).astype(np.float32)
    tsne = TSNE(perplexity=min(perplexity, (len(reduced) - 1) / 3), init="pca", random_state=0)
    return np.asarray(tsne.fit_transform(reduced), dtype=np.float32)


def near_share(values: NDArray[np.floating[Any]], labels: NDArray[np.int64], neighbours: int = NEIGHBOURS) -> float:
    """The share of points whose label most of their nearest neighbours have; ties go to the smaller number.

    values: (N, D). Each point is judged by the others: leave one out.
    """
    from sklearn.neighbors import NearestNeighbors

    nearest = NearestNeighbors(n_neighbors=min(neighbours, len(values) - 1)).fit(values)
    neighbors = labels[nearest.kneighbors(return_distance=False)]
    votes = np.stack([(neighbors == label).sum(axis=1) for label in range(int(labels.max()) + 1)], axis=1)
    return float((votes.argmax(axis=1) == labels).mean())


@torch.no_grad()
def _run(
    network: Network, header: Header, points: Sequence[Point], labelled: LabelledImages, console: Console
) -> tuple[list[NDArray[np.float32]], NDArray[np.float32], tuple[NDArray[np.uint8], ...]]:
    """What the points make of each image (N, C), the probabilities (N, classes), and thumbnails."""
    plain = PreparedDataset(labelled.dataset, header.preprocessing)
    batches = Loader(plain, Batches(labelled.indices, BATCH), workers=0)
    features: list[list[Any]] = [[] for _ in points]
    outputs, thumbnails = [], []
    with record_outputs(network, points) as kept:
        for images, _, _ in console.track(iter(batches), len(batches), "looking"):
            scores = first_output(network(normalize(images, header.preprocessing)))
            outputs.append(torch.softmax(scores, dim=1).numpy())
            thumbnails += [thumbnail(image) for image in images.permute(0, 2, 3, 1).numpy()]
            for point, values in zip(points, features, strict=True):
                values.append(to_feature_maps(kept[point.path]).mean((2, 3)).numpy())
    return [np.concatenate(values) for values in features], np.concatenate(outputs), tuple(thumbnails)


def _suspects(
    run: str | Path | Network, labelled: LabelledImages, probabilities: NDArray[np.float32], header: Header
) -> Suspects | None:
    if not isinstance(run, Network) and has_folds(run):
        return suspects(run)
    if labelled.split == "train":
        return None
    coverage = f"the {len(labelled.names):,} images shown, which did not train the network"
    return Suspects(ranked(labelled.names, labelled.labels, probabilities, header.classes), coverage)


def _thumbnails(labelled: LabelledImages, header: Header, doubted: Suspects | None) -> dict[str, NDArray[np.uint8]]:
    """Of the first suspects, by name; one that is not among the images has none."""
    where = {name: index for index, name in enumerate(labelled.dataset.names)}
    names = [each.image for each in doubted.doubtful[:SHOWN]] if doubted else []
    read = PreparedDataset(labelled.dataset, header.preprocessing)
    there = [name for name in names if name in where]
    return {name: thumbnail(read[where[name], 0][0].permute(1, 2, 0).numpy()) for name in there}
