"""The names that publishers of data sets give to splits, and leannet's names for them."""

import re
from collections.abc import Iterable

SPLITS = {
    "train": "train", "training": "train", "trainval": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "validate": "validation",
    "dev": "validation",
    "test": "test", "testing": "test", "eval": "test", "evaluation": "test", "holdout": "test",
}  # fmt: skip

# Words beside a split's name that carry no meaning: training_set, train_images, seg_train, train2017.
PLAIN = {
    "set", "sets", "data", "dataset", "split", "folder", "files", "samples", "part", "list", "labels", "metadata",
    "partial", "image", "images", "img", "imgs", "photo", "photos", "seg", "of", "the",
}  # fmt: skip
PARTS = {"batch", "chunk", "shard", "archive", "zip", "page"}
GLUED = re.compile(rf"^({'|'.join(sorted(SPLITS, key=len, reverse=True))})(set|data|images|imgs|split)?(\d*)$")


def split_word(name: str) -> tuple[str, str] | None:
    """The split in a name, and the rest of the name; None: it names no split, or two.

    `training_set` -> ("train", ""), `seg_test` -> ("test", ""), `dogs_val` -> ("validation", "dogs").
    """
    splits, rest = [], []
    for token in re.split(r"[^0-9a-zA-Z]+", name):
        match = GLUED.match(token.lower())
        if match:
            splits.append(SPLITS[match[1]])
        elif token.lower() not in PLAIN and not token.isdigit() and token:
            rest.append(token)
    return (splits[0], "_".join(rest)) if len(splits) == 1 else None


def plain_split(name: str) -> str | None:
    """The split of a name that contains nothing else: `train`, `test_set`; None for `test_tube`."""
    split_and_rest = split_word(name)
    return split_and_rest[0] if split_and_rest and not split_and_rest[1] else None


# Folders of annotations and other companions of images, which are not classes.
ASIDE = {
    "mask", "masks", "label", "labels", "annotation", "annotations", "segmentation", "segmentations", "gt",
    "groundtruth", "thumb", "thumbs", "thumbnails", "xml", "overlays",
}  # fmt: skip
UNLABELLED = {"unlabeled", "unlabelled", "unsupervised", "unsup"}


def are_parts(names: Iterable[str]) -> bool:
    """Whether folders are named as parts of one set, not as classes: `batch1` and `batch2`, `images` and `masks`."""
    words = [name.lower() for name in names]
    if len(words) < 2:
        return False
    if any(word in PLAIN for word in words) and all(word in PLAIN | ASIDE for word in words):
        return True
    rests = set()
    for word in words:
        tokens = [token for token in re.split(r"[^0-9a-z]+|(?<=[a-z])(?=\d)", word) if token]
        meaningful = [token for token in tokens if token not in PLAIN | PARTS and not token.isdigit()]
        if len(meaningful) == len([token for token in tokens if not token.isdigit()]):
            return False  # its name has nothing of a part
        rests.add(tuple(meaningful))
    return len(rests) == 1


def splits_among(names: Iterable[str]) -> dict[str, str]:
    """The split of each name that contains one, if the names together form a set of splits; else empty.

    They do if one is train and the rest of each name is empty, or the same in two or more: `dogs_train` and
    `dogs_test`, but not `bullet_train` and `test_tube`.
    """
    words = {name: split_and_rest for name in names if (split_and_rest := split_word(name))}
    plain = {name: split for name, (split, rest) in words.items() if not rest}
    if "train" in plain.values():
        return plain
    if len({rest for _, rest in words.values()}) == 1 and len({split for split, _ in words.values()}) > 1:
        alike = {name: split for name, (split, _) in words.items()}
        if "train" in alike.values():
            return alike
    return {}
