"""Search spaces: what may be chosen of a network, as data over the rows of a base. No torch.

The space is factorized and hierarchical (Tan et al., arXiv 1807.11626, section 4.1): rows are in stages, and a stage
chooses once for all its rows. Everything is absolute in the base and relative in a stage, so that the same stage serves
a base of any width.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import pairwise, product
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from leannet.errors import LeannetError, nearest
from leannet.nas.choices import Candidate, Choices, Decision, Option
from leannet.rows import Activation, Architecture, Node
from leannet.rows.blocks import InvertedResidual
from leannet.rows.error_lines import all_errors
from leannet.rows.fields import Documented, Flag, Name, Size
from leannet.what import resolve
from leannet.zoo.width import round_channels

Share = Annotated[float, Field(gt=0, le=1)]


class Stage(Documented):
    """Rows of the base, inverted residuals one after the other, of which all but the first have a shortcut.

    What has no options stays as it is in the base.
    """

    rows: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Names of rows of the base, in its order."""
    depth: tuple[Size, ...] = ()
    """How many of the rows are left, from the first on."""
    kernel: tuple[Size, ...] = ()
    """Height and width of the depthwise filters in pixels."""
    expansion: tuple[Annotated[float, Field(ge=1)], ...] = ()
    """Channels of the depthwise convolution over those that the row reads; 1: no 1x1 convolution before it."""
    squeeze: tuple[Annotated[float, Field(ge=0, le=1)], ...] = ()
    """Channels inside squeeze-and-excitation over those of the depthwise convolution; 0: none."""
    activation: tuple[Activation, ...] = ()
    """Activation function after the expansion and the depthwise convolution."""
    width: tuple[Share, ...] = ()
    """Channels of the output over those in the base."""
    skip: tuple[Flag, ...] = ()
    """Whether rows behind the first add their input to their output."""

    @property
    def choices(self) -> dict[str, tuple[Option, ...]]:
        """What is chosen, by field; a single option is no choice, but holds."""
        fields = {name: getattr(self, name) for name in type(self).model_fields if name != "rows"}
        return {name: options for name, options in fields.items() if options}

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, options in self.choices.items():
            if len(set(options)) < len(options):
                raise ValueError(f"{name}: expected different options, found {list(options)}")
        if self.depth and max(self.depth) > len(self.rows):
            raise ValueError(f"depth: expected at most the {len(self.rows)} rows, found {max(self.depth)}")
        if any(kernel % 2 == 0 for kernel in self.kernel):
            raise ValueError(f"kernel: expected odd sizes, found {list(self.kernel)}")
        return self


class Space(Choices):
    """Networks that are the rows of a base, with what stages choose."""

    stages: tuple[Stage, ...]
    resolution: tuple[Size, ...] = ()  # heights of the input in pixels; the width is in proportion

    @field_validator("base", mode="before")
    @classmethod
    def _resolved(cls, base: Any) -> Any:
        """A base may be a name, as of the zoo, or a file."""
        return resolve(base) if isinstance(base, str) else base

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.decisions:
            raise ValueError("expected stages with options, or resolutions, to choose from, found none")
        seen: set[str] = set()
        for number, stage in enumerate(self.stages, start=1):
            nodes = self._nodes(number, stage)
            if twice := seen & set(stage.rows):
                raise ValueError(f"stage {number}: row '{min(twice)}' is in another stage too")
            seen |= set(stage.rows)
            for node, above in zip(nodes[1:], nodes, strict=False):
                row = node.row
                if node.reads != (above.path,) or not isinstance(row, InvertedResidual) or not row.residual:
                    raise ValueError(f"stage {number}: expected that row '{node.path}' adds what it reads of "
                                     f"'{above.path}', so that it can be left out")  # fmt: skip
        order = [row.name for row in self.base.rows]
        for number, (one, other) in enumerate(pairwise(self.stages), start=2):
            if order.index(one.rows[0]) > order.index(other.rows[0]):
                raise ValueError(f"stage {number}: expected stages in the order of the base's rows, found row "
                                 f"'{other.rows[0]}' behind '{one.rows[0]}'")  # fmt: skip
        for place, (name, options) in enumerate(self.decisions):  # each alone, for what follows from it
            for index in range(len(options)):
                candidate = (*self.largest[:place], index, *self.largest[place + 1 :])
                try:
                    self.architecture(candidate)
                except LeannetError as error:
                    raise ValueError(f"{name} {options[index]}: {error}") from None
        return self

    def _nodes(self, number: int, stage: Stage) -> list[Node]:
        nodes = []
        for name in stage.rows:
            node = self.base.graph.by_path.get(name)
            if node is None or node not in self.base.graph.nodes:
                near = nearest(name, [each.path for each in self.base.graph.nodes])
                raise ValueError(f"stage {number}: {self.base.name} has no row '{name}'; nearest: {near}")
            if not isinstance(node.row, InvertedResidual):
                raise ValueError(f"stage {number}: expected inverted residuals, found row '{name}' of the kind "
                                 f"{node.row.kind}")  # fmt: skip
            nodes.append(node)
        return nodes

    @cached_property
    def decisions(self) -> tuple[Decision, ...]:
        """All that is chosen, in the order of the rows; the resolution last."""
        decisions = [
            Decision(f"stage_{number}.{name}", options)
            for number, stage in enumerate(self.stages, start=1)
            for name, options in stage.choices.items()
        ]
        return (*decisions, *([Decision("resolution", self.resolution)] if self.resolution else []))

    def as_base(self) -> Candidate | None:
        indices: list[int] = []
        for stage in self.stages:
            for name, options in stage.choices.items():
                alone = Space(
                    name=self.name, base=self.base, stages=(Stage.model_validate({"rows": stage.rows, name: options}),)
                )
                same = [index for index in range(len(options)) if alone.architecture((index,)).rows == self.base.rows]
                indices += same[:1] or [-1]
        if self.resolution:
            height = self.base.input.height
            indices.append(self.resolution.index(height) if height in self.resolution else -1)
        return None if -1 in indices else tuple(indices)

    def covering(self) -> Iterator[Architecture]:
        """Networks that have every row, on every shape, that any candidate has."""
        largest = self.largest
        for number in range(len(self.stages)):
            # What a row reads is as wide as the stage before makes it, and as high as the input says.
            free = [
                place for place, (name, _) in enumerate(self.decisions)
                if name in (f"stage_{number}.width", "resolution")
                or (name.startswith(f"stage_{number + 1}.") and not name.endswith(".depth"))
            ]  # fmt: skip
            for indices in product(*(range(len(self.decisions[place].options)) for place in free)):
                chosen = dict(zip(free, indices, strict=True))
                yield self.architecture(tuple(chosen.get(place, index) for place, index in enumerate(largest)))

    def architecture(self, candidate: Candidate) -> Architecture:
        """The rows of a candidate. Raises LeannetError for what is no candidate, and where its rows do not fit."""
        options = self.options(candidate)
        of_stage = [
            {name: options[f"stage_{number}.{name}"] for name in stage.choices}
            for number, stage in enumerate(self.stages, start=1)
        ]
        gone: list[str] = []
        widths: dict[str, dict[str, Any]] = {}
        for stage, chosen in zip(self.stages, of_stage, strict=True):
            gone += stage.rows[int(chosen.get("depth", len(stage.rows))) :]
            if "width" in chosen:
                channels = round_channels(float(chosen["width"]) * self.base.shapes[stage.rows[0]].channels)
                widths |= {name: {"out_channels": channels} for name in stage.rows}
        architecture = self.base.edit(widths).without(*gone) if gone else self.base.edit(widths)
        edits = {
            name: _fields(architecture.graph.by_path[name], chosen, is_first=name == stage.rows[0])
            for stage, chosen in zip(self.stages, of_stage, strict=True)
            for name in stage.rows
            if name not in gone
        }
        architecture = architecture.edit(edits)
        if "resolution" in options:
            height = int(options["resolution"])
            shape = self.base.input
            architecture = architecture.with_input(height, round(height * shape.width / shape.height))
        return architecture.named("_".join((self.name, *map(str, candidate))))

    @classmethod
    def load(cls, path: str | Path) -> "Space":
        """From a TOML or JSON file: `name`, `base` (a name of the zoo, a file, or rows), `stages`, `resolution`.

        Raises LeannetError for what is no search space: which field, and why.
        """
        try:
            text = Path(path).read_text()
            data = json.loads(text) if Path(path).suffix == ".json" else tomllib.loads(text)
            return cls.model_validate(data)
        except OSError as error:
            raise LeannetError(f"{path}: {error.strerror or error}") from None
        except ValidationError as error:
            raise LeannetError(f"{path}: {all_errors(error, model=cls)}") from None
        except ValueError as error:  # neither TOML nor JSON
            raise LeannetError(f"{path}: expected a search space as TOML or JSON: {error}") from None


def _fields(node: Node, chosen: Mapping[str, Any], is_first: bool) -> dict[str, Any]:
    """The fields of a row as a stage chooses them."""
    row, reads = node.row, node.in_shapes[0].channels
    assert isinstance(row, InvertedResidual)
    fields: dict[str, Any] = {}
    expanded = row.expansion_channels or reads
    if "expansion" in chosen:
        expanded = round_channels(chosen["expansion"] * reads) if chosen["expansion"] != 1 else reads
        fields["expansion_channels"] = None if chosen["expansion"] == 1 else expanded
    if "squeeze" in chosen:
        fields["squeeze_channels"] = round_channels(chosen["squeeze"] * expanded) if chosen["squeeze"] else None
    fields |= {name: chosen[name] for name in ("kernel", "activation") if name in chosen}
    if "skip" in chosen and not is_first:
        fields["residual"] = chosen["skip"]
    return fields
