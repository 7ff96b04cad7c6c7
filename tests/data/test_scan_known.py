"""Images that a network knows are not decoded again: the scan says the same of them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leannet.data import scan as scanning
from leannet.data.scan import scan
from leannet.data.sources import ReadingOptions, open_dataset


def draw_of_all_kinds(folder: Path) -> int:
    """Images of every mode and file format that Pillow writes here, turned ones, and animations."""
    (folder / "one").mkdir(parents=True)
    generator = np.random.default_rng(0)
    image = Image.fromarray(generator.integers(0, 256, (10, 16, 3), dtype=np.uint8))
    modes = ("RGB", "L", "1", "P", "RGBA", "LA", "CMYK", "I;16")
    endings = ("png", "jpg", "gif", "webp", "tif", "bmp", "ppm")
    written = 0
    for ending in endings:
        for mode in modes:
            try:
                converted = image.convert("L").convert("I;16") if mode == "I;16" else image.convert(mode)
                converted.save(folder / "one" / f"{ending}-{mode.replace(';', '')}.{ending}")
            except (OSError, ValueError):
                continue
            written += 1
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        image.save(folder / "one" / f"turned-{orientation}.jpg", exif=exif)
    for ending in ("gif", "webp", "png"):
        frames = [image, image.rotate(90), image.rotate(180)]
        frames[0].save(folder / "one" / f"moving.{ending}", save_all=True, append_images=frames[1:])
    return written + 8 + 3


def test_it_says_the_same_of_known_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    number = draw_of_all_kinds(tmp_path)
    dataset = open_dataset(str(tmp_path), ReadingOptions())
    decoded = scan(dataset, training=False)
    assert len(decoded.sizes) == number > 40
    assert decoded.converted
    assert decoded.high_bit_depth
    read = scanning.read
    decoded_again: list[bytes] = []

    def noted(source: bytes, least: tuple[int, int] | None = None) -> Image.Image:
        decoded_again.append(source)
        return read(source, least)

    monkeypatch.setattr(scanning, "read", noted)
    known = scan(dataset, training=False, is_known=lambda digest: True)
    assert len(decoded_again) == known.high_bit_depth  # whose levels only the pixels say
    for field in ("digests", "broken", "converted", "only_of_format", "sizes", "formats", "grey_range", "copies"):
        assert getattr(known, field) == getattr(decoded, field), field
