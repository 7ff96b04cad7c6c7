"""What a search chooses: a network by a number of decisions, each with options. No torch."""

import abc
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np

from leannet.errors import LeannetError
from leannet.rows import Architecture
from leannet.rows.fields import Frozen, Name

Option = int | float | str | bool
Candidate = tuple[int, ...]  # of each decision the number of its option


class Decision(NamedTuple):
    """What is chosen once: its name, as "stage_2.kernel", and what from."""

    name: str
    options: tuple[Option, ...]


class Choices(Frozen, abc.ABC):
    """Networks that are the rows of a base, with what is chosen."""

    name: Name
    base: Architecture

    @property
    @abc.abstractmethod
    def decisions(self) -> tuple[Decision, ...]:
        """All that is chosen, in the order of the rows."""

    @abc.abstractmethod
    def architecture(self, candidate: Candidate) -> Architecture:
        """The rows of a candidate. Raises LeannetError for what is no candidate, and where its rows do not fit."""

    @abc.abstractmethod
    def as_base(self) -> Candidate | None:
        """The candidate that is the base itself; None: none is."""

    @abc.abstractmethod
    def covering(self) -> Iterator[Architecture]:
        """Networks whose rows are those to know the cost of, before any candidate is tried."""

    def with_classes(self, classes: int) -> Self:
        """The same for another number of classes."""
        return self.model_copy(update={"base": self.base.with_classes(classes)})

    @property
    def size(self) -> int:
        """How many candidates there are; different ones may be the same network."""
        return math.prod(len(decision.options) for decision in self.decisions)

    @property
    def largest(self) -> Candidate:
        """That of the most of everything, of which every other candidate's weights can be a part."""
        return tuple(max(enumerate(options), key=_amount)[0] for _, options in self.decisions)

    @property
    def smallest(self) -> Candidate:
        """That of the least of everything."""
        return tuple(min(enumerate(options), key=_amount)[0] for _, options in self.decisions)

    def random(self, draw: np.random.Generator) -> Candidate:
        """Any of them, all alike likely."""
        return tuple(int(draw.integers(len(options))) for _, options in self.decisions)

    def options(self, candidate: Candidate) -> dict[str, Option]:
        """What a candidate chooses, by decision. Raises LeannetError for what is no candidate of the space."""
        self._check_candidate(candidate)
        return {name: options[index] for (name, options), index in zip(self.decisions, candidate, strict=True)}

    def candidate(self, options: Mapping[str, Option]) -> Candidate:
        """The one that chooses these. Raises LeannetError for a decision that is missing, unknown or has no such
        option."""
        unknown = set(options) - {name for name, _ in self.decisions}
        if unknown:
            known = ", ".join(name for name, _ in self.decisions)
            raise LeannetError(f"{self.name} has no decision '{min(unknown)}': expected {known}")
        indices = []
        for name, of in self.decisions:
            if name not in options:
                raise LeannetError(f"{self.name}: expected a choice of {name}, found none")
            if options[name] not in of:
                raise LeannetError(f"{self.name}, {name}: expected one of {', '.join(map(str, of))}, found "
                                   f"{options[name]}")  # fmt: skip
            indices.append(of.index(options[name]))
        return tuple(indices)

    def _check_candidate(self, candidate: Sequence[int]) -> None:
        limits = [len(options) for _, options in self.decisions]
        if len(candidate) != len(limits) or any(
            not 0 <= index < limit for index, limit in zip(candidate, limits, strict=True)
        ):
            raise LeannetError(f"{self.name}: expected a candidate of {len(limits)} numbers below {limits}, found "
                               f"{list(candidate)}")  # fmt: skip


def _amount(option: tuple[int, Option]) -> float:
    """How much an option is; all activation functions are alike."""
    return 0.0 if isinstance(option[1], str) else float(option[1])
