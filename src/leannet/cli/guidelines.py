"""leannet guidelines: equal mult-adds, unequal time, on this machine."""

from pathlib import Path
from typing import Annotated, Any

import typer

from leannet.cli.options import Json, Quiet
from leannet.cli.output import print_json, print_table


def command(
    engine: Annotated[
        list[str] | None, typer.Option(help="torch, onnxruntime, openvino. Repeat. Default: the first two.")
    ] = None,
    threads: Annotated[
        list[int] | None, typer.Option(help="Repeat. Default: one, and as many as there are cores.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="For all measurements together.", min=1)] = 100,
    out: Annotated[Path, typer.Option(help="The figure: .svg, .png or .pdf.")] = Path("guidelines.svg"),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure ShuffleNetV2's four guidelines here: channel ratio, groups, fragments, element-wise operations.

    Leave the machine alone meanwhile. Example: leannet guidelines --engine onnxruntime --threads 1
    """
    from leannet.console import Console
    from leannet.studies import guidelines
    from leannet.studies.guideline_figure import draw
    from leannet.style import check_format

    check_format(out)
    console = Console(quiet)
    with console.bar(1) as bar:
        study = guidelines(
            engine or ("torch", "onnxruntime"),
            threads,
            seconds,
            lambda done, total, label: bar.advance(done, f"measuring {done + 1} of {total}", label, total),
        )
    draw(study, out)
    if json:
        print_json(study.to_dict() | {"figure": str(out)})
        return
    print(f"{study.machine.line()}; {', '.join(study.versions)}; batch 1, float32, 56 x 56 px")
    for table in study.tables:
        print()
        print(f"{table.key}  {table.title} (paper, Table {table.table}): times as long as {table.cases[0].name}")
        print()
        _print(table, study)
    print()
    print("Each trio: the scales x1, x2, x4 of the channels; milliseconds and all else: --json.")
    print("Over all of these networks:")
    for fit in study.fits:
        print(f"  {fit.line()}")
    print()
    for line in (*study.words(), *study.parallelism()):
        print(line)
    print()
    print(f"figure: {out}")


def _print(table: Any, study: Any) -> None:
    from leannet.cost import count, graph
    from leannet.studies.guideline_study import slowdowns

    def trio(ratios: list[float]) -> str:
        return " ".join(f"{ratio:5.2f}" for ratio in ratios)

    settings = study.settings
    lines = []
    for case in table.cases:
        cost, shape = count(case.networks[0]), graph(case.networks[0])
        lines.append(
            (
                case.name,
                f"{cost.macs / 1e6:.1f}",
                f"{cost.total.bytes_moved / 1e6:.1f}",
                shape.sequential_depth,
                shape.branches,
                *(trio(study.slowdowns(table.key, case.name, setting)) for setting in settings),
                trio(slowdowns(table, case, "gpu")),
                trio(slowdowns(table, case, "arm")),
            )
        )
    names = [f"{name}, {n} thr." for name, n in settings]
    headers = (table.claim, "M mult-adds x1", "MB moved x1", "depth", "branches", *names, "paper GPU", "paper ARM")
    print_table(headers, lines)
