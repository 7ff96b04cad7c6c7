"""Answers drawn into their images: a frame around each likely object, with its class and score."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType

from PIL import Image, ImageDraw, ImageFont

from leannet.errors import LeannetError
from leannet.evaluation.films import FilmWriter, is_film
from leannet.files import check_writable
from leannet.tasks import FoundObjects
from leannet.tasks.task import Answer, Task

COLORS = ("#ffd60a", "#4cc9f0", "#f72585", "#80ed99", "#ff9f1c", "#b388ff")  # by class, as on the web page
LINE, LETTERS = 250, 40  # of the image's longer side, one pixel of a line each and one of a letter's height
QUALITY = 92  # of JPEG


def draw_boxes(image: Image.Image, answer: FoundObjects, classes: tuple[str, ...]) -> Image.Image:
    """A copy of an image, upright, with the likely objects of an answer."""
    drawn = image.convert("RGB")
    pen, side = ImageDraw.Draw(drawn), max(drawn.size)
    width, points = max(1, round(side / LINE)), max(10, round(side / LETTERS))
    font = ImageFont.load_default(points)
    for each in reversed(answer.likely):  # the likeliest on top
        color = COLORS[classes.index(each.label) % len(COLORS)]
        left, top, right, bottom = each.box
        pen.rectangle((left, top, max(right, left), max(bottom, top)), outline=color, width=width)
        words = f"{each.label} {100 * each.score:.0f} %"
        wide, high = round(pen.textlength(words, font=font)), round(1.2 * points)
        above = max(top - high, 0)
        pen.rectangle((left, above, left + wide + 2 * width, above + high), fill=color)
        pen.text((left + width, above + high / 2), words, fill="black", font=font, anchor="lm")
    return drawn


def drawings_in(folder: str | Path | None, task: Task) -> AbstractContextManager["Drawings | None"]:
    """The drawings that go into a folder. Raises LeannetError for a task without boxes, before any work."""
    if folder is None:
        return nullcontext()
    if task.name != "detect":
        raise LeannetError("--out: expected a network that finds boxes, found a classifier")
    return Drawings(folder, task.classes)


class Drawings:
    """A folder of images and films with boxes, under their own names."""

    def __init__(self, folder: str | Path, classes: tuple[str, ...]):
        """Raises LeannetError for a folder that holds something, as the images may, and where it cannot be written."""
        self.folder, self.classes = Path(folder), classes
        if self.folder.exists() and (self.folder.is_file() or any(self.folder.iterdir())):
            raise LeannetError(f"--out {folder}: expected a new or empty folder")
        self.folder.mkdir(parents=True, exist_ok=True)
        check_writable(self.folder / "x")
        self._film: FilmWriter | None = None
        self._source: Path | None = None
        self._names: set[str] = set()

    def __enter__(self) -> "Drawings":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._film is not None:
            self._film.close(whole=error is None)

    def add(self, answer: Answer, image: Image.Image, source: Path | None) -> None:
        """Writes an image, or the next frame of a film. source: its file; None: an image in hand."""
        assert isinstance(answer, FoundObjects)
        drawn = draw_boxes(image, answer, self.classes)
        if source is not None and is_film(source):
            self._film_of(source).add(drawn)
            return
        name = source.name if source is not None else f"{answer.path}.png"
        suffix = ".png" if name.lower().endswith(".png") else ".jpg"
        drawn.save(self._new(f"{Path(name).stem}{suffix}"), quality=QUALITY)

    def _film_of(self, source: Path) -> FilmWriter:
        """The film that its frames go into; that of the film before ends."""
        if self._film is None or self._source != source:
            if self._film is not None:
                self._film.close()
            self._film, self._source = FilmWriter(self._new(f"{source.stem}.mp4"), source), source
        return self._film

    def _new(self, name: str) -> Path:
        """A path for a name; of two images of one name the second gets a number."""
        stem, suffix, number = Path(name).stem, Path(name).suffix, 1
        while name in self._names:
            number += 1
            name = f"{stem}_{number}{suffix}"
        self._names.add(name)
        return self.folder / name
