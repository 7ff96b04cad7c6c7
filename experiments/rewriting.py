"""What the designer's moves are worth: mult-adds, milliseconds and accuracy of rewritten networks.

    python experiments/rewriting.py DATA [--only NAME ...]     # five hours on two cores; goes on where it stopped

DATA: a folder with train.parquet and test.parquet of CIFAR-10. Four networks of dense 3 x 3 convolutions are rewritten
by `leannet rewrite`, counted, and timed beside the original in turns, in ONNX Runtime with one thread. cifar_resnet38
trains from fresh weights in each form, 20 epochs of the recipe cifar-fast, one seed; the best epoch is that of the
validation split, and the test images are scored once. Writes docs/experiments/rewriting.json and docs/rewriting.md.
"""

import argparse
from pathlib import Path

from ledger import Ledger, Line, done

import leannet
from leannet.cost import count
from leannet.files import write_whole
from leannet.runtime import machine
from leannet.shrink.timing import Timing

LEDGER = Ledger("rewriting")
NETWORKS = ("cifar_resnet38", "vgg16", "alexnet", "resnet18")
RULES = {"dense": [], "grouped": ["grouped:4"], "separable": ["separable"]}
TRAINED = NETWORKS[0]
EPOCHS = 20
TIMING = Timing("onnxruntime", "float32", 1)


def counted(name: str) -> list[Line]:
    """Of each form the mult-adds, parameters and milliseconds."""
    original = leannet.architecture(name)
    forms = [leannet.rewrite(original, rules).architecture if rules else original for rules in RULES.values()]
    times = TIMING.milliseconds(forms)
    costs = [count(form) for form in forms]
    return [
        {
            "network": name, "form": form, "macs": cost.macs, "params": cost.params, "latency_ms": ms,
            "machine": machine().line(),
        }
        for form, cost, ms in zip(RULES, costs, times, strict=True)
    ]  # fmt: skip


def page(lines: list[Line]) -> str:
    """docs/rewriting.md."""
    of = {(line["network"], line["form"]): line for line in lines if "macs" in line}
    accuracy = {line["form"]: line["accuracy"] for line in lines if "accuracy" in line}
    text = [
        "# What the designer's moves are worth", "",
        "Written by `python experiments/rewriting.py DATA`. Separable: each dense convolution of several pixels but "
        "the image's as a depthwise and a pointwise one, 1/N + 1/k² of its mult-adds; grouped: in four groups. "
        f"Milliseconds of one image, {TIMING}, in turns; {TRAINED}: test accuracy on CIFAR-10 after {EPOCHS} epochs, "
        f"one seed. {lines[0]['machine']}.", "",
        "| network | form | mult-adds | of dense | parameters | latency | of dense | test accuracy |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]  # fmt: skip
    for (name, form), line in of.items():
        dense = of[name, "dense"]
        right = f"{100 * accuracy[form]:.2f} %" if name == TRAINED and form in accuracy else ""
        macs, ms = line["macs"] / dense["macs"], line["latency_ms"] / dense["latency_ms"]
        text.append(
            f"| {name} | {form} | {line['macs'] / 1e6:,.1f} M | {100 * macs:.1f} % | {line['params']:,} | "
            f"{line['latency_ms']:.3f} ms | {100 * ms:.0f} % | {right} |"
        )
    return "\n".join(text) + "\n"


def main() -> None:
    """Runs what has not run yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="*", choices=RULES, default=list(RULES), metavar="FORM")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    for name in NETWORKS:
        if not LEDGER.has(network=name):
            for line in counted(name):
                LEDGER.add(line)
    for form in arguments.only:
        if LEDGER.has(trained=form):
            continue
        file = LEDGER.runs / f"{form}.json"
        rules, original = RULES[form], leannet.architecture(TRAINED)
        architecture = leannet.rewrite(original, rules).architecture if rules else original
        write_whole(file, architecture.to_json().encode())
        words = ["--recipe", "cifar-fast", "--split", "90:10", "--epochs", EPOCHS, "--threads", arguments.threads]
        run = done(LEDGER.runs / form, "train", arguments.data / "train.parquet", "--model", file, *words)
        scores = leannet.evaluate(run, str(arguments.data / "test.parquet"), quiet=True).scores
        LEDGER.add({"trained": form, "form": form, "accuracy": scores.accuracy, "machine": machine().line()})
        LEDGER.write({"lines": LEDGER.lines}, page(LEDGER.lines))


if __name__ == "__main__":
    main()
