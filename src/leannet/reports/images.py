"""The images of a run, looked up in its data. None is shown that is not the one the run knew, by its content."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leannet.data.augment import Augment, change, random_box
from leannet.data.dataset import Dataset
from leannet.data.images import BrokenImage, fit, read, to_color, to_image
from leannet.data.sources import open_dataset
from leannet.data.split import SPLIT_NAMES, membership
from leannet.errors import LeannetError
from leannet.evaluation.labelled import reading_of
from leannet.header import Header
from leannet.reports.confusion import as_uri
from leannet.reports.held import Held, Judged

SIDE = 160  # pixels of an image in the page, at most
SMALL = 64  # up to here an image is kept as it is
MISTAKES, SAMPLES = 12, 16
TRIES = 40  # images read for each sample wanted, at most
READ_AT_MOST = 1 << 30  # bytes, to count the classes of each part


@dataclass(frozen=True)
class Thumbnail:
    """An image inside the page: `uri`. tiny: to be enlarged pixel by pixel."""

    uri: str
    tiny: bool


@dataclass(frozen=True)
class Mistake:
    """A validation image that was taken for something else, and how sure the network was of it."""

    name: str
    truth: str
    prediction: str
    probability: float
    of_truth: float  # the probability of what is right
    seen: Thumbnail | None  # as the network saw it; None where the image is gone or another one
    whole: Thumbnail | None  # None where that is no more than what the network saw


@dataclass(frozen=True)
class Sample:
    """A training image, changed as in training."""

    name: str
    label: str
    seen: Thumbnail


class RunImages:
    """The data of a run, opened again. Images are read one by one, those that are asked for."""

    def __init__(self, dataset: Dataset, header: Header):
        self.images, self.header = dataset, header
        self._places = {name: index for index, name in enumerate(dataset.names)}

    def find(self, name: str, label: str, part: str) -> Image.Image | None:
        """An image by its name, in the network's colors; None where it is another one now, or gone."""
        index = self._places.get(name)
        if index is None or self.images.classes[self.images.labels[index]] != label:
            return None
        return self.image(index, part)

    def image(self, index: int, part: str) -> Image.Image | None:
        """An image in the network's colors; None where its content says that it is not of that part."""
        try:
            data = self._bytes(index)
            if self._part(data) not in {part, None}:
                return None
            image = Image.fromarray(data) if isinstance(data, np.ndarray) else read(data)
            return to_color(image, self.header.preprocessing)
        except (BrokenImage, OSError):
            return None

    def class_counts(self) -> dict[str, list[int]] | None:
        """The images of each class of the header in each part, told by their content.

        None where there are too many to be told apart, or they would take too long to read.
        """
        digests, total = [], 0
        for index in range(len(self.images)):
            try:
                data = self._bytes(index)
            except OSError:
                data = b""
            total += data.nbytes if isinstance(data, np.ndarray) else len(data)
            if total > READ_AT_MOST:
                return None
            digests.append(_digest(data))
        known = membership(digests, self.header.split.fingerprints)
        if not known.decidable.all():
            return None
        numbers = np.array([self.header.classes.index(name) for name in self.images.classes])[self.images.labels]
        every = len(self.header.classes)
        return {part: np.bincount(numbers[getattr(known, part)], minlength=every).tolist() for part in SPLIT_NAMES}

    def _bytes(self, index: int) -> bytes | NDArray[np.uint8]:
        source = self.images.reader(index)
        return source.read_bytes() if isinstance(source, Path) else source

    def _part(self, data: bytes | NDArray[np.uint8]) -> str | None:
        """The part that has an image of this content: "" for none, None where the run's marks cannot tell."""
        known = membership([_digest(data)], self.header.split.fingerprints)
        return next((part for part in SPLIT_NAMES if getattr(known, part)[0]), "" if known.decidable[0] else None)


def _digest(data: bytes | NDArray[np.uint8]) -> str:
    return hashlib.sha256(data.tobytes() if isinstance(data, np.ndarray) else data).hexdigest()


def open_run(held: Held) -> RunImages:
    """The images a run was made of. Raises LeannetError where they are not there any more, or not known."""
    where = held.settings.get("data") or (held.header.provenance.data if held.header else None)
    if held.header is None or not where:
        raise LeannetError("the run does not say which they are")
    try:
        dataset = open_dataset(str(where), reading_of(held.header))
    except OSError as error:
        raise LeannetError(f"{where}: {error.strerror}") from None
    except LeannetError as error:
        raise LeannetError(str(error).split(";")[0]) from None  # what to do about it is not asked here
    unknown = sorted(set(dataset.classes) - set(held.header.classes))
    if unknown:
        raise LeannetError(f"{where} has changed: it has a class '{unknown[0]}' that the run does not know")
    return RunImages(dataset, held.header)


def mistakes(judged: Judged, dataset: RunImages | None, most: int = MISTAKES) -> list[Mistake]:
    """The wrong answers that the network was surest of, the surest first."""
    predicted, confidence = judged.probabilities.argmax(axis=1), judged.probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != judged.labels)
    found = []
    for i in wrong[np.argsort(-confidence[wrong], kind="stable")][:most].tolist():
        name, truth = judged.names[i], judged.classes[judged.labels[i]]
        image = dataset.find(name, truth, "validation") if dataset else None
        seen = fit(image, dataset.header.preprocessing) if image is not None and dataset is not None else None
        larger = image is not None and seen is not None and max(image.size) > max(seen.size)
        found.append(
            Mistake(
                name,
                truth,
                judged.classes[predicted[i]],
                float(confidence[i]),
                float(judged.probabilities[i, judged.labels[i]]),
                thumbnail(seen) if seen is not None else None,
                thumbnail(image) if image is not None and larger else None,
            )
        )
    return found


def samples(dataset: RunImages, augment: Augment, seed: int, most: int = SAMPLES) -> list[Sample]:
    """Training images, changed as in training. Mixing of several, which is done to whole batches, is left out."""
    found = []
    order = np.random.default_rng(seed).permutation(len(dataset.images))
    for index in order[: TRIES * most].tolist():
        image = dataset.image(index, "train")
        if image is None:
            continue
        seen = augmented(image, dataset.header, augment, np.random.default_rng((seed, 0, index)))
        label = dataset.images.classes[dataset.images.labels[index]]
        found.append(Sample(dataset.images.names[index], label, thumbnail(seen)))
        if len(found) == most:
            break
    return found


def augmented(image: Image.Image, header: Header, augment: Augment, draw: np.random.Generator) -> Image.Image:
    """An image in the network's colors, cut, resized and changed at random, as the loader does it in training."""
    box = random_box(image.size, header.preprocessing, augment, draw)
    return to_image(change(fit(image, header.preprocessing, box), augment, draw))


def thumbnail(image: Image.Image) -> Thumbnail:
    """An image for the page: small ones as they are, others as a JPEG of SIDE pixels at most."""
    data = io.BytesIO()
    if max(image.size) <= SMALL:
        image.save(data, format="PNG")
        return Thumbnail(as_uri(data.getvalue(), "png"), tiny=True)
    small = image.copy()
    small.thumbnail((SIDE, SIDE))
    small.save(data, format="JPEG", quality=82)
    return Thumbnail(as_uri(data.getvalue(), "jpeg"), tiny=False)
