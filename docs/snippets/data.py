"""The small data that the pages speak of, drawn, and how to make what a line needs besides."""

import io
import json
import shlex
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw

from .reading import ROOT

SMALL = "--model mobilenet_v3_small --width 0.5 --resolution 64 --epochs 1 --quiet"
NEEDS = {  # what a line may need that the page did not make: path -> the command that makes it
    "runs/photos": f"leannet train photos {SMALL} --out runs/photos",
    "runs/a": f"leannet train photos {SMALL} --out runs/a",
    "runs/b": f"leannet train photos {SMALL} --seed 1 --out runs/b",
    "runs/folds": f"leannet train photos {SMALL} --folds 5 --out runs/folds",
    "runs/ants_bees-mobilenet_v2": f"leannet train ants_bees {SMALL} --out runs/ants_bees-mobilenet_v2",
    "runs/ants_bees-two_layer": f"leannet train ants_bees {SMALL} --out runs/ants_bees-two_layer",
    "runs/cells": "leannet train cells --resolution 96 --epochs 3 --quiet --out runs/cells",
    "runs/cells/model.onnx": "leannet export runs/cells",
    "runs/photos/model.onnx": "leannet export runs/photos",
    "runs/a/model.int8.onnx": "leannet quantize runs/a",
    "model.onnx": f"leannet train photos {SMALL} --out runs/plain && leannet export runs/plain --out model.onnx",
    "model.safetensors": f"leannet train photos {SMALL} --out runs/own && cp runs/own/model.safetensors .",
    "site": "leannet export runs/photos && leannet web runs/photos/model.onnx --out site",
    "small.json": "python small.py",
    "mobilenetv2_100.safetensors": "python foreign.py mobilenet_v2 timm mobilenetv2_100.safetensors",
    "last.ckpt": "python foreign.py mobilenet_v2 timm last.ckpt model.",
    "model_best.pth.tar": "python foreign.py mobilenet_v2 timm model_best.pth.tar",
    "holiday": "mkdir holiday && cp cat.jpg dog.jpg holiday",
    "resnet18.pth": "python foreign.py resnet18 torchvision resnet18.pth",
    "experiments": f"ln -s {shlex.quote(str(ROOT / 'experiments'))} experiments",
    "docs": "mkdir -p docs/figures",
}
SMALL_ROWS = """
import leannet
open("small.json", "w").write(leannet.architecture("two_layer", classes=2).to_json())
"""
FOREIGN = '''
"""A file of another library's: our fresh weights under its names."""
import sys
import torch
from safetensors.torch import save_file
from leannet.network import build
from leannet.zoo import find
name, library, out, prefix = (*sys.argv[1:], "")[:4]
family = find(name)
source = next(source for source in family.sources if source.name.startswith(library))
rows = source.rows(1.0, family.resolution, family.classes, 3)
own, theirs = build(rows).state_dict(), dict(source.keys(rows))
state = {f"{prefix}{theirs[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}": value for key, value in own.items()}
save_file(state, out) if out.endswith(".safetensors") else torch.save({"state_dict": state}, out)
'''


def draw_data(root: Path) -> None:
    """Draws the data that the pages speak of into a new folder."""

    def draw(kind: int, number: int, size: int = 80) -> Image.Image:
        random = np.random.default_rng((kind, number))
        image = Image.fromarray(random.integers(0, 90, (size, size, 3), dtype=np.uint8))
        radius, x, y = random.integers(size // 6, size // 3), *random.integers(size // 3, size - size // 3, 2)
        pen = ImageDraw.Draw(image)
        box = [int(n) for n in (x - radius, y - radius, x + radius, y + radius)]
        (pen.ellipse if kind % 2 else pen.rectangle)(box, fill=tuple(int(n) for n in random.integers(120, 255, 3)))
        return image

    root.mkdir(parents=True)
    for folder, classes, count, start in (
        ("photos", ("cat", "dog"), 24, 0),
        ("more-photos", ("cat", "dog"), 8, 100),
        ("ants_bees/train", ("ants", "bees"), 24, 0),
        ("ants_bees/val", ("ants", "bees"), 10, 100),
        ("imagenet/train", ("n01440764", "n01443537"), 8, 0),
        ("imagenet/val", ("n01440764", "n01443537"), 4, 100),
    ):
        for kind, name in enumerate(classes):
            (root / folder / name).mkdir(parents=True)
            for number in range(start, start + count):
                draw(kind, number).save(root / folder / name / f"{number}.jpg")
    draw(0, 200).save(root / "ants_bees/train/ants/1225872729_6f0856588f.jpg")
    draw(1, 200).save(root / "ants_bees/val/bees/2782079948_8d4e94a826.jpg")
    draw(0, 201).save(root / "ants_bees/train/ants/imageNotFound.gif")
    for name, kind in (("cat.jpg", 0), ("dog.jpg", 1), ("dog.png", 1), ("image.jpg", 0)):
        draw(kind, 300).save(root / name)
    (root / "cifar10").mkdir()
    for split, count, start in (("train", 12, 0), ("test", 4, 100)):
        cells, labels = [], []
        for label in range(10):
            for number in range(start, start + count):
                stream = io.BytesIO()
                draw(label, number, 32).save(stream, "JPEG")
                cells.append({"bytes": stream.getvalue(), "path": None})
                labels.append(label)
        names = "airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck"
        table = pa.table({"img": cells, "label": labels}).replace_schema_metadata({"class_names": names})
        pq.write_table(table, root / "cifar10" / f"{split}.parquet")
    _draw_cells(root / "cells")
    (root / "foreign.py").write_text(FOREIGN)
    (root / "small.py").write_text(SMALL_ROWS)


def _draw_cells(root: Path) -> None:
    """A COCO folder: discs of two colors, in two splits."""
    (root / "annotations").mkdir(parents=True)
    for split, count, start in (("train", 24, 0), ("val", 10, 100)):
        (root / split).mkdir()
        images, annotations = [], []
        for number in range(start, start + count):
            random = np.random.default_rng(number)
            image = Image.fromarray(random.integers(0, 90, (120, 160, 3), dtype=np.uint8))
            for _ in range(3):
                kind, radius = int(random.integers(2)), int(random.integers(12, 24))
                x, y = (int(random.integers(radius, side - radius)) for side in image.size)
                box = [x - radius, y - radius, 2 * radius, 2 * radius]
                ends = (box[0], box[1], box[0] + box[2], box[1] + box[3])
                ImageDraw.Draw(image).ellipse(ends, fill=((220, 60, 60), (90, 90, 230))[kind])
                annotations.append({"id": len(annotations) + 1, "image_id": number, "category_id": kind, "bbox": box})
            images.append({"id": number, "file_name": f"{number}.jpg", "width": 160, "height": 120})
            image.save(root / split / f"{number}.jpg")
        categories = [{"id": 0, "name": "red"}, {"id": 1, "name": "white"}]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (root / "annotations" / f"{split}.json").write_text(json.dumps(content))
