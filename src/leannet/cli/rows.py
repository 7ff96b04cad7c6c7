"""leannet rows: which kinds of rows there are, and what their fields mean."""

from typing import Annotated, Any

import typer

from leannet.cli.options import Json
from leannet.cli.output import print_json


def command(
    kind: Annotated[str | None, typer.Argument(help="A kind of row. Default: all of them, a line each.")] = None,
    json: Json = False,
) -> None:
    """List the kinds of rows, or explain one: its fields, the rows it stands for, an example as JSON.

    Example: leannet rows inverted_residual
    """
    from leannet.rows import KINDS, describe
    from leannet.zoo.examples import example

    if kind is not None:
        description, shown = describe(kind), example(kind)
        if json:
            print_json(description.to_dict() | {"example": shown and shown.to_dict()})
        else:
            _explain(description, shown)
        return
    descriptions = [describe(each) for each in KINDS]
    if json:
        print_json({"rows": [each.to_dict() for each in descriptions]})
        return
    for title, is_block in (("Layers", False), ("Blocks, which stand for several rows", True)):
        print(f"{title}:")
        for each in descriptions:
            if each.is_block == is_block:
                print(f"  {each.kind:<21}{each.summary}")
        print()
    print("Fields, an example and the rows of a block: leannet rows KIND")


def _explain(description: Any, shown: Any) -> None:
    from json import dumps

    from leannet.rows.text import HEADERS, align

    _paragraph(f"{description.kind}: {description.summary}")
    for paragraph in filter(None, description.details.split("\n\n")):
        print()
        _paragraph(" ".join(paragraph.split()))
    print()
    print("Fields:")
    for field in description.fields:
        _paragraph(f"{field.name}: {field.line}", 2, 8)
        _paragraph(field.meaning, 6)
    if shown is None:
        return
    print()
    print(f"Example, as in {shown.source}:" if shown.source else "Example:")
    _paragraph(dumps(shown.json), 2, 4)
    if shown.inside:
        print()
        print(f"For an input of {' and '.join(map(str, shown.in_shapes))} it stands for:")
        for line in align([HEADERS, *shown.inside], 78):
            print(f"  {line}")


def _paragraph(text: str, indent: int = 0, further: int | None = None) -> None:
    """Prints a paragraph of at most 80 columns; `further` is the indent of its second line and those after."""
    from textwrap import fill

    later = " " * (indent if further is None else further)
    print(
        fill(
            text, 80, initial_indent=" " * indent, subsequent_indent=later,
            break_long_words=False, break_on_hyphens=False,
        )
    )  # fmt: skip
