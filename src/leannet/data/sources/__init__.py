"""Where images come from: one module per format. Each lists labelled images as a `Dataset`; none is decoded yet.

`open_dataset` tries, in this order: the word `digits`; a file, by its extension (Parquet, CSV, JSON lines, a WebDataset
shard, and of a detection set COCO's JSON and YOLO's data.yaml); a folder of Parquet files that list images, of shards
(and no images), a detection set (COCO, Pascal VOC, YOLO), split folders, class folders, and, without class folders, a
CSV or JSON lines table.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from leannet.data.dataset import Dataset, LeftOut
from leannet.data.sources.columns import has_columns
from leannet.data.sources.detection_sets import EXPECTED as BOXES
from leannet.data.sources.detection_sets import FILES, open_detection_file, open_detection_set
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

EXPECTED = "a folder of class folders, a .parquet, .csv, .jsonl or .tar file, a detection set, or 'digits'"


def open_dataset(where: str, options: ReadingOptions = ReadingOptions()) -> Dataset:  # noqa: B008 (it is frozen)
    """Recognizes the format of `where` and lists its images.

    options: what the data itself leaves open. Raises LeannetError, one line with what was expected and found.
    """
    dataset = _open(where, options)
    if options.task == "detect" and dataset.truths is None:
        raise LeannetError(f"{where}: expected a detection set ({BOXES}), found {dataset.kind}")
    return dataset


def _open(where: str, options: ReadingOptions) -> Dataset:
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
    if suffix in FILES and options.task != "classify" and (dataset := open_detection_file(path)) is not None:
        return dataset
    raise LeannetError(f"{where}: expected {EXPECTED}, found a {suffix or 'plain'} file")


def _open_folder(root: Path, options: ReadingOptions) -> Dataset:
    tree, trouble = walk(root)
    if options.task != "classify" and not _names_columns(options):
        detection_set = open_detection_set(root, tree, trouble)
        if detection_set is not None:
            return detection_set
    if options.task == "detect":
        raise LeannetError(f"{root}: expected a detection set ({BOXES}), found none")
    others = tree.all_others()
    parquet = [path for path in others if path.suffix.lower() == ".parquet"]
    image_parquet = [path for path in parquet if is_image_table(path, options)]
    if image_parquet:
        return _open_parquet_files(root, tree, trouble, parquet, image_parquet, options)
    shards = [path for path in others if path.suffix.lower() == ".tar"]
    if shards and not tree.number:
        return _open_shards(root, tree, trouble, shards)
    image_tables = _image_tables(tree, options)
    columns_named = _names_columns(options)
    if columns_named and image_tables:
        return _open_tables(root, tree, trouble, image_tables, options)
    if columns_named:
        raise LeannetError(f"{root}: --image-column, --label-column: expected a table with these columns, found none")
    is_detection_set = any(folder.name.lower() == "annotations" for folder in tree.folders)
    try:
        dataset = open_folders(root, tree, trouble, options)
    except NoClasses as error:
        if image_tables:
            return _open_tables(root, tree, trouble, image_tables, options)
        if is_detection_set:
            raise LeannetError(f"{root}: {_no_detection_set(options)}") from None
        if parquet:
            raise LeannetError(f"{error}; {not_image_tables(parquet, root).line()}") from None
        raise LeannetError(f"{error}{_other_tables(tree)}") from None
    if image_tables and len(dataset.classes) == 1:
        return _open_tables(root, tree, trouble, image_tables, options)
    if is_detection_set and len(dataset.classes) == 1:
        raise LeannetError(f"{root}: {_no_detection_set(options)}")
    unused = [f"{path.name} lists image labels too; to read it instead, give its path: {path}" for path in image_tables]
    return replace(dataset, remarks=(*dataset.remarks, *unused))


def _names_columns(options: ReadingOptions) -> bool:
    """Whether a table is asked for."""
    return options.strict and bool(options.image_column or options.label_column)


def _no_detection_set(options: ReadingOptions) -> str:
    if options.task == "classify":
        way_out = ", or no --task classify" if options.strict else ""
        return f"this is a detection set; expected class folders (class/image.jpg){way_out}"
    return f"this has annotations, but is no detection set that leannet reads: {BOXES}"


def _other_tables(tree: Folder) -> str:
    """A hint at a table whose columns have unusual names."""
    tables = [path.name for path in tree.others if path.suffix.lower() in TABLE_SUFFIXES]
    return f"; if {tables[0]} lists the images, give --image-column and --label-column" if tables else ""


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
        *_other_files(root, tree, trouble, [*tables, *others], listings),
        not_image_tables(others, root),
    ]
    return assemble("Parquet", str(root), listings)


def _open_shards(root: Path, tree: Folder, trouble: Trouble, shards: list[Path]) -> Dataset:
    names = read_class_names(root)
    listings = [open_shard(shard, _split_of_file(shard, root) if len(shards) > 1 else None, names) for shard in shards]
    listings[0].left_out += _other_files(root, tree, trouble, [*shards, root / NAMES_FILE], listings)
    return assemble("WebDataset shards", str(root), listings)


def _open_tables(root: Path, tree: Folder, trouble: Trouble, tables: list[Path], options: ReadingOptions) -> Dataset:
    splits = [_split_of_file(path, root) for path in tables]
    if len(tables) > 1 and ("train" not in splits or len(set(splits)) < len(splits) or None in splits):
        names = ", ".join(path.relative_to(root).as_posix() for path in tables[:4])
        raise LeannetError(
            f"{root}: expected one table of images and labels, or one for each split, found {len(tables)} ({names}); "
            "give the path of one"
        )
    of_one_split = splits if len(tables) > 1 else [None]
    listings = [open_table(path, options, split) for path, split in zip(tables, of_one_split, strict=True)]
    listings[0].left_out += _other_files(root, tree, trouble, tables, listings)
    return assemble(_kind_of_table(tables[0]), str(root), listings)


def _image_tables(tree: Folder, options: ReadingOptions) -> list[Path]:
    """Tables of images and labels, directly in a folder or in its split folders."""
    folders = [tree, *(subfolder for subfolder in tree.folders if split_word(subfolder.name))]
    tables = [path for folder in folders for path in folder.others if path.suffix.lower() in TABLE_SUFFIXES]
    return [path for path in tables if "submission" not in path.stem.lower() and _is_image_table(path, options)]


def _is_image_table(path: Path, options: ReadingOptions) -> bool:
    try:
        return has_columns(read_header_of(path), options)
    except LeannetError:  # not a table
        return False


def _split_of_file(path: Path, root: Path) -> str | None:
    """The split in a file's name (train-00000-of-00002, test_list), else in the name of a folder above it."""
    word = split_word(path.stem)
    if word is not None:
        return word[0]
    folders = path.relative_to(root).parts[:-1]
    return next((split for name in reversed(folders) if (split := plain_split(name))), None)


def _other_files(
    root: Path, tree: Folder, trouble: Trouble, used: Sequence[Path], listings: Sequence[Listing]
) -> list[LeftOut]:
    """Files of a folder that are neither tables nor listed in one."""
    listed = {path for listing in listings for path in (getattr(listing.read, "paths", None) or ())}
    folders = {getattr(listing.read, "folder", None) for listing in listings}
    images = [path for path in tree.all_images() if path not in listed]
    if not listed and any(folders):  # Parquet files that hold paths, which are not listed in advance
        images = _not_listed(images, listings)
    used_paths = set(used)
    return [
        *trouble.left_out(),
        LeftOut("image", "that no table lists", tuple(path.relative_to(root).as_posix() for path in images)),
        *not_images([path for path in tree.all_others() if path not in used_paths], root),
    ]


def _not_listed(images: list[Path], listings: Sequence[Listing]) -> list[Path]:
    """Images that the Parquet files beside them do not list."""
    if not images:
        return []
    listed = set()
    for listing in listings:
        for index in range(len(listing.names)):
            source = listing.read(index)
            if not isinstance(source, Path):
                break  # bytes: so is every other image of this file
            listed.add(source)
    return [path for path in images if path not in listed]


def _kind_of_table(path: Path) -> str:
    return "CSV of path and label" if path.suffix.lower() in {".csv", ".tsv"} else "JSON lines of path and label"
