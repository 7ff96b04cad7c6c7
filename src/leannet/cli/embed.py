"""leannet embed: what a layer makes of many images, in a plane, and suspect labels."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from leannet.cli.layer_notes import note_layer
from leannet.cli.options import Json, Quiet
from leannet.cli.output import print_json, print_table, print_text

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
    suspects: Annotated[Path | None, typer.Option(help="All evaluated labels as CSV, the most doubtful first.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Lay images out by what layers make of them (t-SNE), and list those that are likely mislabelled.

    Example: leannet embed runs/photos --layer expanded_conv --layer global_average_pooling
    """
    from leannet.errors import LeannetError
    from leannet.files import spare_inputs
    from leannet.header import read_header
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
    embedding = embed(run, data, layer or (), split, limit, perplexity, seed, quiet)
    if layer:
        architecture = read_header(embedding.checkpoint).architecture
        for name, plane in zip(layer, embedding.planes, strict=True):
            note_layer(architecture, name, plane.layer)
    for path, is_page in zip(outs, pages, strict=True):
        (write_page if is_page else draw)(embedding, path)
    if csv:
        write_table(csv, embedding.columns, embedding.lines())
    if suspects and embedding.suspects is not None:
        write_table(suspects, Suspects.COLUMNS, embedding.suspects.lines())
    if json:
        written = {"csv": csv, "suspects_csv": suspects}
        files = {"out": [str(path) for path in outs]} | {name: path and str(path) for name, path in written.items()}
        print_json(embedding.to_dict(100) | files)
        return
    _print(embedding)
    print()
    data = ", ".join(str(path) for path in (csv, suspects) if path)
    lines = [f"{'page' if is_page else 'image'}: {path}" for path, is_page in zip(outs, pages, strict=True)]
    print(", ".join([*lines, *([f"data: {data}"] if data else [])]))


def _print(embedding: "Embedding") -> None:
    from leannet.looks.names import short

    print_text(f"{embedding.checkpoint} on {embedding.data}, {embedding.split}, {len(embedding.names):,} images")
    print()
    print_table(
        ("layer", "channels", "near their own, in the plane", "in the channels"),
        [
            (plane.layer, plane.channels, f"{100 * plane.near_here:.1f} %", f"{100 * plane.near_features:.1f} %")
            for plane in embedding.planes
        ],
    )
    print()
    print_text(
        "near their own: most of an image's five nearest neighbours are of its class; guessing the most frequent class "
        f"gives {100 * embedding.largest_share:.1f} %. How far apart groups lie in the plane means little."
    )
    print()
    if embedding.suspects is None:
        print("No suspect labels are named: the network has trained on these images.")
        return
    if embedding.suspects.note:
        print_text(embedding.suspects.note)
    if not embedding.suspects.is_reliable:
        return
    doubtful, likely = embedding.suspects.doubtful, len(embedding.suspects.named)
    more = f"; for {len(doubtful) - likely} more another class is likelier" if len(doubtful) > likely else ""
    first = f"the {LISTED} most doubtful" if len(doubtful) > LISTED else "the most doubtful first"
    print_text(
        f"{likely} of {len(embedding.suspects.images):,} labels are likely wrong{more}"
        + (f": {first}." if doubtful else ".")
    )
    print_text(f"Evaluated: {embedding.suspects.coverage}.")
    if not doubtful:
        return
    print()
    print_table(
        ("image", "labelled", "looks like", "probability", "label's", "likely wrong"),
        [
            (
                short(suspect.image, IMAGE),
                short(suspect.label),
                short(suspect.suggestion),
                f"{100 * suspect.suggestion_probability:.1f} %",
                f"{100 * suspect.label_probability:.1f} %",
                "yes" if suspect.likely else "",
            )
            for suspect in doubtful[:LISTED]
        ],
        left=3,
    )
