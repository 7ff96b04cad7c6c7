"""What a kind of row is and what its fields mean, from the class itself: for help(), `leannet rows` and errors.

What stands under each field is read from the source when somebody asks: reading all of it takes longer than a verb.
"""

import ast
import inspect
import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import pairwise
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


def described(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model, each with its description: the text under it, in its class or the nearest one above.

    A class whose source is not to be had, as one of a notebook, has those that pydantic has read for it.
    """
    for name, field in model.model_fields.items():
        if field.description is None:
            texts = (_texts(above).get(name) or _own(above, name) for above in model.__mro__)
            field.description = next((text for text in texts if text), None)
    return model.model_fields


@cache
def _texts(model: type) -> dict[str, str]:
    """The texts under the fields that a class itself declares."""
    if not issubclass(model, BaseModel) or model is BaseModel:
        return {}
    try:
        parsed = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    except (OSError, TypeError, SyntaxError):
        return {}
    body = parsed.body if isinstance(parsed, ast.ClassDef) else []
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }


def _own(model: type, name: str) -> str | None:
    field = getattr(model, "__pydantic_fields__", {}).get(name)
    return field.description if isinstance(field, FieldInfo) else None


def describe_fields(model: type[BaseModel], prefix: str = "") -> tuple[Field, ...]:
    """The fields of a model in order, without `kind`, which says which model it is.

    Behind a field that holds another model stand that one's fields, as `norm.eps`.
    """
    fields: list[Field] = []
    for name, field in described(model).items():
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


class Documentation:
    """The docstring of a class with its fields behind it, put together when it is asked for."""

    def __init__(self, text: str):
        self.text = text

    def __get__(self, instance: object, owner: type[BaseModel]) -> str:
        fields = "".join(f"    {each.name} ({each.line}): {each.meaning}\n" for each in describe_fields(owner))
        return inspect.cleandoc(self.text) + FIELDS + fields


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
