"""Class folders: `photos/cat/*.jpg`, split or not, in a folder of their own or not; never a split taken for a class."""

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
    """A folder that holds no class folders of images. What was found instead is its message."""


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
        """Each image of class folders, those of folders inside them too."""
        for word, folder in classes:
            images = folder.all_images()
            self.paths += images
            self.words += [word] * len(images)
            self.splits += [split] * len(images)

    def leave_out(self, paths: list[Path], what: str, why: str, way_out: str = "") -> None:
        self.left_out.append(LeftOut(what, why, tuple(self.name(path) for path in paths), way_out))


def open_folders(root: Path, tree: Folder, trouble: Trouble, options: ReadingOptions) -> Dataset:
    """The images of class folders.

    Split folders are known by their names (splits.py), beside each other, inside each class, or as the end of class
    names. Raises NoClasses where there are no class folders, and LeannetError where it is not clear how deep they lie.
    """
    collected = _Collected(root)
    top = _inside(tree, collected)
    kind = "split folders of class folders"
    if not _by_split(top, collected, options):
        kind = "class folders"
        collected.add(_classes(top, collected, options), None)
        collected.leave_out(top.images, "image", "outside any class folder")
    if not collected.paths:
        raise NoClasses(f"{root}: {_nothing(tree, top)}")
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


def _inside(folder: Folder, collected: _Collected, of_split: str | None = None) -> Folder:
    """The folder that the classes lie in: `flower_photos` of a folder that holds nothing else."""
    inside = folder
    while len(inside.bearing) == 1 and inside.bearing[0].bearing:
        if of_split is None and plain_split(inside.bearing[0].name) == "train":
            break  # the only split that there is
        collected.leave_out(inside.images, "image", "outside any class folder")
        inside = inside.bearing[0]
    if inside is not folder:
        collected.remarks.append(f"looked inside {collected.name(inside.path)}, the only folder of folders with images")
    return inside


def _by_split(top: Folder, collected: _Collected, options: ReadingOptions) -> bool:
    """Collects the images of a folder that comes split; returns whether it does."""
    splits = splits_among(folder.name for folder in top.bearing)
    if splits:
        by_name = {folder.name: folder for folder in top.bearing}
        of_classes = {name: split for name, split in splits.items() if by_name[name].bearing}
        if "train" in of_classes.values():
            _add_splits(top, splits, collected, options)
            return True
        if len(set(splits.values())) > 1:
            raise NoClasses(
                f"{top.path}: expected class folders of images in {' and '.join(sorted(splits))} (train/class/*.jpg), "
                "found images without a class; a list of them (CSV, JSON lines) may say their labels"
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
            collected.remarks.append(f"{folder.name} is taken for the {split} split")
        inside = _inside(folder, collected, split)
        classes[folder.name] = _classes(inside, collected, options) if inside.bearing else []
        collected.leave_out(inside.images, "image", f"of the {split} split without a class folder")
    known = {word for name, named in classes.items() if splits[name] == "train" for word, _ in named}
    for name, named in classes.items():
        if len(named) == 1 and known and named[0][0] not in known and not named[0][1].bearing:
            # test/images/*.jpg: nobody says their classes
            collected.leave_out(named[0][1].images, "image", f"of the {splits[name]} split without a class folder")
        else:
            collected.add(named, splits[name])
    collected.leave_out(top.images, "image", "outside any class folder")


def _add_transposed(top: Folder, collected: _Collected) -> bool:
    """Classes that each hold their splits: `cat/train/*.jpg`, `cat/test/*.jpg`."""
    if len(top.bearing) < 2:
        return False
    for folder in top.bearing:
        inside = [plain_split(each.name) for each in folder.bearing]
        if "train" not in inside or None in inside or len(inside) < 2:
            return False
    sets = [folder.name for folder in top.bearing if any(each.bearing for each in folder.bearing)]
    if sets:
        raise LeannetError(
            f"{top.path}: expected one set of images, found {len(top.bearing)} that are split each ({_some(sets)}): "
            "name one of them, or lay them together as train/class/*.jpg"
        )
    for folder in top.bearing:
        for each in folder.bearing:
            collected.add([(folder.name, each)], plain_split(each.name))
        collected.leave_out(folder.images, "image", "beside the split folders")
    collected.remarks.append("each class folder holds its own split folders")
    return True


def _add_joined(top: Folder, collected: _Collected) -> bool:
    """Folders that name class and split: `cats_train`, `dogs_train`, `cats_test`, `dogs_test`."""
    words = {folder.name: split_word(folder.name) for folder in top.bearing}
    pairs = {(word[1], word[0]) for word in words.values() if word is not None and word[1]}
    classes, splits = {name for name, _ in pairs}, {split for _, split in pairs}
    is_joined = len(pairs) == len(words) and len(pairs) > len(classes)  # one of the classes at least is split
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
    """The class folders of a folder: those directly in it, or one deeper where the options say so."""
    depth = options.class_depth
    tops = _without_unlabelled(folder, collected)
    _check_names(folder, tops, depth)
    unread = [each for each in folder.folders if not each.number and without_reader(each.all_others())]
    if unread and tops:
        files = without_reader(unread[0].all_others())
        raise LeannetError(
            f"{folder.path}: class '{unread[0].name}' has only HEIC images ({len(files)}), which nothing here reads: "
            "pip install 'leannet[heif]'"
        )
    deeper = [(each.name, each) for top in tops for each in top.bearing]
    if depth == 2 and (deeper or options.strict):
        for top in tops:
            collected.leave_out(top.images, "image", "above the class folders")
        if not deeper:
            raise LeannetError(f"{folder.path}: expected class folders two deep (--class-depth 2), found none")
        return deeper
    nested = [top for top in tops if not top.images]
    if nested and depth is None and any(len(each.bearing) > 1 for top in nested for each in _chain(top)):
        _refuse_depth(folder, nested)
    deep = [each for top in tops for each in top.all_folders() if each.images]
    if deep:
        names = ", ".join(collected.name(each.path) for each in deep[:3]) + (", ..." if len(deep) > 3 else "")
        collected.remarks.append(f"images in folders inside class folders belong to the class: {names}")
    return [(top.name, top) for top in tops]


def _without_unlabelled(folder: Folder, collected: _Collected) -> list[Folder]:
    """The folders that may be classes: not one that says of itself that it has no labels, beside others."""
    unlabelled = [each for each in folder.bearing if each.name.lower() in UNLABELLED]
    if len(folder.bearing) - len(unlabelled) < 2:
        return folder.bearing
    for each in unlabelled:
        collected.leave_out(each.all_images(), "image", f"in {collected.name(each.path)}, without a label by its name")
    return [each for each in folder.bearing if each not in unlabelled]


def _check_names(folder: Folder, tops: list[Folder], depth: int | None) -> None:
    """Raises where folders are named like splits, or like parts of one set, and nobody said that they are classes."""
    if depth is not None or len(tops) < 2:
        return
    names = [top.name for top in tops]
    if are_parts(names):
        raise NoClasses(
            f"{folder.path}: expected class folders, found {_some(names)}, which are named as parts of one set; a list "
            "of the images (CSV, JSON lines) may say their labels, or --class-depth 1 that these are the classes"
        )
    splits = [name for name in names if plain_split(name) in {"validation", "test"}]
    if splits:
        others = [name for name in names if name not in splits]
        there = " and ".join(splits) + (f" beside {_some(others)}" if others else "")
        raise LeannetError(
            f"{folder.path}: expected class folders, found {there}, named like a split, and no train folder: lay the "
            "others out as train/class/*.jpg beside it, or say --class-depth 1 if it is a class"
        )


def _chain(folder: Folder) -> list[Folder]:
    """A folder and those below it, as far as there are no images beside them."""
    chain = [folder]
    while not chain[-1].images and len(chain[-1].bearing) == 1:
        chain.append(chain[-1].bearing[0])
    return [each for each in chain if not each.images]


def _refuse_depth(folder: Folder, nested: list[Folder]) -> None:
    tops = folder.bearing
    deeper = [each.name for top in tops for each in top.bearing]
    first = nested[0]
    raise LeannetError(
        f"{folder.path}: expected class folders of images (class/*.jpg), found folders in folders, as "
        f"{first.name}/{first.bearing[0].name}, so that it is not clear which are the classes: say --class-depth 1 "
        f"({len(tops)} classes: {_some([top.name for top in tops])}) or --class-depth 2 "
        f"({len(set(deeper))} classes: {_some(sorted(set(deeper)))}), or lay the images out as class/*.jpg"
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")


def _leave_out_others(tree: Folder, collected: _Collected) -> None:
    """Files that are no images by their name, and folders without any file that is one."""
    empty = [each for each in tree.all_folders() if not each.number]
    within = {id(each) for folder in empty for each in folder.all_folders()}
    outermost = [each for each in empty if id(each) not in within and not without_reader(each.all_others())]
    inside = tuple(f"{each.path}/" for each in outermost)
    others = [path for path in tree.all_others() if not str(path).startswith(inside)]
    collected.left_out += not_images(others, collected.root)
    collected.leave_out([each.path for each in outermost], "folder", "without an image")


def _nothing(tree: Folder, top: Folder) -> str:
    heic = without_reader(tree.all_others())
    if heic and not tree.number:
        return (
            f"found {len(heic):,} HEIC images, which nothing here reads, and no other: pip install 'leannet[heif]', "
            "or save them as JPEG"
        )
    there = f"{len(top.images)} images outside any class folder" if top.images else "no image"
    others = [path.name for path in tree.all_others()]
    there += f" (there are {_some(others)})" if others and not top.images else ""
    return f"expected class folders of images (class/*.jpg), found {there}"
