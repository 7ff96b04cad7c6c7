"""Recognizes the library of a file by its keys, and maps its tensors to leannet's."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from torch import Tensor

from leannet.errors import LeannetError
from leannet.rows import Architecture
from leannet.weights.candidates import COUNTER, ENOUGH, Candidate, StateDict, candidates
from leannet.zoo import architecture, find
from leannet.zoo.foreign import Source
from leannet.zoo.registry import Family

LEAVES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
NOT_WEIGHTS = (COUNTER, "total_ops", "total_params")  # counters of torch's AveragedModel and of thop
NAMED = 3  # keys shown in a message


@dataclass(frozen=True)
class Naming:
    """A network's rows and keys in one library. keys: leannet's key -> the library's, in the order of the rows."""

    source: Source
    architecture: Architecture

    @cached_property
    def keys(self) -> dict[str, str]:
        own = self.architecture.parameters
        return {
            f"{ours}.{leaf}": f"{theirs}.{leaf}"
            for ours, theirs in self.source.keys(self.architecture)
            for leaf in LEAVES
            if f"{ours}.{leaf}" in own
        }

    @property
    def head_weight(self) -> str:
        """leannet's key of the head's weights."""
        head = self.architecture.head + "."
        return next(
            key for key, each in self.architecture.parameters.items() if key.startswith(head) and each.kind == "weight"
        )

    @cached_property
    def classifier(self) -> tuple[str, ...]:
        """The head and the other rows after the last feature map, which a file may lack."""
        backbone = {row.name for row in self.architecture.only(self.architecture.features).rows} - {
            self.architecture.head
        }
        return tuple(row.name for row in self.architecture.rows if row.name not in backbone)


@dataclass(frozen=True)
class Fit:
    """The comparison of a candidate's keys with those of a library.

    pairs: leannet's key -> the library's. missing: library keys that the candidate lacks. unknown: candidate keys that
    no row has. fresh: classifier rows that the file lacks, the head among them. others: candidates that also fit, and
    averages that do not.
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
        """The file's tensor for one of leannet's keys."""
        return self.candidate.tensors[self.pairs[ours]]

    @property
    def summary(self) -> str:
        """The choice in one line, for a message; empty: the file is a plain state dict."""
        fitting = [self.candidate, *(other for other in self.others if isinstance(other, Candidate))]
        prefixes = tuple(candidate.prefix for candidate in fitting if candidate.state is self.candidate.state)
        unused = [key for key in self.candidate.unused_keys if key.rpartition(".")[2] not in NOT_WEIGHTS]
        unused = [key for key in unused if not any(prefix and key.startswith(prefix) for prefix in prefixes)]
        others = [f"{other.label}{'' if isinstance(other, Candidate) else ' (does not fit)'}" for other in self.others]
        words = [
            self.candidate.description(),
            f"not used: {_first(others)}" if others else "",
            f"ignored: {_first(unused)}" if unused else "",
            f"it has no {_first(self.fresh)}: freshly initialized" if self.fresh else "",
        ]
        return "; ".join(filter(None, words))


def best_fit(states: Sequence[StateDict], name: str, width: float, resolution: int | None, where: str) -> Fit:
    """The weights of a zoo network in a file's state dicts. Raises LeannetError, naming keys, if none fits."""
    family = find(name)
    if not states:
        raise LeannetError(f"{where}: expected a dict of tensors, found none")
    architecture(name, width, resolution)  # raises where a network of that size cannot be
    resolution = family.resolution if resolution is None else resolution
    fits = []
    for source in (*family.sources, own_naming(family)):
        naming = Naming(source, source.rows(width, resolution, family.classes, 3))
        large_enough = [state for state in states if len(state.tensors) >= ENOUGH * len(naming.keys)]
        likely = large_enough or [max(states, key=lambda state: len(state.tensors))]
        fits += [_fit(naming, candidate) for candidate in candidates(likely, naming.keys.values())]
    fits.sort(key=lambda fit: (fit.differing, len(fit.fresh), *fit.candidate.rank))
    best = fits[0]
    if best.differing:
        raise LeannetError(f"{where}: {_difference(best, family)}")
    also_fitting = [fit.candidate for fit in fits[1:] if fit.naming is best.naming and not fit.differing]
    fitting = [best.candidate.state, *(candidate.state for candidate in also_fitting)]
    averages = [state for state in states if state.average and not any(state is other for other in fitting)]
    return replace(best, others=(*also_fitting, *averages))


def _fit(naming: Naming, candidate: Candidate) -> Fit:
    """Pairs leannet's keys with the library's. A batch norm without its batch counter is complete."""
    pairs = {ours: theirs for ours, theirs in naming.keys.items() if theirs in candidate.tensors}
    used = set(pairs.values())
    lacking = {ours: key for ours, key in naming.keys.items() if key not in used and not key.endswith(LEAVES[-1])}
    absent = [row for row in naming.classifier if not any(key.startswith(f"{row}.") for key in pairs)]
    fresh = tuple(row for row in absent if any(key.startswith(f"{row}.") for key in lacking))
    if naming.architecture.head not in fresh or not pairs:
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


def is_of(stored: Architecture, name: str, width: float) -> bool:
    """Whether rows are those of a zoo network, in its own form or in one that another library gives it: of the same
    name and the same tensors, so that only what its weights are used to, as padding and epsilon, is otherwise."""
    family = find(name)
    size = width, family.resolution, stored.classes, stored.input.channels
    own = architecture(name, *size)
    forms = [own, *(source.rows(*size) for source in family.sources)]
    return any(each.name == stored.name and _shapes(each) == _shapes(stored) for each in forms)


def _shapes(rows: Architecture) -> dict[str, tuple[int, ...]]:
    return {key: each.shape for key, each in rows.parameters.items()}


def own_naming(family: Family) -> Source:
    """leannet's own keys: of its networks, trained by another program."""

    def keys(architecture: Architecture) -> Iterator[tuple[str, str]]:
        modules = dict.fromkeys(key.rpartition(".")[0] for key in architecture.parameters)
        return ((module, module) for module in modules)

    return Source("leannet", family.rows, keys, license="")
