"""leannet reparameterize: parallel branches folded into one layer each."""

from pathlib import Path
from typing import Annotated

import typer

from leannet.cli.options import Json, Resolution, Width
from leannet.cli.output import print_json, print_table
from leannet.errors import LeannetError, command_line


def command(
    what: Annotated[str, typer.Argument(help="A run, a checkpoint, a zoo name, or an architecture JSON file.")],
    out: Annotated[
        Path | None, typer.Option(help="The file. Default: beside the weights, or NAME_reparameterized.json.")
    ] = None,
    width: Width = 1.0,
    resolution: Resolution = None,
    json: Json = False,
) -> None:
    """Fold what was trained as parallel branches, as of MobileOne, RepGhost and RepViT, into single layers.

    Of a run or checkpoint the weights too; the answers stay the same but for rounding. Export, quantize, bench,
    prune and sparsify do so by themselves.

    Example: leannet reparameterize runs/photos
    """
    from leannet.cost import count
    from leannet.files import spare_inputs, write_whole
    from leannet.header import checkpoint_file
    from leannet.rows.branches import deploy
    from leannet.what import parse, resolve

    before = resolve(what, width, resolution)
    after = deploy(before)
    if not after.maps:
        raise LeannetError(f"{what}: expected rows with parallel branches, found none to fold in {before.name}")
    trained = not parse(what).in_zoo and Path(what).suffix != ".json"
    if trained and (width != 1.0 or resolution is not None or parse(what).name != what):
        raise LeannetError(f"{what}: expected a run or checkpoint as it is: its weights are of its own rows and size")
    file = out or Path(f"{before.name}_reparameterized.json")
    if trained and out is None:
        file = (path := checkpoint_file(what)).with_name(f"{path.stem}_reparameterized.safetensors")
    spare_inputs([file], [what, *([checkpoint_file(what)] if trained else [])])
    difference = None
    if trained:
        from leannet.shrink import reparameterize

        difference = reparameterize(what, file).difference
    else:
        write_whole(file, after.architecture.to_json().encode())
    costs = {"before": count(before), "after": count(after.architecture)}
    if json:
        plain = {name: {"params": cost.params, "macs": cost.macs} for name, cost in costs.items()}
        print_json({"name": before.name, **plain, "file": str(file), "largest_difference": difference})
        return
    names = {"before": "trained", "after": "reparameterized"}
    lines = [[names[name], f"{cost.macs:,}", f"{cost.params:,}"] for name, cost in costs.items()]
    print_table([before.name, "mult-adds", "params"], lines)
    print(f"folded      into {len(after.maps)} layers")
    if difference is not None:
        print(f"difference  {difference:.1e} of the largest output, on random images")
    print(f"written     {file}")
    print(f"try next    {command_line('evaluate' if trained else 'count', file)}")
