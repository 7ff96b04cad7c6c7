"""Options that several verbs share."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else there.")]
Width = Annotated[float, typer.Option(help="The family's own width multiplier.", show_default=True)]
Resolution = Annotated[int | None, typer.Option(help="Height and width in pixels. Default: the family's own.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no remarks.")]
