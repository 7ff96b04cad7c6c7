"""Which kinds of rows there are: the layers, the blocks, and the blocks that users register."""

import inspect
import re
from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BeforeValidator, SerializeAsAny
from pydantic_core import PydanticCustomError

from leannet.errors import LeannetError, nearest
from leannet.rows.base import RowBase
from leannet.rows.blocks import BLOCKS, BlockBase
from leannet.rows.description import Description, describe_fields, text_of
from leannet.rows.layers import LAYERS

OWN_PACKAGE = "leannet."
MUTABLE = (list, dict, set, bytearray)
BlockClass = TypeVar("BlockClass", bound=type[BlockBase])


def kind_of(row: type[RowBase]) -> str:
    """The kind of a class of rows, as it stands in JSON: "inverted_residual"."""
    return str(row.model_fields["kind"].default)


KINDS: dict[str, type[RowBase]] = {kind_of(row): row for row in (*LAYERS, *BLOCKS)}
# Blocks of others are described, and their mistakes said, when they are made: the source of those in a notebook is not
# to be had later.
BlockBase.model_config |= {"use_attribute_docstrings": True, "defer_build": False}


def register(block: BlockClass) -> BlockClass:
    """Makes a block class of your own one of the kinds of rows; to be used as a decorator, at the top of a module.

    Its rows are then read from JSON, counted, built, drawn, trained and exported like all others, in every process that
    has imported the module. A class that is defined anew, as in a notebook, takes the place of the one before.
    Returns the class. Raises LeannetError where it is no frozen subclass of `BlockBase` with a `kind` and an `expand`,
    and where another class has that kind.
    """
    if not inspect.isclass(block) or not issubclass(block, BlockBase):
        raise LeannetError(f"register: expected a subclass of leannet.rows.BlockBase, found {block!r}")
    where = f"register {block.__module__}.{block.__qualname__}"
    if inspect.isabstract(block):
        raise LeannetError(f"{where}: expected a method expand(self, *shapes) that returns rows, found none")
    fields = block.__pydantic_fields__
    kind = fields["kind"]
    name = kind.default
    if get_origin(kind.annotation) is not Literal or get_args(kind.annotation) != (name,):
        raise LeannetError(f'{where}: expected a field kind: Literal["my_block"] = "my_block", found none like it')
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        raise LeannetError(f"{where}: expected a kind of small letters, digits and underscores, found '{name}'")
    if not block.model_config.get("frozen") or block.model_config.get("extra") != "forbid":
        raise LeannetError(f"{where}: rows are frozen and refuse unknown fields: leave out its model_config")
    for field, info in fields.items():
        if _is_mutable(info.annotation):
            raise LeannetError(f"{where}: field '{field}' may be changed in place: expected a tuple or a frozen model")
    if "<locals>" in block.__qualname__:
        raise LeannetError(f"{where}: expected a class at the top of a module, which other processes can import")
    other = KINDS.get(name)
    if other is not None and (other.__module__, other.__qualname__) != (block.__module__, block.__qualname__):
        raise LeannetError(
            f"{where}: {other.__module__}.{other.__qualname__} has the kind '{name}' already: choose another"
        )
    KINDS[name] = block
    return block


def find_kind(kind: str) -> type[RowBase]:
    """The class of rows of that kind. Raises LeannetError with the nearest kinds."""
    if kind not in KINDS:
        raise LeannetError(f"{_unknown(kind)}; all: leannet rows; a block of your own: import its module first")
    return KINDS[kind]


def describe(kind: str) -> Description:
    """What rows of that kind are, and each of their fields. Raises LeannetError with the nearest kinds."""
    row = find_kind(kind)
    summary, details = text_of(row)
    return Description(kind, issubclass(row, BlockBase), summary, details, describe_fields(row))


def modules_of(rows: tuple[RowBase, ...]) -> dict[str, str]:
    """For each kind that leannet does not have by itself the module that registers it; not of a script or notebook."""
    modules = {str(row.kind): type(row).__module__ for row in rows}
    return {kind: name for kind, name in modules.items() if not name.startswith(OWN_PACKAGE) and name != "__main__"}


def _read_row(value: Any) -> Any:
    """A row from plain data, or as it is. Raises pydantic's errors."""
    if isinstance(value, RowBase):
        if KINDS.get(value.kind) is not type(value):
            raise PydanticCustomError(
                "unregistered_row",
                "row '{name}' is of the class {type}, which is not registered: put @leannet.rows.register above it, "
                "and make the row again where the class was defined anew",
                {"name": value.name, "type": type(value).__qualname__},
            )
        return value
    if not isinstance(value, Mapping):
        raise PydanticCustomError("no_row", "expected an object with kind and name")
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        message = "expected one of the kinds that leannet rows lists" if kind is None else _unknown(str(kind))
        raise PydanticCustomError("unknown_kind", "{message}", {"message": message, "kind": str(kind)})
    return KINDS[kind].model_validate(value)


Row = Annotated[SerializeAsAny[RowBase], BeforeValidator(_read_row)]


def _unknown(kind: str) -> str:
    return f"no kind of row is called '{kind}' here; nearest: {nearest(kind, KINDS)}"


def _is_mutable(annotation: Any) -> bool:
    """Whether a type is, or may be, a container that can be changed in place."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType, tuple, Annotated):
        return any(_is_mutable(each) for each in get_args(annotation))
    return (origin or annotation) in MUTABLE
