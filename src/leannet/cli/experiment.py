"""leannet experiment: two trained networks on one page."""

from pathlib import Path
from typing import Annotated

import typer

from leannet.cli.options import Json, Quiet
from leannet.cli.output import print_json, print_text


def command(
    run_a: Annotated[str, typer.Argument(help="A run.")],
    run_b: Annotated[str, typer.Argument(help="Another run, of the same classes.")],
    data: Annotated[str | None, typer.Argument(help="Their images. Default: where they were in training.")] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(help="Of the feature maps, in either naming; repeat for the second run. Default: an early one."),
    ] = None,
    limit: Annotated[int, typer.Option(help="Of images in the plane of t-SNE, at most.", min=10)] = 1000,
    out: Annotated[Path, typer.Option(help="The page.")] = Path("experiment.html"),
    figures: Annotated[
        Path | None, typer.Option(help="A folder for every figure as SVG and PNG, and its data as CSV.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Set two runs side by side on one page: curves by step, confusion matrices, feature maps, t-SNE.

    Example: leannet experiment runs/mobilenet_v2 runs/two_layer --layer block_1_project_BN --layer conv_1
    """
    from leannet.errors import LeannetError
    from leannet.experiments import experiment, write_page
    from leannet.files import check_page, spare_inputs

    check_page(out, figures)
    spare_inputs([out], [run_a, run_b])
    if layer and len(layer) > 2:
        raise LeannetError(f"--layer: expected one for both runs or one each, found {len(layer)}")
    result = experiment((run_a, run_b), data, layer or (), limit, quiet)
    write_page(result, out, figures)
    if json:
        print_json(result.to_dict() | {"page": str(out), "figures": figures and str(figures)})
        return
    for side in result.sides:
        print_text(f"{side.label}: {side.predictions.scores.line()}")
    print_text(result.verdict)
    print(f"page     {out}" + (f"\nfigures  {figures}" if figures else ""))
