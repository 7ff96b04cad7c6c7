"""leannet distill: a run trained on by what a teacher says of the images."""

from pathlib import Path
from typing import Annotated, Any

import typer

from leannet.cli.options import Json, Quiet
from leannet.cli.output import print_json
from leannet.cli.settings_options import CHOSEN, OF_THE_RUN, SettingsCommand, nested
from leannet.cli.train import print_summary
from leannet.errors import LeannetError


class Command(SettingsCommand):
    """Without the settings that the run decides."""

    left_out = OF_THE_RUN


CLASS = Command


def command(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="The student: a run folder or a checkpoint.")],
    data: Annotated[str | None, typer.Argument(help="Images to learn on. Default: those of the student.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder. Default: a new one under runs/.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a run on with a teacher: from its answers, and its feature maps if asked for.

    A fresh student is trained by: leannet train DATA --model MODEL --teacher RUN.

    Example: leannet distill runs/small --teacher runs/large
    """
    from leannet.reports import report
    from leannet.shrink import distill

    chosen: dict[str, Any] = context.meta.get(CHOSEN, {})
    if "teacher" not in chosen:
        raise LeannetError("expected --teacher: a run or a checkpoint of the same classes")
    result = distill(run, data, out=out, quiet=quiet, **nested(chosen))
    page = report(result.path)
    if json:
        print_json(result.to_dict() | {"report": str(page)})
    else:
        print_summary(result, page)
    if not result.finished:
        raise typer.Exit(130)
