"""Detection sets that tests draw: rectangles of two colors on grey noise, in the layouts that leannet reads."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from leannet.data.sources.boxed import BoxedImage, Object

COLORS = {"red": (230, 40, 40), "blue": (40, 60, 230)}


def boxed_image(folder: Path, number: int) -> BoxedImage:
    """One to three rectangles of two colors on grey, 96 x 64 pixels and larger."""
    draw = np.random.default_rng(number)
    scale = int(draw.integers(1, 3))
    pixels = draw.integers(90, 150, (64 * scale, 96 * scale, 3)).astype(np.uint8)
    objects = []
    for place in draw.permutation(3)[: draw.integers(1, 4)].tolist():
        name = ("red", "blue")[draw.integers(2)]
        left, top = 32 * place + int(draw.integers(1, 8)), int(draw.integers(2, 30))
        box = tuple(
            scale * side for side in (left, top, left + int(draw.integers(14, 23)), top + int(draw.integers(16, 31)))
        )
        pixels[box[1] : box[3], box[0] : box[2]] = COLORS[name]
        objects.append(Object(name, tuple(map(float, box)), f"{number}:{place}"))
    path = folder / f"{number:03}.png"
    Image.fromarray(pixels).save(path)
    return BoxedImage(path, path.name, None, tuple(objects))


def coco_set(root: Path, splits: dict[str, int]) -> Path:
    """A COCO folder with so many images in each split."""
    first = 0
    (root / "annotations").mkdir(parents=True)
    for split, number in splits.items():
        (root / split).mkdir()
        images = [boxed_image(root / split, first + each) for each in range(number)]
        names = sorted(COLORS)
        entries = [{"id": place, "file_name": image.name} for place, image in enumerate(images, start=1)]
        annotations = [
            {"id": 7 * place + inner, "image_id": place, "category_id": names.index(each.label) + 1,
             "bbox": [each.box[0], each.box[1], each.box[2] - each.box[0], each.box[3] - each.box[1]]}
            for place, image in enumerate(images, start=1) for inner, each in enumerate(image.objects)
        ]  # fmt: skip
        categories = [{"id": place, "name": name} for place, name in enumerate(names, start=1)]
        content = {"images": entries, "annotations": annotations, "categories": categories}
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
        first += number
    return root
