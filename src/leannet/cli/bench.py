"""leannet bench: how long networks take on this machine."""

from typing import Annotated, Any, Literal

import typer

from leannet.cli.options import Json, Quiet, Resolution, Wide, Width
from leannet.cli.output import print_json, print_table, print_text
from leannet.errors import LeannetError


def command(
    what: Annotated[list[str], typer.Argument(help="Zoo names, architecture files, runs, checkpoints, artifacts.")],
    engine: Annotated[
        list[str] | None,
        typer.Option(help="torch, onnxruntime, openvino, ncnn, litert. Repeat. Default: all that are here."),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(help="float32, bfloat16, or int8 for its time alone. Repeat. Artifacts have their own."),
    ] = None,
    threads: Annotated[list[int] | None, typer.Option(help="Repeat. Default: 1.", min=1)] = None,
    batch: Annotated[int, typer.Option(help="Images at once.", min=1)] = 1,
    width: Width = 1.0,
    resolution: Resolution = None,
    by: Annotated[
        Literal["network", "row"], typer.Option(help="row: where the time goes, in the first engine.")
    ] = "network",
    seconds: Annotated[float, typer.Option(help="To measure for, for each number of threads.", min=0.1)] = 10,
    wide: Wide = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Time networks side by side: median and p90, in turns, beside what the machine can do at best.

    Leave the machine alone meanwhile.

    Example: leannet bench mobilenet_v2 mobilenet_v3_small --threads 1 --threads 2
    """
    from leannet.console import Console

    console = Console(quiet)
    if by == "row":
        _by_row(what, engine, precision, threads, batch, width, resolution, seconds, wide, json, console)
        return
    from leannet.benchmark import bench

    with console.bar(1) as bar:
        benchmark = bench(
            what, engine, precision or ["float32"], threads or [1], batch, width, resolution, seconds,
            progress=lambda label: bar.advance(0, "bench", label),
        )  # fmt: skip
    if json:
        print_json(benchmark.to_dict())
        return
    first = benchmark.timed[0].latency.median_ms
    rows = [
        [
            each.what, each.engine, each.precision, each.threads, f"{each.latency.median_ms:.2f}",
            f"{each.latency.p90_ms:.2f}", f"{each.latency.median_ms / first:.2f}", f"{each.macs / 1e6:,.1f}",
            f"{each.gflops:.0f}", f"{100 * each.gflops / each.matrix_gflops:.0f} %", f"{each.size_bytes / 1e6:.2f}",
            "" if each.peak_memory_bytes is None else f"{each.peak_memory_bytes / 1e6:.0f}",
        ]
        for each in benchmark.timed
    ]  # fmt: skip
    headers = ("network", "engine", "precision", "threads", "median ms", "p90 ms", "of the first", "M mult-adds",
               "GFLOP/s", "of matrices", "file MB", "memory MB")  # fmt: skip
    print_table(
        headers,
        rows,
        left=3,
        optional=("memory MB", "of matrices", "GFLOP/s", "file MB", "of the first", "M mult-adds", "precision"),
        wide=wide,
    )
    print()
    rates = ", ".join(
        f"{rate:.0f} with {number} thread{'s' if number > 1 else ''}"
        for number, rate in sorted({each.threads: each.matrix_gflops for each in benchmark.timed}.items())
    )
    print_text(f"{benchmark.machine.line()}; batch {batch}; float32 matrices: {rates} GFLOP/s.")
    if gated := [each for each in benchmark.timed if each.skips is not None]:
        ways = dict.fromkeys(f"{each.engine} {each.precision}: {each.skips or 'all blocks run'}" for each in gated)
        print_text(f"gates decide by these random images; what an image skips: {'; '.join(ways)}.")
    print("memory: what loading and running adds to a process at most.")


def _by_row(
    what: list[str], engine: list[str] | None, precision: list[str] | None, threads: list[int] | None, batch: int,
    width: float, resolution: int | None, seconds: float, wide: bool, json: bool, console: Any,
) -> None:  # fmt: skip
    from pathlib import Path

    from leannet.header import is_artifact
    from leannet.rows.branches import shipped
    from leannet.runtime.row_latency import measure_rows
    from leannet.what import resolve

    artifact = next((name for name in what if is_artifact(name)), None)
    if artifact:
        raise LeannetError(
            f"{artifact}: expected rows with --by row, found an artifact: name the run that it was made of"
        )
    for flag, values in (("engine", engine), ("precision", precision), ("threads", threads)):
        if len(values or []) > 1:
            raise LeannetError(f"--by row: expected one --{flag}, found several")
    networks = []
    for name in what:
        architecture = shipped(resolve(name, 1.0 if Path(name).exists() else width, resolution))
        setting = (engine or ["onnxruntime"])[0], (threads or [1])[0], (precision or ["float32"])[0]
        console.say(f"timing {len(architecture.rows)} rows of {architecture.name}, {seconds:g} s")
        networks.append(measure_rows(architecture, *setting, batch=batch, seconds=seconds))
    if json:
        print_json({"networks": [each.to_dict() for each in networks]})
        return
    for each in networks:
        total = sum(row.ms for row in each.rows)
        rows = [
            [row.row, row.kind, " + ".join("x".join(map(str, shape)) for shape in row.in_shapes),
             "x".join(map(str, row.out_shape)), f"{row.macs:,}", f"{row.ms:.3f}", f"{100 * row.ms / total:.1f} %",
             f"{2 * row.macs / row.ms / 1e6:.0f}" if row.ms > 0 and row.macs else ""]
            for row in each.rows
        ]  # fmt: skip
        print_table(
            ("row", "kind", "reads", "makes", "mult-adds", "ms", "share", "GFLOP/s"),
            rows,
            left=4,
            optional=("GFLOP/s", "reads", "kind", "makes"),
            wide=wide,
        )
        print()
        setting_words = f"{each.engine}, {each.precision}, {each.threads} thread{'s' if each.threads > 1 else ''}"
        print(f"{each.name}: {each.whole.median_ms:.2f} ms as a whole, {each.sum_ms:.2f} ms as the sum of its rows;")
        print_text(f"{setting_words}, batch {each.batch}, {each.machine.line()}")
