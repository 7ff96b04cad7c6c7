"""leannet prune: a run made smaller, by a plan."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from leannet.cli.options import Json, LatencyEngine, LatencyPrecision, LatencyThreads, Quiet
from leannet.cli.output import print_json, print_table, print_text
from leannet.cli.settings_options import CHOSEN, OF_THE_RUN, SettingsCommand, nested
from leannet.errors import LeannetError, command_line
from leannet.shrink.names import Criterion

if TYPE_CHECKING:
    from leannet.shrink import Explanation, Pruned


class Command(SettingsCommand):
    """Without the settings that the run decides."""

    left_out = OF_THE_RUN


CLASS = Command
PLACE = 12  # of the words behind a heading


def command(
    context: typer.Context,
    run: Annotated[str | None, typer.Argument(help="A run folder or a checkpoint.")] = None,
    data: Annotated[str | None, typer.Argument(help="Images to score and train on. Default: those of the run.")] = None,
    macs: Annotated[str | None, typer.Option(help="The most mult-adds: 50%, 14M. Default of all budgets: 50%.")] = None,
    params: Annotated[str | None, typer.Option(help="The most parameters: 50%, 1.2M.")] = None,
    size: Annotated[str | None, typer.Option(help="The largest file: 50%, 1MB.")] = None,
    activation_memory: Annotated[
        str | None, typer.Option(help="The most activations in memory at once: 50%, 300kB.")
    ] = None,
    latency: Annotated[str | None, typer.Option(help="The longest time of an image: 50%, 3ms.")] = None,
    latency_engine: LatencyEngine = "onnxruntime",
    latency_precision: LatencyPrecision = "float32",
    latency_threads: LatencyThreads = 1,
    ratio: Annotated[float | None, typer.Option(help="The share of all channels that goes.")] = None,
    blocks: Annotated[int, typer.Option(help="Residual blocks that go whole, first.", min=0)] = 0,
    criterion: Annotated[
        Criterion,
        typer.Option(help="By what channels are scored."),
    ] = "taylor",
    ranking: Annotated[
        Literal["global", "per-row"], typer.Option(help="Rows compete, or all lose the same share.")
    ] = "global",
    rows: Annotated[list[str] | None, typer.Option(help="A row that may shrink. Repeat. Default: all.")] = None,
    keep: Annotated[list[str] | None, typer.Option(help="A row that stays as it is. Repeat.")] = None,
    round_to: Annotated[int, typer.Option(help="Widths become multiples of it.", min=1)] = 8,
    least: Annotated[float, typer.Option(help="The share of its channels that every layer keeps.")] = 0.1,
    images: Annotated[int, typer.Option(help="Training images that scores are taken from.", min=1)] = 1024,
    rounds: Annotated[int, typer.Option(help="Times that channels go and training follows.", min=1)] = 1,
    between: Annotated[int, typer.Option(help="Epochs after each round but the last.", min=1)] = 2,
    sensitivity: Annotated[Path | None, typer.Option(help="Be guided by what leannet sensitivity wrote.")] = None,
    plan: Annotated[Path | None, typer.Option(help="A plan to replay, as --plan-only writes it.")] = None,
    plan_only: Annotated[Path | None, typer.Option(help="Write the plan, and do nothing else.")] = None,
    explain: Annotated[str | None, typer.Option(help="Only say what ties the channels of this row.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder. Default: a new one under runs/.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with this pruning, as begun.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make a trained network smaller: remove channels until it meets a budget, then train it on.

    Channels that depend on each other go together, in whole multiples of 8. The plan says which ones; it can be edited
    and replayed. Options of training are those of the run, with 20 epochs; --epochs 0 leaves it out.

    Example: leannet prune runs/photos --macs 50%
    """
    chosen: dict[str, Any] = context.meta.get(CHOSEN, {})
    if resume is not None:
        if run is not None or chosen or out is not None:
            raise LeannetError("--resume goes on with a pruning as it was begun: leave out all but --json and --quiet")
        from leannet.shrink import resume_pruning

        _tell(resume_pruning(resume, quiet), json)
        return
    if run is None:
        raise LeannetError("expected RUN: a run folder or a checkpoint")
    if explain is not None:
        from leannet.rows.branches import shipped
        from leannet.shrink import explain as explain_row
        from leannet.what import resolve

        _tell_ties(explain_row(shipped(resolve(run)), explain), json)
        return
    from leannet.shrink import prune

    request = {
        "ratio": ratio, "blocks": blocks, "criterion": criterion, "ranking": ranking, "rows": tuple(rows or ()),
        "keep": tuple(keep or ()), "round_to": round_to, "least": least, "images": images, "rounds": rounds,
        "between": between, "sensitivity": None if sensitivity is None else str(sensitivity.resolve()),
        "plan": None if plan is None else str(plan.resolve()), "engine": latency_engine,
        "precision": latency_precision, "threads": latency_threads,
    }  # fmt: skip
    pruned = prune(
        run, data, macs=macs, params=params, size=size, activation_memory=activation_memory, latency=latency, out=out,
        plan_only=plan_only, quiet=quiet, request=request, **nested(chosen),
    )  # fmt: skip
    _tell(pruned, json, plan_only)


def _tell(pruned: "Pruned", json: bool, plan_only: Path | None = None) -> None:
    if pruned.path is not None and pruned.finished:
        from leannet.shrink.widths_figure import draw_widths

        draw_widths(pruned, pruned.path / "widths.svg")
        if pruned.run is not None:
            from leannet.reports import report

            report(pruned.path)
    if json:
        print_json(pruned.to_dict())
    else:
        _print(pruned, plan_only)
    if not pruned.finished:
        raise typer.Exit(130)


def _print(pruned: "Pruned", plan_only: Path | None) -> None:
    from leannet.shrink.budgets import readable

    before, after = pruned.before, pruned.after
    changed = [(row, old, new, f"{100 * new / old:.0f} %") for row, old, new in pruned.widths if old != new]
    if changed:
        print_table(["layer", "channels", "left", ""], changed)
    for block in pruned.plan.blocks:
        print(f"gone        {block}")
    quantities: list[tuple[str, Any]] = [
        ("mult-adds", "macs"), ("params", "params"), ("file", "size_bytes"), ("memory", "activation_bytes")
    ]  # fmt: skip
    for name, quantity in quantities:
        old, new = getattr(before, quantity), getattr(after, quantity)
        print(f"{name:<{PLACE}}{readable(quantity, old)} -> {readable(quantity, new)} ({100 * new / old:.1f} %)")
    if before.latency_ms and after.latency_ms:
        from leannet.runtime import machine

        share = 100 * after.latency_ms / before.latency_ms
        print_text(
            f"{'latency':<{PLACE}}{before.latency_ms:.3g} ms -> {after.latency_ms:.3g} ms ({share:.1f} %); batch 1, "
            f"{pruned.timed}, {machine().line()}",
            " " * PLACE,
        )
    if pruned.accuracy_before is not None and pruned.accuracy_pruned is not None:
        trained = ""
        if pruned.accuracy is not None and pruned.epochs:
            trained = f" -> {100 * pruned.accuracy:.2f} % after {pruned.epochs} epochs"
        points = 100 * ((pruned.accuracy or pruned.accuracy_pruned) - pruned.accuracy_before)
        print(
            f"{'accuracy':<{PLACE}}{100 * pruned.accuracy_before:.2f} % -> {100 * pruned.accuracy_pruned:.2f} % "
            f"untrained{trained} ({points:+.2f} points)"
        )
    _print_multipliers(pruned)
    if pruned.path is None:
        print(f"plan        {plan_only}")
        return
    if pruned.finished:
        print_text(f"plan        {pruned.path / 'plan.json'}", " " * PLACE)
        print_text(f"figure      {pruned.path / 'widths.svg'}", " " * PLACE)
        print_text(f"weights     {pruned.path / 'model.safetensors'}", " " * PLACE)
    if not pruned.finished:
        print(f"stopped early; to go on: {command_line('prune --resume', pruned.path)}")
    else:
        print(f"try next    {command_line('quantize', pruned.path)}   ·   {command_line('export', pruned.path)}")


def _print_multipliers(pruned: "Pruned") -> None:
    """The plain way to the same mult-adds, which has to be beaten."""
    from leannet.shrink.budgets import readable

    latencies = pruned.multiplier_latencies_ms or (None,) * len(pruned.multipliers)
    for each, milliseconds in zip(pruned.multipliers, latencies, strict=True):
        from leannet.cost import count

        cost = count(each.architecture)
        time = "" if milliseconds is None else f", {milliseconds:.3g} ms"
        word = f"width {each.value:.2g}" if each.multiplier == "width" else f"{each.value:g} px"
        how = f": {command_line(' '.join(('train DATA', *each.flags)))}" if each.flags else ""
        print_text(
            f"{'or ' + word:<{PLACE - 1}} {readable('macs', cost.macs)} mult-adds, {readable('params', cost.params)} "
            f"params{time}{how}",
            " " * PLACE,
        )


def _tell_ties(explanations: "tuple[Explanation, ...]", json: bool) -> None:
    if json:
        print_json({"layers": [each.to_dict() for each in explanations]})
        return
    for each in explanations:
        together = f"in {each.groups} groups that go together, of up to {each.largest_group} of them"
        if each.largest_group == 1:
            together = "none tied with another of this layer"
        print(f"{each.path}: {each.channels} channels, {together}")
        if each.with_layers:
            print_text(f"  with those of {', '.join(each.with_layers)}", "  ")
        for reason in each.reasons:
            print_text(f"  {reason.path}: {reason.why} ({', '.join(reason.layers)})", "    ")
        for why, number in each.fixed:
            print_text(f"  {number} cannot go: {why}", "    ")
