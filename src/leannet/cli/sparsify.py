"""leannet sparsify: weights of a run set to zero, and kept so in training."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from leannet.cli.options import Json, Quiet
from leannet.cli.output import print_json, print_table, print_text
from leannet.cli.settings_options import CHOSEN, OF_THE_RUN, SettingsCommand, nested
from leannet.errors import LeannetError, command_line

if TYPE_CHECKING:
    from leannet.shrink.sparsifying import Sparsified

# What makes an engine skip a zero: docs/sparsity.md has the sources.
NEEDS = {
    "torch": "never",
    "onnxruntime": "never: weights stored as sparse become dense when it loads them",
    "openvino": "in 8-bit matrix products, where it is told a share of zeros to begin at",
    "ncnn": "never",
    "litert": "in 1x1 convolutions whose weights are stored as sparse, of networks of certain layers",
}


class Command(SettingsCommand):
    """Its own words for what settings of training are called too."""

    left_out = OF_THE_RUN | {"sparsity", "sparsity_level", "sparsity_scope", "sparsity_schedule"}


CLASS = Command


def command(
    context: typer.Context,
    run: Annotated[str | None, typer.Argument(help="A run folder or a checkpoint.")] = None,
    data: Annotated[str | None, typer.Argument(help="Images to train on. Default: those of the run.")] = None,
    sparsity: Annotated[
        float | None, typer.Option(help="The share of the weights that becomes zero. Default: 0.8.")
    ] = None,
    sparsity_level: Annotated[
        Literal["element", "row", "column", "kernel", "2:4"],
        typer.Option(help="What becomes zero together. 2:4: two of every four channels that a filter reads."),
    ] = "element",
    sparsity_scope: Annotated[
        Literal["global", "layer"], typer.Option(help="Layers compete, or all lose the same share.")
    ] = "global",
    sparsity_schedule: Annotated[
        Literal["cubic", "one-shot", "rewind"],
        typer.Option(help="Gradually while it trains, at once, or with weights that go back to early ones."),
    ] = "cubic",
    rewind: Annotated[
        int | None, typer.Option(help="Of rewind: epochs of the run to go back to. Default: 1.", min=1)
    ] = None,
    rounds: Annotated[int, typer.Option(help="Of rewind: times that weights go and training follows.", min=1)] = 1,
    out: Annotated[Path | None, typer.Option(help="The run folder. Default: a new one under runs/.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with a run that is being rewound.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Set most weights of a run to zero and train the rest: a smaller file, and rarely a faster network.

    Example: leannet sparsify runs/photos --sparsity 0.8
    """
    from leannet.shrink.sparsifying import resume_sparsifying, sparsify

    chosen: dict[str, Any] = context.meta.get(CHOSEN, {})
    if resume is not None:
        if run is not None or chosen or out is not None:
            raise LeannetError("--resume goes on as begun: leave out all but --json and --quiet")
        _tell(resume_sparsifying(resume, quiet), json)
        return
    if run is None:
        raise LeannetError("expected RUN: a run folder or a checkpoint")
    settings = nested(chosen)
    end = settings.pop("sparsity", {}).get("end")
    _tell(
        sparsify(
            run,
            data,
            sparsity=sparsity,
            sparsity_level=sparsity_level,
            sparsity_scope=sparsity_scope,
            sparsity_schedule=sparsity_schedule,
            rewind=rewind,
            rounds=rounds,
            out=out,
            quiet=quiet,
            sparsity_end=end,
            **settings,
        ),
        json,
    )  # fmt: skip


def _tell(result: "Sparsified", json: bool) -> None:
    if result.run is not None and result.finished:
        from leannet.reports import report

        report(result.path)
    if json:
        print_json(result.to_dict())
    else:
        _print(result)
    if not result.finished:
        raise typer.Exit(130)


def _print(result: "Sparsified") -> None:
    from leannet.runtime import machine
    from leannet.shrink.sparsifying import ASKED

    print(f"zeros       {100 * result.sparsity:.1f} % of the weights that may be zero")
    before, after = result.size_bytes_before, result.size_bytes
    print(f"file        {before / 1e6:.2f} MB -> {after / 1e6:.2f} MB ({100 * after / before:.1f} %)")
    if result.accuracy is not None:
        points = 100 * (result.accuracy - result.accuracy_before)
        print(
            f"accuracy    {100 * result.accuracy_before:.2f} % -> {100 * result.accuracy:.2f} % ({points:+.2f} points)"
            + (f" after {result.epochs} epochs" if result.epochs else "")
        )
    lines = [
        [name, f"{dense:.3g}", f"{sparse:.3g}", f"{sparse / dense:.2f}", NEEDS[name]]
        for name, (dense, sparse) in result.latencies_ms.items()
    ]
    if lines:
        print_table(
            ["engine", "dense ms", "sparse ms", "ratio", "skips a zero"], lines, words_last=True, wrapped="skips a zero"
        )
        print_text(f"Batch 1, float32, one thread, {machine().line()}. Pruning channels makes networks faster.")
    print_text(f"weights     {result.path / 'model.safetensors'}", " " * 12)
    if not result.finished:
        rewinds = (result.path / ASKED).exists()
        verb = "sparsify --resume" if rewinds else "train --resume"
        print(f"stopped early; to go on: {command_line(verb, result.path)}")
    else:
        keep = command_line("train --sparsity-schedule fixed --weights", result.path)
        print_text(f"try next    {command_line('evaluate', result.path)}   ·   {keep} DATA", " " * 12)
