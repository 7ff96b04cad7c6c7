"""Detection sets: images with boxes, as COCO, Pascal VOC or YOLO lay them out, in the order in which they are looked
for."""

from dataclasses import replace
from pathlib import Path

from leannet.data.dataset import Dataset, LeftOut
from leannet.data.sources.boxed import BoxedImage, Problems, boxed_dataset
from leannet.data.sources.coco import coco_content, coco_files, folder_of, read_coco
from leannet.data.sources.voc import is_voc, read_voc
from leannet.data.sources.walking import Folder, Trouble
from leannet.data.sources.yolo import names_classes, read_yolo, yolo_file

EXPECTED = "COCO's JSON, Pascal VOC's Annotations/*.xml and JPEGImages/, or YOLO's data.yaml"
FILES = {".json", ".yaml", ".yml"}  # that stand for the folder they lie in


def open_detection_set(root: Path, tree: Folder, trouble: Trouble) -> Dataset | None:
    """The detection set that a folder is, or the only folder in it; None: it is none.

    tree, trouble: of the folder, as `walk` gives them. Raises LeannetError for one that cannot be read.
    """
    inner = tree
    while (read := _read(inner.path)) is None:
        if len(inner.folders) != 1 or inner.images:
            return None
        (inner,) = inner.folders
    dataset, images = read
    listed = {image.path.resolve() for image in images}
    others = tuple(path.relative_to(root).as_posix() for path in tree.all_images() if path.resolve() not in listed)
    more = (*trouble.left_out(), LeftOut("image", "that no annotation which can be read leads to", others))
    return replace(dataset, where=str(root), left_out=(*dataset.left_out, *(entry for entry in more if entry.names)))


def _read(root: Path) -> tuple[Dataset, list[BoxedImage]] | None:
    problems = Problems()
    if files := coco_files(root):
        kind, (images, classes) = "COCO", read_coco(root, files, problems)
    elif is_voc(root):
        kind, images, classes = "Pascal VOC", read_voc(root, problems), ()
    elif (names := yolo_file(root)) is not None:
        kind, (images, classes) = "YOLO", read_yolo(root, names, problems)
    else:
        return None
    return boxed_dataset(kind, str(root), images, classes, problems), images


def open_detection_file(file: Path) -> Dataset | None:
    """The detection set that one file describes: COCO's JSON, or YOLO's data.yaml; None: it is neither."""
    problems, where = Problems(), str(file)
    if file.suffix.lower() == ".json":
        if (content := coco_content(file)) is None:
            return None
        images, classes = read_coco(folder_of(file), {file: content}, problems)
        return boxed_dataset("COCO", where, images, classes, problems)
    if not names_classes(file):
        return None
    images, classes = read_yolo(file.parent, file, problems)
    return boxed_dataset("YOLO", where, images, classes, problems)
