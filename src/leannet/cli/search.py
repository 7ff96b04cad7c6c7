"""leannet search: networks found for a device."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from leannet.cli.helpers import check_resumed, helpers, threads_of_each
from leannet.cli.options import Json, LatencyEngine, LatencyPrecision, LatencyThreads, Processes, Quiet, Storage
from leannet.cli.output import print_json, print_table, print_text
from leannet.cli.settings_options import CHOSEN, OF_THE_RUN, SettingsCommand, nested
from leannet.errors import LeannetError, command_line

if TYPE_CHECKING:
    from leannet.nas.searched import Searched


class Command(SettingsCommand):
    """Without the settings that the space decides."""

    left_out = OF_THE_RUN


CLASS = Command
SHOWN = 10  # networks of the front


def command(
    context: typer.Context,
    data: Annotated[str | None, typer.Argument(help="Images, as train reads them.")] = None,
    space: Annotated[
        str | None, typer.Option(help="What is searched: a file (.toml, .json), or a network whose rows suggest it.")
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", help="In its place a trained run: how much is kept of each of its widths."),
    ] = None,
    latency: Annotated[str | None, typer.Option(help="The target: 3ms, or 50% of the largest network's time.")] = None,
    macs: Annotated[str | None, typer.Option(help="Or mult-adds: 14M, 50%.")] = None,
    params: Annotated[str | None, typer.Option(help="Or parameters: 1.2M, 50%.")] = None,
    strategy: Annotated[
        Literal["controller", "evolution", "random"], typer.Option(help="What proposes candidates.")
    ] = "controller",
    evaluations: Annotated[int, typer.Option(help="How many candidates are evaluated.", min=1)] = 200,
    w: Annotated[float, typer.Option("--w", help="How much time counts: -0.07, or -0.15 for small networks.")] = -0.07,
    hard: Annotated[bool, typer.Option("--hard", help="Only what is above the target loses, and much.")] = False,
    sram: Annotated[
        str | None, typer.Option(help="The most memory of a microcontroller: 256kB. A target, or beside one.")
    ] = None,
    flash: Annotated[str | None, typer.Option(help="The largest file of those: 512kB.")] = None,
    evaluate: Annotated[
        Literal["supernet", "training"], typer.Option(help="Weights that all share, or a short training of each.")
    ] = "supernet",
    rule: Annotated[Literal["sandwich", "uniform"], typer.Option(help="How shared weights are trained.")] = "sandwich",
    supernet: Annotated[Path | None, typer.Option(help="That of an earlier search over the same space.")] = None,
    short_epochs: Annotated[int, typer.Option(help="Epochs of each, with --evaluate training.", min=1)] = 1,
    images: Annotated[
        int, typer.Option(help="Training images that a candidate's batch norm is measured on.", min=2)
    ] = 1024,
    validation: Annotated[
        int, typer.Option(help="The most validation images that evaluate a candidate.", min=2)
    ] = 2000,
    latency_engine: LatencyEngine = "onnxruntime",
    latency_precision: LatencyPrecision = "float32",
    latency_threads: LatencyThreads = 1,
    latency_table: Annotated[
        Path | None, typer.Option(help="That covers the space (leannet latency-table --space). Default: measured.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="The processor whose table it is, where not this one.")] = None,
    storage: Storage = None,
    processes: Processes = 1,
    out: Annotated[Path | None, typer.Option(help="The folder. Default: a new one under runs/.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with this search, or help with it.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Search a space of networks for the most accurate one that is fast enough on your device.

    Any number of processes and machines that share the folder work on it: leannet search --resume OUT.
    Options of training are those of the weights that all candidates share.

    Example: leannet search cifar10/ --space cifar_mobilenet_v2 --latency 50% --time 30m
    Example: leannet search --from runs/photos --latency 50%
    """
    from leannet.nas.searching import resume_search, search

    chosen: dict[str, Any] = context.meta.get(CHOSEN, {})
    threads = threads_of_each(chosen, processes)
    if resume is not None:
        check_resumed(context, chosen)
        with helpers("search", processes, threads) as begun:
            begun(resume)
            searched = resume_search(resume, quiet, threads)
        _tell(searched, json)
        return
    if from_ is None and (data is None or space is None):
        raise LeannetError("expected DATA and --space, as leannet search photos/ --space mobilenet_v2 --latency 50%, "
                           "or --from, as leannet search --from runs/photos --latency 50%")  # fmt: skip
    request = {
        "strategy": strategy, "evaluations": evaluations, "w": w, "hard": hard, "sram": sram, "flash": flash,
        "evaluate": evaluate, "rule": rule, "short_epochs": short_epochs, "images": images,
        "validation": validation,
        "engine": latency_engine, "precision": latency_precision, "threads": latency_threads,
        "table": None if latency_table is None else str(latency_table.resolve()), "device": device,
        "seed": chosen.get("seed", 0),
    }  # fmt: skip
    with helpers("search", processes, threads) as begun:
        searched = search(
            data, space, from_run=from_, latency=latency, macs=macs, params=params, out=out, storage=storage,
            supernet=supernet, quiet=quiet, request=request, begun=begun, short_threads=threads, **nested(chosen),
        )  # fmt: skip
    _tell(searched, json)


def _tell(searched: "Searched", json: bool) -> None:
    from leannet.diagrams import draw, write
    from leannet.nas.searched_figure import draw_searched

    draw_searched([searched], searched.path / "search.svg")
    write(draw(searched.architecture), searched.path / "found.svg")
    if json:
        print_json(searched.to_dict())
        return
    from leannet.shrink.budgets import readable

    quantity, target = searched.request.quantity, searched.request.target
    lines = [
        [each.number, f"{100 * each.accuracy:.2f} %", readable(quantity, each.cost), f"{each.reward:.4f}"]
        for each in sorted(searched.front, key=lambda trial: -trial.reward)[:SHOWN]
    ]
    print_table(["trial", "accuracy", "takes", "reward"], lines)
    print_text(
        f"The front of {len(searched.trials)} networks that were tried, the best for {readable(quantity, target)} "
        "first; accuracy as the search evaluated it, which is below that of a network trained alone."
    )
    file = searched.path / "found.json"
    print(f"written     {file}")
    print(f"figures     {searched.path / 'search.svg'}")
    print(f"            {searched.path / 'found.svg'}")
    weights = searched.path / "found.safetensors"
    start = ("train DATA --weights", weights) if weights.exists() else ("train DATA --model", file)
    print(f"try next    {command_line(*start)}   ·   {command_line('draw', file)}")
