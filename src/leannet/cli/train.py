"""leannet train: images in, a trained network out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leannet import launcher
from leannet.cli.options import Json, Quiet
from leannet.cli.output import print_json, print_text
from leannet.cli.settings_options import CHOSEN, SettingsCommand, merged_settings
from leannet.errors import LeannetError, command_line

if TYPE_CHECKING:
    from leannet.training.run import Run

CLASS = SettingsCommand


def command(
    context: typer.Context,
    data: Annotated[
        str | None,
        typer.Argument(help="A folder of class folders, Parquet, CSV, tar shards, a COCO, VOC or YOLO set, 'digits'."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder. Default: a new one under runs/.")] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            help="Continue this run, or these folds, as begun. DATA: where its images are now. --cpu may be new."
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings as TOML, as runs leave them; flags win.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a network on a folder of images.

    Example: leannet train photos/ --model mobilenet_v3_small --epochs 20
    """
    chosen: dict[str, Any] = context.meta.get(CHOSEN, {})
    if launcher.is_left_alone():
        launcher.start_the_others()
    launcher.end_with_launcher()
    if resume is not None:
        run = _resume(resume, data, out or config, chosen, quiet, json)
    else:
        run = _train(*merged_settings(context, data, config), out, quiet, json)
    from leannet.reports import report

    if launcher.rank():  # of several processes the first one speaks
        return
    page = report(run.path)
    if json:
        print_json(run.to_dict() | {"report": str(page)})
    else:
        print_summary(run, page)
    if not run.finished:
        raise typer.Exit(130)


def _resume(
    run: Path, data: str | None, out_or_config: Path | None, chosen: dict[str, Any], quiet: bool, json: bool
) -> "Run":
    """Continues a run. out_or_config: what it has already."""
    from leannet.training.folds import are_folds, resume_folds
    from leannet.training.run import resume

    cpu = bool(chosen.pop("cpu", False))  # where it trains, not what
    extra = ", ".join(f"--{name.replace('_', '-')}" for name in chosen)
    if extra or out_or_config:
        raise LeannetError(f"--resume goes on with a run as it was begun: leave out {extra or '--out and --config'}")
    if are_folds(run):
        _tell_folds(resume_folds(run, quiet, cpu, data), json)
        raise typer.Exit
    return resume(run, quiet, cpu, data)


def _train(data: str, values: dict[str, Any], out: Path | None, quiet: bool, json: bool) -> "Run":
    """Trains by a file's settings, over which the flags win."""
    from leannet.training.folds import cross_validate
    from leannet.training.run import train

    if (folds := values.pop("folds", None)) is None or "fold" in values:
        return train(data, out, quiet, **values | ({"folds": folds} if folds is not None else {}))
    if out is None:
        raise LeannetError("--folds makes a folder of runs: name it, --out runs/NAME")
    _tell_folds(cross_validate(data, folds, out, quiet, **values), json)
    raise typer.Exit


def _tell_folds(validated: Any, json: bool) -> None:
    """The reports of all folds, and what they come to."""
    if launcher.rank():
        return
    from leannet.reports import report

    for run in validated.runs:
        report(run.path)
    if json:
        print_json(validated.to_dict())
    else:
        print(f"validation  {validated.line()}")
        runs = f"{validated.path}/fold-1" + (f" to fold-{len(validated.runs)}" if len(validated.runs) > 1 else "")
        print_text(f"runs        {runs}, each with its report; all predictions in predictions.csv", " " * 12)
    if len(validated.finished) < validated.total:
        if not json:
            where = "after" if len(validated.finished) == len(validated.runs) else "in"
            goes_on = f"to go on: {command_line('train --resume', validated.path)}"
            print(f"stopped {where} fold {len(validated.runs)} of {validated.total}; {goes_on}")
        raise typer.Exit(130)


def print_summary(run: Any, page: Path) -> None:
    """What was made, what it is worth, and what to try next."""
    best = run.header.metrics.epoch
    if run.validation:
        print(f"validation  {run.validation.line()}, epoch {best}")
    if run.test:
        print(f"test        {run.test.line()}, scored once")
    print_text(f"weights     {run.path / 'model.safetensors'}, all that predicting needs", " " * 12)
    print(f"report      {page}")
    if not run.finished:
        print(f"stopped early; to go on: {command_line('train --resume', run.path)}")
    else:
        print(f"try next    {command_line('predict', run.path, 'IMAGE')}   ·   {command_line('count', run.path)}")
        if better := better_with_weights(run.header):
            print_text(f"better      {better}", " " * 12)


def better_with_weights(header: Any) -> str:
    """The line that does better for few photographs with a network that began fresh; empty for others."""
    from leannet.training.choosing import FEW_IMAGES, SMALL_IMAGES, TRAINED

    provenance, size = header.provenance, header.preprocessing
    few = header.split.sizes.get("train", FEW_IMAGES) < FEW_IMAGES and min(size.height, size.width) > SMALL_IMAGES
    if not few or provenance.parent is not None or size.color != "RGB" or provenance.data is None:
        return ""
    return f"start from trained weights: {command_line('train', provenance.data)} --weights {TRAINED}"
