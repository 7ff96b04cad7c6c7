"""The page's JavaScript in node: images as Pillow makes them, equal in every level."""

import base64
import io
import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps, features

from leannet.data.images import center_crop, fitted_size, read, to_color
from leannet.preprocessing import Preprocessing
from tests.conftest import draw

NODE = shutil.which("node") or ""
WEB = Path(str(files("leannet.web") / "static"))

pytestmark = pytest.mark.skipif(not NODE, reason="no node")


def run_node(folder: Path, script: str, data: Any) -> Any:
    """What a script beside the page's modules prints for `data`."""
    for path in WEB.glob("*.js"):
        shutil.copy(path, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "data.json").write_text(json.dumps(data))
    read = 'import { readFileSync } from "node:fs"; const input = JSON.parse(readFileSync("data.json"));'
    (folder / "script.js").write_text(f"{read}\n{script}")
    completed = subprocess.run([NODE, "script.js"], cwd=folder, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    return json.loads(completed.stdout)


def random_case(random: np.random.Generator, number: int) -> tuple[dict[str, Any], Image.Image]:
    """An image, a box of it and a size: small and large, smooth and harsh, grey and in color."""
    width, height = (int(n) for n in random.integers(1, 20 if number % 3 else 300, 2))
    size = (width, height) if number % 11 == 0 else tuple(int(n) for n in random.integers(1, 90, 2))
    channels = 1 if number % 4 == 0 else 3
    levels = random.integers(0, 256, (height, width, channels))
    array = (levels if number % 5 else levels // 128 * 255).astype(np.uint8)
    (left, right), (top, bottom) = (np.sort(random.uniform(0, length, 2)).tolist() for length in (width, height))
    whole = number % 6 < 2 or min(right - left, bottom - top) < 0.01
    case = {
        "width": width,
        "height": height,
        "channels": channels,
        "stride": channels,
        "size": size,
        "box": (0, 0, width, height) if whole else (left, top, right, bottom),
        "filter": "bicubic" if number % 2 else "bilinear",
        "data": array.reshape(-1).tolist(),
    }
    return case, Image.fromarray(array[:, :, 0] if channels == 1 else array)


@pytest.mark.skipif(
    int((features.version("pil") or "0").split(".")[0]) < 13,
    reason="before Pillow 13 no image is resized downwards first",
)
def test_images_are_resized_as_pillow_does(tmp_path: Path) -> None:
    random, cases, expected = np.random.default_rng(0), [], []
    for number in range(400):
        case, image = random_case(random, number)
        cases.append(case)
        resized = image.resize(case["size"], Image.Resampling[case["filter"].upper()], case["box"])
        expected.append(np.asarray(resized).reshape(-1).tolist())
    script = """
      import { resize } from "./resample.js";
      const results = input.map((image) => {
        const { channels, data, width } = image;
        function block(left, top, columns, rows) {
          const lines = Array.from({ length: rows }, (_, row) => ((top + row) * width + left) * channels);
          return lines.flatMap((begin) => data.slice(begin, begin + columns * channels));
        }
        return Array.from(resize({ ...image, block }, image.size, image.box, image.filter).data);
      });
      console.log(JSON.stringify(results));
    """
    for case, resized, levels in zip(cases, run_node(tmp_path, script, cases), expected, strict=True):
        assert resized == levels, {key: value for key, value in case.items() if key != "data"}


@pytest.mark.parametrize("resize", ["crop", "center-crop"])
def test_crops_are_pythons(tmp_path: Path, resize: Any) -> None:
    """The box, to the last bit, of sizes and shares at which something is rounded."""
    draw = np.random.default_rng(0)
    sizes = [*draw.integers(1, 1200, (60, 2)).tolist(), [224, 224], [256, 256], [300, 301]]
    cases = [
        {"width": w, "height": h, "frame": frame, "ratio": ratio}
        for frame in ((224, 224), (9, 16), (32, 32))
        for ratio in (0.875, 1.0, 224 / 232, 0.9)
        for w, h in sizes
    ]
    script = f"""
      import {{ plan }} from "./prepare.js";
      console.log(JSON.stringify(input.map(({{ width, height, frame: [w, h], ratio }}) =>
        plan(width, height, {{ resize: "{resize}", width: w, height: h, crop_ratio: ratio }}).box)));
    """
    for case, box in zip(cases, run_node(tmp_path, script, cases), strict=True):
        width, height = case["frame"]
        preprocessing = Preprocessing(width=width, height=height, resize=resize, crop_ratio=case["ratio"])
        left, top, right, bottom = center_crop((case["width"], case["height"]), preprocessing)
        assert box == [max(left, 0), max(top, 0), min(right, case["width"]), min(bottom, case["height"])]


def test_letterboxes_lie_where_pillow_puts_them(tmp_path: Path) -> None:
    """Every size up to a limit, in several frames: what ImageOps.pad fills, and how it rounds halves. Images that it
    makes too thin to be seen keep a row here, as in Python."""
    sizes = [(width, height) for width in range(1, 41) for height in range(1, 41)]
    cases = [{"width": w, "height": h, "resize": "letterbox", "frame": frame} for frame in ((9, 16), (16, 16), (24, 7))
             for w, h in sizes]  # fmt: skip
    script = """
      import { plan } from "./prepare.js";
      console.log(JSON.stringify(input.map(({ width, height, frame: [w, h] }) => {
        const { size, at } = plan(width, height, { resize: "letterbox", width: w, height: h });
        return [...at, ...size];
      })));
    """
    plans = run_node(tmp_path, script, cases)
    thin = 0
    for case, plan in zip(cases, plans, strict=True):
        width, height = case["frame"]
        preprocessing = Preprocessing(width=width, height=height, resize="letterbox")
        size, at = fitted_size((case["width"], case["height"]), preprocessing)
        assert plan == [*at, *size], case
        image = Image.new("L", (case["width"], case["height"]), 255)
        pillows = np.asarray(ImageOps.pad(image, tuple(case["frame"]), Image.Resampling.BILINEAR, 0)) > 0
        left, top, width, height = plan
        pages = np.zeros_like(pillows)
        pages[top : top + height, left : left + width] = True
        thin += not pillows.any()
        assert (pillows == pages).all() or not pillows.any(), case
    assert thin


XMP = '<rdf:Description xmlns:tiff="x"><tiff:Orientation>{}</tiff:Orientation></rdf:Description>'


def oriented() -> list[tuple[str, dict[str, Any]]]:
    """Formats, and options with which Pillow saves them: turned by EXIF in either byte order, by XMP, or by both."""
    ways: list[tuple[str, dict[str, Any]]] = []
    for kind in ("JPEG", "PNG", "WEBP"):
        ways.append((kind, {}))
        for turn in range(10):
            exif = Image.Exif()
            exif[0x010F], exif[0x0112], exif[0x0131] = "maker", turn, "program"
            for order in "<>":
                exif.endian = order
                ways.append((kind, {"exif": exif.tobytes(), "icc_profile": b"x" * 70_000}))
            if kind != "PNG":
                xmp = XMP.format(turn).encode()
                ways += [(kind, {"xmp": xmp}), (kind, {"xmp": xmp, "exif": exif, "icc_profile": b"x"})]
    return ways


def test_orientation_is_read_as_pillow_does_and_profiles_are_taken_away(tmp_path: Path) -> None:
    image, contents = draw("disc", 3), []
    for kind, words in oriented():
        file = io.BytesIO()
        image.save(file, kind, **words)
        contents.append(file.getvalue())
    broken = [
        b"",
        b"\xff\xd8\xff",
        b"GIF89a",
        *(each[:length] for each in contents[::9] for length in (20, 30, 40, 60)),
    ]
    script = """
      import { bare } from "./bare.js";
      console.log(JSON.stringify(input.map((text) => {
        const { orientation, bytes } = bare(new Uint8Array(Buffer.from(text, "base64")));
        return [orientation, Buffer.from(bytes).toString("base64")];
      })));
    """
    results = run_node(tmp_path, script, [base64.b64encode(each).decode() for each in (*contents, *broken)])
    for content, (orientation, text), (kind, words) in zip(contents, results, oriented(), strict=False):
        with Image.open(io.BytesIO(content)) as before, Image.open(io.BytesIO(base64.b64decode(text))) as after:
            before.load()
            after.load()
            expected = before.getexif().get(0x0112, 1)
            assert orientation == (expected if 1 <= expected <= 8 else 1), (kind, words)
            assert "xmp" in words or after.getexif().get(0x0112, 1) == 1, (kind, words)
            assert after.info.get("icc_profile") is None
            assert after.tobytes() == before.tobytes()
    assert len(results) == len(contents) + len(broken)
    assert {orientation for orientation, _ in results} == set(range(1, 9))


@pytest.mark.parametrize("grey_range", [(0, 65535), (0, 4095), (-1000, 3071), (100, 356)])
def test_grey_of_16_bits_is_read_as_python_reads_it(tmp_path: Path, grey_range: tuple[int, int]) -> None:
    random, contents, expected = np.random.default_rng(1), [], []
    for number in range(24):  # noise and slopes, so that Pillow's encoder takes every filter of a line
        height, width = (int(n) for n in random.integers(1, 40, 2))
        slope = np.add.outer(np.arange(height) * 37, np.arange(width) * 211)
        array = (random.integers(0, 65536, (height, width)) if number % 2 else slope).astype(np.uint16)
        stream = io.BytesIO()
        Image.fromarray(array).save(stream, "PNG", compress_level=number % 10)
        contents.append(base64.b64encode(stream.getvalue()).decode())
        preprocessing = Preprocessing(height=1, width=1, color="L", grey_range=grey_range)
        grey = np.asarray(to_color(read(stream.getvalue()), preprocessing))
        expected.append([width, height, np.dstack([grey] * 3 + [np.full_like(grey, 255)]).ravel().tolist()])
    script = """
      import { deepGrey } from "./deep.js";
      const results = [];
      for (const text of input.files) {
        const { data, width, height } = await deepGrey(new Uint8Array(Buffer.from(text, "base64")), input.range);
        results.push([width, height, Array.from(data)]);
      }
      console.log(JSON.stringify(results));
    """
    assert run_node(tmp_path, script, {"files": contents, "range": grey_range}) == expected


def test_other_files_are_left_to_the_browser(tmp_path: Path) -> None:
    contents = [b"", b"GIF89a" * 9]
    for mode, kind in (("RGB", "PNG"), ("L", "PNG"), ("LA", "PNG"), ("L", "JPEG")):
        stream = io.BytesIO()
        draw("disc", 1).convert(mode).save(stream, kind)
        contents.append(stream.getvalue())
    script = """
      import { deepGrey } from "./deep.js";
      const read = (text) => deepGrey(new Uint8Array(Buffer.from(text, "base64")), [0, 65535]);
      console.log(JSON.stringify(await Promise.all(input.map(read))));
    """
    texts = [base64.b64encode(content).decode() for content in contents]
    assert run_node(tmp_path, script, texts) == [None] * len(contents)
