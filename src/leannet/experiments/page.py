"""The page of an experiment: one file that fetches nothing."""

from pathlib import Path

from leannet.experiments.figures import drawings
from leannet.experiments.running import Experiment
from leannet.files import check_page, write_whole
from leannet.reports.page import percent, render, short


def write_page(experiment: Experiment, out: str | Path, figures: str | Path | None = None) -> Path:
    """Writes the page and returns its path. figures: a folder for each figure as SVG and PNG, its data as CSV.

    Raises LeannetError where it cannot be written.
    """
    check_page(out, figures)
    all_drawings = drawings(experiment)
    if figures is not None:
        Path(figures).mkdir(parents=True, exist_ok=True)
        for drawing in all_drawings:
            drawing.write(Path(figures))
    sides = [
        {
            "label": side.label,
            "architecture": side.header.architecture.name,
            "accuracy": percent(side.predictions.scores.accuracy),
            "low": percent(side.predictions.scores.accuracy_low),
            "high": percent(side.predictions.scores.accuracy_high),
            "images": side.predictions.scores.images,
            "params": short(network.cost.params),
            "macs": short(network.macs),
            "epochs": len(side.contents.log),
            "best_epoch": side.contents.best_epoch,
            "layer": side.maps[0].layer,
            "channels": len(side.maps[0].maps),
            "figures": {"tsne": ""}
            | {drawing.name.rsplit("_", 1)[0]: drawing.inline() for drawing in all_drawings if drawing.side == number},
            "unfinished": side.contents.unfinished,
        }
        for number, (side, network) in enumerate(zip(experiment.sides, experiment.comparison.networks, strict=True))
    ]
    a, b = experiment.sides
    contents = {
        "title": f"{a.label} and {b.label}",
        "subtitle": f"{len(a.header.classes)} classes: {', '.join(a.header.classes[:6])}"
        + (", ..." if len(a.header.classes) > 6 else ""),
        "verdict": experiment.verdict,
        "warnings": experiment.comparison.warnings,
        "curves": [drawing.inline() for drawing in all_drawings if drawing.side is None],
        "by_step": all(side.steps for side in experiment.sides),
        "sides": sides,
        "examples": experiment.examples,
    }
    write_whole(out, render("experiment.html.j2", **contents))
    return Path(out)
