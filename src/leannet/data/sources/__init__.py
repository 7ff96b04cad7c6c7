"""Where images come from: one file a format, all of which become one thing, `Images`; none is read yet.

What `open_dataset` looks for, in this order: the word `digits`; a file, by its ending: Parquet, CSV, JSON lines, a
WebDataset shard; a folder: of Parquet files that list images, of shards (and of no images), a detection set, split
folders, class folders, and where there are no class folders a CSV or JSON lines.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from leannet.data.dataset import Dataset, LeftOut
from leannet.data.sources.columns import has_columns
from leannet.data.sources.digits import open_digits
from leannet.data.sources.folders import NoClasses, open_folders
from leannet.data.sources.listing import Listing, ReadingOptions, assemble
from leannet.data.sources.parquet import is_image_table, not_image_tables, open_parquet
from leannet.data.sources.shards import NAMES_FILE, open_shard, read_class_names
from leannet.data.sources.splits import plain_split, split_word
from leannet.data.sources.tables import TABLE_SUFFIXES, open_table, read_header_of
from leannet.data.sources.walking import Folder, Trouble, not_images, walk
from leannet.errors import LeannetError

__all__ = ["ReadingOptions", "open_dataset"]

EXPECTED = "a folder of class folders, a .parquet, .csv, .jsonl or .tar file, or 'digits'"
DETECTION_SET = "this is a detection set, and those are not read yet; for classification expected class/image.jpg"


def open_dataset(where: str, options: ReadingOptions = ReadingOptions()) -> Dataset:  # noqa: B008 (it is frozen)
    """Recognizes what `where` is and lists its images.

    options: what the data does not say itself. Raises LeannetError, one line, that says what was expected and found.
    """
    if where == "digits":
        return open_digits()
    path = Path(where)
    if not path.exists():
        raise LeannetError(f"{where}: no such file or folder; expected {EXPECTED}")
    if path.is_dir():
        return _open_folder(path, options)
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return assemble("Parquet", where, [open_parquet(path, options, None)])
    if suffix in TABLE_SUFFIXES:
        return assemble(_kind_of_table(path), where, [open_table(path, options)])
    if suffix == ".tar":
        return assemble("WebDataset shards", where, [open_shard(path, None, read_class_names(path.parent))])
    raise LeannetError(f"{where}: expected {EXPECTED}, found a {suffix or 'plain'} file")


def _open_folder(root: Path, options: ReadingOptions) -> Dataset:
    tree, trouble = walk(root)
    others = tree.all_others()
    parquet = [path for path in others if path.suffix.lower() == ".parquet"]
    tables = [path for path in parquet if is_image_table(path, options)]
    if tables:
        return _open_parquet_files(root, tree, trouble, parquet, tables, options)
    shards = [path for path in others if path.suffix.lower() == ".tar"]
    if shards and not tree.number:
        return _open_shards(root, tree, trouble, shards)
    lists = _lists(tree, options)
    asked = options.strict and (options.image_column or options.label_column)
    if asked and lists:
        return _open_tables(root, tree, trouble, lists, options)
    if asked:
        raise LeannetError(f"{root}: --image-column and --label-column are of a table, and there is none with these")
    is_detection_set = any(folder.name.lower() == "annotations" for folder in tree.folders)
    try:
        found = open_folders(root, tree, trouble, options)
    except NoClasses as error:
        if lists:
            return _open_tables(root, tree, trouble, lists, options)
        if is_detection_set:
            raise LeannetError(f"{root}: {DETECTION_SET}") from None
        if parquet:
            raise LeannetError(f"{error}; {not_image_tables(parquet, root).line()}") from None
        raise LeannetError(f"{error}{_other_tables(tree)}") from None
    if lists and len(found.classes) == 1:
        return _open_tables(root, tree, trouble, lists, options)
    if is_detection_set and len(found.classes) == 1:
        raise LeannetError(f"{root}: {DETECTION_SET}")
    unused = [f"{path.name} lists labels of images too; to read it, name it: {path}" for path in lists]
    return replace(found, remarks=(*found.remarks, *unused))


def _other_tables(tree: Folder) -> str:
    """Words on tables there whose columns are not known."""
    tables = [path.name for path in tree.others if path.suffix.lower() in TABLE_SUFFIXES]
    return f"; if {tables[0]} lists them, say --image-column and --label-column" if tables else ""


def _open_parquet_files(
    root: Path, tree: Folder, trouble: Trouble, parquet: list[Path], tables: list[Path], options: ReadingOptions
) -> Dataset:
    listings = []
    for path in tables:
        split = _split_of_file(path, root) if len(tables) > 1 else None
        prefix = f"{path.relative_to(root).as_posix()} " if len(tables) > 1 else ""
        listings.append(open_parquet(path, options, split, prefix))
    others = [path for path in parquet if path not in tables]
    listings[0].left_out += [
        *_beside(root, tree, trouble, [*tables, *others], listings),
        not_image_tables(others, root),
    ]
    return assemble("Parquet", str(root), listings)


def _open_shards(root: Path, tree: Folder, trouble: Trouble, shards: list[Path]) -> Dataset:
    names = read_class_names(root)
    listings = [open_shard(shard, _split_of_file(shard, root) if len(shards) > 1 else None, names) for shard in shards]
    listings[0].left_out += _beside(root, tree, trouble, [*shards, root / NAMES_FILE], listings)
    return assemble("WebDataset shards", str(root), listings)


def _open_tables(root: Path, tree: Folder, trouble: Trouble, lists: list[Path], options: ReadingOptions) -> Dataset:
    splits = [_split_of_file(path, root) for path in lists]
    if len(lists) > 1 and ("train" not in splits or len(set(splits)) < len(splits) or None in splits):
        names = ", ".join(path.relative_to(root).as_posix() for path in lists[:4])
        raise LeannetError(
            f"{root}: expected one table of images and labels, or one of each split, found {len(lists)} ({names}); "
            "name one"
        )
    listings = [
        open_table(path, options, split if len(lists) > 1 else None) for path, split in zip(lists, splits, strict=True)
    ]
    listings[0].left_out += _beside(root, tree, trouble, lists, listings)
    return assemble(_kind_of_table(lists[0]), str(root), listings)


def _lists(tree: Folder, options: ReadingOptions) -> list[Path]:
    """Tables of images and labels directly in a folder, or in its split folders."""
    places = [tree, *(folder for folder in tree.folders if split_word(folder.name))]
    tables = [path for place in places for path in place.others if path.suffix.lower() in TABLE_SUFFIXES]
    return [path for path in tables if "submission" not in path.stem.lower() and _is_list(path, options)]


def _is_list(path: Path, options: ReadingOptions) -> bool:
    try:
        return has_columns(read_header_of(path), options)
    except LeannetError:  # some other text
        return False


def _split_of_file(path: Path, root: Path) -> str | None:
    """The split that a file's name says (train-00000-of-00002, test_list), or a folder between it and the root."""
    word = split_word(path.stem)
    if word is not None:
        return word[0]
    folders = path.relative_to(root).parts[:-1]
    return next((split for name in reversed(folders) if (split := plain_split(name))), None)


def _beside(
    root: Path, tree: Folder, trouble: Trouble, used: Sequence[Path], listings: Sequence[Listing]
) -> list[LeftOut]:
    """Files of a folder that are neither tables nor named by them."""
    named = {path for listing in listings for path in (getattr(listing.read, "paths", None) or ())}
    folders = {getattr(listing.read, "folder", None) for listing in listings}
    images = [path for path in tree.all_images() if path not in named]
    if not named and any(folders):  # Parquet that holds paths; it is asked for no list of them
        images = _not_named(images, listings)
    taken = set(used)
    return [
        *trouble.left_out(),
        LeftOut("image", "that no table names", tuple(path.relative_to(root).as_posix() for path in images)),
        *not_images([path for path in tree.all_others() if path not in taken], root),
    ]


def _not_named(images: list[Path], listings: Sequence[Listing]) -> list[Path]:
    """Images beside Parquet files that hold no path to them."""
    if not images:
        return []
    named = set()
    for listing in listings:
        for index in range(len(listing.names)):
            place = listing.read(index)
            if not isinstance(place, Path):
                break  # bytes, and then all are
            named.add(place)
    return [path for path in images if path not in named]


def _kind_of_table(path: Path) -> str:
    return "CSV of path and label" if path.suffix.lower() in {".csv", ".tsv"} else "JSON lines of path and label"
