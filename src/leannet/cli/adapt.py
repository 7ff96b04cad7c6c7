"""leannet adapt: a run made to fit a device, step by step (NetAdapt)."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from leannet.cli.helpers import check_resumed, helpers, threads_of_each
from leannet.cli.options import Json, LatencyEngine, LatencyPrecision, LatencyThreads, Processes, Quiet, Storage
from leannet.cli.output import print_json, print_table, print_text
from leannet.cli.settings_options import CHOSEN, OF_THE_RUN, SettingsCommand, nested
from leannet.errors import LeannetError, command_line

if TYPE_CHECKING:
    from leannet.nas.adapted import Adapted


class Command(SettingsCommand):
    """Without the settings that the run decides."""

    left_out = OF_THE_RUN


CLASS = Command


def command(
    context: typer.Context,
    run: Annotated[str | None, typer.Argument(help="A run folder or a checkpoint.")] = None,
    data: Annotated[str | None, typer.Argument(help="Images to train on. Default: those of the run.")] = None,
    latency: Annotated[str | None, typer.Option(help="The longest time of an image: 60%, 3ms. Default: 60%.")] = None,
    macs: Annotated[str | None, typer.Option(help="Or the most mult-adds: 60%, 14M.")] = None,
    params: Annotated[str | None, typer.Option(help="Or the most parameters: 60%, 1.2M.")] = None,
    latency_engine: LatencyEngine = "onnxruntime",
    latency_precision: LatencyPrecision = "float32",
    latency_threads: LatencyThreads = 1,
    latency_table: Annotated[
        Path | None, typer.Option(help="To begin with, as leannet latency-table writes it. Default: measured.")
    ] = None,
    reduction: Annotated[float, typer.Option(help="The share that the first step takes away.")] = 0.05,
    decay: Annotated[float, typer.Option(help="By which each further step multiplies it; 1: always the same.")] = 0.98,
    steps: Annotated[int | None, typer.Option(help="The most steps.", min=1)] = None,
    proposals: Annotated[
        int | None, typer.Option(help="The most proposals of a step, those that keep most. Default: all.", min=1)
    ] = None,
    select: Annotated[
        Literal["accuracy", "ratio"], typer.Option(help="Which proposal wins: the most accurate, or by what it saves.")
    ] = "accuracy",
    short_steps: Annotated[int, typer.Option(help="Training steps of a proposal.", min=1)] = 100,
    short_rate: Annotated[float, typer.Option(help="Their learning rate, over that of the training at the end.")] = 0.1,
    rows: Annotated[list[str] | None, typer.Option(help="A row that may shrink. Repeat. Default: all.")] = None,
    keep: Annotated[list[str] | None, typer.Option(help="A row that stays as it is. Repeat.")] = None,
    round_to: Annotated[int, typer.Option(help="Widths become multiples of it.", min=1)] = 8,
    least: Annotated[float, typer.Option(help="The share of its channels that every layer keeps.")] = 0.1,
    storage: Storage = None,
    processes: Processes = 1,
    out: Annotated[Path | None, typer.Option(help="The run folder. Default: a new one under runs/.")] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with this adaptation, or help those who are at it.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make a trained network fit a budget of measured time, step by step: of each step the best of all proposals.

    Any number of processes and machines that share the folder work on it: leannet adapt --resume OUT.
    Options of training are those of the run, with 20 epochs at the end.

    Example: leannet adapt runs/photos --latency 60%
    """
    from leannet.nas.adapting import adapt, resume_adapting

    chosen: dict[str, Any] = context.meta.get(CHOSEN, {})
    threads = threads_of_each(chosen, processes)
    if resume is not None:
        check_resumed(context, chosen)
        with helpers("adapt", processes, threads) as begun:
            begun(resume)
            adapted = resume_adapting(resume, quiet, threads, measure=False)
        _tell(adapted.measured(), json)
        return
    if run is None:
        raise LeannetError("expected RUN: a run folder or a checkpoint")
    request = {
        "engine": latency_engine, "precision": latency_precision, "threads": latency_threads,
        "table": None if latency_table is None else str(latency_table.resolve()),
        "reduction": reduction, "decay": decay, "steps": steps, "proposals": proposals, "select": select,
        "short_steps": short_steps, "short_rate": short_rate, "rows": tuple(rows or ()), "keep": tuple(keep or ()),
        "round_to": round_to, "least": least,
    }  # fmt: skip
    with helpers("adapt", processes, threads) as begun:
        adapted = adapt(
            run, data, latency=latency, macs=macs, params=params, out=out, storage=storage, quiet=quiet,
            request=request, begun=begun, measure=False, short_threads=threads, **nested(chosen),
        )  # fmt: skip
    _tell(adapted.measured(), json)


def _tell(adapted: "Adapted", json: bool) -> None:
    if adapted.finished:
        from leannet.nas.adapted_figure import draw_adapted
        from leannet.reports import report

        draw_adapted(adapted, adapted.path / "adapt.svg")
        report(adapted.path)
    if json:
        print_json(adapted.to_dict())
    else:
        _print(adapted)
    if not adapted.finished:
        raise typer.Exit(130)
    if not adapted.met:  # after a whole training, which is kept
        raise typer.Exit(1)


def _print(adapted: "Adapted") -> None:
    from leannet.shrink.budgets import readable

    quantity: Any = adapted.quantity
    lines = [
        [offer.step, chosen.row, f"{chosen.before} -> {chosen.after}", readable(quantity, chosen.cost),
         f"{100 * chosen.accuracy:.2f} %", len(offer.proposals)]
        for offer, chosen in adapted.steps
    ]  # fmt: skip
    if lines:
        print_table(["step", "row", "channels", "takes", "accuracy", "of proposals"], lines, left=2)
    print()
    not_met = "" if adapted.met else "; NOT MET in so many steps"
    print(f"budget      {readable(quantity, adapted.before)} -> {readable(quantity, adapted.predicted)}, at most "
          f"{readable(quantity, adapted.most)}{not_met}")  # fmt: skip
    counts: list[tuple[str, Any, tuple[int, int]]] = [
        ("mult-adds", "macs", adapted.macs), ("params", "params", adapted.params)
    ]  # fmt: skip
    for name, unit, (before, after) in counts:
        print(f"{name:<12}{readable(unit, before)} -> {readable(unit, after)} ({100 * after / before:.1f} %)")
    if adapted.measured_ms is not None:
        before_ms, after_ms = adapted.measured_ms
        print_text(f"{'measured':<12}{before_ms:.3f} -> {after_ms:.3f} ms ({100 * after_ms / before_ms:.1f} %), "
                   f"{adapted.timing}")  # fmt: skip
    after_training = "" if adapted.accuracy is None else f", {100 * adapted.accuracy:.2f} % after the training"
    print_text(f"{'accuracy':<12}{100 * adapted.accuracy_before:.2f} % -> {100 * adapted.accuracy_adapted:.2f} %"
               f"{after_training}")  # fmt: skip
    if adapted.finished:
        print(f"written     {adapted.path}")
        print(f"figure      {adapted.path / 'adapt.svg'}")
        print(f"try next    {command_line('evaluate', adapted.path)}")
    else:
        print(f"go on       {command_line('adapt --resume', adapted.path)}")
