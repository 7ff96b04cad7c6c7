"""What to try next: by a controller that learns, by evolution, or at random.

A strategy knows what has been tried from the study alone, so that any number of workers may ask it, and one that is
started again goes on where it stopped.
"""

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from leannet.nas.choices import Candidate, Choices

Name = Literal["controller", "evolution", "random"]
TRIES = 2_000  # candidates that are drawn for one that fits


@dataclass(frozen=True)
class Tried:
    """A finished trial. sampled: all that was drawn for it, itself last: the others had been tried before, or did not
    fit, and are worth what is said of them then; empty: nobody drew it, and a controller learns nothing from it."""

    number: int
    candidate: Candidate
    reward: float
    sampled: tuple[tuple[Candidate, float], ...] = ()


class Strategy(abc.ABC):
    """Proposes candidates."""

    def __init__(self, space: Choices):
        self.space = space

    @abc.abstractmethod
    def propose(self, tried: Sequence[Tried], draw: np.random.Generator) -> Candidate:
        """The next candidate, which may be one that has been tried. tried: all finished trials, by their numbers."""


class Random(Strategy):
    """Any candidate, all alike likely."""

    def propose(self, tried: Sequence[Tried], draw: np.random.Generator) -> Candidate:
        return self.space.random(draw)


class Evolution(Strategy):
    """Aging evolution (Real et al., arXiv 1802.01548, section 3.1): of the newest `population`, some are drawn, and the
    best of those is changed in one decision."""

    def __init__(self, space: Choices, population: int = 24, sample: int = 6):
        super().__init__(space)
        self.population, self.sample = population, sample

    def propose(self, tried: Sequence[Tried], draw: np.random.Generator) -> Candidate:
        if len(tried) < self.population:
            return self.space.random(draw)
        living = tried[-self.population :]
        chosen = draw.choice(len(living), self.sample, replace=False)
        parent = max((living[index] for index in chosen), key=lambda each: each.reward)
        return mutated(self.space, parent.candidate, draw)


def mutated(space: Choices, candidate: Candidate, draw: np.random.Generator) -> Candidate:
    """A candidate that takes another option in one decision."""
    numbers = [len(options) for _, options in space.decisions]
    places = [place for place, number in enumerate(numbers) if number > 1]
    place = places[draw.integers(len(places))]
    other = int(draw.integers(numbers[place] - 1))
    other += other >= candidate[place]
    return (*candidate[:place], other, *candidate[place + 1 :])


class ByController(Strategy):
    """REINFORCE on a recurrent controller, a step for each `batch` finished trials, in the order of their numbers."""

    def __init__(self, space: Choices, seed: int = 0, batch: int = 8, rate: float = 0.015, entropy: float = 0.01):
        super().__init__(space)
        from leannet.nas.controller import Controller, Reinforce

        self._batch = batch
        self._reinforce = Reinforce(Controller(space.decisions, seed=seed), rate, entropy)
        self._learned: set[int] = set()  # numbers of trials

    def propose(self, tried: Sequence[Tried], draw: np.random.Generator) -> Candidate:
        import torch

        fresh = [each for each in tried if each.number not in self._learned]
        for first in range(0, len(fresh) - self._batch + 1, self._batch):
            batch = fresh[first : first + self._batch]
            lesson = [pair for each in batch for pair in each.sampled]
            if lesson:
                self._reinforce.learn([candidate for candidate, _ in lesson], [reward for _, reward in lesson])
            self._learned |= {each.number for each in batch}
        generator = torch.Generator().manual_seed(int(draw.integers(2**62)))
        (candidate,) = self._reinforce.controller.sample(1, generator)
        return candidate


def strategy(name: Name, space: Choices, seed: int) -> Strategy:
    """The strategy of that name."""
    match name:
        case "controller":
            return ByController(space, seed)
        case "evolution":
            return Evolution(space)
        case "random":
            return Random(space)


@dataclass
class Drawn:
    """Candidates that were drawn until one was new. before: those drawn first, with what they are worth."""

    candidate: Candidate
    before: list[tuple[Candidate, float]] = field(default_factory=list)


def draw_new(
    strategy: Strategy,
    tried: Sequence[Tried],
    is_free: Callable[[Candidate], bool],
    fits: Callable[[Candidate], bool],
    worth: Callable[[Candidate], float | None],
    draw: np.random.Generator,
) -> Drawn | None:
    """A candidate that fits and is free; None where so many tries found none.

    is_free: whether nobody has it. fits: within the limits. worth: the reward of what was tried, None of what was not.
    What does not fit is worth nothing.
    """
    drawn: list[tuple[Candidate, float]] = []
    for _ in range(TRIES):
        candidate = strategy.propose(tried, draw)
        if not fits(candidate):
            drawn.append((candidate, 0.0))
        elif is_free(candidate):
            return Drawn(candidate, drawn)
        elif (reward := worth(candidate)) is not None:
            drawn.append((candidate, reward))
    return None
