"""What 8-bit integers cost the trained CIFAR-10 networks, on all test images, and which layers are to blame.

    python experiments/int8.py DATA        # some minutes; the networks of bases.py that are there
    python experiments/int8.py --page      # docs/int8.md anew, from the results alone

DATA: a folder with train.parquet and test.parquet. Each network is quantized for three engines: training images
calibrate, the validation split evaluates, and the test images are scored here, once. Beside it what ONNX Runtime's own
quantizer makes of the same file (static, QDQ, per channel) with the same calibration images. Writes docs/int8.md and
docs/experiments/int8.json.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from bases import BASES, NETWORKS
from PIL import Image

import leannet
from leannet.artifact import Artifact, open_artifact
from leannet.artifact.artifact import normalized
from leannet.artifact.onnx_artifact import OnnxArtifact
from leannet.data.images import prepare, read
from leannet.files import write_whole
from leannet.quantization.comparison import MIN_AGREEMENT, POINTS_PER_NOISE, ClassComparison, min_decibels
from leannet.runtime import ENGINES, Program
from leannet.tasks.metrics import Scores

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "experiments" / "int8.json"
NOISE = ROOT / "docs" / "experiments" / "int8_noise.json"  # of int8_noise.py
FEW = 512  # images that calibrate ONNX Runtime's quantizer
WORST = 12
ENGINES_HERE = ("onnxruntime", "openvino", "litert")
THEIRS = "onnxruntime's quantizer"


def by_the_runtime(artifact: OnnxArtifact, data: Path, test: tuple[list[Image.Image], np.ndarray]) -> float:
    """Test accuracy of what onnxruntime.quantization makes of the float file."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    some = np.sort(np.random.default_rng(0).permutation(50_000)[:FEW])
    images = pq.read_table(data / "train.parquet").column("img").take(some).to_pylist()

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # its base is untyped
        def __init__(self) -> None:
            self.left = iter(images)

        def get_next(self) -> dict[str, Any] | None:
            image = next(self.left, None)
            if image is None:
                return None
            array = prepare(read(image["bytes"]), artifact.header.preprocessing)
            return {"input": normalized(array[None], artifact.header.preprocessing)}

    with tempfile.TemporaryDirectory() as place:
        float_file, inferred, quantized = (Path(place) / f"{name}.onnx" for name in ("float", "inferred", "quantized"))
        float_file.write_bytes(artifact.graph)
        quant_pre_process(str(float_file), str(inferred), skip_symbolic_shape=True)
        words = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8, "per_channel": True}
        quantize_static(str(inferred), str(quantized), Reader(), quant_format=QuantFormat.QDQ, **words)
        run = ENGINES["onnxruntime"].prepare(Program.of_file(artifact.header.architecture, quantized.read_bytes()), 2)
    right = 0
    for batch, labels in batches(artifact, test):
        right += int((run(batch)[0].argmax(axis=1) == labels).sum())
    return right / len(test[1])


def batches(artifact: Artifact, test: tuple[list[Image.Image], np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The test images as a network reads them."""
    images, labels = test
    for start in range(0, len(images), 250):
        arrays = np.stack([prepare(each, artifact.header.preprocessing) for each in images[start : start + 250]])
        yield normalized(arrays, artifact.header.preprocessing), labels[start : start + 250]


def measured(name: str, data: Path, test: tuple[list[Image.Image], np.ndarray]) -> dict[str, Any]:
    """One network in all ways."""
    source, train = BASES / f"{name}.safetensors", str(data / "train.parquet")
    with tempfile.TemporaryDirectory() as place:
        plain = open_artifact(leannet.export(source, Path(place) / "plain.onnx").path)
        assert isinstance(plain, OnnxArtifact)
        results: dict[str, Any] = {"float32": accuracy(plain, test), "engines": {}}
        for engine in ENGINES_HERE:
            target = Path(place) / (engine if engine == "litert" else f"{engine}.onnx")
            quantized = leannet.quantize(source, train, target, engine, layers=True, quiet=True)  # type: ignore[arg-type]  # one of its words
            after = accuracy(open_artifact(target), test) if quantized.path else None
            results["engines"][engine] = quantized.to_dict() | {"test_accuracy": after, "path": None, "checks": None}
            print(name, engine, results["float32"], after, flush=True)
        results[THEIRS] = by_the_runtime(plain, data, test)
    return results


def accuracy(artifact: Artifact, test: tuple[list[Image.Image], np.ndarray]) -> float:
    """On the test images, in the engine that the artifact is made for."""
    run = artifact.run(threads=2)
    return sum(int((run(x)[0].argmax(axis=1) == y).sum()) for x, y in batches(artifact, test)) / len(test[1])


def page(results: dict[str, Any], noise: list[dict[str, Any]]) -> str:
    """docs/int8.md."""
    machines = {each["engines"][engine]["machine"]["processor"] for each in results.values() for engine in ENGINES_HERE}
    lines = [
        "# What integers cost", "",
        f"Written by `python experiments/int8.py DATA`, {', '.join(sorted(machines))}. CIFAR-10, all 10,000 test "
        "images, scored once; networks of [bases.md](bases.md). Calibrated on 512 training images, evaluated on the "
        "validation split.",
        "",
        "| network | float32 | int8, ONNX Runtime | OpenVINO | LiteRT | ONNX Runtime's own quantizer | in float "
        "| agreement | MB |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]  # fmt: skip
    for name, each in results.items():
        cells = []
        for engine in ENGINES_HERE:
            after = each["engines"][engine]["test_accuracy"]
            cells.append("refused" if after is None else _beside(after, each["float32"]))
        ort = each["engines"]["onnxruntime"]
        float_layers = [sum(layer["kept_float"] for layer in one["layers"]) for one in each["engines"].values()]
        agreement = [f"{100 * one['agreement']:.1f}" for one in each["engines"].values()]
        lines.append(
            f"| `{name}` | {100 * each['float32']:.2f} % | {' | '.join(cells)} | "
            f"{_beside(each[THEIRS], each['float32'])} | {', '.join(map(str, float_layers))} | "
            f"{', '.join(agreement)} % | {ort['size_bytes_before'] / 1e6:.2f} -> {ort['size_bytes_after'] / 1e6:.2f} |"
        )
    lines += [
        "", "In brackets: points against float32. In float: layers that are not quantized. Agreement: the share of "
        "validation images that keep their class. Both for each engine in turn. MB: of the ONNX file.",
        *_how_many_images(noise), "", "## Layer by layer", "",
        "Each layer alone as integers: the outputs over the noise that it adds. Less is worse; at 20 dB the noise is a "
        "tenth of the outputs.",
    ]  # fmt: skip
    for name, each in results.items():
        layers = sorted(each["engines"]["onnxruntime"]["layers"], key=lambda layer: layer["decibels"])
        lines += ["", f"### {name}", "", "| layer | kind | dB |", "|---|---|--:|"]
        lines += [f"| {layer['path']} | {layer['kind']} | {layer['decibels']:.1f} |" for layer in layers[:WORST]]
        lines.append(
            f"| the other {len(layers) - WORST} | | {layers[WORST]['decibels']:.1f} to {layers[-1]['decibels']:.1f} |"
        )
    return "\n".join(lines) + "\n"


def _how_many_images(noise: list[dict[str, Any]]) -> list[str]:
    """What decides where images are few, and why."""
    limit = min_decibels(0.5)
    quiet = [each for each in noise if each["decibels"] >= limit]
    loud = [each for each in noise if each["decibels"] < limit]
    spread = [each["decibels_deviation_of_80"] for each in noise]
    return [
        "", "## How many images does a limit need?", "",
        "Half a point of 80 images is less than one image. Whether a network lost it is luck there, and so is every "
        "layer that would stay in float because of it. So accuracy decides only where the images can show the loss: "
        "where half the 95 % interval of the paired difference is no wider than the limit (Agresti and Min, "
        "Statistics in Medicine 24, 2005). It depends on how many images are correct before or after only:", "",
        "| `--max-drop` | none differ | 1 of 100 | 2 of 100 | 5 of 100 |", "|--:|--:|--:|--:|--:|",
        *(f"| {drop:g} | " + " | ".join(f"{_needed(drop, percent):,}" for percent in (0, 1, 2, 5)) + " |"
          for drop in (0.25, 0.5, 1, 2)),
        "",
        "Fewer images still tell two things, and need no labels for it: how much noise the integers add to the "
        "outputs, and how many images keep their class. They decide then. "
        f"The noise may be {1 / POINTS_PER_NOISE:g} of the outputs' variance for each point of `--max-drop`: the "
        f"outputs must be {limit:g} dB over it for half a point, {min_decibels(1):.0f} dB for one. And "
        f"{100 * MIN_AGREEMENT:.0f} % of the images must keep their class, of which one may always change. Unlike the "
        f"loss, the noise is known from few images: samples of 80 differ by {min(spread):.1f} to {max(spread):.1f} dB "
        "(standard deviation). What noise costs was measured by `python experiments/int8_noise.py DATA` on 10,000 test "
        f"images. Of {len(noise)} networks, the {len(quiet)} at {limit:g} dB or more lose "
        f"{max(each['drop_points'] for each in quiet):.2f} points at most and keep "
        f"{100 * min(each['agreement'] for each in quiet):.1f} % of the classes or more; the other {len(loud)} lose "
        f"{min(each['drop_points'] for each in loud):.2f} and more.", "",
        "| network | bits of weights | dB | agreement | points lost |", "|---|--:|--:|--:|--:|",
        *(f"| `{each['network']}` | {each['weight_bits']} | {each['decibels']:.1f} | {100 * each['agreement']:.2f} % | "
          f"{each['drop_points']:+.2f} |" for each in sorted(noise, key=lambda each: -each["decibels"])),
        "",
        "`quantize` says in one line when noise decides, and `--json` under `decided_by` and `images_needed`. More "
        "images, which the run does not know: `leannet quantize RUN FOLDER`; one half calibrates, the other evaluates. "
        "Where too many layers stay in float, `--finetune 3` or a larger `--max-drop` helps.", "",
        "**Not faster?** Both are timed on this machine, and where integers take 0.95 of float's time or more, "
        "`quantize` says so: they then save size alone. Small networks gain least, since little of their time is "
        "arithmetic. `leannet export RUN --fastest` times every engine and precision here and keeps the best.",
    ]  # fmt: skip


def _needed(max_drop: float, percent: int) -> int:
    """Images that show a loss, of which so many in a hundred differ."""
    scores = Scores(10_000, 0.5, 0.5, 0.5, None, None, None, 0.0, (), ())
    differing = {"lost": 50 * percent, "gained": 50 * percent, "agreement": 1.0, "decibels": 0.0}
    needed = ClassComparison(before=scores, after=scores, **differing).images_needed(max_drop)
    assert needed is not None
    return round(needed, -1)


def _beside(accuracy: float, plain: float) -> str:
    return f"{100 * accuracy:.2f} % ({100 * (accuracy - plain):+.2f})"


def main() -> None:
    """Measures what is kept in bases/."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--page", action="store_true", help="only write the page")
    asked = parser.parse_args()
    if not asked.page:
        if asked.data is None:
            parser.error("expected DATA, or --page")
        table = pq.read_table(asked.data / "test.parquet")
        images = [read(image["bytes"]) for image in table["img"].to_pylist()]
        test = images, np.array(table["label"].to_pylist())
        there = [name for name in NETWORKS if (BASES / f"{name}.safetensors").exists()]
        results = {name: measured(name, asked.data, test) for name in there}
        write_whole(RESULTS, (json.dumps(results, indent=1) + "\n").encode())
    results, noise = (json.loads(path.read_text()) for path in (RESULTS, NOISE))
    write_whole(ROOT / "docs" / "int8.md", page(results, noise).encode())


if __name__ == "__main__":
    main()
