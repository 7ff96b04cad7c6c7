"""leannet evaluate: what a trained network is worth on images."""

import math
import shutil
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from leannet.cli.options import ClassDepth, ImageColumn, Json, LabelColumn, Quiet, Wide
from leannet.cli.output import print_json, print_table, print_text

if TYPE_CHECKING:
    from leannet.evaluation.skipped import ImageCosts
    from leannet.tasks.detection import BoxScores
    from leannet.tasks.metrics import Scores

MISTAKES = 10  # printed where the matrix is wider than the terminal


def command(
    run: Annotated[str, typer.Argument(help="A run folder, a checkpoint or an artifact: .onnx, or a folder.")],
    data: Annotated[str | None, typer.Argument(help="Labelled images. Default: those it was trained on.")] = None,
    split: Annotated[
        Literal["train", "validation", "test"] | None,
        typer.Option(help="Of the data it was trained on. Default: validation."),
    ] = None,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    class_depth: ClassDepth = None,
    wide: Wide = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score a run: top-1 and top-5 with intervals, precision, recall, F1, confusion matrix; of boxes AP.

    Example: leannet evaluate runs/photos more-photos/
    """
    from leannet.data.sources.listing import ReadingOptions
    from leannet.evaluation import evaluate, interval
    from leannet.header import is_artifact
    from leannet.tasks.detection import BoxScores
    from leannet.tasks.metrics import Scores

    options = ReadingOptions(image_column, label_column, class_depth)
    evaluation = evaluate(run, data, split, quiet, options if options.to_dict() else None)
    if json:
        print_json(evaluation.to_dict())
        return
    scores = evaluation.scores
    print_text(f"{evaluation.checkpoint} on {evaluation.data}, {evaluation.split}")
    print(f"{'' if isinstance(scores, BoxScores) else 'top-1  '}{scores.line()}")
    if is_artifact(run):
        print_text(
            "       it does not know what trained it, and this may be among them; its run knows: leannet evaluate RUN",
            " " * 7,
        )
    if isinstance(scores, BoxScores):
        _print_boxes(scores)
        return
    assert isinstance(scores, Scores)
    if scores.top5 is not None and scores.top5_low is not None and scores.top5_high is not None:
        print(f"top-5  {100 * scores.top5:.2f} % ({interval(scores.top5_low, scores.top5_high)})")
    print()
    print_table(
        ("class", "precision", "recall", "F1", "images"),
        [
            (c.name, f"{100 * c.precision:.1f} %", f"{100 * c.recall:.1f} %", f"{c.f1:.3f}", c.images)
            for c in scores.per_class
        ],
    )
    print()
    _print_confusion(scores, wide)
    if evaluation.costs is not None:
        print()
        _print_costs(evaluation.costs)


def _print_boxes(scores: "BoxScores") -> None:
    """AP of each class, and of objects by their size."""
    print()
    print_table(
        ("class", "AP", "AP50", "objects"),
        [(name, *map(_percent, values), scores.counts[name]) for name, values in scores.precision.by_class.items()],
    )
    print()
    sizes = "  ".join(f"{size} {_percent(value)}" for size, value in scores.precision.by_size.items())
    print_text(f"AP by size: {sizes} (up to 32 x 32 px, up to 96 x 96 px, larger)")
    print_text(f"AP75 {_percent(scores.precision.ap75)}, recall {_percent(scores.precision.recall)}")


def _percent(value: float) -> str:
    return "none" if math.isnan(value) else f"{100 * value:.1f} %"


def _print_costs(costs: "ImageCosts") -> None:
    """What an image ran, and how many images ran what each gate decides."""
    least, most = (int(each) for each in (costs.macs.min(), costs.macs.max()))
    print_text(
        f"an image ran {costs.mean / 1e6:.2f} M mult-adds in the mean, {100 * costs.mean / costs.total:.1f} % of all "
        f"rows' ({least / 1e6:.2f} to {most / 1e6:.2f} M)"
    )
    rates = [(name, "not asked" if rate is None else f"{100 * rate:.1f} %") for name, rate in costs.rates.items()]
    print_table(("decides", "runs for"), rates)


def _print_confusion(scores: "Scores", wide: bool) -> None:
    """The matrix where it fits the terminal, or with `wide`; else the commonest mistakes."""
    names = [c.name for c in scores.per_class]
    matrix = [(name, *line) for name, line in zip(names, scores.confusion, strict=True)]
    headers = ("true \\ predicted", *names)
    columns = zip(headers, *matrix, strict=True)
    width = sum(max(len(str(cell)) for cell in column) + 2 for column in columns) - 2
    if wide or width <= shutil.get_terminal_size().columns:
        print_table(headers, matrix, wide=True)
        return
    from leannet.looks.names import short
    from leannet.reports.confusion import most_confused

    mistakes = most_confused(scores, MISTAKES)
    print_table(
        ("true", "predicted", "images", "of the class"),
        [(short(m.truth), short(m.prediction), m.images, f"{100 * m.row:.1f} %") for m in mistakes],
        left=2,
    )
    print_text(f"the {len(mistakes)} commonest mistakes; the whole matrix: --wide, or the report")
