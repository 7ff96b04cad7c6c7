"""leannet demo: the whole of it on built-in images, in two to five minutes."""

from pathlib import Path
from typing import Annotated, Any

import typer

from leannet.cli.options import Json, Quiet
from leannet.cli.output import print_json, print_table, print_text

SETTINGS: dict[str, Any] = {"data": "digits", "recipe": "digits", "split": "60:20:20"}


def command(
    seeds: Annotated[int, typer.Option(help="How many times to train, each from another seed.", min=1)] = 3,
    out: Annotated[Path | None, typer.Option(help="Where the runs go. Default: a new folder under runs/.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a MobileNetV3 on scikit-learn's handwritten digits, and show what comes of it.

    Example: leannet demo --seeds 1
    """
    from leannet.cost import count
    from leannet.reports import report
    from leannet.training import train

    folder = out or _free(Path("runs"))
    runs = []
    for seed in range(seeds):
        run = train(**SETTINGS, seed=seed, out=folder / f"seed-{seed}", quiet=quiet)
        report(run.path)
        runs.append(run)
        if not run.finished:
            raise typer.Exit(130)
    seconds = [sum(line["seconds"] for line in run.log) for run in runs]
    if json:
        print_json({"runs": [run.to_dict() for run in runs], "training_seconds": seconds})
        return
    cost = count(runs[0].header.architecture)
    print()
    print_table(
        ("run", "best epoch", "validation", "test, scored once", "training"),
        [
            (
                run.path,
                run.header.metrics.epoch,
                f"{100 * run.validation.accuracy:.2f} %" if run.validation else "",
                run.test.line() if run.test else "",
                f"{spent:.0f} s",
            )
            for run, spent in zip(runs, seconds, strict=True)
        ],
    )
    first = runs[0].path
    print()
    print_text(
        f"A network of {cost.params:,} parameters and {cost.macs:,} mult-adds an image reads handwritten digits."
    )
    print_text(f"It lies in {first / 'model.safetensors'}, which alone is enough to predict.")
    print_text(f"Look at {first / 'report.html'}: learning curves, confusion matrix, cost by row.")
    print()
    print("Try next:")
    print("  leannet train FOLDER_OF_IMAGES       a folder a class: FOLDER/cat/*.jpg, FOLDER/dog/*.jpg")
    print("  leannet count mobilenet_v1           where the parameters and mult-adds are")
    print("  leannet models                       what else there is")


def _free(parent: Path) -> Path:
    number = 1
    while (path := parent / ("demo" if number == 1 else f"demo-{number}")).exists():
        number += 1
    return path
