"""Times the networks of a folder on this device, with Python, numpy and one engine.

    python run.py [--seconds 60] [--device NAME] [--out latency_table.json]

Written by `leannet latency-table --emit`, with files of leannet beside it. The JSON that it leaves is a latency table;
take it back to where networks are searched. Goes on where it stopped: what has been timed is in times.json.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from leannet.runtime.latency import differences, measure
from leannet.runtime.processor import Machine, machine
from leannet.runtime.sessions import litert_interpreter, ncnn_net, onnxruntime_session, openvino_settings

VERSION = 1  # of the manifest and of the table
LEAST_TO_FIT = 4  # networks that were timed whole
GROUP = 64  # networks in memory at once, timed in turns


def table_of(manifest: Mapping[str, Any], times: Mapping[str, float], version: str, device: Machine) -> dict[str, Any]:
    """The latency table, as plain data. manifest: what was to be timed. times: milliseconds by network. version: of the
    engine."""
    rows = differences(manifest["rows"], times)
    checks = [
        {"name": whole["label"], "weight_mb": whole["weight_mb"], "sum_ms": sum(rows[key] for key in whole["rows"]),
         "measured_ms": times[name]}
        for name, whole in manifest["wholes"].items()
    ]  # fmt: skip
    overhead_ms, ms_per_mb = overhead(checks)
    setting = {name: manifest[name] for name in ("engine", "precision", "threads", "batch")}
    return {
        "format_version": VERSION,
        "setting": setting | {"version": version, "machine": asdict(device)},
        "overhead_ms": overhead_ms,
        "ms_per_mb": ms_per_mb,
        "checks": checks,
        "rows": rows,
    }


def overhead(checks: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """What networks take beside their rows: milliseconds, and milliseconds a MB of float32 weights.

    Fitted to those that were timed whole, by the least squares of shares.

    A row that runs again and again finds its weights in a cache, and in a network that is larger than the cache it does
    not. Of fewer than four networks the first alone is told, by the median; without any it is 0.
    """
    if not checks:
        return 0.0, 0.0
    sums, measured, sizes = (
        np.array([each[name] for each in checks]) for name in ("sum_ms", "measured_ms", "weight_mb")
    )
    beside = measured - sums
    if len(checks) >= LEAST_TO_FIT and np.ptp(sizes) > 0:
        both = np.stack((np.ones_like(sizes), sizes), axis=1) / measured[:, None]
        (constant, slope), *_ = np.linalg.lstsq(both, beside / measured, rcond=None)
        if slope > 0:
            return float(constant), float(slope)
    return float(np.median(beside)), 0.0


def prepared(manifest: Mapping[str, Any], name: str, folder: Path) -> Callable[[], object]:
    """What runs a network once. Raises SystemExit for one that the engine cannot read."""
    network = manifest["networks"][name]
    files = [folder / "models" / file for file in network["files"]]
    x = np.random.default_rng(0).normal(size=(manifest["batch"], *network["input"])).astype(np.float32)
    match manifest["engine"]:
        case "onnxruntime":
            session = onnxruntime_session(files[0].read_bytes(), manifest["threads"], spins=True)
            feed = {session.get_inputs()[0].name: x}
            return lambda: session.run(None, feed)
        case "openvino":
            core = import_module("openvino").Core()
            model = core.read_model(files[0])
            model.reshape(list(x.shape))
            settings = openvino_settings(manifest["threads"], manifest["precision"] == "bfloat16")
            request = core.compile_model(model, "CPU", settings).create_infer_request()
            return lambda: [np.array(value) for value in request.infer([x], share_inputs=True).values()]
        case "litert":
            interpreter = litert_interpreter(files[0].read_bytes(), manifest["threads"])
            (graph_input,) = interpreter.get_input_details()
            channels_last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).astype(graph_input["dtype"])
            if channels_last.shape != tuple(graph_input["shape"]):
                interpreter.resize_tensor_input(graph_input["index"], channels_last.shape)
                interpreter.allocate_tensors()
            outputs = [output["index"] for output in interpreter.get_output_details()]

            def run() -> object:
                interpreter.set_tensor(graph_input["index"], channels_last)
                interpreter.invoke()
                return [interpreter.get_tensor(index) for index in outputs]

            return run
        case _:
            ncnn = import_module("ncnn")
            net = ncnn_net(str(files[0]), str(files[1]), manifest["threads"])
            if net is None:
                raise SystemExit(f"{files[0]}: ncnn cannot read it: expected the version that wrote it, or a newer one")

            def run_images() -> object:
                values = []
                for image in x:
                    extractor = net.create_extractor()
                    extractor.input("input", ncnn.Mat(image).clone())
                    values.append([np.array(extractor.extract(output)[1]) for output in network["outputs"]])
                return values

            return run_images


def version_of(engine: str) -> str:
    """The engine's name and version here. Raises SystemExit where it is not installed."""
    try:
        package = import_module("ai_edge_litert" if engine == "litert" else engine)
    except ImportError as error:
        raise SystemExit(f"this folder is for {engine}: expected its package, found none ({error})") from None
    return f"{engine} {package.__version__.split('-')[0]}"


def timed(
    names: Sequence[str],
    prepare: Callable[[str], Callable[[], object]],
    seconds: float,
    threads: int,
    times: dict[str, float],
    done: Callable[[int], None],
) -> None:
    """Adds the milliseconds of every network that has none yet to `times`, a group after the other, in turns in each.

    prepare: what runs a network once. seconds: for all. done: called after each group with the number of those timed.
    """
    left = [name for name in names if name not in times]
    for first in range(0, len(left), GROUP):
        group = left[first : first + GROUP]
        latencies = measure({name: prepare(name) for name in group}, seconds * len(group) / len(names), threads=threads)
        times.update({name: latency.median_ms for name, latency in latencies.items()})
        done(len(times))


def main() -> None:
    """Times what is in this folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="to measure for")
    parser.add_argument("--device", help="its name, where the system does not know it")
    parser.add_argument("--out", type=Path, default=Path("latency_table.json"))
    arguments = parser.parse_args()
    folder = Path(__file__).parent
    manifest = json.loads((folder / "manifest.json").read_text())
    version = version_of(manifest["engine"])
    here = machine()
    if arguments.device:
        here = replace(here, processor=arguments.device)
    resumed, times = folder / "times.json", dict[str, float]()
    like = {"version": version, "machine": asdict(here), "digest": manifest["digest"]}
    if resumed.exists():
        saved = json.loads(resumed.read_text())
        times = saved["times"] if saved["like"] == like else {}

    names, began, before = list(manifest["networks"]), time.perf_counter(), len(times)

    def keep(done: int) -> None:
        write(resumed, {"like": like, "times": times})
        left = (time.perf_counter() - began) * (len(names) - done) / (done - before)
        print(f"{done:,} of {len(names):,} networks timed, {left:.0f} s left", file=sys.stderr)

    def prepare(name: str) -> Callable[[], object]:
        return prepared(manifest, name, folder)

    timed(names, prepare, arguments.seconds, manifest["threads"], times, keep)
    write(arguments.out, table_of(manifest, times, version, here))
    print(f"written {arguments.out}")


def write(path: Path, data: object) -> None:
    """Writes a JSON file, whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(data, indent=1))
    os.replace(part, path)


if __name__ == "__main__":
    main()
