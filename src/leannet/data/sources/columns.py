"""Which column of a table holds the image, which the label, which the split; and files where a table says they are."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from leannet.data.pictures import image_suffixes
from leannet.data.sources.listing import Options
from leannet.errors import LeannetError

IMAGE_COLUMNS = (
    "image", "img", "path", "filepath", "file_path", "image_path", "img_path", "filename", "file_name", "image_name",
    "img_name", "image_file", "image_filename", "file", "image_id", "picture", "photo",
)  # fmt: skip
LABEL_COLUMNS = (
    "label", "labels", "class", "class_name", "classname", "category", "category_name", "fine_label", "target",
    "label_name", "class_id", "class_label",
)  # fmt: skip
SPLIT_COLUMNS = ("split", "part", "set", "subset", "fold_name")


def plain(name: str) -> str:
    """A column's name as it is compared: without spaces around, in small letters, `_` for spaces and dashes."""
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def column(where: object, header: Sequence[str], known: Iterable[str], wanted: str | None, flag: str) -> str:
    """The column of a header that is meant: the one that was asked for, or the first known.

    Raises LeannetError, with all accepted names, where there is none.
    """
    if wanted is not None:
        if wanted in header:
            return wanted
        alike = [name for name in header if plain(name) == plain(wanted)]
        if alike:
            return alike[0]
        raise LeannetError(f"{where}: {flag} {wanted}: no such column; it has {', '.join(header)}")
    found = find(header, known)
    if found is None:
        accepted = ", ".join(known)
        raise LeannetError(
            f"{where}: expected a column named {accepted}, or {flag} NAME; found {', '.join(header) or 'no header'}"
        )
    return found


def find(header: Sequence[str], known: Iterable[str]) -> str | None:
    """The first of the known names that a header has, as the header spells it."""
    names = {plain(name): name for name in reversed(header)}
    return next((names[name] for name in known if name in names), None)


def has_columns(header: Sequence[str], options: Options) -> bool:
    """Whether a table lists labelled images."""
    image = options.image_column in header if options.image_column else find(header, IMAGE_COLUMNS)
    label = options.label_column in header if options.label_column else find(header, LABEL_COLUMNS)
    return bool(image) and bool(label)


def _folders(path: Path) -> list[Path]:
    return [each for each in sorted(path.iterdir()) if each.is_dir() and not each.name.startswith(".")]


class Files:
    """The files that a table names, from the table's own folder on.

    Backslashes are taken for slashes, a missing ending is found, and where the images lie in a folder beside the table
    (`images/`), that folder is found from the first of them. `remarks` says what was needed.
    """

    def __init__(self, table: Path):
        self.table = table
        self.remarks: list[str] = []
        self._base = table.parent
        self._sought = False

    def __call__(self, name: str) -> Path:
        """Where the image is; where it is nowhere, where it should be."""
        direct = self.table.parent / name
        if direct.is_file():
            return direct
        found = self._find(name)
        if found is None and not self._sought:
            self._sought = True
            for folder in self._beside():
                self._base = folder
                found = self._find(name)
                if found is not None:
                    self._say(f"{self.table.name}: images are found in {folder.relative_to(self.table.parent)}/")
                    break
            else:
                self._base = self.table.parent
        return direct if found is None else found

    def _find(self, name: str) -> Path | None:
        for text in dict.fromkeys((name, name.replace("\\", "/"))):
            path = self._base / text
            if path.is_file():
                if text != name:
                    self._say(f"{self.table.name}: backslashes in paths are read as slashes")
                return path
            if path.suffix.lower() not in image_suffixes():
                for suffix in (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG", ".bmp", ".tif", ".tiff", ".webp"):
                    whole = path.with_name(path.name + suffix)
                    if whole.is_file():
                        self._say(f"{self.table.name}: names without an ending are found with one, as {whole.name}")
                        return whole
        return None

    def _beside(self) -> list[Path]:
        """Folders one and two below the table's, those first whose name the table's begins with."""
        near = _folders(self.table.parent)
        near.sort(key=lambda folder: not self.table.stem.lower().startswith(folder.name.lower()))
        return [*near, *(deeper for folder in near for deeper in _folders(folder))]

    def _say(self, remark: str) -> None:
        if remark not in self.remarks:
            self.remarks.append(remark)
