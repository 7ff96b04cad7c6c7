"""leannet's pruning beside Torch-Pruning and torch-kirigami: the same weights, the same mult-adds, the same training.

    python benchmarks/prune_peers.py DATA [--only NETWORK ...]     # four hours on two cores; goes on where it stopped

DATA: a folder with train.parquet and test.parquet of CIFAR-10. Each of experiments/bases is handed to a peer as a plain
torch module, in an environment of the peer's own, and halved in mult-adds by what its README shows, widths in multiples
of 8 (prune_peers_run.py). What it removed is found from the weights that are left and written as a plan, so that
`leannet prune --plan` trains it, exports it and times it as leannet's own: the choice of channels is all that differs.
Nothing is trained where a peer does not end in ten minutes or raises an error; the page says which.

Accuracy is that of the 10,000 test images after ten epochs; milliseconds are of one image in ONNX Runtime, float32, one
thread, all of a network in turns. Writes docs/benchmarks/prune_peers.json and .md.
"""

import argparse
import json
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
from peers import ROOT
from safetensors.numpy import load_file, save_file

import leannet
from leannet.checkpoint import load
from leannet.cost import count
from leannet.files import write_whole
from leannet.header import checkpoint_file
from leannet.rows import Architecture, Conv
from leannet.rows.channels import channels
from leannet.runtime import machine
from leannet.shrink.plan import Plan, PlanRow, groups_of
from leannet.shrink.timing import Timing

OUT = ROOT / "docs" / "benchmarks" / "prune_peers.json"
BASES, RUNS = ROOT / "experiments" / "bases", ROOT / "runs" / "prune_peers"
RUNNER = ROOT / "benchmarks" / "prune_peers_run.py"
OURS, ORIGINAL = "leannet", "not pruned"
PEERS = {"torch-pruning": "torch-pruning==1.6.1", "torch-kirigami": "torch-kirigami==0.2.1"}
NETWORKS = ("cifar_mobilenet_v2", "cifar_resnet38", "cifar_mobilenet_v3_small", "cifar_shufflenet_v2")
EPOCHS = 10
LIMIT = 600  # seconds for one trial of a peer
TIMING = Timing("onnxruntime", "float32", 1)
Facts = dict[str, Any]


def environment(peer: str) -> Path:
    """Makes the environment of a peer where it is not there yet, and returns its python."""
    home = ROOT / ".cache" / f"peer-{peer}"
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        wanted = ["torch==2.13.0", "numpy", "safetensors", PEERS[peer]]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
        (home / "ready").touch()
    return python


def described(architecture: Architecture) -> list[Facts]:
    """The layers of a network, for a module that knows nothing of leannet."""
    return [
        {
            "path": layer.path, "inputs": layer.inputs, "row": layer.row.model_dump(mode="json"),
            "channels": layer.in_shapes[0].channels, "height": layer.in_shapes[0].height,
            "width": layer.in_shapes[0].width,
        }
        for layer in architecture.layers
    ]  # fmt: skip


def lines_of(command: list[str]) -> list[Facts]:
    """What a peer says, line by line; the last says `limit` where it said nothing for ten minutes and was stopped."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=RUNNER.parent)
    said: queue.Queue[str | None] = queue.Queue()

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said.put(line)
        said.put(None)

    errors: list[str] = []
    threading.Thread(target=listen, daemon=True).start()
    threading.Thread(target=lambda: errors.extend(process.stderr or ()), daemon=True).start()
    facts: list[Facts] = []
    while True:
        try:
            line = said.get(timeout=LIMIT)
        except queue.Empty:
            process.kill()
            return [*facts, {"limit": LIMIT}]
        if line is None:
            break
        if line.startswith("{"):
            facts.append(json.loads(line))
            print("   ", facts[-1], flush=True)
    if process.wait():
        facts.append({"error": errors[-1].strip() if errors else f"exit status {process.returncode}"})
    return facts


def plan_of_peer(architecture: Architecture, before: Path, after: Path) -> Plan:
    """What a peer removed: the channels whose filter and statistics are no longer there.

    A channel of a layer is known again by its batch norm, which pruning only shortens; of a layer without one by its
    bias.
    """
    old, new = load_file(before), load_file(after)
    rows = []
    for layer in architecture.layers:
        key, row = layer.path.replace(".", "__"), layer.row
        if not isinstance(row, Conv) or f"{key}.conv.weight" not in new:
            continue
        names = [f"norm.{each}" for each in ("running_mean", "running_var", "bias")] if row.norm else ["conv.bias"]
        was = np.stack([old[f"{layer.path}.{name}"] for name in names], axis=1)
        left = np.stack([new[f"{key}.{name}"] for name in names], axis=1)
        gone, waiting = [], list(left)  # the order stays
        for channel, values in enumerate(was):
            if waiting and (values == waiting[0]).all():
                waiting.pop(0)
            else:
                gone.append(channel)
        if waiting:
            raise SystemExit(f"{after}: {layer.path} has channels that it did not have before")
        if gone:
            rows.append(PlanRow(row=layer.path, before=len(was), after=len(left), remove=tuple(gone)))
    plan = Plan(network=architecture.name, rows=tuple(rows))
    tied = channels(architecture)
    groups_of(plan, tied, str(after))  # raises where it splits what is tied
    return plan


def asked(name: str, peer: str) -> Facts:
    """What a peer does with a network: its plan, or why there is none; what it saves, and whether that loads."""
    place, base = RUNS / f"{name}-{peer}", BASES / f"{name}.safetensors"
    file = place / "asked.json"
    if file.exists():
        return json.loads(file.read_text())
    place.mkdir(parents=True, exist_ok=True)
    layers, weights, saved = place / "layers.json", place / "weights.safetensors", place / "saved"
    network, header = load(base)
    architecture = header.architecture
    layers.write_text(json.dumps(described(architecture)))
    save_file({key: value.numpy() for key, value in network.state_dict().items()}, weights)
    python = str(environment(peer))
    print(f"{name}, {peer}", flush=True)
    said = lines_of([python, str(RUNNER), "prune", peer, str(layers), str(weights), str(saved)])
    facts: Facts = {"trials": [each for each in said if "trial" in each]}
    said = said or [{"error": "it ended without a word"}]
    if "limit" in said[-1]:
        facts["why"] = f"stopped after {LIMIT // 60} minutes in one pruning"
    elif "saved" not in said[-1]:
        facts["why"] = next(
            (each["error"] for each in reversed(said) if each.get("error")), "it ended without a result"
        )
    else:
        facts["bytes"] = said[-1]["saved"]
        loading = lines_of([python, str(RUNNER), "load", peer, str(layers), str(saved)])
        facts["safe"] = any(each.get("safe") for each in loading)
        facts["loads"] = any("loaded" in each for each in loading)
        try:
            plan_of_peer(architecture, weights, saved.with_suffix(".safetensors")).save(place / "plan.json")
        except leannet.LeannetError as error:
            facts["why"] = str(error)
    write_whole(file, json.dumps(facts, indent=1).encode())
    return facts


def trained(name: str, who: str, data: Path) -> Path:
    """Ten epochs of what is left, or of the whole network, by one recipe."""
    place, base = RUNS / f"{name}-{who}" / "run", BASES / f"{name}.safetensors"
    if (place.parent / "done").exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    common = ["--epochs", EPOCHS, "--recipe", "cifar-fast", "--seed", 0, "--out", place]
    choice = ["--macs", "50%"] if who == OURS else ["--plan", place.parent / "plan.json"]
    words: list[Any]
    if (place / "prune.json").exists():
        words = ["prune", "--resume", place]
    elif who != ORIGINAL:
        words = ["prune", base, data / "train.parquet", *choice, *common]
    elif (place / "state").exists():
        words = ["train", "--resume", place]
    else:
        words = ["train", data / "train.parquet", "--weights", base, "--split", "weights", *common]
    subprocess.run([sys.executable, "-m", "leannet", *map(str, words)], check=True)
    (place.parent / "done").touch()
    return place


def compared(name: str, data: Path) -> Facts:
    """All of one network."""
    rows: Facts = {ORIGINAL: {}, OURS: {}} | {who: asked(name, who) for who in PEERS}
    narrow: dict[str, Architecture] = {}
    for who, row in rows.items():
        if "why" in row:
            continue
        run = trained(name, who, data)
        narrow[who] = load(run)[1].architecture
        row["accuracy"] = leannet.evaluate(run, str(data / "test.parquet"), quiet=True).scores.accuracy
        row["macs"], row["params"] = count(narrow[who]).macs, count(narrow[who]).params
        if who in (ORIGINAL, OURS):
            row |= {"bytes": checkpoint_file(run).stat().st_size, "safe": True, "loads": True}
    for who, ms in zip(narrow, TIMING.milliseconds(list(narrow.values())), strict=True):
        rows[who]["latency_ms"] = ms
    return rows


def page(results: Facts) -> str:
    """The results as a page."""
    lines = [
        "# Pruning beside its peers", "",
        f"Written by `python benchmarks/prune_peers.py DATA`: {', '.join(PEERS.values())}, each as its README shows, "
        f"half of the mult-adds, widths in multiples of 8; then {EPOCHS} epochs of one recipe on CIFAR-10. Test "
        f"accuracy; milliseconds of one image, {TIMING}, in turns; {results['line']}. leannet saves safetensors with "
        "the rows in it.", "",
        "| network | by | mult-adds | test accuracy | latency | saved | loads as weights only | in a fresh process |",
        "|---|---|--:|--:|--:|--:|---|---|",
    ]  # fmt: skip
    for name, rows in results["networks"].items():
        for who, row in rows.items():
            if "accuracy" not in row:
                lines.append(f"| {name} | {who} | | {row['why'].replace('|', '/')} | | | | |")
                continue
            lines.append(
                f"| {name} | {who} | {row['macs'] / 1e6:.1f} M | {100 * row['accuracy']:.2f} % | "
                f"{row['latency_ms']:.3f} ms | {row['bytes'] / 1e6:.2f} MB | {'yes' if row['safe'] else 'no'} | "
                f"{'yes' if row['loads'] else 'no'} |"
            )
    lines += ["", "Seconds of one pruning, and where the search for half of the mult-adds went:", ""]
    for name, rows in results["networks"].items():
        for who in PEERS:
            if trials := rows[who]["trials"]:
                shares = ", ".join(
                    f"{trial['share']:.3f}: {trial['macs'] / 1e6:.1f} M" for trial in trials if trial["macs"]
                )
                seconds = max(trial["seconds"] for trial in trials)
                lines.append(f"- {name}, {who}: at most {seconds:.1f} s; {shares or 'none ended well'}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Runs what has not run yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="*", choices=NETWORKS, default=NETWORKS, metavar="NETWORK")
    parser.add_argument("--asked-only", action="store_true", help="What the peers do, without any training")
    arguments = parser.parse_args()
    results: Facts = json.loads(OUT.read_text()) if OUT.exists() else {"networks": {}}
    for name in arguments.only:
        if arguments.asked_only:
            for peer in PEERS:
                print(name, peer, asked(name, peer))
            continue
        results["networks"][name] = compared(name, arguments.data)
        results |= {"machine": machine().to_dict(), "line": machine().line()}
        write_whole(OUT, (json.dumps(results, indent=1) + "\n").encode())
        write_whole(OUT.with_suffix(".md"), page(results).encode())
    if not arguments.asked_only:
        print(page(results))


if __name__ == "__main__":
    main()
