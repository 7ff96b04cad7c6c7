"""Every kind of image becomes RGB in the one documented way."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leannet.data.images import BrokenImage, center_crop, prepare, read, to_color
from leannet.data.loader import Augment, PreparedDataset
from leannet.data.sources import open_dataset
from leannet.preprocessing import Preprocessing

PLAIN = Preprocessing(height=8, width=8, crop_ratio=1.0)
GREY = Preprocessing(height=8, width=8, color="L", crop_ratio=1.0, mean=(0.5,), std=(0.5,))
RED, BLUE = (255, 0, 0), (0, 0, 255)


def _corner(image: Image.Image) -> tuple[int, ...]:
    return tuple(int(x) for x in np.asarray(to_color(image, PLAIN))[0, 0])


def test_all_modes_become_rgb() -> None:
    base = Image.new("RGB", (8, 8), (200, 100, 50))
    for mode in ("RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV"):
        red, green, blue = _corner(base.convert(mode))
        assert (red, green, blue) == pytest.approx((200, 100, 50), abs=3), mode
    assert _corner(base.convert("P", palette=Image.Palette.ADAPTIVE)) == (200, 100, 50)
    grey = Image.new("L", (8, 8), 77)
    assert _corner(grey) == (77, 77, 77)
    assert _corner(grey.convert("LA")) == (77, 77, 77)
    assert _corner(Image.new("1", (8, 8), 1)) == (255, 255, 255)


def test_sixteen_bits_are_divided_by_257() -> None:
    array = np.full((8, 8), 0x4D4D, dtype=np.uint16)
    assert _corner(Image.fromarray(array)) == (0x4D, 0x4D, 0x4D)
    assert _corner(Image.fromarray(array.astype(np.int32))) == (0x4D, 0x4D, 0x4D)


def test_floats_are_refused() -> None:
    with pytest.raises(BrokenImage, match="no agreed range"):
        to_color(Image.fromarray(np.zeros((8, 8), dtype=np.float32)), PLAIN)


def test_transparency_lies_over_white() -> None:
    assert _corner(Image.new("RGBA", (8, 8), (*RED, 0))) == (255, 255, 255)
    assert _corner(Image.new("RGBA", (8, 8), (*RED, 255))) == RED
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([*RED, *BLUE])
    palette.info["transparency"] = 0
    assert _corner(palette) == (255, 255, 255)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, orientation: int) -> None:
    """Eight files that all show a red left half, each stored as its tag says (EXIF 2.3, tag 0x0112)."""
    upright = Image.new("RGB", (16, 8), BLUE)
    upright.paste(RED, (0, 0, 8, 8))
    t = Image.Transpose
    stored = {
        1: None, 2: t.FLIP_LEFT_RIGHT, 3: t.ROTATE_180, 4: t.FLIP_TOP_BOTTOM,
        5: t.TRANSPOSE, 6: t.ROTATE_90, 7: t.TRANSVERSE, 8: t.ROTATE_270,
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.png"
    (upright.transpose(stored) if stored is not None else upright).save(path, exif=exif)
    array = np.asarray(to_color(read(path), PLAIN))
    assert array.shape == (8, 16, 3)
    assert (array[:, :8] == RED).all()
    assert (array[:, 8:] == BLUE).all()


def test_an_animation_is_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in (RED, BLUE)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    assert _corner(read(tmp_path / "moving.gif")) == RED


def test_broken_images_say_why(tmp_path: Path) -> None:
    good = tmp_path / "good.jpg"
    Image.effect_noise((64, 64), 50).save(good)
    cut = good.read_bytes()[:600]
    for data, reason in ((b"", "empty file"), (b"hello", "not an image"), (cut, "truncated")):
        with pytest.raises(BrokenImage, match=reason):
            read(data)
    with pytest.raises(BrokenImage, match="No such file"):
        read(tmp_path / "nothing.jpg")


def test_crop_keeps_the_middle_in_the_networks_proportions() -> None:
    wide = Preprocessing(height=100, width=200, crop_ratio=0.5)
    assert center_crop((400, 400), wide) == (100, 150, 300, 250)
    half = Image.new("RGB", (300, 100), BLUE)
    half.paste(RED, (100, 0, 200, 100))
    assert (prepare(half, PLAIN)[:, 1:-1] == RED).all()  # at the border the filter reaches beyond the box


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("side", "ratio"), [(224, 0.875), (224, 224 / 232), (96, 0.9), (160, 1.0), (32, 0.875)])
def test_center_crop_is_torchvisions(interpolation: str, side: int, ratio: float) -> None:
    """Resize(int(side / ratio)), whose longer side is rounded down, then CenterCrop, halves to the even one.

    The noise is along one axis: Pillow 13 chooses which pass comes first by the sizes, and rounds in between.
    """
    draw = np.random.default_rng(side)
    preprocessing = Preprocessing(
        height=side, width=side, resize="center-crop", crop_ratio=ratio, interpolation=interpolation
    )
    shorter = {224 / 232: 232}.get(ratio, int(side / ratio))
    for width, height in [*draw.integers(20, 700, (8, 2)).tolist(), (shorter, shorter), (333, 500), (501, 500)]:
        longer = int(shorter * max(width, height) / min(width, height))
        resized = (shorter, longer) if width <= height else (longer, shorter)
        left, top = (round((each - side) / 2) for each in resized)
        for noise in (draw.integers(0, 256, (height, 1, 3)), draw.integers(0, 256, (1, width, 3))):
            image = Image.fromarray(np.broadcast_to(noise, (height, width, 3)).astype(np.uint8))
            whole = image.resize(resized, getattr(Image.Resampling, interpolation.upper()))
            expected = np.asarray(whole.crop((left, top, left + side, top + side)))
            away = np.abs(prepare(image, preprocessing).astype(int) - expected)
            assert away.max() <= 1


def test_squash_and_letterbox_keep_everything() -> None:
    half = Image.new("RGB", (64, 32), BLUE)
    half.paste(RED, (0, 0, 32, 32))
    squashed = prepare(half, PLAIN.model_copy(update={"resize": "squash"}))
    assert (squashed[:, 0] == RED).all()
    assert (squashed[:, -1] == BLUE).all()
    boxed = prepare(half, PLAIN.model_copy(update={"resize": "letterbox"}))
    assert (boxed[0] == 128).all()
    assert (boxed[3, 0] == RED).all()


def test_resizing_is_antialiased() -> None:
    """A fine checkerboard becomes even grey, where taking single pixels would keep black or white."""
    board = (np.indices((512, 512)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = prepare(Image.fromarray(board), PLAIN)
    assert small.min() > 120
    assert small.max() < 135


def test_one_channel() -> None:
    assert prepare(Image.new("RGB", (9, 9), (10, 10, 10)), GREY).shape == (8, 8, 1)


@pytest.mark.parametrize("orientation", [1, 5, 6, 8])
def test_a_turned_image_is_upright_before_it_is_cropped(tmp_path: Path, orientation: int) -> None:
    """A phone's image: 400 x 200 stored, 200 x 400 seen. Crops of what is seen stay inside it."""
    (tmp_path / "a").mkdir()
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.effect_noise((400, 200), 60).save(tmp_path / "a" / "x.jpg", exif=exif)
    dataset = open_dataset(str(tmp_path))
    turned = PreparedDataset(dataset, PLAIN, Augment(crop=0.9), seed=1)
    for epoch in range(60):
        assert turned[0, epoch][0].shape == (3, 8, 8)


@pytest.mark.parametrize("size", range(3, 40))
def test_a_whole_crop_never_leaves_the_image(size: int) -> None:
    """In floating point width / n * n may be an ulp more than width."""
    for side in (7, 9, 11, 13, 22, 28, 44):
        preprocessing = Preprocessing(height=side, width=side, crop_ratio=1)
        assert prepare(Image.new("RGB", (size, size + 3)), preprocessing).shape == (side, side, 3)


def test_a_damaged_tag_is_a_broken_image_not_a_crash() -> None:
    image = Image.new("RGB", (8, 8))
    image.info["exif"] = b"Exif\x00\x00junk that is no directory"
    with pytest.raises(BrokenImage):
        to_color(image, PLAIN)


def test_lab_to_grey() -> None:
    assert prepare(Image.new("LAB", (8, 8), (50, 128, 128)), GREY).shape == (8, 8, 1)
