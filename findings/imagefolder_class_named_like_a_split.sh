#!/usr/bin/env bash
# Hugging Face datasets 5.2.0, "imagefolder": one class folder whose name holds a split's word makes all others vanish.
#
# Expected: a folder of class folders train_station/, bus_station/ and airport/, four images each, is 12 images of three
# classes; a word inside a class name is no split.
# Seen: load_dataset("imagefolder", data_dir=...) returns one split `train` of the 4 images in train_station/, without a
# label column; the other 8 images are gone without a warning. test_tube/ beside beaker/ becomes a `test` split,
# dev_board/ beside sensor/ a `validation` split, each alone. Class names without such a word are read as expected.
# What helps: take folders for splits only if they are splits together, and count what lies beside them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check datasets==5.2.0 pyarrow==26.0.1 pillow==13.0.0
cat > try.py <<'PYTHON'
from pathlib import Path

import datasets
from datasets import load_dataset
from PIL import Image

datasets.disable_progress_bars()
print("datasets", datasets.__version__)
seen = {}
for classes in (("rail_station", "bus_station", "airport"), ("train_station", "bus_station", "airport"),
                ("test_tube", "beaker"), ("dev_board", "sensor")):
    root = Path(classes[0] + "_set")
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for each in range(4):
            Image.new("RGB", (8, 8), (60 * number, 40 * each, 9)).save(root / name / f"{each}.png")
    found = load_dataset("imagefolder", data_dir=str(root), cache_dir=f"cache_{root}")
    seen[classes[0]] = {split: (len(data), "label" in data.features) for split, data in found.items()}
    print(f"{', '.join(classes)}, 4 images each -> (images, has labels) by split: {seen[classes[0]]}")
assert seen["rail_station"] == {"train": (12, True)}
assert seen["train_station"] == {"train": (4, False)}
assert seen["test_tube"] == {"test": (4, False)}
assert seen["dev_board"] == {"validation": (4, False)}
PYTHON
HF_HUB_OFFLINE=1 env/bin/python try.py
