"""Films: their frames as images, and frames as a film again. By OpenCV, of the extra `video`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from leannet.data.images import BrokenImage
from leannet.errors import LeannetError

SUFFIXES = {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm"}
RATE = 25.0  # frames a second of a film that does not say it


def is_film(path: Path) -> bool:
    """Whether a file is a film, by its name."""
    return path.suffix.lower() in SUFFIXES


def frames(path: Path) -> Iterator[Image.Image]:
    """The frames of a film, upright, in RGB.

    Raises BrokenImage for one that cannot be read, and LeannetError where OpenCV is not installed.
    """
    cv2 = _opencv()
    film = cv2.VideoCapture(str(path))
    try:
        number = 0
        while True:
            there, frame = film.read()
            if not there:
                break
            number += 1
            yield Image.fromarray(np.ascontiguousarray(frame[:, :, ::-1]))
        if not number:
            raise BrokenImage("no frame of it can be read as a film")
    finally:
        film.release()


class FilmWriter:
    """A film of frames of one size, as MP4, at the rate of another film."""

    def __init__(self, path: Path, source: Path):
        self._cv2, self.path = _opencv(), path
        self._part = path.with_name(f".{path.name}")  # until it is whole
        film = self._cv2.VideoCapture(str(source))
        self._rate = float(film.get(self._cv2.CAP_PROP_FPS)) or RATE
        film.release()
        self._writer: Any = None

    def add(self, frame: Image.Image) -> None:
        """One more frame. Raises LeannetError where the film cannot be written."""
        if self._writer is None:
            kind = self._cv2.VideoWriter_fourcc(*"mp4v")
            self._writer = self._cv2.VideoWriter(str(self._part), kind, self._rate, frame.size)
            if not self._writer.isOpened():
                raise LeannetError(f"{self.path}: the film cannot be written here")
        self._writer.write(np.ascontiguousarray(np.asarray(frame.convert("RGB"))[:, :, ::-1]))

    def close(self, whole: bool = True) -> None:
        """Ends the film, which has its name then; one that is not whole is gone."""
        if self._writer is not None:
            self._writer.release()
            if whole:
                self._part.replace(self.path)
            else:
                self._part.unlink(missing_ok=True)
            self._writer = None


def _opencv() -> Any:
    try:
        import cv2
    except ImportError:
        raise LeannetError("films need the package opencv-python-headless: pip install 'leannet[video]'") from None
    return cv2
