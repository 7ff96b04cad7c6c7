"""leannet embed: what a layer makes of many images, in a plane, and suspect labels."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from leannet.cli.options import Json, Quiet
from leannet.cli.output import print_json, print_table

if TYPE_CHECKING:
    from leannet.looks import Embedding

LISTED = 10  # suspects printed
IMAGE = 48  # letters of an image's name


def command(
    run: Annotated[str, typer.Argument(help="A run folder, a checkpoint, or a folder of folds.")],
    data: Annotated[str | None, typer.Argument(help="Labelled images. Default: those it was trained on.")] = None,
    layer: Annotated[
        list[str] | None, typer.Option(help="Repeat. Default: an early one and the pooling before the classes.")
    ] = None,
    split: Annotated[
        Literal["train", "validation", "test"] | None,
        typer.Option(help="Of the data it was trained on. Default: validation."),
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many images, drawn by chance.", min=10)] = 2000,
    perplexity: Annotated[float, typer.Option(help="Of t-SNE; at most a third of the images.", min=1)] = 30,
    seed: Annotated[int, typer.Option(help="Of the draw of images beyond the limit.", min=0)] = 0,
    out: Annotated[
        list[Path] | None,
        typer.Option(help="A page (.html) or an image: .png, .svg, .pdf. Repeat. Default: embed.html."),
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="x and y in each plane, class and prediction.")] = None,
    suspects: Annotated[Path | None, typer.Option(help="All judged labels as CSV, the most doubtful first.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Lay images out by what layers make of them (t-SNE), and list those that are likely mislabelled.

    Example: leannet embed runs/photos --layer expanded_conv --layer global_average_pooling
    """
    from leannet.errors import LeannetError
    from leannet.files import spare_inputs
    from leannet.looks import Suspects, embed
    from leannet.looks.embedding_figure import draw
    from leannet.looks.embedding_page import check_out, write_page
    from leannet.looks.names import check_layer
    from leannet.looks.tables import check_table, write_table

    outs = out or [Path("embed.html")]
    pages = [check_out(path) for path in outs]
    check_table(csv)
    check_table(suspects)
    spare_inputs([*outs, csv, suspects], [run])
    if suspects and split == "train":
        raise LeannetError("--suspects: a network cannot doubt what it was trained on; use another split, or --folds")
    check_layer(layer)
    found = embed(run, data, layer or (), split, limit, perplexity, seed, quiet)
    for path, is_page in zip(outs, pages, strict=True):
        (write_page if is_page else draw)(found, path)
    if csv:
        write_table(csv, found.columns, found.lines())
    if suspects and found.suspects is not None:
        write_table(suspects, Suspects.COLUMNS, found.suspects.lines())
    if json:
        written = {"csv": csv, "suspects_csv": suspects}
        files = {"out": [str(path) for path in outs]} | {name: path and str(path) for name, path in written.items()}
        print_json(found.to_dict(100) | files)
        return
    _print(found)
    print()
    data = ", ".join(str(path) for path in (csv, suspects) if path)
    said = [f"{'page' if is_page else 'image'}: {path}" for path, is_page in zip(outs, pages, strict=True)]
    print(", ".join([*said, *([f"data: {data}"] if data else [])]))


def _print(found: "Embedding") -> None:
    from leannet.looks.names import short

    print(f"{found.checkpoint} on {found.data}, {found.split}, {len(found.names):,} images")
    print()
    print_table(
        ("layer", "channels", "near their own, in the plane", "in the channels"),
        [
            (each.layer, each.channels, f"{100 * each.near_here:.1f} %", f"{100 * each.near_features:.1f} %")
            for each in found.planes
        ],
    )
    print()
    print(
        "near their own: most of an image's five nearest neighbours are of its class; guessing the most frequent class"
    )
    print(f"gives {100 * found.largest_share:.1f} %. How far apart groups lie in the plane means little.")
    print()
    if found.suspects is None:
        print("No suspect labels are named: the network has trained on these images.")
        return
    if found.suspects.note:
        print(found.suspects.note)
    if not found.suspects.is_reliable:
        return
    doubtful, likely = found.suspects.doubtful, len(found.suspects.named)
    more = f"; for {len(doubtful) - likely} more another class is likelier" if len(doubtful) > likely else ""
    first = f"the {LISTED} most doubtful" if len(doubtful) > LISTED else "the most doubtful first"
    print(
        f"{likely} of {len(found.suspects.images):,} labels are likely wrong{more}{f': {first}' if doubtful else ''}."
    )
    print(f"Evaluated: {found.suspects.coverage}.")
    if not doubtful:
        return
    print()
    print_table(
        ("image", "labelled", "looks like", "probability", "label's", "likely wrong"),
        [
            (
                short(each.image, IMAGE),
                short(each.label),
                short(each.suggestion),
                f"{100 * each.suggestion_probability:.1f} %",
                f"{100 * each.label_probability:.1f} %",
                "yes" if each.likely else "",
            )
            for each in doubtful[:LISTED]
        ],
        left=3,
    )
