"""The options of `train`, made from the fields of its settings: one rule from field to flag, type and help.

A field's flag is its own name, and that of `optimizer` and `schedule` the flag of their `name`; a field may name
another flag, or none (`json_schema_extra`). The settings are imported when the options are asked for, since
`leannet --help` lists the verb without them.
"""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
import typer.core
from typer.main import get_command

from leannet.errors import LeannetError

CHOSEN = "leannet.settings"  # in the context's meta: the values that were given, by the flag's parameter name
GROUPS = {  # of help: the first field of each
    "model": "Network",
    "split": "Data",
    "epochs": "Training",
    "optimizer": "Optimization",
    "clip": "Loss and evaluation",
    "augment": "Augmentation",
    "seed": "Machine",
}
# Settings that a run decides which is trained on, by the flag's parameter name.
OF_THE_RUN = frozenset(
    {
        "model",
        "width",
        "resolution",
        "weights",
        "whiten_stem",
        "identity_init",
        "gate",
        "gate_group",
        "gate_learning",
        "gate_temperature",
        "exits",
        "exit_weight",
        "gate_cost",
        "alpha",
        "rl_weight",
        "levels",
        "taps",
        "neck",
        "head_channels",
        "task",
    }
)


@dataclass(frozen=True)
class Setting:
    """A leaf of the tree of settings. path: its keys, as in TOML. flag: without dashes."""

    path: tuple[str, ...]
    flag: str
    type: Any
    default: Any
    help: str
    group: str

    @property
    def parameter(self) -> str:
        """The flag as a Python name."""
        return self.flag.replace("-", "_")


def settings() -> list[Setting]:
    """All settings that have a flag, in their order."""
    from leannet.training.settings import Settings

    return list(_leaves(Settings, (), ""))


def merged_settings(context: typer.Context, data: str | None, config: Path | None) -> tuple[str, dict[str, Any]]:
    """Where the images are, and the settings of a TOML file, over which the flags win. Raises LeannetError."""
    from leannet.training.settings import Settings, read_toml

    chosen: dict[str, Any] = context.meta.get(CHOSEN, {})
    if data is None and config is None:
        raise LeannetError(
            "expected DATA: a folder of class folders, a Parquet or CSV file, a COCO, VOC or YOLO set, or 'digits'"
        )
    values: dict[str, Any] = read_toml(config) if config else {}
    Settings.check_names(values, str(config))
    nested(chosen, values, str(config))
    from_file = values.pop("data", None)
    if not (place := data or from_file):
        raise LeannetError(f"{config}: names no data: give DATA")
    return str(place), values


def nested(chosen: dict[str, Any], values: dict[str, Any] | None = None, where: str = "settings") -> dict[str, Any]:
    """The flags that were given, as a tree of settings. values: a tree, over which they win. Raises LeannetError."""
    values = {} if values is None else values
    paths = {setting.parameter: setting.path for setting in settings()}
    for name, value in chosen.items():
        table = values
        *branches, leaf = paths[name]
        for branch in branches:
            table = table.setdefault(branch, {})
            if not isinstance(table, dict):
                raise LeannetError(f"{where}: field '{branch}': expected a table, [{branch}], found {table!r}")
        table[leaf] = value
    return values


def _leaves(section: Any, path: tuple[str, ...], group: str) -> Iterator[Setting]:
    from leannet.rows.description import described

    for name, field in described(section).items():
        if not path:
            group = GROUPS.get(name, group)
        place = (*path, name)
        if hasattr(field.annotation, "model_fields"):
            yield from _leaves(field.annotation, place, group)
            continue
        extra: Any = field.json_schema_extra or {}
        flag = extra.get("flag", path[-1] if name == "name" else name)
        if flag is not None:
            kind = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
            help = " ".join((field.description or "").split())
            yield Setting(place, flag.replace("_", "-"), _plain(kind), field.default, help, group)


def _plain(annotation: Any) -> Any:
    """The type that the command line parses: without None and limits, which the settings check."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        parsed = any(type(each).__name__ == "BeforeValidator" for each in arguments[1:])
        return str if parsed else _plain(arguments[0])
    if origin in (Union, UnionType):
        return _plain(next(each for each in arguments if each is not NoneType))
    if origin is Literal and isinstance(arguments[0], int):
        return int
    return list[arguments[0]] if origin is tuple else annotation  # type: ignore[valid-type]  # a value, not a type


def _words(setting: Setting) -> str:
    """The help, with the default where there is one to name."""
    default = setting.default
    if default is None or default is False or default in ((), "none"):
        return setting.help
    if isinstance(default, float):
        default = f"{default:.3g}" if default else "none"
    shown = "yes" if default is True else default
    return f"{setting.help} Default: {shown}."


def _choose(context: typer.Context, parameter: typer.CallbackParam, value: Any) -> Any:
    if value is not None and value != []:
        context.meta.setdefault(CHOSEN, {})[parameter.name] = value
    return value


def _option(setting: Setting) -> inspect.Parameter:
    names = [f"--{setting.flag}"]
    if setting.type is bool and setting.default is not False:
        names = [f"--{setting.flag}/--no-{setting.flag}"]
    option = typer.Option(*names, help=_words(setting), callback=_choose, expose_value=False)
    annotation = Annotated[setting.type | None, option]  # type: ignore[name-defined]  # a value, not a type
    return inspect.Parameter(setting.parameter, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _options() -> dict[str, list[Any]]:
    """Options of the command line by group, as typer makes them from a function's signature."""
    leaves = settings()

    def collect(**values: Any) -> None: ...

    parameters = [_option(setting) for setting in leaves]
    collect.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # which typer reads
    collect.__annotations__ = {each.name: each.annotation for each in parameters}
    program = typer.Typer(add_completion=False)
    program.command()(collect)
    by_name = {option.name: option for option in get_command(program).params}
    groups: dict[str, list[Any]] = {}
    for setting in leaves:
        groups.setdefault(setting.group, []).append(by_name[setting.parameter])
    return groups


class SettingsCommand(typer.core.TyperCommand):
    """A command that has the settings of training as options, beside its own parameters.

    left_out: settings that it has other options for, by the flag's parameter name.
    """

    left_out: frozenset[str] = frozenset()

    def get_params(self, ctx: Any) -> list[Any]:
        """Its own parameters, then the settings."""
        own = super().get_params(ctx)
        return [*own, *(option for options in self._groups().values() for option in options)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """For --help: its own parameters, then the settings under a heading for each group."""
        own = super().get_params(ctx)
        sections = {"Arguments": [each for each in own if each.param_type_name == "argument"]}
        sections["Options"] = [each for each in own if each.param_type_name == "option"]
        for heading, parameters in (sections | self._groups()).items():
            with formatter.section(heading):
                formatter.write_dl([record for each in parameters if (record := each.get_help_record(ctx))])

    def _groups(self) -> dict[str, list[Any]]:
        if not hasattr(self, "_made"):
            self._made = {
                group: [option for option in options if option.name not in self.left_out]
                for group, options in _options().items()
            }
        return self._made
