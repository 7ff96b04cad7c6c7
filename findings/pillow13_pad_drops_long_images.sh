#!/usr/bin/env bash
# A long image, letterboxed, is gone: only the color around it is left.
#
# Expected: ImageOps.pad, the usual way to letterbox in Python, keeps at least one row of an image of 1000 x 1 pixels in an
# input of 100 x 100, or raises; and so ImageOps.contain, which resizes for it.
# Seen with Pillow 13.0.0: the height in the input is rounded to 0, `resize` makes an image of 100 x 0 pixels without an
# error, `contain` returns it, and `pad` pastes it: the whole input has the color around. That is so of every image more
# than twice as long, over its width, as the input has pixels: 640 x 4 are kept in 96 x 96, 640 x 3 are not. Scans of
# spectra, lines of text and strips are that long; a letterboxed set then holds images of no content, under their labels.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet pillow==13.0.0
"$folder/env/bin/python" - <<'PYTHON'
import PIL
from PIL import Image, ImageOps

print("Pillow", PIL.__version__)


def seen(size, target):
    white = Image.new("L", size, 255)
    inside = ImageOps.contain(white, target).size
    padded = ImageOps.pad(white, target, color=90)
    levels = sorted(level for _, level in padded.getcolors())
    print(f"{size} in {target}: contain gives {inside}, pad gives {padded.size} of levels {levels}")
    return inside, levels


expected = {
    ((1000, 1), (100, 100)): ((100, 0), [90]),
    ((640, 3), (96, 96)): ((96, 0), [90]),
    ((640, 4), (96, 96)): ((96, 1), [90, 255]),
    ((1, 1000), (100, 100)): ((0, 100), [90]),
}
changed = [case for case, result in expected.items() if seen(*case) != result]
raise SystemExit(f"this has changed: {changed}" if changed else 0)
PYTHON
