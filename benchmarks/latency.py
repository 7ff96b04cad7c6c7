"""Milliseconds of one image of 224 px: leannet's artifacts against timm and torchvision, eager and exported.

    python benchmarks/latency.py DATA --artifacts   # once: exported and quantized; the machine may do other things
    python benchmarks/latency.py DATA               # timed

DATA: BCCD, blood smears as a Pascal VOC folder. Six networks with four classes, trained by latency_networks.py, one and
two threads, all in turns on one machine, in a drawn order, each when the threads of all others sleep. The peers'
networks are timed in their own environment (peers.py), eager in torch, plain and channels last; and as ONNX files of
torch's exporter, in ONNX Runtime and OpenVINO. leannet's are float32 and integers, in both and in LiteRT, and bfloat16
in OpenVINO where the processor has it. Ranges are measured on training images, and those that validate say whether
enough keep their class to be chosen; where too few do, the layers that do most harm stay in float, as many as are
needed (mixed; in OpenVINO and LiteRT). The agreement with the float network is that of the 2,000 of `test`, which
nothing was chosen by. What does not agree is timed all the same. The artifact is chosen by the first half of the turns
and timed by the second. Leave the machine alone while it times. Writes docs/benchmarks/latency.json, .md and .svg, or
what `--out` names.
"""

import argparse
import hashlib
import inspect
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from latency_networks import CELLS, KEPT, NETWORKS, RUNS, windows
from latency_page import AGREEMENT, OURS, TURNS, agrees, write
from peers import DECLARED, ROOT, environment
from PIL import Image

import leannet
from leannet.artifact import Artifact, open_artifact
from leannet.artifact.exporting import export_folder
from leannet.console import Console
from leannet.header import read_header
from leannet.quantization.comparison import Comparison
from leannet.quantization.evaluator import Evaluator
from leannet.quantization.fastest import compare_floats
from leannet.runtime import ENGINES, Program, latency, machine
from leannet.runtime.latency import summarize, warm_ms
from leannet.runtime.quiet import wait_until_quiet

OUT = ROOT / "docs" / "benchmarks" / "latency.json"
BATCH = 50
CLASSES = 4
MIXED = ("openvino", "litert")  # whose worst layers may stay in float; to find them takes minutes each
PEERS = {
    "mobilenet_v1": {"timm": "mobilenetv1_100"},
    "mobilenet_v2": {"timm": "mobilenetv2_100", "torchvision": "mobilenet_v2"},
    "mobilenet_v3_large": {"timm": "mobilenetv3_large_100", "torchvision": "mobilenet_v3_large"},
    "mobilenet_v3_small": {"timm": "mobilenetv3_small_100", "torchvision": "mobilenet_v3_small"},
    "shufflenet_v2_torchvision": {"torchvision": "shufflenet_v2_x1_0"},
    "squeezenet_1_1": {"torchvision": "squeezenet1_1"},
}
# Makes the peers' networks and their ONNX files, then answers each line (library name, layout, threads) by the
# milliseconds of warm runs.
WORKER = """
import json, os, sys, time
import warnings
warnings.filterwarnings("ignore")
answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)
import timm, torchvision
wanted, folder = json.loads(sys.argv[1]), sys.argv[2]
x = torch.randn(1, 3, 224, 224)
last = x.contiguous(memory_format=torch.channels_last)
networks = {}
for library, name in wanted:
    make = (lambda: timm.create_model(name, num_classes=4)) if library == "timm" else (
        lambda: torchvision.models.get_model(name, num_classes=4))
    network = make().eval()
    networks[library, name, "plain"] = network, x
    networks[library, name, "channels last"] = make().eval().to(memory_format=torch.channels_last), last
    path = f"{folder}/{library}-{name}.onnx"
    if not os.path.exists(path):
        torch.onnx.export(network, (x,), path, dynamo=True, external_data=False)
answers.write(json.dumps([f"timm {timm.__version__}", f"torchvision {torchvision.__version__}"]) + "\\n")
for line in sys.stdin:
    library, name, layout, threads = json.loads(line)
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    network, given = networks[library, name, layout]
    with torch.inference_mode():
        times = warm_ms(lambda: network(given), threads)
    answers.write(json.dumps(times) + "\\n")
"""


# The timing itself, which needs nothing of leannet.
TIMING = "\n".join(
    ["import time", "from collections.abc import Callable"]
    + [f"{name} = {getattr(latency, name)}" for name in ("WARM_SECONDS", "WARM_SECONDS_OF_SEVERAL", "TIMED_SHARE")]
    + [inspect.getsource(warm_ms), ""]
)


class Peers:
    """The process that runs the peers' networks."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        wanted = [[library, name] for names in PEERS.values() for library, name in names.items()]
        words = [
            str(environment()),
            "-c",
            DECLARED + TIMING + WORKER,
            json.dumps(wanted),
            str(folder),
        ]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.versions: list[str] = json.loads(self._answer())

    def _answer(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the peers' process has ended")
        return line.strip()

    def ms(self, library: str, name: str, layout: str, threads: int) -> list[float]:
        """Of warm runs."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([library, name, layout, threads]) + "\n")
        return list(json.loads(self._answer()))


def timed(run: Callable[[np.ndarray], object], threads: int) -> Callable[[], list[float]]:
    """What gives the milliseconds of warm runs."""
    x = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)

    return lambda: warm_ms(lambda: run(x), threads)


def answers(artifact: Artifact, engine: str) -> np.ndarray:
    """The class of each test image."""
    files = sorted((CELLS / "test").glob("*/*.png"))
    shown = [Image.open(file) for file in files]
    outputs = [artifact.outputs(shown[at : at + BATCH], engine, threads=2) for at in range(0, len(shown), BATCH)]
    return np.concatenate(outputs).argmax(axis=1)


def artifacts(name: str) -> dict[str, dict[str, Any]]:
    """leannet's: label -> path, engine, and what rounding costs."""
    network = KEPT / f"{name}.safetensors"
    if not network.exists():
        raise SystemExit(
            f"{network}: not there; expected one of {', '.join(NETWORKS)}, as latency_networks.py keeps them"
        )
    weights = hashlib.sha256(network.read_bytes()).hexdigest()
    folder = RUNS / "artifacts" / weights[:12]  # a network that was trained again is another one
    folder.mkdir(parents=True, exist_ok=True)
    plain = folder / f"{name}.onnx"
    if not plain.exists():
        leannet.export(network, plain)
    phones = folder / f"{name}-litert-float32"
    if not phones.exists():
        export_folder(network, "litert", phones)
    found: dict[str, dict[str, Any]] = {
        f"leannet float32, {engine}": {"path": phones if engine == "litert" else plain, "engine": engine}
        for engine in OURS
    }
    rounded = [("int8", engine) for engine in OURS]
    if ENGINES["openvino"].has_bfloat16:
        rounded.append(("bfloat16", "openvino"))
    for precision, engine in rounded:
        target = folder / (f"{name}-{engine}-{precision}" + ("" if engine == "litert" else ".onnx"))
        facts = evaluate(network, precision, engine, plain, target)
        found[f"leannet {precision}, {engine}"] = {"path": target, "engine": engine, "cost": facts}
        if precision == "int8" and engine in MIXED and facts["agreement_of_choice"] < AGREEMENT:
            target = target.with_name(target.name.replace("int8", "mixed"))
            facts = evaluate(network, "mixed", engine, plain, target)
            if facts["made"]:
                found[f"leannet mixed, {engine}"] = {"path": target, "engine": engine, "cost": facts}
    return found


def evaluate(network: Path, precision: str, engine: str, plain: Path, target: Path) -> dict[str, Any]:
    """What rounding costs. Artifact and figures are made once."""
    kept = target.with_suffix(".json")
    if kept.exists():
        return json.loads(kept.read_text())
    if target.is_dir():
        shutil.rmtree(target)
    target.unlink(missing_ok=True)
    exact = open_artifact(plain)
    if precision == "bfloat16":
        leannet.export(network, target, precision)
        opened = open_artifact(target)
        evaluator = Evaluator(read_header(network), network, str(CELLS), 1, Console(quiet=True))
        cost: Comparison = compare_floats(evaluator, exact, opened, engine)
        floats = 0
    else:
        wanted = AGREEMENT if precision == "mixed" else 0.0
        words = {"max_drop": 100, "min_agreement": wanted, "quiet": True}
        rounded = leannet.quantize(network, str(CELLS), target, engine, **words)
        cost, floats = rounded, len(rounded.float_layers)
    if cost.scores[0].images != len(list((CELLS / "val").glob("*/*.png"))):
        raise SystemExit(f"{CELLS}: not the windows that {network.name} learned; another Pillow may write other files")
    facts: dict[str, Any] = {
        "precision": precision, "engine": engine, "accuracy": cost.before.accuracy, "drop_points": cost.drop,
        "agreement_of_choice": cost.agreement, "chosen_on": cost.scores[0].images, "layers_in_float": floats,
        "made": target.exists(),
    }  # fmt: skip
    if facts["made"]:
        same = answers(open_artifact(target), engine) == answers(exact, "onnxruntime")
        facts["agreement"] = float(same.mean())
    kept.write_text(json.dumps(facts))
    print(network.stem, facts, flush=True)
    return facts


def in_turns(candidates: dict[str, Callable[[], list[float]]], peers: Peers) -> list[dict[str, list[float]]]:
    """The milliseconds of each candidate, turn by turn, in a drawn order."""
    names = list(candidates)
    for name in names:
        candidates[name]()
    draw = np.random.default_rng(0)
    turns: list[dict[str, list[float]]] = []
    for _ in range(TURNS):
        times = {}
        for index in draw.permutation(len(names)).tolist():
            wait_until_quiet([peers.process.pid])
            times[names[index]] = candidates[names[index]]()
        turns.append(times)
    return turns


def joined(turns: list[dict[str, list[float]]]) -> dict[str, list[float]]:
    """The milliseconds of each candidate in all of the turns."""
    return {name: [ms for times in turns for ms in times[name]] for name in turns[0]}


def compared(name: str, ours: dict[str, dict[str, Any]], peers: Peers, folder: Path, threads: int) -> dict[str, Any]:
    """One network with so many threads."""
    candidates: dict[str, Callable[[], list[float]]] = {}
    table = leannet.architecture(name, classes=CLASSES)
    for library, theirs in PEERS[name].items():
        for layout in ("plain", "channels last"):
            candidates[f"{library} eager, {layout}"] = lambda library=library, theirs=theirs, layout=layout: peers.ms(
                library, theirs, layout, threads
            )
        exported = Program.of_file(table, (folder / f"{library}-{theirs}.onnx").read_bytes())
        for engine in ("onnxruntime", "openvino"):
            candidates[f"{library} exported, {engine}"] = timed(ENGINES[engine].prepare(exported, threads), threads)
    for label, facts in ours.items():
        candidates[label] = timed(open_artifact(facts["path"]).run(facts["engine"], threads), threads)
    turns = in_turns(candidates, peers)
    first = {label: float(np.median(times)) for label, times in joined(turns[: TURNS // 2]).items()}
    second = {label: summarize(times) for label, times in joined(turns[TURNS // 2 :]).items()}
    chosen = min((label for label, facts in ours.items() if agrees(facts)), key=lambda label: first[label])
    fastest = min(ours, key=lambda label: first[label])

    def best(word: str) -> float:
        return min(second[label].median_ms for label in second if word in label and not label.startswith("leannet"))

    return {
        "latency": {label: each.to_dict() for label, each in second.items()},
        "chosen": chosen,
        "agreement": ours[chosen]["cost"]["agreement"] if "cost" in ours[chosen] else 1.0,
        "ratio_eager": second[chosen].median_ms / best("eager"),
        "ratio_best_fp32": second[chosen].median_ms / best("exported"),
        "ratio_best_fp32_any": second[fastest].median_ms / best("exported"),
        "over_float32": {
            label: second[label].median_ms / second[f"leannet float32, {facts['engine']}"].median_ms
            for label, facts in ours.items() if "cost" in facts
        },
    }  # fmt: skip


def main() -> None:
    """Makes the artifacts, times everything and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these, with --artifacts")
    parser.add_argument("--artifacts", action="store_true", help="only make what is not made yet")
    parser.add_argument("--out", type=Path, default=OUT, help="JSON, with a page beside it. Default: docs/benchmarks")
    given = parser.parse_intermixed_args()
    windows(given.data)
    if given.artifacts:
        for name in given.names or NETWORKS:
            artifacts(name)
        return
    folder = RUNS / "peers"
    peers = Peers(folder)
    versions = [ENGINES[name].version() for name in ("torch", *OURS)] + peers.versions
    results: dict[str, Any] = {"machine": machine().to_dict(), "versions": versions, "networks": {}}
    for name in NETWORKS:
        ours = artifacts(name)
        threads = {str(number): compared(name, ours, peers, folder, number) for number in (1, 2)}
        cost = {label: facts["cost"] for label, facts in ours.items() if "cost" in facts}
        results["networks"][name] = {"threads": threads, "cost": cost}
        for number, cell in threads.items():
            print(f"{name}, {number}: {cell['chosen']}, {cell['ratio_eager']:.2f} of eager, "
                  f"{cell['ratio_best_fp32']:.2f} of the best export", flush=True)  # fmt: skip
        write(results, given.out)


if __name__ == "__main__":
    main()
