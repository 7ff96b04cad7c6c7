"""The page in Chromium: what it says of images against what Python says, without a connection, replaced, embedded."""

import base64
import io
import shutil
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageCms

import leannet
from leannet.artifact import export, open_artifact
from leannet.artifact.artifact import normalized
from leannet.checkpoint import save
from leannet.console import Console
from leannet.data.images import prepare, read
from leannet.errors import LeannetError
from leannet.header import Header
from leannet.preprocessing import Preprocessing
from leannet.quantization import quantize
from leannet.web.onnxruntime_web import runtime_files
from leannet.web.site import make_site
from tests.conftest import draw, draw_folder, keep, lively
from tests.web.accessibility import LIVE, RECORD_SPOKEN, check_page, tab_stops

CLASSES = ("ape", "bee", "çat")
HEADERS = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="8"/></x:xmpmeta>'

OFFLINE = "#state:has-text('offline')"
CLASSIFY = """async (text) => {
  const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  const { input, outputs } = await leannet.classify(new Blob([bytes]));
  return { input: Array.from(input.data), outputs: Array.from(outputs) };
}"""

DETECT = """async (text) => {
  const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  return { objects: (await leannet.detect(new Blob([bytes]))).objects };
}"""


@pytest.fixture(scope="module", autouse=True)
def runtime() -> None:
    """onnxruntime-web, which is fetched once and kept."""
    try:
        runtime_files(None, ("wasm",), Console(quiet=True))
    except LeannetError as error:
        pytest.skip(str(error))


class Handler(SimpleHTTPRequestHandler):
    """A server of files. It may isolate its pages; where not, it has browsers unpack what is packed, as some do."""

    def __init__(self, *args: Any, isolate: bool, asked: list[str], **fields: Any):
        self.isolate, self.asked = isolate, asked
        super().__init__(*args, **fields)

    def end_headers(self) -> None:
        for name, value in HEADERS.items() if self.isolate else ():
            self.send_header(name, value)
        if self.path.endswith(".gz") and not self.isolate:
            self.send_header("Content-Encoding", "gzip")
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        self.asked.append(self.path)


class Server:
    """A folder at an address, until it is stopped. `asked` has the paths of all requests."""

    def __init__(self, folder: Path, isolate: bool = True):
        self.asked: list[str] = []
        handler = partial(Handler, directory=folder, isolate=isolate, asked=self.asked)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def visit(
    browser: Any, folder: Path, isolate: bool = True, start: str = "", **words: Any
) -> Iterator[tuple[Any, Server]]:
    """A page at a site, with nothing on the console and no request to any other address. words: of the window."""
    server, problems = Server(folder, isolate), []
    context = browser.new_context(**words)
    page = context.new_page()
    page.on("console", lambda message: problems.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    context.on("request", lambda request: None if request.url.startswith((server.url, f"blob:{server.url}"))
               else problems.append(request.url))  # fmt: skip
    try:
        page.goto(server.url + start)
        if not start:
            page.evaluate("leannet.ready")
        yield page, server
        assert problems == []
    finally:
        context.close()
        server.stop()


# Networks whose answers differ from image to image, though they were never trained


def artifact(folder: Path, name: str, input: str = "float32", **words: Any) -> Path:
    preprocessing = Preprocessing(height=40, width=32, **words)
    rows = leannet.architecture("mobilenet_v3_debug", classes=3)
    torch.manual_seed(0)  # whatever ran before: the images below shall fall into all three classes
    network = lively(leannet.build(rows.with_input(40, 32, preprocessing.channels)))
    arrays = np.stack([prepare(scene(60, 50, seed), preprocessing) for seed in range(8)])
    with torch.no_grad():
        outputs = network(torch.from_numpy(normalized(arrays, preprocessing)))
        last: Any = network.layer("Logits").linear
        last.weight.mul_(4 / outputs.std(0)[:, None])
        last.bias.sub_(outputs.mean(0)).mul_(4 / outputs.std(0))
    header = Header(architecture=network.architecture, classes=CLASSES, preprocessing=preprocessing)
    save(folder / f"{name}.safetensors", network, header)
    return export(folder / f"{name}.safetensors", input=input).path  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> tuple[Path, Path]:
    """An artifact and its site."""
    folder = tmp_path_factory.mktemp("site")
    path = artifact(folder, "net", resize="crop", mean=(0.4, 0.5, 0.6))
    make_site(path, folder / "site", quiet=True)
    return path, folder / "site"


# Images


def scene(width: int, height: int, seed: int = 0) -> Image.Image:
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    waves = 0.5 + 0.5 * np.sin((3 + seed) * across + 9 * down * down)
    layers = np.roll(np.stack([across, down, waves], axis=-1), seed, axis=-1)
    image = Image.fromarray((255 * layers).astype(np.uint8))
    stamp = draw("disc" if seed % 2 else "square", seed, 40)
    image.paste(stamp.resize((max(width // 2, 1), max(height // 3, 1))), (width // 5, height // 8))
    return image


def saved(image: Image.Image, kind: str, **words: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **words)
    return file.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def with_profile() -> bytes:
    """A color profile in which red and blue have changed places: whoever applies it sees other colors."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    other = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}
    for entry in range(132, 132 + 12 * struct.unpack(">I", profile[128:132])[0], 12):
        tag = bytes(profile[entry : entry + 4])
        profile[entry : entry + 4] = other.get(tag, tag)
    return bytes(profile)


def png_of_16_bits(array: NDArray[np.uint16]) -> bytes:
    """(H, W, 3): Pillow writes none."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in array)
    size = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], 16, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", size), chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@cache
def images() -> dict[str, bytes]:
    """Files by name."""
    image = scene(150, 97)
    glass = image.convert("RGBA")
    glass.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, 150).astype(np.uint8), (97, 1))))
    deep = np.asarray(scene(90, 60, 4)).astype(np.uint16) * 257
    grey = Image.fromarray(np.linspace(0, 65535, 150 * 97).reshape(97, 150).astype(np.uint16))
    orientations = {f"exif {turn}.jpg": saved(scene(150, 97, turn), "JPEG", exif=turned(turn)) for turn in range(1, 9)}
    return orientations | {
        "exif 6.png": saved(scene(80, 60, 3), "PNG", exif=turned(6)),
        "exif 5.webp": saved(scene(80, 60, 5), "WEBP", exif=turned(5)),
        "xmp.jpg": saved(image, "JPEG", xmp=XMP.encode()),
        "glass.png": saved(glass, "PNG"),
        "glass.webp": saved(glass, "WEBP", lossless=True, exact=True),
        "grey and glass.png": saved(glass.convert("LA"), "PNG"),
        "palette.png": saved(image.quantize(31), "PNG"),
        "palette and hole.gif": saved(image.quantize(31), "GIF", transparency=3),
        "grey.jpg": saved(image.convert("L"), "JPEG"),
        "black and white.png": saved(image.convert("1"), "PNG"),
        "16 bits.png": png_of_16_bits(deep),
        "tiny.png": saved(scene(5, 7, 2), "PNG"),
        "large.jpg": saved(scene(3000, 2000, 1), "JPEG", quality=80),
        "tall.png": saved(scene(40, 1200, 6), "PNG"),
        "cmyk.jpg": saved(image.convert("CMYK"), "JPEG"),
        "progressive.jpg": saved(scene(90, 140, 7), "JPEG", progressive=True, quality=60),
        "profile.jpg": saved(image, "JPEG", icc_profile=with_profile()),
        "plain.bmp": saved(scene(31, 33, 8), "BMP"),
        "16 bits grey.png": saved(grey, "PNG"),
    }


def by_python(path: Path, data: bytes) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The network's image, flat, and its outputs."""
    opened = open_artifact(path)
    image = read(data)
    return prepare(image, opened.header.preprocessing).reshape(-1), opened.outputs([image])[0]


# What is tested


def test_a_visitors_images_are_classified_as_python_does(
    browser: Any, built: tuple[Path, Path], tmp_path: Path
) -> None:
    """Through the file chooser, to what the page shows."""
    path, site = built
    winners = set()
    with visit(browser, site) as (page, _):
        for name, data in images().items():
            (tmp_path / name).write_bytes(data)
            expected = leannet.predict(path, [tmp_path / name])[0][0]
            page.evaluate("document.getElementById('top').replaceChildren()")
            page.set_input_files("#file", tmp_path / name)
            page.wait_for_selector("#top .name")
            names, shares = (
                page.locator("#top .name").all_inner_texts(),
                page.locator("#top .percent").all_inner_texts(),
            )
            assert names[0] == expected.classes[0], name
            probabilities = [float(share.removesuffix(" %")) / 100 for share in shares]
            assert probabilities == pytest.approx(expected.probabilities, abs=1e-2), name
            winners.add(names[0])
        page.set_input_files("#file", {"name": "no image.png", "mimeType": "image/png", "buffer": b"\x89PNG no"})
        page.wait_for_selector("#problem:has-text('no image.png: this browser cannot read it')")
        assert page.inner_text("#top") == "Nothing yet."
        compare(page, path)
    assert winners == set(CLASSES)  # or the networks would ignore their input


def test_objects_are_drawn_where_python_finds_them(browser: Any, tmp_path: Path) -> None:
    """Answers of a detector, and the rectangles over the image, in the pixels of the upright image."""
    torch.manual_seed(0)
    network = lively(leannet.create("onenet_debug", classes=3))
    preprocessing = Preprocessing(height=network.architecture.input.height, width=network.architecture.input.width,
                                  resize="letterbox")  # fmt: skip
    save(tmp_path / "net.safetensors", network,
         Header(architecture=network.architecture, classes=CLASSES, preprocessing=preprocessing))  # fmt: skip
    path = export(tmp_path / "net.safetensors").path
    make_site(path, tmp_path / "site", quiet=True)
    seen = 0
    with visit(browser, tmp_path / "site") as (page, _):
        for name in ("exif 6.png", "tall.png", "16 bits.png", "large.jpg"):
            file = tmp_path / name
            file.write_bytes(images()[name])
            expected = leannet.predict(path, [file])[0][0].likely
            found = page.evaluate(DETECT, base64.b64encode(images()[name]).decode())["objects"]
            assert [each["class"] for each in found] == [each.label for each in expected], name
            boxes = np.array([each.box for each in expected]).reshape(-1, 4)
            np.testing.assert_allclose(np.array([each["box"] for each in found]).reshape(-1, 4), boxes, atol=0.1)
            page.evaluate("document.getElementById('boxes').replaceChildren()")
            page.set_input_files("#file", file)
            page.locator("#boxes rect").nth(len(expected) - 1).wait_for(state="attached")
            drawn = page.locator("#boxes rect").evaluate_all(
                "all => all.map(each => ['x', 'y', 'width', 'height'].map(name => +each.getAttribute(name)))"
            )
            drawn = np.array(drawn).reshape(-1, 4)
            np.testing.assert_allclose(drawn[:, :2], boxes[:, :2], atol=0.1)
            np.testing.assert_allclose(drawn[:, 2:], boxes[:, 2:] - boxes[:, :2], atol=0.2)
            assert (drawn[:, 2:] > 0).all()
            seen += len(expected)
        keep(page, tmp_path, "detector")
    assert seen > 10


@pytest.mark.parametrize(
    ("width", "height", "scheme"), [(390, 844, "light"), (390, 844, "dark"), (830, 900, "dark"), (1440, 900, "light")]
)
def test_it_fits_a_phone_and_a_desk(
    browser: Any, built: tuple[Path, Path], tmp_path: Path, width: int, height: int, scheme: str
) -> None:
    """Nothing to scroll sideways, the answer in sight, contrast and names; images of it for a person to look at."""
    (tmp_path / "image.png").write_bytes(saved(scene(320, 240, 1), "PNG"))
    size = {"width": width, "height": height}
    with visit(browser, built[1], viewport=size, color_scheme=scheme) as (page, _):
        check_page(page)
        page.set_input_files("#file", tmp_path / "image.png")
        page.wait_for_selector("#top .name")
        check_page(page)
        assert page.get_attribute("#image", "alt") == "image.png"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("#top .name").count() == len(CLASSES)
        for answer in page.locator("#top .name, #top .percent").all():
            box = answer.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
        keep(page, tmp_path, f"site_{width}_{scheme}")


FORMS = {
    "bicubic": {"resize": "letterbox", "interpolation": "bicubic", "background": (200, 10, 90)},
    "grey": {"resize": "squash", "color": "L", "mean": (0.4,), "std": (0.2,), "exif_orientation": False},
    "uint8": {"resize": "letterbox", "input": "uint8"},
    "uint8-sized": {"resize": "center-crop", "input": "uint8-sized"},
}


@pytest.mark.parametrize("form", FORMS)
def test_the_image_is_pillows_to_the_level(browser: Any, tmp_path: Path, form: str) -> None:
    path = artifact(tmp_path, "net", **FORMS[form])  # type: ignore[arg-type]
    make_site(path, tmp_path / "site", quiet=True)
    # Where a bicubic filter overshoots, it makes more of one level; semi-transparent pixels over a color are rounded in
    # another way; and Pillow makes grey of a palette by a rule of its own.
    with visit(browser, tmp_path / "site") as (page, _):
        compare(page, path, {"bicubic": 2, "grey": 1}.get(form, 0))


def compare(page: Any, path: Path, levels: int = 0) -> None:
    """The network's input and outputs for all images. levels: by which special images may differ."""
    equal = 0
    for name, data in images().items():
        expected, outputs = by_python(path, data)
        answer = page.evaluate(CLASSIFY, base64.b64encode(data).decode())
        difference = np.abs(np.array(answer["input"]) - expected.astype(int)).max()
        special = any(word in name for word in ("glass", "palette", "16"))
        assert difference <= (levels if special else 0), name
        if difference == 0:
            np.testing.assert_allclose(answer["outputs"], outputs, atol=1e-3 * np.abs(outputs).max(), err_msg=name)
            equal += 1
    assert equal >= 20


def test_integers_run_too(browser: Any, tmp_path: Path) -> None:
    artifact(tmp_path, "net")
    data = draw_folder(tmp_path / "data", kinds=CLASSES, each=8)
    path = quantize(tmp_path / "net.safetensors", str(data), quiet=True, max_drop=100, seconds=0).path
    assert path is not None
    make_site(path, tmp_path / "site", quiet=True)
    with visit(browser, tmp_path / "site") as (page, _):
        for seed in range(6):
            image = saved(scene(70, 90, seed), "PNG")
            _, outputs = by_python(path, image)
            computed = page.evaluate(CLASSIFY, base64.b64encode(image).decode())["outputs"]
            assert np.argmax(computed) == np.argmax(outputs)
            np.testing.assert_allclose(computed, outputs, atol=0.02 * np.abs(outputs).max())
        page.click("#check")
        page.wait_for_selector("#checked:has-text('difference')")
        assert "The same as at export" in page.inner_text("#checked")


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_weights_of_half_the_bytes_run_too(browser: Any, tmp_path: Path, precision: Any) -> None:
    torch.manual_seed(0)
    rows = leannet.architecture("mobilenet_v3_debug", classes=3)
    preprocessing = Preprocessing(height=rows.input.height, width=rows.input.width)
    header = Header(architecture=rows, classes=CLASSES, preprocessing=preprocessing)
    save(tmp_path / "net.safetensors", lively(leannet.build(rows)), header)
    path = leannet.export(tmp_path / "net.safetensors", tmp_path / "half.onnx", precision).path
    make_site(path, tmp_path / "site", quiet=True)
    with visit(browser, tmp_path / "site") as (page, _):
        image = saved(scene(70, 90, 1), "PNG")
        outputs = open_artifact(path).outputs([read(image)], "onnxruntime")[0]
        computed = page.evaluate(CLASSIFY, base64.b64encode(image).decode())["outputs"]
        np.testing.assert_allclose(computed, outputs, atol=1e-3 * np.abs(outputs).max())


def test_it_works_without_a_connection_or_a_server(browser: Any, built: tuple[Path, Path]) -> None:
    path, site = built
    image = saved(scene(64, 64, 3), "PNG")
    _, outputs = by_python(path, image)
    with visit(browser, site) as (page, server):
        page.wait_for_selector(OFFLINE)
        server.stop()
        page.context.set_offline(True)
        page.reload()
        page.evaluate("leannet.ready")
        answer = page.evaluate(CLASSIFY, base64.b64encode(image).decode())
        np.testing.assert_allclose(answer["outputs"], outputs, atol=1e-3 * np.abs(outputs).max())
        page.click("#samples button >> nth=2")
        page.wait_for_selector("#top .name")
        page.context.set_offline(False)


def test_a_server_that_isolates_nothing_is_enough_after_one_visit(browser: Any, built: tuple[Path, Path]) -> None:
    with visit(browser, built[1], isolate=False) as (page, _):
        assert not page.evaluate("crossOriginIsolated")
        assert page.locator("#threads option").count() == 1
        with page.expect_navigation():
            page.click("#reload")
        page.wait_for_function("window.leannet !== undefined && crossOriginIsolated")
        page.evaluate("leannet.ready")
        assert page.evaluate("crossOriginIsolated")
        cores = page.evaluate("navigator.hardwareConcurrency")
        assert page.locator("#threads option").count() == min(cores, 16)


def test_a_newer_network_at_the_same_address_is_found(browser: Any, built: tuple[Path, Path], tmp_path: Path) -> None:
    site = shutil.copytree(built[1], tmp_path / "site")
    other = artifact(tmp_path, "other", resize="squash", mean=(0.1, 0.1, 0.1))
    with visit(browser, site) as (page, server):
        page.wait_for_selector(OFFLINE)
        new = make_site(other, site, quiet=True, force=True, title="Another")
        page.reload()
        assert page.evaluate("leannet.ready.then((about) => about.title)") == "Another"
        image = saved(scene(64, 64, 3), "PNG")
        computed = page.evaluate(CLASSIFY, base64.b64encode(image).decode())["outputs"]
        np.testing.assert_allclose(computed, by_python(other, image)[1], rtol=1e-3, atol=1e-3)
        for _ in range(100):  # until the old one is forgotten
            if page.evaluate("caches.keys()") == [f"leannet {server.url} {new.version}"]:
                break
            page.wait_for_timeout(100)
        else:
            pytest.fail(f"kept: {page.evaluate('caches.keys()')}")


def test_camera_drop_and_paste(browser: Any, built: tuple[Path, Path]) -> None:
    give = """(kind) => new Promise((done) => document.createElement('canvas').toBlob((blob) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([blob], 'image.png', { type: 'image/png' }));
        document.getElementById('top').replaceChildren();
        document.dispatchEvent(kind === 'drop'
          ? new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true })
          : new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true }));
        done();
    }))"""
    with visit(browser, built[1]) as (page, _):
        page.click("#camera")
        page.wait_for_selector("#times:has-text('images a second')")
        page.click("#camera")
        assert page.evaluate("document.getElementById('video').srcObject") is None
        for kind in ("drop", "paste"):
            page.evaluate(give, kind)
            page.wait_for_selector("#top .name")
            assert page.get_attribute("#image", "alt") == "image.png"


def test_keyboards_and_screen_readers(browser: Any, built: tuple[Path, Path], tmp_path: Path) -> None:
    """Tab reaches all controls, Enter and Space work them, and one region says an answer, each time."""
    with visit(browser, built[1]) as (page, _):
        page.wait_for_selector(OFFLINE)  # the last change of the state
        samples = ["samples"] * page.locator("#samples button").count()
        threads = ["threads"] if page.locator("#threads option").count() > 1 else []
        assert len(samples) == 4
        assert tab_stops(page) == ["camera", "choose", *samples, *threads, "summary", "check"]
        page.evaluate(RECORD_SPOKEN)
        page.focus("#samples button >> nth=0")
        for key in ("Enter", "Space"):  # the same sample twice
            page.evaluate("document.getElementById('top').replaceChildren()")
            page.keyboard.press(key)
            page.wait_for_selector("#top .name")
            assert page.get_attribute("#samples button >> nth=0", "aria-pressed") == "true"
        answer = page.inner_text("#top .name >> nth=0") + ", " + page.inner_text("#top .percent >> nth=0")
        assert page.evaluate("window.spoken.filter((text) => text)") == [answer, answer]
        page.on("filechooser", lambda _: None)  # or it is switched off and on between the two
        page.focus("#choose")
        for key in ("Enter", "Space"):
            with page.expect_file_chooser():
                page.keyboard.press(key)
        page.focus("summary")
        page.keyboard.press("Enter")
        assert page.is_visible("#classes")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "classes"  # long lists are scrolled with the arrows
        page.focus("#check")
        page.keyboard.press("Space")
        page.wait_for_selector("#checked:has-text('The same as at export')")
        assert page.evaluate(LIVE) == ["state", "problem", "spoken", "checked"]
        page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": b"no image"})
        page.wait_for_selector("#problem:not([hidden])")
        assert page.inner_text("#spoken") == ""


def test_it_can_be_embedded(browser: Any, built: tuple[Path, Path], tmp_path: Path) -> None:
    """leannet.js in a page of one's own."""
    shutil.copytree(built[1], tmp_path / "site")
    (tmp_path / "mine.html").write_text(
        "<!doctype html><link rel=icon href=data:,><script type=module>import { load } from './site/leannet.js';\n"
        "window.mine = load({ threads: 1 });</script>"
    )
    image = base64.b64encode(saved(scene(64, 64, 3), "PNG")).decode()
    with visit(browser, tmp_path, start="mine.html") as (page, _):
        page.evaluate("mine.then((network) => { window.leannet = network; })")
        outputs = by_python(built[0], base64.b64decode(image))[1]
        np.testing.assert_allclose(
            page.evaluate(CLASSIFY, image)["outputs"], outputs, atol=1e-3 * np.abs(outputs).max()
        )


def test_nothing_is_let_out(browser: Any, built: tuple[Path, Path], tmp_path: Path) -> None:
    """The policy of the page holds where the images are, too: in a worker, made from a blob, and later by address."""
    server, elsewhere, page = Server(built[1], isolate=False), Server(tmp_path), browser.new_page()
    tell = f"fetch('{elsewhere.url}', {{ mode: 'no-cors' }}).then(() => 'sent', () => 'refused')"
    page.goto(server.url)
    for kind in ("blob:", "http:"):
        page.evaluate("leannet.ready")
        worker = page.workers[0]
        assert worker.url.startswith(kind)
        assert [each.evaluate(tell) for each in (page, worker)] == ["refused", "refused"]
        page.wait_for_selector(OFFLINE)
        page.reload()
    assert elsewhere.asked == []
    page.close()
    for each in (server, elsewhere):
        each.stop()
