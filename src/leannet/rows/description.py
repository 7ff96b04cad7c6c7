"""What a kind of row is and what its fields mean, from the class itself: for help(), `leannet rows` and errors."""

import inspect
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

FIELDS = "\n\nFields\n"
BOUNDS = {"ge": "{:g} or more", "gt": "above {:g}", "le": "{:g} at most", "lt": "below {:g}"}
WORDS: dict[Any, str] = {bool: "true or false", int: "integer", float: "number", str: "text"}


@dataclass(frozen=True)
class Field:
    """One field of a row, in words and as JSON has it."""

    name: str
    type: str
    required: bool
    default: Any  # as JSON; None too where it is required
    meaning: str

    @property
    def line(self) -> str:
        """Type and default in words."""
        return f"{self.type}; {'required' if self.required else f'default {json.dumps(self.default)}'}"


@dataclass(frozen=True)
class Description:
    """A kind of row: what it is, and its fields."""

    kind: str
    is_block: bool
    summary: str
    details: str
    fields: tuple[Field, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)


def describe_fields(model: type[BaseModel], prefix: str = "") -> tuple[Field, ...]:
    """The fields of a model in order, without `kind`, which says which model it is.

    Behind a field that holds another model stand that one's fields, as `norm.eps`.
    """
    fields: list[Field] = []
    for name, field in model.model_fields.items():
        if name == "kind":
            continue
        fields.append(
            Field(
                name=prefix + name,
                type=_type(field.annotation, field.metadata),
                required=field.is_required(),
                default=None if field.is_required() else _as_json(field.get_default(call_default_factory=True)),
                meaning=" ".join((field.description or "").split()),
            )
        )
        for inner in models_in(field.annotation):
            fields += describe_fields(inner, f"{prefix}{name}.")
    return tuple(fields)


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that a field may hold."""
    choices = [annotation, *get_args(annotation)]
    return [each for each in choices if inspect.isclass(each) and issubclass(each, BaseModel)]


def text_of(model: type[BaseModel]) -> tuple[str, str]:
    """Summary and details of a class: the first paragraph of its docstring as one line, and the others."""
    text = inspect.cleandoc(model.__doc__ or "").partition(FIELDS)[0]
    summary, _, details = text.partition("\n\n")
    return " ".join(summary.split()), details.strip()


def document_fields(model: type[BaseModel]) -> str | None:
    """The docstring of a class with its fields behind it; None where Python left docstrings out."""
    if model.__doc__ is None:
        return None
    text = inspect.cleandoc(model.__doc__).partition(FIELDS)[0]
    return text + FIELDS + "".join(f"    {x.name} ({x.line}): {x.meaning}\n" for x in describe_fields(model))


def inherit_descriptions(model: type[BaseModel]) -> None:
    """Fields that a class declares anew without a description keep that of the class above."""
    for name, field in model.model_fields.items():
        if field.description is None:
            field.description = next(_descriptions_above(model, name), None)


def _descriptions_above(model: type[BaseModel], name: str) -> Iterator[str]:
    for above in model.__mro__[1:]:
        field = getattr(above, "__pydantic_fields__", {}).get(name)
        if isinstance(field, FieldInfo) and field.description is not None:
            yield field.description


def _type(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """A type in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = [item for each in arguments[1:] for item in (each.metadata if isinstance(each, FieldInfo) else [each])]
        return _type(arguments[0], [*inner, *metadata])
    if origin is Literal:
        return " | ".join(map(str, arguments))
    if origin in (Union, UnionType):
        return " | ".join(_type(each) for each in arguments)
    if origin is tuple:
        return f"list of {_type(arguments[0])}s"
    if annotation is NoneType:
        return "null"
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return "object"
    if any(getattr(each, "pattern", None) for each in metadata):
        return "name"
    bounds = [
        text.format(limit) for key, text in BOUNDS.items() for each in metadata
        if (limit := getattr(each, key, None)) is not None
    ]  # fmt: skip
    return ", ".join([WORDS.get(annotation, getattr(annotation, "__name__", str(annotation))), *bounds])


def _as_json(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return list(value) if isinstance(value, tuple) else value
