"""An embedding as a page: points that show their image, classes to switch off, and suspect labels."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leannet.errors import LeannetError
from leannet.files import write_whole
from leannet.looks.embedding import NEIGHBOURS, SHOWN, Embedding
from leannet.looks.embedding_figure import SHAPES, style
from leannet.looks.names import short
from leannet.looks.thumbnails import TINY, data_uri, sprite
from leannet.reports.page import percent
from leannet.run_files import MODEL
from leannet.style import FORMATS, check_format

SPAN = 1000  # the plane's width in the page's own unit
OUTLINES = {
    "o": "M-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0",
    "s": "M-.9-.9h1.8v1.8h-1.8z",
    "D": "M0-1.25 1.25 0 0 1.25-1.25 0z",
    "^": "M0-1.2 1.15.85h-2.3z",
    "v": "M0 1.2 1.15-.85h-2.3z",
}


def write_page(embedding: Embedding, path: str | Path) -> None:
    """Writes the page: one file that holds its thumbnails and fetches nothing."""
    write_whole(path, render(embedding))


def check_out(path: Path) -> bool:
    """Whether that is the name of a page, and not of an image.

    Raises LeannetError, before any work, where neither can be written under it.
    """
    if path.suffix != ".html":
        if path.suffix not in FORMATS:
            raise LeannetError(f"{path}: expected a name ending in .html, for a page, or {', '.join(FORMATS)}")
        check_format(path)
        return False
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise LeannetError(f"{path}: expected a file name in a folder that exists")
    return True


def render(embedding: Embedding) -> bytes:
    """The page, as UTF-8."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    folders = ChoiceLoader([PackageLoader("leannet.looks", ""), PackageLoader("leannet.reports", "")])
    environment = Environment(loader=folders, autoescape=True, keep_trailing_newline=True, undefined=StrictUndefined)
    environment.filters |= {"percent": percent, "short": short}
    page = environment.get_template("embed.html.j2").render(**_contents(embedding))
    return page.encode(errors="replace")  # a file name need not be text


def _contents(embedding: Embedding) -> dict[str, Any]:
    address, columns, (width, height) = sprite(embedding.thumbnails)
    counts = np.bincount(embedding.labels, minlength=len(embedding.classes))
    where = {name: number for number, name in enumerate(embedding.names)}
    folder = embedding.checkpoint.absolute().parent
    run = f"{folder.parent.name}, {folder.name}," if folder.name.startswith("fold-") else folder.name
    network = run if embedding.checkpoint.name == MODEL else embedding.checkpoint.stem
    listed = [] if embedding.suspects is None else embedding.suspects.doubtful[:SHOWN]
    split = {"all": "", "validation": "validation ", "train": "training ", "test": "test "}[embedding.split]
    return {
        "title": f"How {network} sees its images",
        "subtitle": f"{len(embedding.names):,} {split}images of {Path(embedding.data).name}, by what "
        f"{'two' if len(embedding.planes) == 2 else 'its'} layers make of them",
        "run": folder.name,
        "embedding": embedding,
        "neighbours": NEIGHBOURS,
        "legend": [
            {
                "number": number,
                "name": name,
                "count": int(counts[number]),
                "color": style(number)[0],
                "outline": OUTLINES[style(number)[1]],
            }
            for number, name in enumerate(embedding.classes)
            if counts[number]
        ],
        "sprite": address,
        "tiny": max(width, height) <= TINY,
        "suspects": [
            {
                "suspect": each,
                "image": data_uri(embedding.suspect_thumbnails[each.image])
                if each.image in embedding.suspect_thumbnails
                else None,
                "point": where.get(each.image),
            }
            for each in listed
        ],
        "doubted": 0 if embedding.suspects is None else len(embedding.suspects.doubtful),
        "wrong": int((embedding.predictions != embedding.labels).sum()),
        "data": {
            "planes": [_places(plane.points) for plane in embedding.planes],
            "labels": embedding.labels.tolist(),
            "said": embedding.predictions.tolist(),
            "sure": [round(100 * float(value), 1) for value in embedding.confidences],
            "names": list(embedding.names),
            "classes": list(embedding.classes),
            "styles": [[style(number)[0], SHAPES.index(style(number)[1])] for number in range(len(embedding.classes))],
            "outlines": [OUTLINES[shape] for shape in SHAPES],
            "sprite": {"columns": columns, "width": width, "height": height, "count": len(embedding.names)},
        },
    }


def _places(points: NDArray[np.float32]) -> list[list[int]]:
    """x and y of each point, from 0 to SPAN, y downwards; the plane keeps its proportions."""
    low, high = points.min(axis=0), points.max(axis=0)
    middle, span = (low + high) / 2, max(float((high - low).max()), 1e-12)
    placed = np.round(((points - middle) / span * (1, -1) + 0.5) * SPAN).astype(int)
    return [column.tolist() for column in placed.T]
