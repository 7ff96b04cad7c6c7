"""leannet evaluate: what a trained network is worth on images."""

from typing import Annotated, Literal

import typer

from leannet.cli.options import ClassDepth, ImageColumn, Json, LabelColumn, Quiet
from leannet.cli.output import print_json, print_table


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
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score a run: top-1 and top-5 with intervals, precision, recall, F1, confusion matrix.

    Example: leannet evaluate runs/photos more-photos/
    """
    from leannet.data.sources.listing import ReadingOptions
    from leannet.evaluation import evaluate, interval
    from leannet.header import is_artifact

    options = ReadingOptions(image_column, label_column, class_depth)
    found = evaluate(run, data, split, quiet, options if options.to_dict() else None)
    if json:
        print_json(found.to_dict())
        return
    scores = found.scores
    print(f"{found.checkpoint} on {found.data}, {found.split}")
    print(f"top-1  {scores.line()}")
    if is_artifact(run):
        print(
            "       it does not know what trained it, and this may be among them; its run knows: leannet evaluate RUN"
        )
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
    if len(scores.per_class) <= 20:
        print()
        names = [c.name for c in scores.per_class]
        lines = [(name, *line) for name, line in zip(names, scores.confusion, strict=True)]
        print_table(("true \\ predicted", *names), lines)
