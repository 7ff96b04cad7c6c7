"""Does a teacher help? A small network alone and by a larger one's answers, on CIFAR-10.

    python experiments/distilling.py DATA [--seeds 0 1 2]     # three hours on two cores; goes on where it stopped

DATA: a folder with train.parquet and test.parquet. cifar_mobilenet_v2 at width 0.25 trains from fresh weights, 20
epochs of the recipe cifar-fast, alone and with bases/cifar_resnet38 as its teacher, from one seed, on the images that
the teacher was trained on; the best epoch is that of the validation split, and the test images are scored once. Writes
docs/experiments/distilling.json, `points` the mean of differences within seeds, and docs/distilling.md.
"""

import argparse
from pathlib import Path
from statistics import mean

from ledger import BASES, Ledger, Line, done, in_words, interval

import leannet
from leannet.runtime import machine

LEDGER = Ledger("distilling")
WAYS = {"alone": [], "distilled": ["--teacher", BASES / "cifar_resnet38.safetensors"]}
SEEDS, EPOCHS = (0, 1, 2), 20
STUDENT = ["--model", "cifar_mobilenet_v2", "--width", "0.25", "--recipe", "cifar-fast", "--split", "90:10"]


def summary(lines: list[Line]) -> Line:
    """Differences within seeds, in points of test accuracy."""
    accuracy = {way: {line["seed"]: 100 * line["accuracy"] for line in lines if line["way"] == way} for way in WAYS}
    seeds = sorted(accuracy["alone"].keys() & accuracy["distilled"].keys())
    points = [accuracy["distilled"][seed] - accuracy["alone"][seed] for seed in seeds]
    if not points:
        return {}
    means = {way: mean(of[seed] for seed in seeds) for way, of in accuracy.items()}
    return {"seeds": seeds, "accuracy": means, "points": mean(points), "interval": interval(points)}


def page(results: Line, lines: list[Line]) -> str:
    """docs/distilling.md."""
    text = [
        "# What a teacher is worth", "",
        "Written by `python experiments/distilling.py DATA`: cifar_mobilenet_v2 at width 0.25 on CIFAR-10, 20 epochs, "
        "test accuracy in percent. The teacher is bases/cifar_resnet38. "
        f"{'; '.join(sorted({line['machine'] for line in lines}))}.", "",
        "| seed | alone | distilled |", "|---|--:|--:|",
    ]  # fmt: skip
    for seed in results["seeds"]:
        of = {line["way"]: 100 * line["accuracy"] for line in lines if line["seed"] == seed}
        text.append(f"| {seed} | {of['alone']:.2f} | {of['distilled']:.2f} |")
    text += [
        "",
        f"Distilled is {results['points']:+.2f} points from alone, mean of differences within seeds; 95 % interval: "
        f"{in_words(results['interval'])}.",
    ]
    return "\n".join(text) + "\n"


def main() -> None:
    """Runs what has not run yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        for way, words in WAYS.items():
            if LEDGER.has(way=way, seed=seed):
                continue
            more = ["--epochs", EPOCHS, "--seed", seed, "--threads", arguments.threads, *words]
            run = done(
                LEDGER.runs / f"{way}-{seed}", "train", arguments.data / "train.parquet", *STUDENT, *more
            )  # fmt: skip
            scores = leannet.evaluate(run, str(arguments.data / "test.parquet"), quiet=True).scores
            LEDGER.add({"way": way, "seed": seed, "accuracy": scores.accuracy, "machine": machine().line()})
            if results := summary(LEDGER.lines):
                LEDGER.write(results, page(results, LEDGER.lines))


if __name__ == "__main__":
    main()
