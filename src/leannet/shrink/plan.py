"""A plan: which channels and blocks of a network go, as a file that can be read, edited and replayed. No torch."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from leannet.errors import LeannetError, nearest
from leannet.files import write_whole
from leannet.rows import first_error
from leannet.rows.channels import Channels
from leannet.rows.fields import Documented
from leannet.rows.json_text import a_row_a_line, as_object, parsed, read_text
from leannet.rows.table import Architecture
from leannet.shrink.names import Criterion

Channel = Annotated[int, Field(strict=True, ge=0)]


class PlanRow(Documented):
    """One layer that becomes narrower."""

    row: str
    """The path of the layer whose filters make the channels; what is tied with them goes too."""
    before: Annotated[int, Field(strict=True, ge=1)]
    """Its channels now."""
    after: Annotated[int, Field(strict=True, ge=1)]
    """Its channels then."""
    remove: tuple[Channel, ...] | None = None
    """Which channels go, counted from 0; null: as many as it takes, by the criterion."""


class Plan(Documented):
    """What a network loses."""

    format_version: Literal[1] = 1
    """Version of the JSON."""
    network: str
    """The name of the architecture that it was made for."""
    rows_digest: str | None = None
    """Of the network's rows, blocks and all, by which another one is recognized; null: names and widths decide."""
    criterion: Criterion | None = None
    """What chose the channels, and chooses those that are not named."""
    blocks: tuple[str, ...] = ()
    """Rows that go whole, first."""
    rows: tuple[PlanRow, ...] = ()
    """Layers that become narrower."""

    def to_json(self) -> str:
        """As JSON, a row a line."""
        data = self.model_dump(mode="json", exclude_defaults=True)
        return a_row_a_line({"format_version": 1, "rows": [], **data}, {})

    def save(self, path: str | Path) -> None:
        """Writes the file, whole or not at all."""
        write_whole(path, self.to_json().encode())

    @classmethod
    def load(cls, path: str | Path) -> "Plan":
        """From a file. Raises LeannetError where there is none, or it is no plan."""
        where = str(path)
        data = parsed(read_text(path), where, "a plan as leannet prune writes it")
        data = as_object(data, where, "a plan, a JSON object with rows", newest=1)
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise LeannetError(f"{path}: {first_error(error)}") from None


def plan_of(channels: Channels, removed: Collection[int], **about: Any) -> Plan:
    """The plan that removes these groups. about: fields of Plan."""
    rows = []
    for path, numbers in _first_made(channels).items():
        gone = [channel for channel, group in numbers if group in removed]
        if gone:
            before = len(channels.written[path])
            after = int((~np.isin(channels.written[path], list(removed))).sum())
            rows.append(PlanRow(row=path, before=before, after=after, remove=tuple(gone)))
    return Plan(network=channels.architecture.name, rows=tuple(rows), **about)


def digest_of(architecture: Architecture) -> str:
    """The first half of the SHA-256 of the rows and the input, whatever the name."""
    return hashlib.sha256(architecture.named("").to_json().encode()).hexdigest()[:32]


def groups_of(plan: Plan, channels: Channels, where: str, scores: NDArray[np.float64] | None = None) -> frozenset[int]:
    """The groups that a plan removes. scores: of the groups, for rows that leave the choice open.

    Raises LeannetError, naming the row, where the plan is for another network or contradicts itself.
    """
    first, name = _first_made(channels), channels.architecture.name
    removed: set[int] = set()
    for row in sorted(plan.rows, key=lambda row: row.remove is None):  # what is named first, then what is open
        place = f"{where}, row '{row.row}'"
        if row.row not in channels.written:
            raise LeannetError(
                f"{place}: {name} has no layer of this name; the plan is for {plan.network}; "
                f"nearest: {nearest(row.row, first)}"
            )
        groups = channels.written[row.row]
        if len(groups) != row.before:
            raise LeannetError(
                f"{place}: expected the {len(groups)} channels that it has in {name}, found "
                f"'before' {row.before}; the plan is for another {plan.network}"
            )
        if row.remove is not None:
            removed |= _named(row, groups, channels, place)
        else:
            removed |= _chosen(row, groups, removed, channels, scores, place)
    for row in plan.rows:
        place, gone = f"{where}, row '{row.row}'", np.isin(channels.written[row.row], list(removed))
        if row.remove is not None and (more := sorted(set(np.flatnonzero(gone).tolist()) - set(row.remove))):
            own = {int(group) for channel, group in first.get(row.row, ())}
            tied = [channel for channel in more if int(channels.written[row.row][channel]) in own]
            if tied:
                raise LeannetError(f"{place}: channel {tied[0]} is tied with one that goes, and is not in 'remove'")
        if int((~gone).sum()) != row.after:
            raise LeannetError(
                f"{place}: 'after' says {row.after}, and {int((~gone).sum())} of {row.before} channels are left: "
                "correct one of them, or leave 'remove' out, and the criterion chooses"
            )
    return frozenset(removed)


def without_blocks(architecture: Architecture, plan: Plan, where: str) -> Architecture:
    """The architecture without the blocks of a plan.

    Raises LeannetError where the plan is for another architecture, and for a block that is not there.
    """
    if plan.rows_digest not in (None, digest_of(architecture)):
        name = architecture.name
        raise LeannetError(f"{where}: the plan is for another network, {plan.network}, and this is {name}")
    try:
        return architecture.without(*plan.blocks) if plan.blocks else architecture
    except LeannetError as error:
        raise LeannetError(f"{where}, blocks: {error}") from None


def _first_made(channels: Channels) -> Mapping[str, Sequence[tuple[int, int]]]:
    """For each layer the channels that no layer above makes too, and their groups."""
    order = {layer.path: number for number, layer in enumerate(channels.architecture.layers)}
    first: dict[str, list[tuple[int, int]]] = {path: [] for path in order}
    for group, makers in channels.makers.items():
        if makers:
            path = min((path for path, _ in makers), key=order.__getitem__)
            first[path] += [(channel, group) for maker, channel in makers if maker == path]
    return {path: sorted(numbers) for path, numbers in first.items() if numbers}


def _named(row: PlanRow, groups: NDArray[np.int64], channels: Channels, place: str) -> set[int]:
    assert row.remove is not None
    if len(set(row.remove)) != len(row.remove):
        raise LeannetError(f"{place}: a channel is in 'remove' twice")
    if outside := [channel for channel in row.remove if channel >= len(groups)]:
        raise LeannetError(f"{place}: expected channels from 0 to {len(groups) - 1} in 'remove', found {outside[0]}")
    for channel in row.remove:
        if (why := channels.fixed.get(int(groups[channel]))) is not None:
            raise LeannetError(f"{place}: channel {channel} cannot go: {why}")
    return {int(groups[channel]) for channel in row.remove}


def _chosen(
    row: PlanRow,
    groups: NDArray[np.int64],
    removed: Collection[int],
    channels: Channels,
    scores: NDArray[np.float64] | None,
    place: str,
) -> set[int]:
    """As many groups of a row as it takes, those of the lowest scores."""
    assert scores is not None
    left = row.before - int(np.isin(groups, list(removed)).sum()) - row.after
    free = [group for group in dict.fromkeys(groups.tolist()) if group not in channels.fixed and group not in removed]
    chosen: set[int] = set()
    for group in sorted(free, key=lambda group: (float(np.nan_to_num(scores[group], nan=np.inf)), group)):
        number = int((groups == group).sum())
        if number <= left:
            chosen.add(group)
            left -= number
    if left:
        raise LeannetError(f"{place}: {row.after} of its {row.before} channels cannot be left: some go together")
    return chosen
