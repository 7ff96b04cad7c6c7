"""Options that several verbs share."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else there.")]
Width = Annotated[float, typer.Option(help="The family's own width multiplier.", show_default=True)]
Resolution = Annotated[int | None, typer.Option(help="Height and width in pixels. Default: the family's own.")]
ImageColumn = Annotated[str | None, typer.Option(help="Of a table: what holds the image. Default: the usual names.")]
LabelColumn = Annotated[str | None, typer.Option(help="Of a table: what holds the label. Default: the usual names.")]
ClassDepth = Annotated[int | None, typer.Option(help="How many folders deep class folders lie: 1 or 2.", min=1, max=2)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no remarks.")]
Wide = Annotated[bool, typer.Option("--wide", help="All columns of tables, however wide.")]
LatencyEngine = Annotated[str, typer.Option(help="In which milliseconds are measured.")]
LatencyPrecision = Annotated[str, typer.Option(help="Of the network that is timed.")]
LatencyThreads = Annotated[int, typer.Option(help="Of that engine.", min=1)]
# Of work that several processes and machines share.
Storage = Annotated[
    str | None, typer.Option(help="Of the study: a file ending in .db or .log, or postgresql://... Default: in OUT.")
]
Processes = Annotated[int, typer.Option(help="Of this machine, which share its cores.", min=1)]
