"""Architecture: a network as rows, checked when it is made, and exact as JSON. No torch here."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ValidationError, model_validator

from leannet.errors import LeannetError, nearest
from leannet.notebook import markdown_table
from leannet.rows.editing import Rule, edited, kept, left_out, rewritten
from leannet.rows.endpoints import Input, Output, Role, read_output
from leannet.rows.error_lines import all_errors, numbered
from leannet.rows.fields import INPUT, Documented, Shape
from leannet.rows.graph import Graph, Node, resolve
from leannet.rows.json_text import a_row_a_line, as_object, parsed, read_text
from leannet.rows.layers import Activate, Add, Choose, Conv, Dropout, GlobalPool, Linear, Pool, RowBase, TopBoxes
from leannet.rows.parameters import Parameter, parameters
from leannet.rows.registry import Row, modules_of
from leannet.rows.text import HEADERS, align, describe_rows

BEHIND_CLASSES = (GlobalPool, Pool, Dropout, Activate, Choose, TopBoxes)  # rows that make no classes of their own


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
    outputs: tuple[Annotated[Output, BeforeValidator(read_output)], ...] = ()
    """The rows whose outputs are the network's, by name, or with a role; empty: the last row."""

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
        names = [output.row for output in self.outputs]
        errors = [f"outputs: '{name}' is named twice" for name in set(names) if names.count(name) > 1]
        errors += [
            f"outputs: no row is named '{name}'; nearest: {nearest(name, shapes)}"
            for name in names
            if name not in shapes
        ]
        if self.outputs and self.outputs[0].role is not None:
            errors.append(f"outputs: '{names[0]}' is {self.outputs[0].role}: expected the network's own one first")
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

    # Reading the rows. What is computed once has a name that pydantic takes for no field.

    @cached_property
    def _graph(self) -> Graph:
        return Graph(resolve(self.rows, [(INPUT, self.input.shape)]))

    @property
    def graph(self) -> Graph:
        """Its rows resolved: what each reads, its shapes, and what is inside."""
        return self._graph

    @property
    def layers(self) -> tuple[Node, ...]:
        """Every layer in order, blocks expanded."""
        return self.graph.layers

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shape of each row's output."""
        return {node.row.name: node.out_shape for node in self.graph.nodes}

    @property
    def made_by(self) -> dict[str, str]:
        """For each row the path of the layer that makes its output: itself, or the last one inside a block."""
        return {node.row.name: node.made_by for node in self.graph.nodes}

    @cached_property
    def _parameters(self) -> dict[str, Parameter]:
        return {
            f"{layer.path}.{parameter.name}": parameter
            for layer in self.layers
            if layer.shares is None
            for parameter in parameters(layer)
        }

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Everything that its network stores, by its key in the state dict, in that order."""
        return self._parameters

    @property
    def stems(self) -> tuple[str, ...]:
        """The keys of the weights whose filters read the channels of the image."""
        images, stems = {INPUT}, []
        for layer in self.layers:
            if not images.isdisjoint(layer.inputs):
                if isinstance(layer.row, Conv) and layer.shares is None:
                    stems += [f"{layer.path}.{each.name}" for each in parameters(layer) if "in" in each.axes]
                elif layer.out_shape.channels == self.input.channels and not parameters(layer):
                    images.add(layer.path)
        return tuple(stems)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the rows whose outputs are the network's."""
        return tuple(output.row for output in self.outputs) or (self.rows[-1].name,)

    @property
    def auxiliary(self) -> tuple[str, ...]:
        """The outputs that are there to train the network alone."""
        return tuple(output.row for output in self.outputs if output.role == "auxiliary")

    @property
    def training_outputs(self) -> tuple[str, ...]:
        """The outputs that training alone has: those with a role."""
        return tuple(output.row for output in self.outputs if output.role is not None)

    @property
    def classes(self) -> int:
        """The number of classes: the width of the first output, or of the maps that boxes are found in."""
        name = self.output_names[0]
        return self.shapes[self.reads()[name][0] if isinstance(self.row(name), TopBoxes) else name].channels

    @property
    def head(self) -> str:
        """The row that makes the classes: a convolution or fully connected row, before the first output but for rows
        that keep the channels. Raises LeannetError where there is none, as in a backbone.
        """
        return self._heads(self.output_names[0])[0]

    @property
    def heads(self) -> tuple[str, ...]:
        """All rows that make the classes: several whose mean is the output, and those of auxiliary outputs."""
        names = (self.output_names[0], *self.auxiliary)
        return tuple(dict.fromkeys(head for name in names for head in self._heads(name)))

    def _heads(self, name: str) -> tuple[str, ...]:
        row, reads = self.row(name), self.reads()[name]
        if (isinstance(row, BEHIND_CLASSES) or (isinstance(row, Add) and row.average)) and INPUT not in reads:
            reads = reads[:2] if isinstance(row, Choose) else reads[::2] if isinstance(row, TopBoxes) else reads
            return tuple(head for source in reads for head in self._heads(source))
        if not isinstance(row, Conv | Linear):
            raise LeannetError(f"{self.name} ends in '{name}', not in a convolution or fully connected row of classes")
        return (row.shares or name,)

    @property
    def features(self) -> str:
        """The row whose output is the last feature map, before pooling and classes."""
        reads, name = self.reads(), self.output_names[0]
        if isinstance(self.row(name), TopBoxes):
            return reads[self.head][0]
        while (self.shapes[name].height, self.shapes[name].width) == (1, 1) and reads[name][0] != INPUT:
            name = reads[name][1 if isinstance(self.row(name), Choose) else 0]  # past an exit's classes
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
        return {node.row.name: node.reads for node in self.graph.nodes}

    def _reaching(self, outputs: Sequence[str]) -> set[str]:
        """The names of all rows that lead to these outputs."""
        reads, reaching, todo = self.reads(), set(), list(outputs)
        while todo:
            name = todo.pop()
            if name != INPUT and name not in reaching:
                reaching.add(name)
                todo += reads[name]
        return reaching

    def __repr__(self) -> str:
        size, training = " x ".join(map(str, self.input.shape)), self.training_outputs
        outputs = ", ".join(name for name in self.output_names if name not in training)
        return f"<Architecture {self.name}: {size}, {len(self.rows)} rows, outputs {outputs}>"

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

    def _with_rows(self, rows: Sequence[RowBase], instead: Mapping[str, str]) -> "Architecture":
        """instead: for a row that is gone the name of the one that stands for it."""
        outputs = self.outputs or (Output(row=self.rows[-1].name),)
        return self._with_outputs(rows, [Output(row=instead.get(o.row, o.row), role=o.role) for o in outputs])

    def _with_outputs(self, rows: Sequence[RowBase], outputs: Sequence[Output]) -> "Architecture":
        if not rows:
            raise LeannetError(f"{self.name}: expected at least one row to be left, found none")
        is_default = [output.row for output in outputs] == [rows[-1].name]
        return self._with(rows=tuple(rows), outputs=() if is_default else tuple(outputs))

    def edit(self, row: str | Mapping[str, Mapping[str, Any]], /, **fields: Any) -> "Architecture":
        """The same rows with some fields of one row changed, or of several at once: every reader follows.

        `edit("block_1", stride=2)`, or `edit({"block_1": {"stride": 2}, "block_2": {"stride": 1}})`. Raises
        LeannetError naming the row and the field where the change makes an impossible architecture.
        """
        if not isinstance(row, str) and fields:
            raise LeannetError(
                f"edit: expected fields of one row, or a mapping of rows, found both ({', '.join(fields)})"
            )
        edits = {row: fields} if isinstance(row, str) else row
        return self._with(rows=edited(self.rows, edits, self.name))

    def rewrite(self, rule: Rule, inside: bool = False) -> "Architecture":
        """The rows of which a rule replaces some by others, as a block is replaced by what `expand` returns.

        rule: gets the node of a row, and returns the rows that stand for it, which call what it reads "input"; None:
        the row stays. A single row takes its name; several are called by it and their own. inside: the rule is asked
        for the rows inside blocks too, and a block in which it replaces something is replaced by its rows. Raises
        LeannetError where the new rows do not fit.
        """
        return self._with_rows(*rewritten(self.graph, rule, inside))

    def without(self, *names: str) -> "Architecture":
        """The rows without these, whose readers then read what these read.

        Raises LeannetError for one whose output has another shape than its input.
        """
        for name in names:
            self.row(name)
        return self._with_rows(*left_out(self.graph, names))

    def then(self, *rows: RowBase, outputs: Sequence[str] = ()) -> "Architecture":
        """The rows with more below them. outputs: those of the new architecture; empty: the last row."""
        return self._with(rows=(*self.rows, *rows), outputs=tuple(outputs))

    def named(self, name: str) -> "Architecture":
        """The same rows under another name; nothing is resolved anew."""
        return self.model_copy(update={"name": name}) if isinstance(name, str) else self._with(name=name)

    def with_input(self, height: int, width: int | None = None, channels: int | None = None) -> "Architecture":
        """The same rows for another image size or number of channels."""
        size = {"height": height, "width": height if width is None else width}
        return self._with(input=self.input.model_dump() | size | ({} if channels is None else {"channels": channels}))

    def with_classes(self, classes: int) -> "Architecture":
        """The same rows with another number of classes. Raises LeannetError where no row makes classes."""
        return self.edit({head: {"out_channels": classes} for head in self.heads})

    def only(self, *outputs: str) -> "Architecture":
        """The rows that lead to these outputs: drops auxiliary heads, or cuts a backbone."""
        for name in outputs:
            self.row(name)
        roles = {output.row: output for output in self.outputs}
        rows = kept(self.graph, self._reaching(outputs))
        return self._with_outputs(rows, [roles.get(name, Output(row=name)) for name in outputs])

    def without_auxiliary(self) -> "Architecture":
        """The rows without auxiliary heads and other outputs of training: what is left after it."""
        training = self.training_outputs
        return self.only(*(name for name in self.output_names if name not in training)) if training else self

    def with_features(self, *names: str, role: Role = "features") -> "Architecture":
        """The same rows with the outputs of some as outputs of training."""
        outputs = self.outputs or (Output(row=self.rows[-1].name),)
        more = [Output(row=name, role=role) for name in names if name not in self.output_names]
        return self._with(outputs=(*outputs, *more)) if more else self

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
        outputs = [output.row if output.role is None else output.model_dump() for output in self.outputs]
        return data | ({"outputs": outputs} if outputs else {})

    def to_json(self) -> str:
        """As JSON, a row a line, so that it reads as a table and differences show."""
        data = self.to_dict()
        return a_row_a_line(data, {"outputs": data.pop("outputs")} if "outputs" in data else {})

    @classmethod
    def from_dict(cls, data: object, where: str = "architecture") -> "Architecture":
        """From plain data. Raises LeannetError: one line that names the row and the field."""
        fields = as_object(data, where, "a JSON object with name, input and rows", newest=1)
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise LeannetError(f"{where}: {all_errors(error, fields, cls)}") from None

    @classmethod
    def from_json(cls, text: str, where: str = "architecture") -> "Architecture":
        """From JSON text. Raises LeannetError: one line that names the row and the field."""
        return cls.from_dict(parsed(text, where, "an architecture as to_json writes it"), where)

    @classmethod
    def load(cls, path: str | Path) -> "Architecture":
        """From a JSON file. Raises LeannetError where there is none or it is broken."""
        return cls.from_json(read_text(path), str(path))
