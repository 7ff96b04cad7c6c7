"""Milliseconds from the bytes of an image to boxes, beside light detectors that need NMS.

    python benchmarks/detect_latency.py IMAGE... --yolox SOURCE --nanodet SOURCE [--run RUN] [--seconds 20]

IMAGE: JPEG files. RUN: of `experiments/bccd.py`, 2h; without it the same network with random weights. SOURCE: the
repositories of YOLOX and NanoDet (benchmarks/detectors.py), whose YOLOX-nano and NanoDet-Plus-m are built for as many
classes with random weights and exported. All in ONNX Runtime, float32, one thread, one image after the other, in turns:

- leannet, exported with `--input uint8`, so that the network normalizes: decoded, resized and padded by Pillow, with
  antialiasing, as `leannet predict` does; boxes leave the network;
- the others: decoded and resized by OpenCV, without antialiasing, normalized as their demos do; boxes from the outputs
  by numpy, and OpenCV's NMS of each class over the 100 likeliest boxes.

Once with the input as wide as the images' proportions ask for (320 x 240 for 4:3), and once square, 320 x 320, as the
others are published. Writes docs/benchmarks/detect_latency.json (`ratio_peer`: the square one over the faster peer;
`ratio_peer_in_proportion`: ours in the images' proportions) and docs/benchmarks/detect_latency.md.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import torch
from detectors import exported
from numpy.typing import NDArray

import leannet
from leannet.artifact import open_artifact
from leannet.artifact.artifact import Artifact
from leannet.checkpoint import load, save
from leannet.cost import count
from leannet.data.images import prepare, read, upright_size
from leannet.files import write_whole
from leannet.header import Header
from leannet.preprocessing import Preprocessing
from leannet.runtime import machine, measure
from leannet.training.set_matching import initialize_heads

OUT = Path(__file__).parents[1] / "docs" / "benchmarks" / "detect_latency.json"
SIDE, CLASSES = 320, 3
MOST = 100  # boxes that reach NMS
PEERS = {"yolox_nano": "YOLOX-nano", "nanodet_plus_m": "NanoDet-Plus-m"}
OVERLAP = {"yolox_nano": 0.45, "nanodet_plus_m": 0.6}  # of their demos
LEVELS = {"yolox_nano": (8, 16, 32), "nanodet_plus_m": (8, 16, 32, 64)}
MEAN, STD = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)  # of NanoDet, blue first
BINS = 8  # of its distances
Floats = NDArray[np.float32]


def ours(run: Path | None, height: int, width: int, folder: Path) -> Artifact:
    """The network of a run, or with random weights, for an input of this size."""
    if run is not None:
        network, header = load(run)
        rows = header.architecture.with_input(height, width)
        state, classes = network.state_dict(), header.classes
    else:
        rows = leannet.architecture("onenet_shufflenet_v2", 0.5, SIDE, CLASSES).with_input(height, width)
        torch.manual_seed(0)
        fresh = leannet.build(rows)
        initialize_heads(fresh)
        state, classes = fresh.state_dict(), tuple(f"class {number}" for number in range(CLASSES))
    sized = leannet.build(rows)
    sized.load_state_dict(state)
    preprocessing = Preprocessing(height=height, width=width, resize="letterbox")
    file = folder / f"ours_{height}.safetensors"
    save(file, sized, Header(architecture=rows, classes=classes, preprocessing=preprocessing))
    return open_artifact(leannet.export(file, file.with_suffix(".onnx"), input="uint8").path)


def by_leannet(artifact: Artifact, data: bytes) -> Any:
    """The objects of an image file."""
    image = read(data)
    array = prepare(image, artifact.header.preprocessing)
    task = artifact.task
    outputs = task.joined(artifact.run("onnxruntime")(artifact.as_input(array[None])))
    return task.answer("", task.answers(outputs)[0], upright_size(image), MOST)


def points(levels: tuple[int, ...]) -> Floats:
    """(L, 3): x and y of each place, and its stride."""
    grids = []
    for stride in levels:
        number = -(-SIDE // stride)
        y, x = np.mgrid[:number, :number].reshape(2, -1) * stride
        grids.append(np.stack((x, y, np.full(x.size, stride)), axis=1))
    return np.concatenate(grids).astype(np.float32)


def by_peer(kind: str, session: Any, places: Floats, data: bytes) -> Any:
    """Boxes, scores and classes of an image file after NMS."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    height, width = image.shape[:2]
    if kind == "yolox_nano":
        share = min(SIDE / height, SIDE / width)
        x = np.full((SIDE, SIDE, 3), 114, np.uint8)
        wide, high = int(width * share), int(height * share)
        x[:high, :wide] = cv2.resize(image, (wide, high), interpolation=cv2.INTER_LINEAR)
        scale = np.array([share] * 4, np.float32)
        values = np.ascontiguousarray(x.transpose(2, 0, 1)[None], np.float32)
    else:
        resized = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR).astype(np.float32)
        scale = np.array([SIDE / width, SIDE / height] * 2, np.float32)
        normalized = (resized - np.float32(MEAN)) / np.float32(STD)
        values = np.ascontiguousarray(normalized.transpose(2, 0, 1)[None])
    (output,) = session.run(None, {"x": values})[0]
    if kind == "yolox_nano":
        all_scores = output[:, 4:5] * output[:, 5:]
        best = _likeliest(all_scores)
        centers = (output[best, :2] + places[best, :2] / places[best, 2:]) * places[best, 2:]
        sides = np.exp(output[best, 2:4]) * places[best, 2:]
        corners = np.concatenate((centers - sides / 2, sides), axis=1)
    else:
        all_scores = output[:, :CLASSES]
        best = _likeliest(all_scores)
        bins = np.exp(output[best, CLASSES:].reshape(-1, 4, BINS))
        reach = (bins @ np.arange(BINS, dtype=np.float32)) / bins.sum(axis=2) * places[best, 2:]
        corners = np.concatenate((places[best, :2] - reach[:, :2], reach[:, :2] + reach[:, 2:]), axis=1)
    scores, classes = all_scores[best].max(axis=1), all_scores[best].argmax(axis=1)
    kept = cv2.dnn.NMSBoxesBatched((corners / scale).tolist(), scores.tolist(), classes.tolist(), 0.0, OVERLAP[kind])
    return corners[kept], scores[kept], classes[kept]


def _likeliest(scores: Floats) -> NDArray[np.intp]:
    return np.argpartition(-scores.max(axis=1), MOST)[:MOST]


def main() -> None:
    """Everything, once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--yolox", type=Path, required=True)
    parser.add_argument("--nanodet", type=Path, required=True)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--seconds", type=float, default=20.0)
    arguments = parser.parse_args()
    files = [path.read_bytes() for path in arguments.images]
    cv2.setNumThreads(1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        image = read(files[0])
        shorter = 16 * round(SIDE * min(image.size) / max(image.size) / 16)
        proportion = (shorter, SIDE) if image.width >= image.height else (SIDE, shorter)
        whole: dict[str, Callable[[bytes], Any]] = {}
        costs = {}
        for name, size in (("leannet, in proportion", proportion), ("leannet, square", (SIDE, SIDE))):
            artifact = ours(arguments.run, *size, folder)
            whole[name], cost = partial(by_leannet, artifact), count(artifact.header.architecture)
            costs[name] = {"params": cost.params, "macs": cost.macs, "input": f"{size[1]} x {size[0]}"}
        for kind, source in (("yolox_nano", arguments.yolox), ("nanodet_plus_m", arguments.nanodet)):
            file = exported(kind, source, CLASSES, SIDE, SIDE, folder / f"{kind}.onnx")
            session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
            whole[PEERS[kind]] = partial(by_peer, kind, session, points(LEVELS[kind]))
            costs[PEERS[kind]] = {"params": None, "macs": None, "input": f"{SIDE} x {SIDE}"}

        def all_files(answer: Callable[[bytes], Any]) -> None:
            for data in files:
                answer(data)

        runs = {name: partial(all_files, answer) for name, answer in whole.items()}
        latencies = measure(runs, arguments.seconds * len(runs), threads=1)
    ms = {name: latency.median_ms / len(files) for name, latency in latencies.items()}
    fastest = min(ms[name] for name in PEERS.values())
    results = {
        "machine": machine().to_dict(), "images": len(files), "seconds": arguments.seconds, "ms": ms, "networks": costs,
        "weights": "random" if arguments.run is None else arguments.run.name,
        "ratio_peer": ms["leannet, square"] / fastest,
        "ratio_peer_in_proportion": ms["leannet, in proportion"] / fastest,
    }  # fmt: skip
    write_whole(OUT, (json.dumps(results, indent=1) + "\n").encode())
    lines = [
        "# From the bytes of an image to boxes", "",
        "Written by `python benchmarks/detect_latency.py IMAGE... --yolox SOURCE --nanodet SOURCE`: milliseconds an "
        f"image, median, {len(files)} JPEG files of {image.width} x {image.height} px one after the other, in turns, "
        f"ONNX Runtime, float32, one thread. {machine().line()}. Ours normalize in the graph (`--input uint8`) "
        f"and suppress nothing; the others have OpenCV's NMS over {MOST} boxes.", "",
        "| | input | parameters | M mult-adds | ms | over the faster of the others |", "|---|---|--:|--:|--:|--:|",
    ]  # fmt: skip
    for name, value in ms.items():
        cost = costs[name]
        numbers = ["", ""] if cost["params"] is None else [f"{cost['params']:,}", f"{cost['macs'] / 1e6:.0f}"]
        lines.append(f"| {name} | {cost['input']} | {' | '.join(numbers)} | {value:.2f} | {value / fastest:.2f} |")
    write_whole(OUT.with_suffix(".md"), ("\n".join(lines) + "\n").encode())
    print("\n".join(lines))


if __name__ == "__main__":
    main()
