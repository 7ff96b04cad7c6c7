"""Writes docs/settings.md from the fields of the settings: `make docs`."""

from pathlib import Path
from typing import Literal, get_args, get_origin

from leannet.cli.settings_options import Setting, settings

PAGE = Path(__file__).parent / "settings.md"
HEAD = """# Settings of training

Written by `make docs` from the fields of `leannet.training.Settings`. A flag, a key of a TOML file (`--config`, and the
`config.toml` of each run) and a keyword of `leannet.train` are one setting. Flags win over a file, a file over a recipe
(`leannet recipes`), a recipe over these defaults. In Python nested ones are dictionaries:
`leannet.train("photos", optimizer={"name": "sgd", "lr": 0.1})`.
"""


def page() -> str:
    """The page: a table a group."""
    lines = [HEAD]
    group = ""
    for setting in settings():
        if setting.group != group:
            group = setting.group
            lines += ["", f"## {group}", "", "| flag | in TOML | | default | |", "|---|---|---|---|---|"]
        cells = (f"`--{setting.flag}`", f"`{'.'.join(setting.path)}`", _type(setting), _default(setting), setting.help)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _type(setting: Setting) -> str:
    if get_origin(setting.type) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(setting.type))
    return {bool: "yes or no", int: "whole number", float: "number", str: "text"}.get(setting.type, "texts")


def _default(setting: Setting) -> str:
    default = setting.default
    if default is None or default == ():
        return ""
    if isinstance(default, bool):
        return "yes" if default else "no"
    return f"{default:.3g}" if isinstance(default, float) else f"`{default}`"


if __name__ == "__main__":
    PAGE.write_text(page())
