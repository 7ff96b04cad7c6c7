#!/bin/bash
# Pillow 13.0.0, Image.resize of 8-bit images, against 12.3.0: the same pixels, the same call, no argument changed.
# Expected: the same levels, as from release to release before (two passes in fixed point, the horizontal one first); and
# that cutting the middle out of a resized image is resizing that box of the image, to one level where a weight is rounded.
# Seen: images that are wider than high are equal in every level. Of higher ones made square, whole or by `box`, a quarter
# of the levels differ: the vertical pass now comes first where that is less work, and levels are rounded and clipped
# between the passes: by one level with the bilinear filter, by a dozen with the bicubic one, which overshoots, of noise.
# And because the order goes by the sizes of the call, `resize(whole).crop(middle)` and `resize(size, box=middle)`, which
# both are in use for the crop of classifiers, part by as much. What helps: to prepare images for training and for use
# with one version, and by one of the two calls.
# Versions: pillow 12.3.0 and 13.0.0, numpy 2.4.6.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
for version in 12.3.0 13.0.0; do
    python3 -m venv "$place/$version"
    "$place/$version/bin/pip" install --quiet --disable-pip-version-check "pillow==$version" numpy==2.4.6
done
cat > "$place/resize.py" <<'PY'
import sys

import numpy as np
import PIL
from PIL import Image

place, draw, made = sys.argv[1], np.random.default_rng(0), {}
for name, (width, height) in {"landscape": (500, 333), "portrait": (333, 500)}.items():
    image = Image.fromarray(draw.integers(0, 256, (height, width, 3), dtype=np.uint8))
    for word, kind in (("bilinear", Image.Resampling.BILINEAR), ("bicubic", Image.Resampling.BICUBIC)):
        size = (256, 384) if height > width else (384, 256)  # the shorter side to 256, as classifiers do
        left, top = (size[0] - 224) // 2, (size[1] - 224) // 2
        whole = image.resize(size, kind)
        made[f"{name}, {word}, square"] = np.asarray(image.resize((224, 224), kind))
        across, down = width / size[0], height / size[1]
        box = (left * across, top * down, (left + 224) * across, (top + 224) * down)
        made[f"{name}, {word}, middle"] = np.asarray(whole.crop((left, top, left + 224, top + 224)))
        made[f"{name}, {word}, box"] = np.asarray(image.resize((224, 224), kind, box=box))
np.savez(f"{place}/{PIL.__version__}.npz", **made)
PY
for version in 12.3.0 13.0.0; do "$place/$version/bin/python" "$place/resize.py" "$place"; done
cat > "$place/compare.py" <<'PY'
import sys

import numpy as np

old, new = (np.load(f"{sys.argv[1]}/{version}.npz") for version in ("12.3.0", "13.0.0"))


def apart(one, other):
    levels = np.abs(one.astype(int) - other)
    return int(levels.max()), float((levels > 0).mean())


print("12.3.0 against 13.0.0: made square | a box made square || cut from the whole against the box: 12.3.0 | 13.0.0")
found = {}
for name in ("landscape, bilinear", "landscape, bicubic", "portrait, bilinear", "portrait, bicubic"):
    found[name] = [apart(old[f"{name}, {word}"], new[f"{name}, {word}"]) for word in ("square", "box")]
    found[name] += [apart(each[f"{name}, middle"], each[f"{name}, box"]) for each in (old, new)]
    print(f"{name:20}", *(f" | {most:2} levels, {100 * share:4.1f} %" for most, share in found[name]))
for kind in ("bilinear", "bicubic"):
    landscape, portrait = found[f"landscape, {kind}"], found[f"portrait, {kind}"]
    assert landscape[:2] == [(0, 0.0)] * 2
    assert all(share > 0.2 for _, share in portrait[:2])
    assert portrait[2][0] <= 1  # 12.3.0
    assert portrait[2][1] < 0.01
    assert portrait[3][1] > 0.2  # 13.0.0
    assert all((most == 1) if kind == "bilinear" else (most > 4) for most, _ in (*portrait[:2], portrait[3]))
PY
"$place/13.0.0/bin/python" "$place/compare.py" "$place"
