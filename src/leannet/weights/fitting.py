"""Which library's keys a file has, and which of its tensors is which of ours."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor

from leannet.errors import LeannetError
from leannet.network import build
from leannet.rows import Architecture
from leannet.weights.candidates import COUNTER, ENOUGH, Candidate, StateDict, candidates
from leannet.zoo import find
from leannet.zoo.foreign import Source, as_tensorflow
from leannet.zoo.registry import Family

LEAVES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
NOT_WEIGHTS = (COUNTER, "total_ops", "total_params")  # torch's AveragedModel counts in one, thop in the others
NAMED = 3  # keys that a message names


@lru_cache(maxsize=8)
def state_keys(table: Architecture) -> tuple[str, ...]:
    """The keys of a network's state dict."""
    with torch.device("meta"):
        return tuple(build(table).state_dict())


@dataclass(frozen=True)
class Naming:
    """A network's rows and keys as one library has them. keys: ours -> theirs, in the order of the rows."""

    source: Source
    table: Architecture

    @cached_property
    def keys(self) -> dict[str, str]:
        own = set(state_keys(self.table))
        return {
            f"{ours}.{leaf}": f"{theirs}.{leaf}"
            for ours, theirs in self.source.keys(self.table)
            for leaf in LEAVES
            if f"{ours}.{leaf}" in own
        }

    @property
    def head_weight(self) -> str:
        """Our key of the weights that make the classes."""
        head = self.table.head + "."
        return next(key for key in self.keys if key.startswith(head) and key.endswith(".weight"))

    @cached_property
    def classifier(self) -> tuple[str, ...]:
        """The head and the rows behind the last feature map, which a file may leave out."""
        backbone = {row.name for row in self.table.only(self.table.features).rows} - {self.table.head}
        return tuple(row.name for row in self.table.rows if row.name not in backbone)


@dataclass(frozen=True)
class Fit:
    """How the keys of a candidate compare with those of a library.

    pairs: our key -> theirs. missing: theirs, that the rows need. unknown: theirs, that no row has. fresh: rows of the
    classifier that the file leaves out, the head among them. others: what would fit too, or is an average that does
    not.
    """

    naming: Naming
    candidate: Candidate
    pairs: dict[str, str]
    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    fresh: tuple[str, ...]
    others: tuple[Candidate | StateDict, ...] = ()

    @property
    def differing(self) -> int:
        return len(self.missing) + len(self.unknown)

    def tensor(self, ours: str) -> Tensor:
        """The file's tensor for one of our keys."""
        return self.candidate.tensors[self.pairs[ours]]

    @property
    def told(self) -> str:
        """What a person should know of the choice, in a line; nothing where the file is a plain state dict."""
        here = [self.candidate, *(each for each in self.others if isinstance(each, Candidate))]
        prefixes = tuple(each.prefix for each in here if each.state is self.candidate.state)
        aside = [key for key in self.candidate.aside if key.rpartition(".")[2] not in NOT_WEIGHTS]
        aside = [key for key in aside if not any(p and key.startswith(p) for p in prefixes)]
        others = [f"{each.label}{'' if isinstance(each, Candidate) else ' (does not fit)'}" for each in self.others]
        words = [
            self.candidate.said(),
            f"not taken: {_first(others)}" if others else "",
            f"left aside: {_first(aside)}" if aside else "",
            f"it has no {_first(self.fresh)}: made anew" if self.fresh else "",
        ]
        return "; ".join(filter(None, words))


def best_fit(states: Sequence[StateDict], name: str, width: float, resolution: int | None, where: str) -> Fit:
    """The weights of a zoo network among a file's state dicts. Raises LeannetError where none fits, naming keys."""
    family = find(name)
    if not states:
        raise LeannetError(f"{where}: expected a dict of tensors, found none in it")
    resolution = family.resolution if resolution is None else resolution
    fits = []
    for source in (*family.sources, own_naming(family)):
        naming = Naming(source, source.rows(width, resolution, family.classes, 3))
        enough = [state for state in states if len(state.tensors) >= ENOUGH * len(naming.keys)]
        likely = enough or [max(states, key=lambda state: len(state.tensors))]
        fits += [_fit(naming, each) for each in candidates(likely, naming.keys.values())]
    fits.sort(key=lambda fit: (fit.differing, len(fit.fresh), *fit.candidate.rank))
    best = fits[0]
    if best.differing:
        raise LeannetError(f"{where}: {_difference(best, family)}")
    same = [fit.candidate for fit in fits[1:] if fit.naming is best.naming and not fit.differing]
    fitting = [best.candidate.state, *(each.state for each in same)]
    averages = [state for state in states if state.average and not any(state is each for each in fitting)]
    return replace(best, others=(*same, *averages))


def _fit(naming: Naming, candidate: Candidate) -> Fit:
    """Pairs our keys with theirs. A normalisation without its counter of batches is complete."""
    pairs = {ours: theirs for ours, theirs in naming.keys.items() if theirs in candidate.tensors}
    used = set(pairs.values())
    lacking = {ours: key for ours, key in naming.keys.items() if key not in used and not key.endswith(LEAVES[-1])}
    absent = [row for row in naming.classifier if not any(key.startswith(f"{row}.") for key in pairs)]
    fresh = tuple(row for row in absent if any(key.startswith(f"{row}.") for key in lacking))
    if naming.table.head not in fresh or not pairs:
        fresh = ()
    missing = tuple(key for ours, key in lacking.items() if not ours.startswith(tuple(f"{row}." for row in fresh)))
    unknown = tuple(
        key
        for key, value in candidate.tensors.items()
        if key not in used
        and not key.startswith(naming.source.optional)
        and key.rpartition(".")[2] not in NOT_WEIGHTS
        and (value.ndim or value.is_floating_point())  # a whole number is a counter
    )
    return Fit(naming, candidate, pairs, missing, unknown, fresh)


def _difference(fit: Fit, family: Family) -> str:
    parts = [f"misses {_first(fit.missing)}"] * bool(fit.missing)
    parts += [f"has {_first(fit.unknown)}, which no row has"] * bool(fit.unknown)
    place = f"'{fit.candidate.state.name}'" if fit.candidate.state.place else "it"
    known = "" if family.sources else f"no other library's weights are known for {family.name}; "
    hint = "; without its own head, the file would get a fresh one" if fit.fresh else ""
    return (
        f"{known}not {family.name} as {fit.naming.source.name} names it: {place} {' and '.join(parts)} "
        f"({fit.differing} keys differ){hint}"
    )


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def own_naming(family: Family) -> Source:
    """leannet's own keys: of its networks, trained by another program."""

    def keys(table: Architecture) -> Iterator[tuple[str, str]]:
        modules = dict.fromkeys(key.rpartition(".")[0] for key in state_keys(table))
        return ((module, module) for module in modules)

    return Source("leannet", family.rows, keys, license="")


def is_ported(source: Source, where: str, about: Mapping[str, Any]) -> bool:
    """Whether timm got these weights from TensorFlow: only its name for the network says so, `tf_...`."""
    return source.name == "timm" and any(
        str(name).startswith("tf_") for name in (where.rsplit("/", 1)[-1], about.get("architecture", ""))
    )


def ported(source: Source) -> Source:
    """A source whose weights came from TensorFlow: its padding and epsilon, and images from -1 to 1."""

    def rows(*given: Any) -> Architecture:
        return as_tensorflow(source.rows(*given))

    halves = (0.5, 0.5, 0.5)
    return replace(source, name=f"{source.name}, from TensorFlow", rows=rows, mean=halves, std=halves)
