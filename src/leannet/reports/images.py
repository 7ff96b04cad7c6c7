"""The images of a run, found in its data. An image is shown only if its content is what the run recorded."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from leannet.data.augment import Augment, augmented
from leannet.data.dataset import Dataset
from leannet.data.images import BrokenImage, fit, orientation_of, read, read_header, to_color, to_image, upright_size
from leannet.data.sources import open_dataset
from leannet.data.split import SPLIT_NAMES, membership
from leannet.data.targets import placed_objects
from leannet.data.truths import Truths
from leannet.errors import LeannetError
from leannet.evaluation.labelled_images import reading_of
from leannet.header import Header
from leannet.reports.confusion import as_uri
from leannet.reports.run_contents import RunContents, ValidationPredictions

SIDE = 160  # pixels of an image in the page, at most
BOX_COLOR = (255, 214, 10)
SMALL = 64  # images up to here are not resized
MISTAKES, SAMPLES = 12, 16
TRIES = 40  # images read for each sample, at most
READ_AT_MOST = 1 << 30  # bytes, to count the classes of each split


@dataclass(frozen=True)
class Thumbnail:
    """An image inside the page: `uri`. tiny: to be enlarged pixel by pixel."""

    uri: str
    tiny: bool


@dataclass(frozen=True)
class Mistake:
    """A validation image whose prediction is wrong, with its probabilities."""

    name: str
    truth: str
    prediction: str
    probability: float
    truth_probability: float
    network_input: Thumbnail | None  # None where the image is missing or another one
    whole: Thumbnail | None  # None where the network's input is all of the image


@dataclass(frozen=True)
class Sample:
    """A training image, augmented as in training."""

    name: str
    label: str
    network_input: Thumbnail


class RunImages:
    """The data of a run, opened again. Only the images that are asked for are read, one by one."""

    def __init__(self, dataset: Dataset, header: Header):
        self.dataset, self.header = dataset, header
        self._places = {name: index for index, name in enumerate(dataset.names)}

    def find(self, name: str, label: str, split: str) -> Image.Image | None:
        """An image by its name, in the network's colors; None where it has changed or is missing."""
        index = self._places.get(name)
        if index is None or self.dataset.classes[self.dataset.labels[index]] != label:
            return None
        return self.image(index, split)

    def image(self, index: int, split: str) -> Image.Image | None:
        """An image in the network's colors; None where its content is not in that split."""
        try:
            data = self.stored(index)
            if self._split_of(data) not in {split, None}:
                return None
            image = Image.fromarray(data) if isinstance(data, np.ndarray) else read(data)
            return to_color(image, self.header.preprocessing)
        except (BrokenImage, OSError):
            return None

    def truth(self, index: int) -> Truths | None:
        """Of a detection set the objects of an image in its pixels; None where it cannot be read."""
        if self.dataset.truths is None:
            return None
        truth = self.dataset.truths[index]
        try:
            data = self.stored(index)
            if isinstance(data, np.ndarray):
                return truth.in_image(data.shape[1::-1]).inside()
            header = read_header(data)
        except (BrokenImage, OSError):
            return None
        return truth.in_image(upright_size(header), orientation_of(header)).inside()

    def class_counts(self) -> dict[str, list[int]] | None:
        """The images of each class of the header in each split, by their content.

        None where there are too many for fingerprints to tell apart, or they would take too long to read.
        """
        digests, total = [], 0
        for index in range(len(self.dataset)):
            try:
                data = self.stored(index)
            except OSError:
                data = b""
            total += data.nbytes if isinstance(data, np.ndarray) else len(data)
            if total > READ_AT_MOST:
                return None
            digests.append(_digest(data))
        members = membership(digests, self.header.split.fingerprints)
        if not members.decidable.all():
            return None
        numbers = np.array([self.header.classes.index(name) for name in self.dataset.classes])[self.dataset.labels]
        classes = len(self.header.classes)
        return {
            split: np.bincount(numbers[getattr(members, split)], minlength=classes).tolist() for split in SPLIT_NAMES
        }

    def of_split(self, split: str) -> NDArray[np.int64]:
        """The indices of the images whose content is of a split of the run."""
        digests = []
        for index in range(len(self.dataset)):
            try:
                digests.append(_digest(self.stored(index)))
            except OSError:
                digests.append(_digest(b""))
        return np.flatnonzero(getattr(membership(digests, self.header.split.fingerprints), split))

    def stored(self, index: int) -> bytes | NDArray[np.uint8]:
        """An image as it is stored: the bytes of a file, or pixels."""
        source = self.dataset.reader(index)
        return source.read_bytes() if isinstance(source, Path) else source

    def _split_of(self, data: bytes | NDArray[np.uint8]) -> str | None:
        """The split that has an image of this content: "" for none, None where the fingerprints cannot tell."""
        members = membership([_digest(data)], self.header.split.fingerprints)
        unknown = "" if members.decidable[0] else None
        return next((split for split in SPLIT_NAMES if getattr(members, split)[0]), unknown)


def _digest(data: bytes | NDArray[np.uint8]) -> str:
    return hashlib.sha256(data.tobytes() if isinstance(data, np.ndarray) else data).hexdigest()


def open_run(contents: RunContents) -> RunImages:
    """The images that a run was trained on. Raises LeannetError where they are missing, or not known."""
    header = contents.header
    data = contents.settings.get("data") or (header.provenance.data if header else None)
    if header is None or not data:
        raise LeannetError("the run does not say which they are")
    try:
        dataset = open_dataset(str(data), reading_of(header))
    except OSError as error:
        raise LeannetError(f"{data}: {error.strerror}") from None
    except LeannetError as error:
        raise LeannetError(str(error).split(";")[0]) from None  # what to do about it does not matter here
    if dataset.truths is not None:  # whose classes may have been those of images that training left out
        return RunImages(dataset.numbered_as(header.classes, "this run"), header)
    unknown = sorted(set(dataset.classes) - set(header.classes))
    if unknown:
        raise LeannetError(f"{data} has changed: it has a class '{unknown[0]}' that the run does not know")
    return RunImages(dataset, header)


def mistakes(predictions: ValidationPredictions, images: RunImages | None, most: int = MISTAKES) -> list[Mistake]:
    """The wrong predictions of the highest probability, the highest first."""
    predicted, confidence = predictions.probabilities.argmax(axis=1), predictions.probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != predictions.labels)
    worst = []
    for i in wrong[np.argsort(-confidence[wrong], kind="stable")][:most].tolist():
        name, truth = predictions.names[i], predictions.classes[predictions.labels[i]]
        image = images.find(name, truth, "validation") if images else None
        network_input = None
        if image is not None and images is not None:
            network_input = fit(image, images.header.preprocessing)
        larger = image is not None and network_input is not None and max(image.size) > max(network_input.size)
        worst.append(
            Mistake(
                name,
                truth,
                predictions.classes[predicted[i]],
                float(confidence[i]),
                float(predictions.probabilities[i, predictions.labels[i]]),
                thumbnail(network_input) if network_input is not None else None,
                thumbnail(image) if image is not None and larger else None,
            )
        )
    return worst


def samples(images: RunImages, augment: Augment, seed: int, most: int = SAMPLES) -> list[Sample]:
    """Training images, augmented as in training. Mixing of several, which is done to whole batches, is left out."""
    shown = []
    order = np.random.default_rng(seed).permutation(len(images.dataset))
    for index in order[: TRIES * most].tolist():
        image = images.image(index, "train")
        if image is None:
            continue
        draw, truth = np.random.default_rng((seed, 0, index)), images.truth(index)
        if truth is not None:
            network_input, number = _with_boxes(image, images.header, augment, draw, truth)
            label = f"{number} object{'' if number == 1 else 's'}"
        else:
            network_input = to_image(augmented(image, images.header.preprocessing, augment, draw)[0])
            label = images.dataset.classes[images.dataset.labels[index]]
        shown.append(Sample(images.dataset.names[index], label, thumbnail(network_input)))
        if len(shown) == most:
            break
    return shown


def _with_boxes(
    image: Image.Image, header: Header, augment: Augment, draw: np.random.Generator, truth: Truths
) -> tuple[Image.Image, int]:
    """An image as training sees it, with its boxes drawn, and how many there are. truth: in its pixels."""
    preprocessing = header.preprocessing
    array, where = augmented(image, preprocessing, augment, draw)
    size = (preprocessing.width, preprocessing.height)
    objects = placed_objects(truth.boxes[~truth.is_crowd], truth.labels[~truth.is_crowd], where, size)
    shown = to_image(array)
    pen = ImageDraw.Draw(shown)
    for each in objects:
        pen.rectangle(tuple(each[1:5]), outline=BOX_COLOR if shown.mode == "RGB" else 255, width=2)
    return shown, len(objects)


def thumbnail(image: Image.Image) -> Thumbnail:
    """An image for the page: small ones as they are, others as a JPEG of SIDE pixels at most."""
    if max(image.size) <= SMALL:
        data = io.BytesIO()
        image.save(data, format="PNG")
        return Thumbnail(as_uri(data.getvalue(), "png"), tiny=True)
    return Thumbnail(as_jpeg(image, SIDE), tiny=False)


def as_jpeg(image: Image.Image, side: int) -> str:
    """An image inside the page, of so many pixels at most."""
    small, data = image.copy(), io.BytesIO()
    small.thumbnail((side, side))
    small.save(data, format="JPEG", quality=82)
    return as_uri(data.getvalue(), "jpeg")
