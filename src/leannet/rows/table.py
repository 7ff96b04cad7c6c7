"""Architecture: a network as a table of rows, checked when it is made, and exact as JSON. No torch here."""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from leannet.errors import LeannetError, nearest
from leannet.rows.blocks import Block
from leannet.rows.fields import INPUT, Frozen, Name, Shape, Size, Width
from leannet.rows.layers import Activate, Conv, Dropout, GlobalPool, Layer, Linear, Pool, RowBase
from leannet.rows.placing import LABELS, Placed, place

Row = Annotated[Layer | Block, Field(discriminator="kind")]
KEEPS_CHANNELS = (GlobalPool, Pool, Dropout, Activate)


class Input(Frozen):
    """The image an architecture expects."""

    channels: Width = 3
    height: Size = 224
    width: Size = 224

    @property
    def shape(self) -> Shape:
        return Shape(self.channels, self.height, self.width)


class Architecture(Frozen):
    """A network as a table of rows.

    Making one checks every row: pydantic.ValidationError, whose message names the row and the field, where one is
    impossible. `from_json` says the same in one line.
    """

    format_version: Literal[1] = 1
    name: str
    input: Input = Input()
    rows: Annotated[tuple[Row, ...], Field(min_length=1)]
    outputs: tuple[Name, ...] = ()  # none: the last row

    @model_validator(mode="after")
    def _check(self) -> Self:
        rows = self.shapes  # places every row, so checks it
        for name in self.outputs:
            if self.outputs.count(name) > 1:
                raise LeannetError(f"outputs: '{name}' is named twice")
            if name not in rows:
                raise LeannetError(f"outputs: no row is named '{name}'; nearest: {nearest(name, rows)}")
        reaching = self._reaching(self.output_names)
        for name in rows:
            if name not in reaching:
                raise LeannetError(f"row '{name}' leads to no output: name it in another's inputs, or remove it")
        return self

    # Reading the table

    @cached_property
    def _placed(self) -> tuple[list[Placed], dict[str, tuple[str, Shape]]]:
        return place(self.rows, [(INPUT, self.input.shape)])

    @property
    def layers(self) -> list[Placed]:
        """Every layer in order, blocks opened."""
        return self._placed[0]

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shape each row makes."""
        return {name: shape for name, (_, shape) in self._placed[1].items()}

    @property
    def made_by(self) -> dict[str, str]:
        """For each row the path of the layer that makes its output: itself, or the last one inside a block."""
        return {name: path for name, (path, _) in self._placed[1].items()}

    @property
    def output_names(self) -> tuple[str, ...]:
        return self.outputs or (self.rows[-1].name,)

    @property
    def classes(self) -> int:
        """The width of the first output: the number of classes of a classifier."""
        return self.shapes[self.output_names[0]].channels

    @property
    def head(self) -> str:
        """The row that makes the classes: a convolution or fully connected row, before the first output but for rows
        that keep the channels. Raises LeannetError where there is none, as in a backbone.
        """
        reads, name = self.reads(), self.output_names[0]
        while isinstance(self.row(name), KEEPS_CHANNELS) and reads[name][0] != INPUT:
            name = reads[name][0]
        if not isinstance(self.row(name), Conv | Linear):
            raise LeannetError(f"{self.name} ends in '{name}', not in a convolution or fully connected row of classes")
        return name

    @property
    def features(self) -> str:
        """The row whose output is the last image, before pooling and classes."""
        reads, name = self.reads(), self.output_names[0]
        while (self.shapes[name].height, self.shapes[name].width) == (1, 1) and reads[name][0] != INPUT:
            name = reads[name][0]
        return name

    @property
    def taps(self) -> tuple[str, ...]:
        """The last row of each image size on the way to the features: what detectors and segmenters read."""
        reaching = self._reaching((self.features,))
        last = {self.shapes[row.name][1:]: row.name for row in self.rows if row.name in reaching}
        smaller = [name for size, name in last.items() if size != (self.input.height, self.input.width)]
        return tuple(smaller or [self.features])

    def row(self, name: str) -> RowBase:
        """The row of that name. Raises LeannetError with the nearest names."""
        for row in self.rows:
            if row.name == name:
                return row
        raise LeannetError(f"{self.name} has no row '{name}'; nearest: {nearest(name, self.shapes)}")

    def reads(self) -> dict[str, tuple[str, ...]]:
        """For each row the names of the rows it reads, the default resolved."""
        names = [INPUT, *(row.name for row in self.rows)]
        return {row.name: row.inputs or (above,) for above, row in zip(names, self.rows, strict=False)}

    def _reaching(self, outputs: Sequence[str]) -> set[str]:
        reads, found, todo = self.reads(), set(), list(outputs)
        while todo:
            name = todo.pop()
            if name != INPUT and name not in found:
                found.add(name)
                todo += reads[name]
        return found

    # Other tables from this one

    def _with(self, **fields: Any) -> "Architecture":
        try:
            return Architecture(**{**dict(self), **fields})
        except ValidationError as error:
            raise LeannetError(f"{self.name}: {first_error(error)}") from None

    def edit(self, row: str, **fields: Any) -> "Architecture":
        """The same table with some fields of one row changed: every reader follows.

        Raises LeannetError naming the row and the field where the change makes an impossible table.
        """
        owner = self.row(row).shares or row
        what = {name: value for name, value in fields.items() if name not in LABELS}
        rows = []
        for old in self.rows:
            # Rows that share weights are one and the same but for where they stand, and stay so.
            changed = fields if old.name == row else what if owner in {old.name, old.shares} else {}
            try:
                rows.append(type(old)(**{**dict(old), **changed}) if changed else old)
            except ValidationError as error:
                raise LeannetError(f"{self.name}: row '{old.name}', {first_error(error)}") from None
        return self._with(rows=tuple(rows))

    def with_input(self, height: int, width: int | None = None, channels: int | None = None) -> "Architecture":
        """The same rows for another image size or number of channels."""
        size = {"height": height, "width": height if width is None else width}
        return self._with(input=self.input.model_dump() | size | ({} if channels is None else {"channels": channels}))

    def with_classes(self, classes: int) -> "Architecture":
        """The same rows with another number of classes. Raises LeannetError where no row makes classes."""
        return self.edit(self.head, out_channels=classes)

    def only(self, *outputs: str) -> "Architecture":
        """The rows that lead to these outputs: drops auxiliary heads, or cuts a backbone."""
        for name in outputs:
            self.row(name)
        keep = self._reaching(outputs)
        reads = self.reads()
        kept = [row for row in self.rows if row.name in keep]
        above = [INPUT, *(row.name for row in kept)]
        # A row that read "the row above" must say which, where that row is no longer above it.
        rows, owners = [], {row.name: row.name for row in kept}
        for before, row in zip(above, kept, strict=False):
            changes: dict[str, Any] = {}
            if not row.inputs and reads[row.name] != (before,):
                changes["inputs"] = reads[row.name]
            if row.shares is not None:  # of rows whose owner is gone, the first becomes the owner
                owner = owners.setdefault(row.shares, row.name)
                changes["shares"] = None if owner == row.name else owner
            rows.append(row.model_copy(update=changes))
        last = rows[-1].name
        return self._with(rows=tuple(rows), outputs=() if outputs == (last,) else outputs)

    # JSON

    def to_dict(self) -> dict[str, Any]:
        """As plain data. Fields at their defaults are left out: the defaults are part of the format version."""
        rows = [
            {"kind": row.kind, "name": row.name, **row.model_dump(mode="json", exclude_defaults=True, exclude={"name"})}
            for row in self.rows
        ]
        data = {
            "format_version": self.format_version,
            "name": self.name,
            "input": self.input.model_dump(),
            "rows": rows,
        }
        return data | ({"outputs": list(self.outputs)} if self.outputs else {})

    def to_json(self) -> str:
        """As JSON, a row a line, so that it reads as the table it is and differences show."""
        data = self.to_dict()
        rows = ",\n".join("    " + json.dumps(row) for row in data.pop("rows"))
        tail = data.pop("outputs", None)
        lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in data.items()]
        lines.append(f'  "rows": [\n{rows}\n  ]')
        if tail:
            lines.append(f'  "outputs": {json.dumps(tail)}')
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def from_dict(cls, data: object, where: str = "architecture") -> "Architecture":
        """From plain data. Raises LeannetError: one line that names the row and the field."""
        if not isinstance(data, dict):
            raise LeannetError(
                f"{where}: expected a JSON object with name, input and rows, found {type(data).__name__}"
            )
        version = data.get("format_version", 1)
        if isinstance(version, int) and version > 1:
            raise LeannetError(
                f"{where}: format_version {version} is newer than this leannet reads (1): upgrade leannet"
            )
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise LeannetError(f"{where}: {first_error(error, data)}") from None

    @classmethod
    def from_json(cls, text: str, where: str = "architecture") -> "Architecture":
        """From JSON text. Raises LeannetError: one line that names the row and the field."""
        try:
            data = json.loads(text)
        except ValueError as error:
            raise LeannetError(f"{where}: not JSON ({error}): expected an architecture as to_json writes it") from None
        return cls.from_dict(data, where)

    @classmethod
    def load(cls, path: str | Path) -> "Architecture":
        """From a JSON file. Raises LeannetError where there is none or it is broken."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise LeannetError(f"{path}: cannot be read as text: {error}") from None
        return cls.from_json(text, str(path))


def first_error(error: ValidationError, data: Mapping[str, Any] | None = None) -> str:
    """The first of pydantic's findings as one line: the row by its name, the field, what was found."""
    found = error.errors(include_url=False)[0]
    message = found["msg"].removeprefix("Value error, ")
    if found["type"] == "value_error":
        return message
    location = list(found["loc"])
    where = ""
    if location[:1] == ["rows"] and len(location) > 1 and data is not None:
        number = int(location[1])
        raw = data["rows"][number]
        name = raw.get("name", "?") if isinstance(raw, dict) else "?"
        where, location = f"row '{name}' ({number + 1} of {len(data['rows'])}), ", location[2:]
        if location and isinstance(raw, dict) and location[0] == raw.get("kind"):
            location = location[1:]
    fields = ".".join(str(part) for part in location if isinstance(part, int | str) and not _is_union_branch(part))
    if found["type"].startswith("union_tag"):
        fields = "kind"
        message = message.removeprefix("Input tag ").replace(" found using 'kind'", "")
    value = f", found {found['input']!r}" if not isinstance(found["input"], dict) and found["type"] != "missing" else ""
    return f"{where}field '{fields}': {message}{value}" if fields else f"{where}{message}{value}"


def _is_union_branch(part: int | str) -> bool:
    """Pydantic puts the branch of a union into a location: no field of anyone's."""
    return isinstance(part, str) and ("[" in part or part in {"constrained-int", "int"})
