"""leannet latency-table: the time of every row on this machine, or another."""

from pathlib import Path
from typing import Annotated, Any

import typer

from leannet.cli.options import Json, Quiet, Resolution, Wide, Width
from leannet.cli.output import print_json, print_table, print_text
from leannet.errors import LeannetError, command_line


def command(
    what: Annotated[list[str] | None, typer.Argument(help="Zoo names, architecture files, runs.")] = None,
    space: Annotated[
        list[str] | None,
        typer.Option(help="A search space to cover: a file, or a network whose rows suggest one. Repeat."),
    ] = None,
    engine: Annotated[str, typer.Option(help="onnxruntime, openvino, ncnn, litert, torch.")] = "onnxruntime",
    precision: Annotated[str, typer.Option(help="float32, bfloat16, or int8 for its time alone.")] = "float32",
    threads: Annotated[int, typer.Option(help="That a run uses.", min=1)] = 1,
    batch: Annotated[int, typer.Option(help="Images at once.", min=1)] = 1,
    width: Width = 1.0,
    resolution: Resolution = None,
    classes: Annotated[int | None, typer.Option(help="Of a space: of the images. Default: the base's own.")] = None,
    networks: Annotated[
        int, typer.Option(help="Of a space: how many networks are timed whole, to fit and check.", min=1)
    ] = 10,
    seconds: Annotated[float, typer.Option(help="To measure for.", min=0.1)] = 60,
    out: Annotated[Path, typer.Option(help="The table.")] = Path("latency_table.json"),
    emit: Annotated[
        Path | None, typer.Option(help="Time nothing; write a folder that does so on another device.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option("--table", help="Time nothing; say what this table predicts of WHAT.")
    ] = None,
    wide: Wide = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure every distinct row of networks or of a search space, and predict latency from it.

    Leave the machine alone meanwhile.

    Example: leannet latency-table mobilenet_v2 --engine onnxruntime --precision int8
    """
    from leannet.console import Console
    from leannet.files import check_writable
    from leannet.nas.emitting import check_emit
    from leannet.nas.emitting import emit as write_folder
    from leannet.nas.tables import LatencyTable, measure_table
    from leannet.nas.timing import work_of

    if emit is not None and table is not None:
        raise LeannetError("--emit and --table: expected one of them, found both")
    if table is not None and not what:
        raise LeannetError("--table: expected networks to predict, found none: name one, as leannet latency-table "
                           f"mobilenet_v2 --table {table}")  # fmt: skip
    console = Console(quiet)
    if table is not None:
        _predict(LatencyTable.load(table), what or [], width, resolution, wide, json)
        return
    if emit is not None:
        check_emit(emit, engine)
    else:
        check_writable(out)
    work = work_of(what or [], space or [], width, resolution, networks, classes)
    names = list(work.networks)
    said = f"{len(work.probes.rows):,} rows by {len(names):,} networks"
    if emit is not None:
        with console.bar(len(names)) as bar:
            written = 0

            def one_more() -> None:
                nonlocal written
                written += 1
                bar.advance(written, "writing")

            write_folder(work, emit, engine, precision, threads, batch, one_more)
        if json:
            print_json({"folder": str(emit), "networks": len(names), "rows": len(work.probes.rows)})
            return
        print(f"written     {emit}   ·   {said}")
        print_text("there       pip install -r requirements.txt, then python run.py; take latency_table.json back")
        return
    console.say(f"timing {said}, {engine} {precision}, {threads} thread{'s' if threads > 1 else ''}")
    with console.bar(len(names)) as bar:
        measured = measure_table(work, engine, precision, threads, batch, seconds,
                                 done=lambda number: bar.advance(number, "timing"))  # fmt: skip
    measured.save(out)
    if json:
        print_json(measured.to_dict())
        return
    print_text(f"{len(measured.rows):,} rows in {measured.setting.line()}")
    print_text(measured.quality())
    print(f"written     {out}")
    if what:
        sized = [*(["--width", width] if width != 1 else []), *(["--resolution", resolution] if resolution else [])]
        print(f"try next    {command_line('latency-table', *what, *sized, '--table', out)}")
    else:
        print(f"try next    {command_line('search', 'DATA')} --space {space[0] if space else ''} --latency-table {out}")


def _predict(table: Any, what: list[str], width: float, resolution: int | None, wide: bool, json: bool) -> None:
    """What a table says of networks, row by row."""
    from leannet.rows.branches import shipped
    from leannet.what import resolve

    networks = [shipped(resolve(word, 1.0 if Path(word).exists() else width, resolution)) for word in what]
    predicted = [None if table.lacking(each) else table.predict(each) for each in networks]
    of_rows = [[(node.path, str(node.row.kind), table.row_ms(node)) for node in each.graph.nodes] for each in networks]
    if json:
        print_json(
            {
                "setting": table.to_dict()["setting"],
                "networks": [
                    {
                        "name": each.name,
                        "latency_ms": ms,
                        "overhead_ms": table.overhead_ms(each),
                        "lacking": table.lacking(each),
                        "rows": [{"row": row, "kind": kind, "ms": row_ms} for row, kind, row_ms in rows],
                    }
                    for each, ms, rows in zip(networks, predicted, of_rows, strict=True)
                ],
            }
        )
        return
    for each, ms, rows in zip(networks, predicted, of_rows, strict=True):
        known = sum(row_ms for _, _, row_ms in rows if row_ms is not None)
        lines = [
            [row, kind, "-" if row_ms is None else f"{row_ms:.4f}",
             "" if row_ms is None else f"{100 * row_ms / (ms or known):.1f} %"]
            for row, kind, row_ms in rows
        ]  # fmt: skip
        print_table(("row", "kind", "ms", "share"), lines, left=2, wide=wide)
        if ms is None:
            print_text(f"{each.name}: {len(table.lacking(each))} of its {len(rows)} rows are not in the table on these "
                       f"shapes; the others take {known:.3f} ms")  # fmt: skip
        else:
            print(f"{each.name}: {ms:.3f} ms predicted, {table.overhead_ms(each):.3f} ms of it beside the rows")
    print_text(table.setting.line())
    print_text(table.quality())
