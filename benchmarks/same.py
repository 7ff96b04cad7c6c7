"""Whether a change of the code has changed anything else: this commit beside another, on this machine.

    python benchmarks/same.py COMMIT            # about ten minutes

Compared, for every network of the zoo: the rows as JSON, every count, layer by layer, the layers with their shapes, the
names and shapes of the weights, the outputs of seeded networks, and what the graphs of ONNX, LiteRT and ncnn compute
from the same weights, whatever their values are called (graph_forms.py); of the smallest networks the 8-bit graphs for
each engine too. Then two seeded epochs of training on the built-in digits: every tensor, the log and the predictions.
Says what differs, and exits with 1 if anything does.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
COLLECT = """
import hashlib, json, os, sys, tempfile
from pathlib import Path
import numpy as np
import torch
from leannet.cost import count, graph
from leannet.errors import LeannetError
from leannet.network import build
from graph_forms import ncnn_form, onnx_form, tflite_form
from leannet.runtime import Program, numpy_weights
from leannet.runtime.programs import quantized_program
from leannet.training import train
from leannet.zoo import FAMILIES, architecture
from safetensors.numpy import load_file

torch.set_num_threads(2)
digests_by_name = {}
SIDE = 96

def put(key, value):
    data = value if isinstance(value, bytes) else json.dumps(value, sort_keys=True, default=str).encode()
    digests_by_name[key] = hashlib.sha256(data).hexdigest()

def attempt(key, make):
    try:
        put(key, make())
    except (LeannetError, NotImplementedError) as error:
        put(key, f"refused: {error}")

for name in FAMILIES:
    table = architecture(name)
    if table.input.height > SIDE and not name.startswith(("alexnet", "vgg")):
        table = architecture(name, resolution=SIDE)
    put(f"{name}: rows", table.to_json())
    put(f"{name}: counts", count(table).to_dict())
    put(f"{name}: graph", [graph(table).to_dict(), [vars(row) for row in graph(table).rows]])
    put(f"{name}: layers", [[x.path, list(x.inputs), x.in_shapes, x.out_shape, x.shares] for x in table.layers])
    torch.manual_seed(0)
    network = build(table).eval()
    state = network.state_dict()
    put(f"{name}: state", [[key, list(value.shape)] for key, value in state.items()])
    draw = np.random.default_rng(0)
    for key, value in state.items():
        if key.endswith(("running_var", "norm.weight")):
            value.copy_(torch.from_numpy(0.5 + np.abs(draw.normal(size=tuple(value.shape)))))
    x = torch.from_numpy(draw.normal(size=(1, *table.input.shape)).astype(np.float32))
    with torch.no_grad():
        outputs = network(x)
    outputs = outputs if isinstance(outputs, dict) else {"": outputs}
    put(f"{name}: outputs", b"".join(value.numpy().tobytes() for value in outputs.values()))
    weights = numpy_weights(state)
    program = Program(table, weights)
    attempt(f"{name}: onnx", lambda: onnx_form(program.onnx))
    attempt(f"{name}: tflite", lambda: tflite_form(program.form("tflite")[0]))
    attempt(f"{name}: ncnn", lambda: ncnn_form(program.form("ncnn")))
    if name.endswith("_debug"):
        ranges = {"input": (-2.0, 2.0)}
        for layer in table.layers:
            ranges[layer.path] = ranges[f"{layer.path}:before"] = (-4.0, 4.0)
        for engine in ("onnxruntime", "openvino", "litert"):
            form, made = ("tflite", tflite_form) if engine == "litert" else ("onnx", onnx_form)
            integers = lambda: quantized_program(table, weights, ranges, engine).form(form)[0]
            attempt(f"{name}: int8, {engine}", lambda: made(integers()))
    print(name, file=sys.stderr, flush=True)
with tempfile.TemporaryDirectory() as place:
    run = Path(place) / "run"
    settings = {"model": "mobilenet_v3_debug", "resolution": 32, "epochs": 2, "workers": 0}
    train("digits", out=run, quiet=True, **settings)
    for file in ("model", "last"):
        for key, value in load_file(run / f"{file}.safetensors").items():
            put(f"training: {file} {key}", value.tobytes())
    put("training: predictions", (run / "predictions.csv").read_bytes())
    log = [line.split(",")[:6] for line in (run / "log.csv").read_text().splitlines()]
    put("training: log", log)
print(json.dumps(digests_by_name))
"""


def collect(source: Path) -> dict[str, str]:
    """A digest of each thing that is compared."""
    places = os.pathsep.join([str(source), str(Path(__file__).parent)])
    environment = dict(os.environ) | {"PYTHONPATH": places, "OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", COLLECT], env=environment, check=True, stdout=subprocess.PIPE)
    digests: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return digests


def main() -> None:
    """Compares, and says what differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        archive = subprocess.run(["git", "archive", arguments.commit, "src"], cwd=ROOT, check=True, capture_output=True)
        subprocess.run(["tar", "-x", "-C", place], input=archive.stdout, check=True)
        before, now = collect(Path(place) / "src"), collect(ROOT / "src")
    differing = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    for key in differing:
        print(f"differs: {key}" if key in before and key in now else f"only in one: {key}")
    same = sum(before.get(key) == value for key, value in now.items())
    print(f"{same} of {len(before)} are the same as in {arguments.commit}")
    sys.exit(bool(differing))


if __name__ == "__main__":
    main()
