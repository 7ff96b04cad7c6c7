"""leannet find-lr: which learning rate to train with."""

from pathlib import Path
from typing import Annotated

import typer

from leannet.cli.options import Json, Quiet
from leannet.cli.output import print_json, print_text
from leannet.cli.settings_options import SettingsCommand, merged_settings

CLASS = SettingsCommand


def command(
    context: typer.Context,
    data: Annotated[str | None, typer.Argument(help="As for train: a folder of class folders, 'digits', ...")] = None,
    steps: Annotated[int, typer.Option(help="Steps of the test, each at a higher rate.")] = 100,
    lowest: Annotated[float, typer.Option(help="The learning rate of the first step.")] = 1e-6,
    highest: Annotated[float, typer.Option(help="Of the last step.")] = 10.0,
    out: Annotated[
        Path, typer.Option(help="The figure: .svg, .png or .pdf. The CSV of the same name stands beside it.")
    ] = Path("find-lr.svg"),
    config: Annotated[Path | None, typer.Option(help="Settings as TOML, as runs leave them; flags win.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find a learning rate for a network and its images, by a short test that is thrown away.

    Example: leannet find-lr photos/ --model mobilenet_v3_small
    """
    from leannet.files import spare_inputs
    from leannet.style import check_format

    place, values = merged_settings(context, data, config)
    check_format(out)
    spare_inputs([out, out.with_suffix(".csv")], [config] if config else [])
    from leannet.training.lr_finder import RULE, find_lr

    rates = find_lr(place, steps, lowest, highest, quiet, **values)
    table = rates.save(out)
    if json:
        print_json(rates.to_dict() | {"figure": str(out), "csv": str(table)})
        return
    if rates.suggested is None:
        print_text(
            "no rate to suggest: the loss never fell by more than its noise; more --steps or --batch-size may show it"
        )
    else:
        print_text(f"suggested   --lr {rates.suggested:.2g}, {RULE}", " " * 12)
        if not rates.exploded:
            print_text(
                f"            the loss did not explode up to {rates.rates[-1]:.2g}: a higher --highest may show more",
                " " * 12,
            )
    print(f"figure      {out}")
    print(f"data        {table}")
