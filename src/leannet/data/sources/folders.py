"""Class folders: `photos/cat/*.jpg`, with or without split folders. A split is never taken for a class."""

from dataclasses import dataclass, field
from pathlib import Path

from leannet.data.dataset import Dataset, LeftOut
from leannet.data.sources.listing import Listing, Paths, ReadingOptions, assemble
from leannet.data.sources.splits import UNLABELLED, are_parts, plain_split, split_word, splits_among
from leannet.data.sources.walking import Folder, Trouble, not_images, without_reader
from leannet.errors import LeannetError

USUAL = {"train", "training", "val", "valid", "validation", "dev", "test", "testing"}
Named = list[tuple[str, Folder]]  # class name and folder


class NoClasses(LeannetError):
    """A folder that holds no class folders of images. The message says what it holds instead."""


@dataclass
class _Collected:
    """Images as they are collected."""

    root: Path
    paths: list[Path] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    splits: list[str | None] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def add(self, classes: Named, split: str | None) -> None:
        """Adds each image of the class folders, at any depth."""
        for word, folder in classes:
            images = folder.all_images()
            self.paths += images
            self.words += [word] * len(images)
            self.splits += [split] * len(images)

    def leave_out(self, paths: list[Path], what: str, why: str, way_out: str = "") -> None:
        self.left_out.append(LeftOut(what, why, tuple(self.name(path) for path in paths), way_out))


def open_folders(root: Path, tree: Folder, trouble: Trouble, options: ReadingOptions) -> Dataset:
    """The images of class folders.

    Split folders are recognized by their names (splits.py): at the top, inside each class, or as part of class names.
    Raises NoClasses if there are no class folders, and LeannetError if it is unclear at which depth they are.
    """
    collected = _Collected(root)
    top = _class_root(tree, collected)
    kind = "split folders of class folders"
    if not _by_split(top, collected, options):
        kind = "class folders"
        collected.add(_classes(top, collected, options), None)
        collected.leave_out(top.images, "image", "outside any class folder")
    if not collected.paths:
        raise NoClasses(f"{root}: {_nothing_found(tree, top)}")
    _leave_out_others(tree, collected)
    listing = Listing(
        str(root),
        [collected.name(path) for path in collected.paths],
        collected.words,
        collected.splits,
        Paths(collected.paths),
        are_names=True,
        left_out=[*collected.left_out, *trouble.left_out()],
        remarks=collected.remarks,
    )
    return assemble(kind, str(root), [listing])


def _class_root(folder: Folder, collected: _Collected, of_split: str | None = None) -> Folder:
    """The folder of the classes: `flower_photos` of a folder that contains nothing else."""
    class_root = folder
    while len(class_root.bearing) == 1 and class_root.bearing[0].bearing:
        if of_split is None and plain_split(class_root.bearing[0].name) == "train":
            break  # the only split that there is
        collected.leave_out(class_root.images, "image", "outside any class folder")
        class_root = class_root.bearing[0]
    if class_root is not folder:
        collected.remarks.append(
            f"looked inside {collected.name(class_root.path)}, the only folder that contains folders of images"
        )
    return class_root


def _by_split(top: Folder, collected: _Collected, options: ReadingOptions) -> bool:
    """Collects the images of a folder that comes with splits; returns whether it does."""
    splits = splits_among(folder.name for folder in top.bearing)
    if splits:
        by_name = {folder.name: folder for folder in top.bearing}
        with_classes = {name: split for name, split in splits.items() if by_name[name].bearing}
        if "train" in with_classes.values():
            _add_splits(top, splits, collected, options)
            return True
        if len(set(splits.values())) > 1:
            raise NoClasses(
                f"{top.path}: expected class folders of images in {' and '.join(sorted(splits))} (train/class/*.jpg), "
                "found images without a class; give a table of their labels (CSV, JSON lines)"
            )
    return _add_transposed(top, collected) or _add_joined(top, collected)


def _add_splits(top: Folder, splits: dict[str, str], collected: _Collected, options: ReadingOptions) -> None:
    classes: dict[str, Named] = {}  # by the name of the split folder
    for folder in top.bearing:
        split = splits.get(folder.name)
        if split is None:
            collected.leave_out(folder.all_images(), "image", "beside the split folders")
            continue
        if folder.name.lower() not in USUAL:
            collected.remarks.append(f"{folder.name} is taken as the {split} split")
        class_root = _class_root(folder, collected, split)
        classes[folder.name] = _classes(class_root, collected, options) if class_root.bearing else []
        collected.leave_out(class_root.images, "image", f"of the {split} split without a class folder")
    known = {word for name, class_folders in classes.items() if splits[name] == "train" for word, _ in class_folders}
    for name, class_folders in classes.items():
        if len(class_folders) == 1 and known and class_folders[0][0] not in known and not class_folders[0][1].bearing:
            # test/images/*.jpg: their classes are not known
            collected.leave_out(
                class_folders[0][1].images, "image", f"of the {splits[name]} split without a class folder"
            )
        else:
            collected.add(class_folders, splits[name])
    collected.leave_out(top.images, "image", "outside any class folder")


def _add_transposed(top: Folder, collected: _Collected) -> bool:
    """Split folders inside each class: `cat/train/*.jpg`, `cat/test/*.jpg`."""
    if len(top.bearing) < 2:
        return False
    for folder in top.bearing:
        inner_splits = [plain_split(subfolder.name) for subfolder in folder.bearing]
        if "train" not in inner_splits or None in inner_splits or len(inner_splits) < 2:
            return False
    sets = [folder.name for folder in top.bearing if any(subfolder.bearing for subfolder in folder.bearing)]
    if sets:
        raise LeannetError(
            f"{top.path}: expected one set of images, found {len(top.bearing)}, each with its own splits "
            f"({_first_names(sets)}): give the path of one of them, or merge them as train/class/*.jpg"
        )
    for folder in top.bearing:
        for subfolder in folder.bearing:
            collected.add([(folder.name, subfolder)], plain_split(subfolder.name))
        collected.leave_out(folder.images, "image", "beside the split folders")
    collected.remarks.append("each class folder contains its own split folders")
    return True


def _add_joined(top: Folder, collected: _Collected) -> bool:
    """Folders that name class and split: `cats_train`, `dogs_train`, `cats_test`, `dogs_test`."""
    words = {folder.name: split_word(folder.name) for folder in top.bearing}
    pairs = {(word[1], word[0]) for word in words.values() if word is not None and word[1]}
    classes, splits = {name for name, _ in pairs}, {split for _, split in pairs}
    is_joined = len(pairs) == len(words) and len(pairs) > len(classes)  # at least one of the classes is split
    if not is_joined or len(classes) < 2 or len(splits) < 2 or "train" not in splits:
        return False
    for folder in top.bearing:
        word = words[folder.name]
        assert word is not None
        collected.add([(word[1], folder)], word[0])
    collected.remarks.append(
        f"the folders name class and split: {', '.join(folder.name for folder in top.bearing[:3])}"
    )
    return True


def _classes(folder: Folder, collected: _Collected, options: ReadingOptions) -> Named:
    """The class folders of a folder: directly in it, or one level deeper if the options say so."""
    depth = options.class_depth
    tops = _without_unlabelled(folder, collected)
    _check_names(folder, tops, depth)
    heic_only = [
        subfolder for subfolder in folder.folders if not subfolder.number and without_reader(subfolder.all_others())
    ]
    if heic_only and tops:
        files = without_reader(heic_only[0].all_others())
        raise LeannetError(
            f"{folder.path}: class '{heic_only[0].name}' has only HEIC images ({len(files)}); to read them: "
            "pip install 'leannet[heif]'"
        )
    deeper = [(subfolder.name, subfolder) for top in tops for subfolder in top.bearing]
    if depth == 2 and (deeper or options.strict):
        for top in tops:
            collected.leave_out(top.images, "image", "above the class folders")
        if not deeper:
            raise LeannetError(f"{folder.path}: expected class folders two deep (--class-depth 2), found none")
        return deeper
    nested = [top for top in tops if not top.images]
    if nested and depth is None and any(len(subfolder.bearing) > 1 for top in nested for subfolder in _chain(top)):
        _refuse_depth(folder, nested)
    nested_folders = [subfolder for top in tops for subfolder in top.all_folders() if subfolder.images]
    if nested_folders:
        names = ", ".join(collected.name(subfolder.path) for subfolder in nested_folders[:3]) + (
            ", ..." if len(nested_folders) > 3 else ""
        )
        collected.remarks.append(f"images in folders inside class folders belong to the class: {names}")
    return [(top.name, top) for top in tops]


def _without_unlabelled(folder: Folder, collected: _Collected) -> list[Folder]:
    """The folders that may be classes: beside others, not one whose name says that it is unlabelled."""
    unlabelled = [subfolder for subfolder in folder.bearing if subfolder.name.lower() in UNLABELLED]
    if len(folder.bearing) - len(unlabelled) < 2:
        return folder.bearing
    for subfolder in unlabelled:
        collected.leave_out(
            subfolder.all_images(), "image", f"in {collected.name(subfolder.path)}, unlabelled by its name"
        )
    return [subfolder for subfolder in folder.bearing if subfolder not in unlabelled]


def _check_names(folder: Folder, tops: list[Folder], depth: int | None) -> None:
    """Raises if folders are named like splits or parts of one set, unless the options say that they are classes."""
    if depth is not None or len(tops) < 2:
        return
    names = [top.name for top in tops]
    if are_parts(names):
        raise NoClasses(
            f"{folder.path}: expected class folders, found {_first_names(names)}, which are named as parts of one set; "
            "give a table of their labels (CSV, JSON lines), or --class-depth 1 if these are the classes"
        )
    splits = [name for name in names if plain_split(name) in {"validation", "test"}]
    if splits:
        others = [name for name in names if name not in splits]
        found_names = " and ".join(splits) + (f" beside {_first_names(others)}" if others else "")
        raise LeannetError(
            f"{folder.path}: expected class folders, found {found_names}, named like a split, and no train folder: "
            "move the others to train/class/*.jpg beside it, or give --class-depth 1 if it is a class"
        )


def _chain(folder: Folder) -> list[Folder]:
    """A folder and the only folder in it, and so on down, as long as they hold no images themselves."""
    chain = [folder]
    while not chain[-1].images and len(chain[-1].bearing) == 1:
        chain.append(chain[-1].bearing[0])
    return [link for link in chain if not link.images]


def _refuse_depth(folder: Folder, nested: list[Folder]) -> None:
    tops = folder.bearing
    deeper = [subfolder.name for top in tops for subfolder in top.bearing]
    first = nested[0]
    raise LeannetError(
        f"{folder.path}: expected class folders of images (class/*.jpg), found folders in folders, as "
        f"{first.name}/{first.bearing[0].name}, so it is unclear which are the classes: give --class-depth 1 "
        f"({len(tops)} classes: {_first_names([top.name for top in tops])}) or --class-depth 2 "
        f"({len(set(deeper))} classes: {_first_names(sorted(set(deeper)))}), or arrange the images as class/*.jpg"
    )


def _first_names(names: list[str]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")


def _leave_out_others(tree: Folder, collected: _Collected) -> None:
    """Leaves out files without the extension of an image, and folders without any image."""
    empty = [subfolder for subfolder in tree.all_folders() if not subfolder.number]
    below_empty = {id(subfolder) for folder in empty for subfolder in folder.all_folders()}
    outermost = [
        subfolder
        for subfolder in empty
        if id(subfolder) not in below_empty and not without_reader(subfolder.all_others())
    ]
    outermost_prefixes = tuple(f"{subfolder.path}/" for subfolder in outermost)
    others = [path for path in tree.all_others() if not str(path).startswith(outermost_prefixes)]
    collected.left_out += not_images(others, collected.root)
    collected.leave_out([subfolder.path for subfolder in outermost], "folder", "without an image")


def _nothing_found(tree: Folder, top: Folder) -> str:
    heic = without_reader(tree.all_others())
    if heic and not tree.number:
        return (
            f"found {len(heic):,} HEIC images and no others; to read them: pip install 'leannet[heif]', or save them "
            "as JPEG"
        )
    contents = f"{len(top.images)} images outside any class folder" if top.images else "no image"
    others = [path.name for path in tree.all_others()]
    contents += f" (it contains {_first_names(others)})" if others and not top.images else ""
    return f"expected class folders of images (class/*.jpg), found {contents}"
