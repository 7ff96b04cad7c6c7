"""Which programs read leannet's files correctly: reader and version x family x kind of file.

    python benchmarks/readers.py [--results docs/benchmarks/readers.jsonl] [--work FOLDER]
    python benchmarks/readers.py --page          # docs/readers.md alone, from the results

Every reader gets an environment of its own (below FOLDER, pinned packages, from PyPI). A line of JSON a cell is added
to the results as soon as a reader is done; cells that are there already are not run again, so a run that was stopped
goes on.
Networks are small, with random weights and a batch norm that does something. Their inputs are noise.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

RUNNER = Path(__file__).with_name("readers_run.py")
RESULTS = Path("docs/benchmarks/readers.jsonl")
SMALL = {"classes": 10, "resolution": 96}
# Zoo name -> how it is made small. The debug forms are small already.
FAMILIES: dict[str, dict[str, Any]] = {
    "mobilenet_v1_debug": {}, "mobilenet_v2_debug": {}, "mobilenet_v3_debug": {},
    "mobilenet_v3_small": SMALL | {"width": 0.5}, "mobilenet_v3_large": SMALL | {"width": 0.5},
    "squeezenet_debug": {}, "squeezenet_1_0_complex_bypass": SMALL, "shufflenet_v1_debug": {},
    "shufflenet_v2_debug": {}, "shufflenet_v2_se": SMALL | {"width": 0.5}, "nasnet_debug": {}, "resnet_debug": {},
    "googlenet_debug": {}, "googlenet_torchvision": SMALL, "alexnet": {"classes": 10, "width": 0.25},
    "alexnet_grouped": {"classes": 10, "width": 0.25}, "vgg_debug": {},
    "two_layer_debug": {},
}  # fmt: skip
FLOAT_TOLERANCE, INTEGER_TOLERANCE = 1e-4, 5e-2  # of the largest output; of integers, at least
IMAGES = 4
TIMEOUT = 1200  # seconds, for all files of a reader


@dataclass(frozen=True)
class Reader:
    """A program that reads files of a form, in an environment of its own."""

    name: str
    version: str
    form: str  # onnx, ir, tflite or ncnn
    packages: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}"


READERS = (
    Reader("onnxruntime", "1.17.3", "onnx", ("onnxruntime==1.17.3", "numpy==1.26.4")),
    Reader("onnxruntime", "1.32.0", "onnx", ("onnxruntime==1.32.0", "numpy==2.4.6")),
    Reader("opencv", "4.10.0", "onnx", ("opencv-python-headless==4.10.0.84", "numpy==2.4.6")),
    Reader("opencv", "5.0.0", "onnx", ("opencv-python-headless==5.0.0.93", "numpy==2.4.6")),
    Reader("openvino", "2024.6.0", "onnx", ("openvino==2024.6.0", "numpy==2.1.3")),
    Reader("openvino", "2026.4.1", "onnx", ("openvino==2026.4.1", "numpy==2.4.6")),
    Reader("tract", "0.23.9", "onnx", ("tract==0.23.9", "numpy==2.4.6")),
    Reader("onnx2torch", "1.5.15", "onnx", ("onnx2torch==1.5.15", "torch==2.13.0", "onnx==1.19.1", "numpy==2.4.6")),
    Reader("openvino", "2024.6.0", "ir", ("openvino==2024.6.0", "numpy==2.1.3")),
    Reader("openvino", "2026.4.1", "ir", ("openvino==2026.4.1", "numpy==2.4.6")),
    Reader("tflite-runtime", "2.14.0", "tflite", ("tflite-runtime==2.14.0", "numpy==1.26.4")),
    Reader("ai-edge-litert", "2.3.0", "tflite", ("ai-edge-litert==2.3.0", "numpy==2.4.6")),
    Reader("tflite-micro", "2026-10", "tflite", ("tflite-micro==0.dev20261023182759", "numpy==2.4.6")),
    Reader("ncnn", "1.0.20241226", "ncnn", ("ncnn==1.0.20241226", "numpy==2.4.6")),
    Reader("ncnn", "1.0.20261020", "ncnn", ("ncnn==1.0.20261020", "numpy==2.4.6")),
)
# Kind of file -> the forms that it is written in.
KINDS: dict[str, tuple[str, ...]] = {
    "float32": ("onnx", "ir", "tflite", "ncnn"),
    "int8 for onnxruntime": ("onnx",),
    "int8 for openvino": ("onnx",),
    "int8 for litert": ("tflite",),
    "uint8": ("onnx",),
    "uint8-sized": ("onnx",),
}


@dataclass(frozen=True)
class Cell:
    """One reader's outputs for one file. difference: the largest, over the largest output."""

    reader: str
    version: str
    form: str
    kind: str
    family: str
    verdict: str  # right, wrong or refused; of images one at a time
    difference: float | None
    allowed: float
    batch: str  # the same of several at once; empty where the file does not allow it
    error: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        return self.reader, self.version, self.form, self.kind, self.family


@dataclass
class Files:
    """The files of one network, what they are given, and what is right."""

    family: str
    folder: Path
    expected: dict[str, Any] = field(default_factory=dict)  # kind -> (IMAGES, classes)
    allowed: dict[str, float] = field(default_factory=dict)

    def file(self, kind: str, form: str) -> Path:
        """The one that is named to a reader."""
        ending = {"onnx": "model.onnx", "ir": "model.xml", "tflite": "model.tflite", "ncnn": "model.param"}[form]
        return self.folder / kind.replace(" ", "-") / form / ending

    def inputs(self, kind: str) -> Path:
        """Its inputs."""
        return self.folder / f"{kind if kind.startswith('uint8') else 'float32'}.npz"


def make(family: str, folder: Path) -> Files:
    """Writes all files of a network."""
    import torch

    from leannet.artifact.artifact import normalized
    from leannet.artifact.checking import without_antialiasing
    from leannet.data.images import fit, to_array, to_image
    from leannet.network import build
    from leannet.preprocessing import Preprocessing
    from leannet.quantization.calibration import Calibration
    from leannet.runtime import ENGINES, Program, numpy_weights, to_onnx
    from leannet.runtime.processor import weight_bits
    from leannet.runtime.programs import quantized_program
    from leannet.zoo import architecture

    torch.manual_seed(0)
    network = lively(build(architecture(family, **FAMILIES[family])))
    table, weights = network.architecture, numpy_weights(network.state_dict())
    shape = table.input
    color: dict[str, Any] = {} if shape.channels == 3 else {"color": "L", "mean": (0.449,), "std": (0.226,)}
    preprocessing = Preprocessing(height=shape.height, width=shape.width, resize="squash", **color)
    draw, files = np.random.default_rng(0), Files(family, folder)
    sizes = [(3 * shape.height + 1, 2 * shape.width + 3), (2 * shape.height + 5, 3 * shape.width + 2)] * (IMAGES // 2)
    images: list[Any] = [draw.integers(0, 256, (*size, shape.channels), np.uint8) for size in sizes]
    resized: Any = np.stack([to_array(fit(to_image(each), preprocessing)) for each in images])
    cruder: Any = np.stack([without_antialiasing(each, shape.width, shape.height) for each in images])
    floats = normalized(resized, preprocessing)
    folder.mkdir(parents=True, exist_ok=True)
    for kind, arrays in (("float32", floats), ("uint8-sized", resized)):
        np.savez(files.inputs(kind), **{str(number): each[None] for number, each in enumerate(arrays)})
    np.savez(files.inputs("uint8"), **{str(number): each[None] for number, each in enumerate(images)})

    def torch_says(x: Any) -> Any:
        with torch.inference_mode():
            return network(torch.from_numpy(x)).numpy()

    exact = torch_says(floats)
    aliased = float(np.abs(torch_says(normalized(cruder, preprocessing)) - exact).max() / np.abs(exact).max())
    programs = {"float32": Program(table, weights)}
    ranges = Calibration(table, weights, [floats])
    for engine in ("onnxruntime", "openvino", "litert"):
        bits = 8 if engine == "litert" else weight_bits()
        corrections = ranges.bias_corrections(bits)
        quantized = quantized_program(table, weights, ranges.ranges(), engine, bits=bits, bias_corrections=corrections)
        programs[f"int8 for {engine}"] = quantized
        answers = files.expected[f"int8 for {engine}"] = ENGINES[engine].prepare(quantized, 1)(floats)[0]
        # Another way of rounding may be as far from the float network as the engine's own, on its other side.
        files.allowed[f"int8 for {engine}"] = max(INTEGER_TOLERANCE, 2 * difference(answers, exact))
    for kind, sized in (("uint8", False), ("uint8-sized", True)):
        graph = to_onnx(table, weights, preprocessing, sized=sized).SerializeToString()
        programs[kind] = Program.of_file(table, graph)
    for kind in ("float32", "uint8", "uint8-sized"):
        files.expected[kind], files.allowed[kind] = exact, FLOAT_TOLERANCE
    files.allowed["uint8"] = max(FLOAT_TOLERANCE, aliased / 4)  # as `leannet check` allows
    for kind, forms in KINDS.items():
        for form in forms:
            place = files.file(kind, form).parent
            place.mkdir(parents=True, exist_ok=True)
            programs[kind].write(form, place)
    return files


def lively(network: Any) -> Any:
    """A network whose batch norm does something."""
    import torch

    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, 0, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.2)
    return network.eval()


@cache
def environment(packages: tuple[str, ...], work: Path) -> Path:
    """The Python of an environment with these packages, made where it is not there yet."""
    name = "_".join(each.replace("==", "-") for each in packages[:1])
    place, ready = work / "environments" / name, work / "environments" / name / "ready"
    if not ready.exists():
        print(f"installing {', '.join(packages)}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
        words = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input"]
        subprocess.run([*words, *packages], check=True, stdout=sys.stderr)
        ready.touch()
    return place / "bin" / "python"


def run(reader: Reader, cells: list[tuple[Files, str]], work: Path) -> Iterator[Cell]:
    """The cells of one reader: networks, each with a kind of file. It gets a process, and a new one where that ends."""
    python = environment(reader.packages, work)
    while cells:
        with tempfile.TemporaryDirectory() as place:
            outputs = [Path(place) / f"{number}.npz" for number in range(len(cells))]
            words = [str(python), str(RUNNER), reader.name]
            for (files, kind), file in zip(cells, outputs, strict=True):
                words += [str(files.file(kind, reader.form)), str(files.inputs(kind)), str(file)]
            error = ""
            try:
                done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=TIMEOUT)
                if done.returncode:
                    last = (done.stderr.strip().splitlines() or [""])[-1]
                    error = f"ended with status {done.returncode}: {last}"[:300]
            except subprocess.TimeoutExpired:
                error = f"no answer in {TIMEOUT} s"
            for number, ((files, kind), file) in enumerate(zip(cells, outputs, strict=True)):
                if not file.exists():
                    where = (reader.name, reader.version, reader.form, kind, files.family)
                    yield Cell(*where, "refused", None, files.allowed[kind], "", error)
                    cells = cells[number + 1 :]
                    break
                with np.load(file) as arrays:
                    yield evaluate(reader, kind, files, {key: arrays[key] for key in arrays.files})
            else:
                return


def evaluate(reader: Reader, kind: str, files: Files, arrays: dict[str, Any]) -> Cell:
    """The cell of a reader's outputs."""
    where = (reader.name, reader.version, reader.form, kind, files.family)
    allowed, expected = files.allowed[kind], files.expected[kind]
    if "one_error" in arrays:
        return Cell(*where, "refused", None, allowed, "", str(arrays["one_error"]))
    away = difference(arrays["one"], expected)
    batch, error = "", ""
    if "batch_error" in arrays:
        batch, error = "refused", str(arrays["batch_error"])
    elif "batch" in arrays:
        batch = "right" if difference(arrays["batch"], expected) <= allowed else "wrong"
    return Cell(*where, "right" if away <= allowed else "wrong", away, allowed, batch, error)


def difference(outputs: Any, expected: Any) -> float:
    """The largest, over the largest output; infinite for what is no number or has another shape."""
    if outputs.shape != expected.shape or not np.isfinite(outputs).all():
        return float("inf")
    return float(np.abs(outputs - expected).max() / np.abs(expected).max())


def read(results: Path) -> list[Cell]:
    """The cells that are known."""
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    return [Cell(**json.loads(line)) for line in lines if line.strip()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "leannet-readers")
    parser.add_argument("--page", action="store_true", help="only write the page")
    parser.add_argument("--only", default="", help="readers whose name and version begin so")
    asked = parser.parse_args()
    if not asked.page:
        known = {cell.key for cell in read(asked.results)}
        missing = {
            reader: [
                (family, kind) for family in FAMILIES for kind, forms in KINDS.items()
                if reader.form in forms and (reader.name, reader.version, reader.form, kind, family) not in known
            ]
            for reader in READERS if reader.title.startswith(asked.only)
        }  # fmt: skip
        files = {family: make(family, asked.work / "files" / family) for family in FAMILIES
                 if any(family in (name for name, _ in cells) for cells in missing.values())}  # fmt: skip
        for reader, cells in missing.items():
            for cell in run(reader, [(files[family], kind) for family, kind in cells], asked.work) if cells else ():
                with asked.results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(cell)) + "\n")
                print(cell.family, cell.kind, reader.title, reader.form, cell.verdict, cell.difference, cell.batch,
                      cell.error[:120], flush=True)  # fmt: skip
    from readers_page import write

    write(read(asked.results), Path("docs/readers.md"))


if __name__ == "__main__":
    main()
