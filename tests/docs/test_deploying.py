"""The snippets of docs/deploying, taken from the pages and run as a stranger would, against `leannet predict`."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import leannet
from leannet.artifact.exporting import export, export_folder
from leannet.artifact.folder_artifact import Format
from leannet.checkpoint import save
from leannet.console import Console
from leannet.data.images import center_crop, fit, prepare
from leannet.errors import LeannetError
from leannet.header import Header
from leannet.preprocessing import Preprocessing
from leannet.sections import FloatInput
from leannet.tasks import FoundObjects
from leannet.web.onnxruntime_web import runtime_files
from tests.conftest import ROOT, draw, draw_folder, lively
from tests.docs.snippets import files_of

PAGES = ROOT / "docs" / "deploying"
CLASSES = ("disc", "ring", "square")
KINDS: dict[str, dict[str, Any]] = {
    "crop": {},
    "center-crop": {"resize": "center-crop"},
    "letterbox": {"resize": "letterbox"},
    "squash": {"resize": "squash", "interpolation": "bicubic", "mean": (0.5, 0.4, 0.3)},
    "grey": {"color": "L", "mean": (0.449,), "std": (0.226,)},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the pages print, images, and networks of each kind, whose answers differ much."""
    folder = tmp_path_factory.mktemp("deploying")
    for page in PAGES.glob("*.md"):
        for name, text in files_of(page).items():
            (folder / name).write_text(text, encoding="utf-8")
    draw_folder(folder / "photos", 8, CLASSES)
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    draw("disc", 6, 90).resize((90, 61)).save(folder / "turned.jpg", exif=exif)
    transparent = draw("ring", 7, 71)
    transparent.putalpha(draw("disc", 8, 71).convert("L"))
    transparent.save(folder / "transparent.png")
    draw("square", 9, 80).save(folder / "whole.png")  # 0.875 of it is 70 pixels, 5 from each side
    for kind, fields in KINDS.items():
        save_checkpoint(folder / f"{kind}.safetensors", Preprocessing(height=40, width=32, **fields))
    save_checkpoint(folder / "square.safetensors", Preprocessing(height=32, width=32))
    save_checkpoint(folder / "calm.safetensors", Preprocessing(height=32, width=32), calm=True)
    return folder


def save_checkpoint(path: Path, preprocessing: Preprocessing, calm: bool = False) -> None:
    torch.manual_seed(0)
    rows = leannet.architecture("mobilenet_v3_debug", classes=3)
    network = lively(leannet.build(rows.with_input(preprocessing.height, preprocessing.width, preprocessing.channels)))
    images = np.stack([prepare(draw(kind, seed, 60), preprocessing) for seed in range(8) for kind in CLASSES])
    with torch.no_grad():
        if calm:
            network = leannet.build(network.architecture).eval()
        outputs = network(torch.from_numpy(normalized(images, preprocessing)))
        last: Any = network.layer("Logits").linear
        last.weight.mul_(2 / outputs.std(0)[:, None])
        last.bias.sub_(outputs.mean(0)).mul_(2 / outputs.std(0))
    save(path, network, Header(architecture=network.architecture, classes=CLASSES, preprocessing=preprocessing))


@cache
def shipped(checkpoint: Path, form: str) -> Path:
    """The file or folder of a checkpoint: float32, float16, uint8, uint8-sized; openvino, ncnn, litert; int8-ENGINE."""
    out = checkpoint.with_name(f"{checkpoint.stem}-{form}")
    if form == "float16":
        return export(checkpoint, f"{out}.onnx", precision="float16").path
    if form in get_args(FloatInput):
        return export(checkpoint, f"{out}.onnx", input=form).path  # type: ignore[arg-type]
    if form in get_args(Format):
        return export_folder(checkpoint, form, out).path  # type: ignore[arg-type]
    engine = form.removeprefix("int8-")
    path = out if engine == "litert" else Path(f"{out}.onnx")
    images = str(checkpoint.with_name("photos"))
    with pytest.MonkeyPatch.context() as patch:
        # What stays float would be bfloat16 where the processor has it, whose rounding the lively network enlarges.
        patch.setattr("leannet.quantization.quantizing.fastest_float", lambda engine: "float32")
        quantized = leannet.quantize(checkpoint, images, path, engine, max_drop=100, min_agreement=0, quiet=True)
    assert quantized.path is not None
    return quantized.path


def normalized(images: NDArray[np.uint8], preprocessing: Preprocessing) -> NDArray[np.float32]:
    """(N, H, W, C) uint8 -> (N, C, H, W), as the pages say it."""
    floats = (images * preprocessing.scale - np.array(preprocessing.mean)) / np.array(preprocessing.std)
    return np.ascontiguousarray(floats.transpose(0, 3, 1, 2), np.float32)


def write_header(model: Path) -> Path:
    """model.json as the pages make it: with the command that they print."""
    command = next(line for line in (PAGES / "opencv.md").read_text().splitlines() if line.startswith("python -c"))
    assert command.replace(" runs/photos/model.onnx", " model.uint8.onnx") in (PAGES / "onnxruntime.md").read_text()
    words = command.partition(" runs/photos/model.onnx")[0].removeprefix("python -c ").strip("'")
    done = subprocess.run([sys.executable, "-c", words, str(model)], capture_output=True, text=True, check=True)
    (model.with_suffix(".json")).write_text(done.stdout)
    return model.with_suffix(".json")


def run(folder: Path, *words: str | Path) -> tuple[str, float]:
    """The class and the probability that a program printed."""
    program = [sys.executable, *words] if str(words[0]).endswith(".py") else words
    done = subprocess.run(list(map(str, program)), cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    name, probability = done.stdout.split()
    return name, float(probability)


def assert_predicted(printed: tuple[str, float], model: Path, image: Path, within: float = 2e-4) -> None:
    """That a program's class and probability are those of `leannet predict`."""
    prediction = leannet.predict(model, [image])[0][0]
    assert printed[0] == prediction.classes[0]
    assert printed[1] == pytest.approx(prediction.probabilities[0], abs=within)


def test_every_printed_file_is_known_here() -> None:
    names = {name for page in PAGES.glob("*.md") for name in files_of(page)}
    by_python = {f"classify_{runtime}.py" for runtime in ("onnxruntime", "openvino", "ncnn", "litert", "opencv")}
    by_python.add("find_onnxruntime.py")
    assert names == by_python | {"prepare.py", "classify.mjs", "classify.html", "classify.cpp", "Classifier.kt"}


def test_these_networks_notice_a_wrong_preprocessing(folder: Path) -> None:
    """Otherwise the tests below could not fail: another color order, layout, or resize moves the probability."""
    sys.path.insert(0, str(folder))
    session = onnxruntime.InferenceSession(shipped(folder / "crop.safetensors", "float32"))
    preprocessing = json.loads(session.get_modelmeta().custom_metadata_map["leannet"])["preprocessing"]
    with Image.open(folder / "turned.jpg") as image:
        prepared = prepare(image, Preprocessing(**preprocessing))
        upright = image.transpose(Image.Transpose.ROTATE_270).convert("RGB")
    rounded = np.asarray(
        upright.resize((32, 40), Image.Resampling.NEAREST, center_crop(upright.size, Preprocessing(**preprocessing)))
    )

    def probability(array: NDArray[np.uint8]) -> float:
        logits = session.run(None, {"input": normalized(array[None], Preprocessing(**preprocessing))})[0][0]
        return float((np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum())[0])

    for wrong in (prepared[..., ::-1], prepared[:, ::-1], rounded, np.asarray(upright.resize((32, 40)))):
        assert abs(probability(np.ascontiguousarray(wrong)) - probability(prepared)) > 2e-3


@pytest.mark.parametrize("image", ["turned.jpg", "transparent.png"])
@pytest.mark.parametrize("kind", KINDS)
def test_python_prints_what_predict_prints(folder: Path, kind: str, image: str) -> None:
    """Every Python page; crop, letterbox, squash with bicubic, grey; an image on its side, one with transparency."""
    checkpoint = folder / f"{kind}.safetensors"
    model = shipped(checkpoint, "float32")
    programs: list[tuple[str | Path, ...]] = [
        ("classify_onnxruntime.py", model),
        ("classify_openvino.py", model),
        ("classify_openvino.py", shipped(checkpoint, "openvino")),
        ("classify_ncnn.py", shipped(checkpoint, "ncnn")),
        ("classify_litert.py", shipped(checkpoint, "litert")),
        ("classify_opencv.py", model, write_header(model)),
    ]
    for program in programs if image == "turned.jpg" else programs[:1]:
        assert_predicted(run(folder, *program, image), model, folder / image)


@pytest.mark.parametrize(
    ("program", "form"),
    [
        ("classify_onnxruntime.py", "uint8"),
        ("classify_onnxruntime.py", "uint8-sized"),
        ("classify_onnxruntime.py", "float16"),
        ("classify_openvino.py", "uint8-sized"),
        ("classify_onnxruntime.py", "int8-onnxruntime"),
        ("classify_openvino.py", "int8-openvino"),
        ("classify_litert.py", "int8-litert"),
    ],
)
def test_files_that_take_uint8_and_files_of_other_numbers(folder: Path, program: str, form: str) -> None:
    # rounding to float16 changes the answers of the lively one by more than `export` allows
    checkpoint = folder / ("calm.safetensors" if form == "float16" else "crop.safetensors")
    model = shipped(checkpoint, form)
    assert_predicted(run(folder, program, model, "turned.jpg"), model, folder / "turned.jpg")


@pytest.mark.parametrize("image", ["turned.jpg", "transparent.png", "whole.png"])
def test_boxes_are_those_that_predict_finds(folder: Path, image: str) -> None:
    torch.manual_seed(0)
    network = lively(leannet.create("onenet_debug", classes=3))
    side = network.architecture.input
    preprocessing = Preprocessing(height=side.height, width=side.width, resize="letterbox")
    file = folder / "detector.safetensors"
    save(file, network, Header(architecture=network.architecture, classes=CLASSES, preprocessing=preprocessing))
    model = shipped(file, "float32")
    (answer,), _ = leannet.predict(model, [folder / image])
    assert isinstance(answer, FoundObjects)
    assert len(answer.likely) > 3
    words = [sys.executable, "find_onnxruntime.py", str(model), image]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == [each.label for each in answer.likely]
    numbers = np.array([line[1:] for line in lines], float)
    np.testing.assert_allclose(numbers[:, 0], [each.score for each in answer.likely], atol=1e-3)
    np.testing.assert_allclose(numbers[:, 1:], [each.box for each in answer.likely], atol=0.05)


# JavaScript


def test_node(folder: Path) -> None:
    modules = os.environ.get("LEANNET_NODE_MODULES")
    if shutil.which("node") is None or modules is None:
        pytest.skip("LEANNET_NODE_MODULES names no node_modules with onnxruntime-node and sharp")
    if not (folder / "node_modules").exists():
        (folder / "node_modules").symlink_to(modules)
    for kind in ("square", "squash"):
        model = shipped(folder / f"{kind}.safetensors", "uint8")
        printed = run(folder, "node", "classify.mjs", model, write_header(model), "whole.png")
        assert_predicted(printed, model, folder / "whole.png", within=0.01)
    letterbox = shipped(folder / "letterbox.safetensors", "uint8")
    words = ["node", "classify.mjs", letterbox, write_header(letterbox), "whole.png"]
    done = subprocess.run(list(map(str, words)), cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "written for crop and squash" in done.stderr


def test_browser(folder: Path, browser: Any) -> None:
    try:
        files = runtime_files(None, ("wasm",), Console(quiet=True))
    except LeannetError as error:
        pytest.skip(str(error))
    (folder / "ort").mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / "ort" / name).write_bytes(data)
    handler: Callable[..., Any] = partial(Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for kind in ("square", "squash", "letterbox"):
        model = shipped(folder / f"{kind}.safetensors", "uint8")
        shutil.copy(model, folder / "model.uint8.onnx")
        shutil.copy(write_header(model), folder / "model.json")
        page = browser.new_page()
        if kind == "letterbox":
            with page.expect_event("pageerror") as raised:
                page.goto(f"http://127.0.0.1:{server.server_port}/classify.html")
            assert "written for crop and squash" in str(raised.value)
            page.close()
            continue
        page.goto(f"http://127.0.0.1:{server.server_port}/classify.html")
        page.wait_for_function("document.querySelector('input').onchange !== null")
        page.set_input_files("input", folder / "whole.png")
        page.wait_for_function("document.querySelector('output').value !== ''")
        name, probability = page.evaluate("document.querySelector('output').value").split()
        assert_predicted((name, float(probability)), model, folder / "whole.png", within=0.01)
        page.close()
    server.shutdown()
    server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    """A server of files that says nothing."""

    def log_message(self, *_: Any) -> None:
        pass


# C++


def test_cpp(folder: Path) -> None:
    home = os.environ.get("LEANNET_ONNXRUNTIME")
    if shutil.which("g++") is None or home is None:
        pytest.skip("LEANNET_ONNXRUNTIME names no folder with ONNX Runtime's include/ and lib/libonnxruntime.so")
    library = Path(home) / "lib" / "libonnxruntime.so"
    words = ["g++", "-std=c++17", "classify.cpp", "-I", f"{home}/include", library, f"-Wl,-rpath,{home}/lib"]
    subprocess.run([*map(str, words), "-o", "classify"], cwd=folder, check=True)
    for kind in ("square", "squash", "grey"):
        model = shipped(folder / f"{kind}.safetensors", "uint8")
        assert_predicted(run(folder, folder / "classify", model, "whole.png"), model, folder / "whole.png", within=0.01)


# What Kotlin's numbers rest on

COMPILED_MODEL = """
import sys
import numpy as np
from ai_edge_litert.compiled_model import CompiledModel
model = CompiledModel.from_file(sys.argv[1])
inputs, outputs = model.create_input_buffers(0), model.create_output_buffers(0)
inputs[0].write(np.load(sys.argv[2]))
model.run_by_index(0, inputs, outputs)
np.save(sys.argv[3], outputs[0].read(3, np.float32))
"""


@pytest.mark.parametrize("form", ["litert", "int8-litert"])
def test_litert_compiled_model_gives_the_same(folder: Path, form: str) -> None:
    """The calls of Kotlin's page, in Python: the buffers of a model whose number of images is free hold one."""
    model = shipped(folder / "crop.safetensors", form)
    preprocessing = Preprocessing(height=40, width=32)
    with Image.open(folder / "whole.png") as image:
        given = normalized(prepare(image, preprocessing)[None], preprocessing)
    np.save(folder / "given.npy", np.ascontiguousarray(given.transpose(0, 2, 3, 1)))
    words = [sys.executable, "-c", COMPILED_MODEL, str(model / "model.tflite"), "given.npy", "logits.npy"]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    logits = np.load(folder / "logits.npy")
    powers = np.exp(logits - logits.max())
    answer = CLASSES[int(powers.argmax())], float(powers.max() / powers.sum())
    assert_predicted(answer, model, folder / "whole.png")


@pytest.mark.parametrize("resize", ["crop", "center-crop"])
@pytest.mark.parametrize("size", [(80, 80), (61, 90), (517, 301), (33, 20)])
def test_the_resize_written_in_kotlin_is_pillows(folder: Path, size: tuple[int, int], resize: Any) -> None:
    """Its arithmetic line by line: at most a level of 256 away, and rarely that."""
    kotlin = files_of(PAGES / "litert.md")["Classifier.kt"]
    for line in (
        'whole(it / p.getDouble("crop_ratio"))',
        "val step = min(image.width / wide, image.height / high)",
        "val step = length / resized",
        "val start = if (rounds) round((resized - size) / 2) else (resized - size) / 2",
        "val center = (start + number + 0.5) * step",
        "val support = max(step, 1.0)",
        "val first = max(0, (center - support + 0.5).toInt())",
        "val last = min(length, (center + support + 0.5).toInt())",
        "max(0.0, 1 - abs(first + it + 0.5 - center) / support)",
    ):
        assert line in kotlin

    rounds = resize == "center-crop"

    def whole(value: float) -> float:
        return np.floor(value + 1e-6) if rounds else value

    def taps(length: int, resized: float, size: int) -> NDArray[np.float64]:
        step, weights = length / resized, np.zeros((size, length))
        start = round((resized - size) / 2) if rounds else (resized - size) / 2
        for number in range(size):
            center = (start + number + 0.5) * step
            support = max(step, 1.0)
            first = max(0, int(center - support + 0.5))
            last = min(length, int(center + support + 0.5))
            for pixel in range(first, last):
                weights[number, pixel] = max(0.0, 1 - abs(pixel + 0.5 - center) / support)
        return weights / weights.sum(axis=1, keepdims=True)

    preprocessing = Preprocessing(height=40, width=32, resize=resize)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    step = min(size[0] / whole(32 / 0.875), size[1] / whole(40 / 0.875))
    rows, columns = taps(size[1], whole(size[1] / step), 40), taps(size[0], whole(size[0] / step), 32)
    levels = np.floor(np.einsum("yi,xj,ijc->yxc", rows, columns, np.asarray(image, float)) + 0.5)
    away = np.abs(levels - np.asarray(fit(image, preprocessing), float))
    assert away.max() <= 1
    assert (away > 0).mean() < 0.3
