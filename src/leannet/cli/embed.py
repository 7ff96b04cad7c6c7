"""leannet embed: what a layer makes of many pictures, in a plane, and labels to doubt."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from leannet.cli.options import Json, Quiet
from leannet.cli.output import print_json, print_table

if TYPE_CHECKING:
    from leannet.looks import Embedding

LISTED = 10  # suspects printed


def command(
    run: Annotated[str, typer.Argument(help="A run folder, a checkpoint, or a folder of folds.")],
    data: Annotated[str | None, typer.Argument(help="Labelled pictures. Default: those it was trained on.")] = None,
    layer: Annotated[
        list[str] | None, typer.Option(help="Repeat. Default: an early one and the pooling before the classes.")
    ] = None,
    part: Annotated[
        Literal["train", "validation", "test"] | None,
        typer.Option(help="Of the data it was trained on. Default: validation."),
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many pictures, drawn by chance.", min=10)] = 2000,
    perplexity: Annotated[float, typer.Option(help="Of t-SNE; at most a third of the pictures.", min=1)] = 30,
    seed: Annotated[int, typer.Option(help="Of the draw of pictures beyond the limit.", min=0)] = 0,
    out: Annotated[Path, typer.Option(help="A page (.html) or a picture: .png, .svg, .pdf.")] = Path("embed.html"),
    csv: Annotated[Path | None, typer.Option(help="x and y in each plane, class and prediction.")] = None,
    suspects: Annotated[Path | None, typer.Option(help="All judged labels as CSV, the most doubtful first.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Lay pictures out by what layers make of them (t-SNE), and list those that are likely mislabelled.

    Example: leannet embed runs/photos --layer expanded_conv --layer global_average_pooling
    """
    from leannet.errors import LeannetError
    from leannet.looks import Suspects, embed
    from leannet.looks.embedding_page import check_out, write_page
    from leannet.looks.embedding_picture import draw
    from leannet.looks.tables import check_table, write_table

    is_page = check_out(out)
    check_table(csv)
    check_table(suspects)
    if suspects and part == "train":
        raise LeannetError("--suspects: a network cannot doubt what it was trained on; use another part, or --folds")
    found = embed(run, data, layer or (), part, limit, perplexity, seed, quiet)
    (write_page if is_page else draw)(found, out)
    if csv:
        write_table(csv, found.columns, found.lines())
    if suspects and found.suspects is not None:
        write_table(suspects, Suspects.COLUMNS, found.suspects.lines())
    if json:
        written = {"out": out, "csv": csv, "suspects_csv": suspects}
        print_json(found.to_dict(100) | {name: path and str(path) for name, path in written.items()})
        return
    _print(found)
    print()
    data = ", ".join(str(path) for path in (csv, suspects) if path)
    print(f"{'page' if is_page else 'picture'}: {out}" + (f", data: {data}" if data else ""))


def _print(found: "Embedding") -> None:
    print(f"{found.checkpoint} on {found.data}, {found.part}, {len(found.names):,} pictures")
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
        "near their own: most of a picture's five nearest neighbours are of its class; guessing the most frequent class"
    )
    print(f"gives {100 * found.largest_share:.1f} %. How far apart groups lie in the plane means little.")
    print()
    if found.suspects is None:
        print("No labels are doubted: the network has trained on these pictures.")
        return
    print(
        f"{found.suspects.likely} of {len(found.suspects.pictures):,} labels are likely wrong; the most doubtful first."
    )
    print(f"Judged: {found.suspects.coverage}.")
    print()
    print_table(
        ("picture", "labelled", "looks like", "probability", "label's", "likely wrong"),
        [
            (
                each.picture,
                each.label,
                each.suggestion,
                f"{100 * each.suggestion_probability:.1f} %",
                f"{100 * each.label_probability:.1f} %",
                "yes" if each.likely else "",
            )
            for each in found.suspects.pictures[:LISTED]
        ],
        left=3,
    )
