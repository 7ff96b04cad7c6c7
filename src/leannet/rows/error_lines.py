"""pydantic's errors as one line for people: which row by its name, which field, what was expected, what was found."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from leannet.errors import nearest
from leannet.rows.description import models_in
from leannet.rows.registry import KINDS

MOST = 10  # errors that are told; the others are counted
WITHOUT_VALUE = {"missing", "unknown_kind", "unregistered_row", "extra_forbidden"}  # the input would say nothing more

Location = Sequence[int | str]


def first_error(error: ValidationError) -> str:
    """The first error as one line."""
    return next(_lines(error, {}, None))


def all_errors(
    error: ValidationError, data: Mapping[str, Any] | None = None, model: type[BaseModel] | None = None
) -> str:
    """All errors as one line, numbered where there are several.

    data: what was read, for the names of rows. model: what was to be made of it, for the names of its fields.
    """
    return numbered(list(_lines(error, data or {}, model)))


def numbered(lines: Sequence[str]) -> str:
    """Several errors as one line; one error as it is."""
    if len(lines) == 1:
        return lines[0]
    told = [f"({number}) {line}" for number, line in enumerate(lines[:MOST], start=1)]
    return f"{len(lines)} errors: " + "; ".join([*told, *[f"and {len(lines) - MOST} more"] * (len(lines) > MOST)])


def _lines(error: ValidationError, data: Mapping[str, Any], model: type[BaseModel] | None) -> Iterator[str]:
    """A line a field: where it may have several forms, pydantic has an error for each of them."""
    by_field: dict[tuple[str, str], list[str]] = {}
    values: dict[tuple[str, str], str] = {}
    details = error.errors(include_url=False)
    unknown = Counter(detail["ctx"]["kind"] for detail in details if detail["type"] == "unknown_kind")
    for detail in details:
        where, location, row = _row_of(detail["loc"], data)
        if detail["type"] == "unknown_kind":
            if (rows := unknown.pop(detail["ctx"]["kind"], 0)) == 0:
                continue  # another row of the same kind was told about
            location = ["kind"]
            where = where if rows == 1 else f"{where.removesuffix(', ')} and {rows - 1} more, "
        location = [part for part in location if not _is_union_branch(part)]
        key = where, ".".join(map(str, location))
        by_field.setdefault(key, []).append(_message(detail, location, row or model, data))
        if detail["type"] not in {*WITHOUT_VALUE, "value_error"} and not isinstance(detail["input"], dict):
            values[key] = f", found {detail['input']!r}"
    for (where, field), (message, *others) in by_field.items():
        forms = " or ".join([message, *(other.removeprefix("Input should be ") for other in others)])
        yield where + (f"field '{field}': " if field else "") + forms + values.get((where, field), "")


def _row_of(location: Location, data: Mapping[str, Any]) -> tuple[str, Location, type[BaseModel] | None]:
    """Which row a location is in, in words; the location inside the row; and the row's class."""
    rows = data.get("rows")
    if len(location) < 2 or location[0] != "rows" or not isinstance(rows, Sequence):
        return "", location, None
    number = int(location[1])
    row = rows[number] if isinstance(rows[number], Mapping) else {}
    kind = row.get("kind")
    where = f"row '{row.get('name', '?')}' ({number + 1} of {len(rows)}), "
    return where, location[2:], KINDS.get(kind) if isinstance(kind, str) else None


def _message(detail: Any, location: Location, model: type[BaseModel] | None, data: Mapping[str, Any]) -> str:
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden" and (owner := _model_at(model, location[:-1])) is not None:
        fields = list(owner.model_fields)
        return f"no such field; nearest: {nearest(str(location[-1]), fields, 1)}; there are: {', '.join(fields)}"
    if detail["type"] == "missing":
        return "missing, and it has no default"
    if detail["type"] == "unknown_kind":
        return f"{message}; {_advice(detail['ctx']['kind'], data)}"
    return message


def _advice(kind: str, data: Mapping[str, Any]) -> str:
    """What to do about a kind that is not known here. `modules` of the file is only printed, never imported."""
    modules = data.get("modules")
    module = modules.get(kind) if isinstance(modules, Mapping) else None
    if isinstance(module, str) and all(part.isidentifier() for part in module.split(".")):
        return f"it is registered by the module {module}: import that first, or leannet --import {module} ..."
    return "all: leannet rows; for a block of your own import its module first, or leannet --import MODULE ..."


def _model_at(model: type[BaseModel] | None, location: Location) -> type[BaseModel] | None:
    """The model inside a model at a location: of a convolution at ("norm",) it is Norm."""
    for part in location:
        if model is None or part not in model.model_fields:
            return None
        model = next(iter(models_in(model.model_fields[str(part)].annotation)), None)
    return model


def _is_union_branch(part: int | str) -> bool:
    """Whether a part of a location is pydantic's word for one form of a field, and no field."""
    return isinstance(part, str) and ("[" in part or part in {"constrained-int", "int"})
