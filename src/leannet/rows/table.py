"""Architecture: a network as rows, checked when it is made, and exact as JSON. No torch here."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ValidationError, model_validator

from leannet.errors import LeannetError, nearest
from leannet.notebook import markdown_table
from leannet.rows.error_lines import all_errors, numbered
from leannet.rows.fields import INPUT, Documented, Name, Shape, Size, Width
from leannet.rows.layers import Activate, Conv, Dropout, GlobalPool, Linear, Pool, RowBase
from leannet.rows.registry import Row, modules_of
from leannet.rows.shape_inference import LABELS, Outputs, Placed, infer_shapes
from leannet.rows.text import HEADERS, align, describe_rows

KEEPS_CHANNELS = (GlobalPool, Pool, Dropout, Activate)


class Input(Documented):
    """The image that an architecture reads: (channels, height, width)."""

    channels: Width = 3
    """Channels of the image: 3 for RGB, 1 for gray."""
    height: Size = 224
    """Height in pixels."""
    width: Size = 224
    """Width in pixels."""

    @property
    def shape(self) -> Shape:
        return Shape(self.channels, self.height, self.width)


class Architecture(Documented):
    """A network as rows. `print` shows the rows, a notebook shows them as a table.

    Making one checks every row: pydantic.ValidationError, whose message names the row and the field, where one is
    impossible. `from_json` says the same in one line.
    """

    format_version: Literal[1] = 1
    """Version of the JSON; the defaults of all fields are part of it."""
    name: str
    """What the network is called."""
    input: Input = Input()
    """The image that it reads."""
    rows: tuple[Row, ...]
    """Its rows, each one after those it reads."""
    outputs: tuple[Name, ...] = ()
    """Names of the rows whose outputs are the network's; empty: the last row."""

    @model_validator(mode="before")
    @classmethod
    def _without_modules(cls, data: Any) -> Any:
        """`modules` in JSON says which modules register the kinds that leannet lacks. It is for error messages only."""
        if not isinstance(data, dict) or "modules" not in data:
            return data
        return {key: value for key, value in data.items() if key != "modules"}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.rows:
            raise LeannetError("rows: expected at least one row, found none")
        shapes = self.shapes  # infers all shapes, so checks every row
        errors = [f"outputs: '{name}' is named twice" for name in set(self.outputs) if self.outputs.count(name) > 1]
        errors += [
            f"outputs: no row is named '{name}'; nearest: {nearest(name, shapes)}"
            for name in self.outputs
            if name not in shapes
        ]
        if not errors:
            reaching = self._reaching(self.output_names)
            errors = [
                f"row '{name}' leads to no output: name it in another's inputs, or remove it"
                for name in shapes
                if name not in reaching
            ]
        if errors:
            raise LeannetError(numbered(errors))
        return self

    # Reading the rows

    @cached_property
    def _inferred(self) -> tuple[list[Placed], Outputs]:
        return infer_shapes(self.rows, [(INPUT, self.input.shape)])

    @property
    def layers(self) -> list[Placed]:
        """Every layer in order, blocks expanded."""
        return self._inferred[0]

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shape of each row's output."""
        return {name: shape for name, (_, shape) in self._inferred[1].items()}

    @property
    def made_by(self) -> dict[str, str]:
        """For each row the path of the layer that makes its output: itself, or the last one inside a block."""
        return {name: path for name, (path, _) in self._inferred[1].items()}

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the rows whose outputs are the network's."""
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
        """The row whose output is the last feature map, before pooling and classes."""
        reads, name = self.reads(), self.output_names[0]
        while (self.shapes[name].height, self.shapes[name].width) == (1, 1) and reads[name][0] != INPUT:
            name = reads[name][0]
        return name

    @property
    def taps(self) -> tuple[str, ...]:
        """The last row of each height and width on the way to the features: what detectors and segmenters read."""
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
        """The names of all rows that lead to these outputs."""
        reads, reaching, todo = self.reads(), set(), list(outputs)
        while todo:
            name = todo.pop()
            if name != INPUT and name not in reaching:
                reaching.add(name)
                todo += reads[name]
        return reaching

    # Showing the rows

    def __repr__(self) -> str:
        size = f"{self.input.channels} x {self.input.height} x {self.input.width}"
        return f"<Architecture {self.name}: {size}, {len(self.rows)} rows, outputs {', '.join(self.output_names)}>"

    def __str__(self) -> str:
        lines = align([HEADERS, *describe_rows(self.rows, self.shapes)])
        return "\n".join([f"{self.name}, reads {self.input.shape}", *lines])

    def _repr_markdown_(self) -> str:
        """For a notebook: a line a row."""
        headers = (f"{self.name}, reads {self.input.shape}", *HEADERS[1:])
        return markdown_table(headers, describe_rows(self.rows, self.shapes), left=3)

    # Other architectures from this one

    def _with(self, **fields: Any) -> "Architecture":
        try:
            return Architecture(**{**dict(self), **fields})
        except ValidationError as error:
            raise LeannetError(f"{self.name}: {all_errors(error, model=Architecture)}") from None

    def edit(self, row: str, **fields: Any) -> "Architecture":
        """The same rows with some fields of one row changed: every reader follows.

        Raises LeannetError naming the row and the field where the change makes an impossible architecture.
        """
        owner = self.row(row).shares or row
        shared_fields = {name: value for name, value in fields.items() if name not in LABELS}
        rows = []
        for old in self.rows:
            # Rows that share weights are one and the same but for where they stand, and stay so.
            changes = fields if old.name == row else shared_fields if owner in {old.name, old.shares} else {}
            try:
                rows.append(type(old)(**{**dict(old), **changes}) if changes else old)
            except ValidationError as error:
                raise LeannetError(f"{self.name}: row '{old.name}', {all_errors(error, model=type(old))}") from None
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
        leading = self._reaching(outputs)
        reads = self.reads()
        remaining = [row for row in self.rows if row.name in leading]
        above = [INPUT, *(row.name for row in remaining)]
        # A row that read "the row above" must say which, where that row is no longer above it.
        rows, owners = [], {row.name: row.name for row in remaining}
        for before, row in zip(above, remaining, strict=False):
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
            **({"modules": modules} if (modules := modules_of(self.rows)) else {}),
            "rows": rows,
        }
        return data | ({"outputs": list(self.outputs)} if self.outputs else {})

    def to_json(self) -> str:
        """As JSON, a row a line, so that it reads as a table and differences show."""
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
            raise LeannetError(f"{where}: {all_errors(error, data, cls)}") from None

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
