"""leannet rewrite: another architecture from this one, by rules on its rows."""

from pathlib import Path
from typing import Annotated

import typer

from leannet.cli.options import Json, Resolution, Width
from leannet.cli.output import print_json, print_table
from leannet.errors import LeannetError, command_line

RULE = "stacked, grouped:N, separable, width:0.5, activation:NAME or padding:same. Repeat: one after another."


def command(
    what: Annotated[str, typer.Argument(help="A zoo name, an architecture JSON file, a run or a checkpoint.")],
    rule: Annotated[list[str] | None, typer.Option(help=RULE)] = None,
    rows: Annotated[list[str] | None, typer.Option(help="A row or layer to rewrite. Repeat. Default: all.")] = None,
    keep: Annotated[list[str] | None, typer.Option(help="A row or layer that stays. Repeat.")] = None,
    out: Annotated[Path | None, typer.Option(help="The architecture's file. Default: NAME.json.")] = None,
    time: Annotated[bool, typer.Option("--time", help="Measure both in an engine, too.")] = False,
    engine: Annotated[str, typer.Option(help="In which they are timed.")] = "onnxruntime",
    threads: Annotated[int, typer.Option(help="Of that engine.", min=1)] = 1,
    width: Width = 1.0,
    resolution: Resolution = None,
    json: Json = False,
) -> None:
    """Rewrite rows by a rule: depthwise separable for dense, 3x3 for 5x5, groups, fewer channels, ReLU6.

    Example: leannet rewrite resnet18 --rule separable
    """
    from leannet.cost import count
    from leannet.files import check_writable, write_whole
    from leannet.shrink.rewriting import RULES, rewrite
    from leannet.what import resolve

    if not rule:
        raise LeannetError(f"expected --rule: one of {', '.join(RULES)}")
    before = resolve(what, width, resolution)
    rewritten = rewrite(before, rule, rows or (), keep or ())
    architecture = rewritten.architecture
    file = out or Path(f"{architecture.name}.json")
    check_writable(file)
    times: list[float] = []
    if time:
        from leannet.shrink.timing import Timing

        timing = Timing(engine, "float32", threads)
        timing.check()
        times = timing.milliseconds([before, architecture])
    write_whole(file, architecture.to_json().encode())
    if json:
        print_json(rewritten.to_dict() | {"file": str(file), "latency_ms": times})
        return
    lines = []
    for number, each in enumerate((before, architecture)):
        cost = count(each)
        lines.append([each.name, f"{cost.macs:,}", f"{cost.params:,}", *([f"{times[number]:.3g}"] if times else [])])
    print_table(["architecture", "mult-adds", "params", *(["ms"] if times else [])], lines)
    ratio = count(architecture).macs / count(before).macs
    print(f"changed     {len(rewritten.changed)} layers, {100 * ratio:.2f} % of the mult-adds")
    if times:
        from leannet.runtime import machine

        print(f"latency     {times[1] / times[0]:.2f} of the time; batch 1, {timing}, {machine().line()}")
    print(f"written     {file}")
    print(f"try next    {command_line('count', file)}   ·   {command_line('train DATA --model', file)}")
