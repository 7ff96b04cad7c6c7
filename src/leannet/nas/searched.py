"""The result of a search: all that was tried, and the best of it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from leannet.cost import count
from leannet.nas.choices import Candidate, Option
from leannet.nas.resources import Predicted, Resource
from leannet.nas.search_request import Request
from leannet.nas.trials import Result
from leannet.rows import Architecture
from leannet.runtime import machine

FOUND = "found.json"


@dataclass(frozen=True)
class Trial:
    """A candidate that was evaluated. sampled: all that was drawn for it, with what it is worth, itself last; empty: it
    is the base, which nobody drew."""

    number: int
    candidate: Candidate
    options: dict[str, Option]
    accuracy: float
    cost: float
    reward: float
    sampled: tuple[tuple[Candidate, float], ...]


def trials_of(results: Sequence[Result], request: Request) -> list[Trial]:
    """The candidates among the finished trials of a study, in the order of their numbers."""
    trials = []
    for each in sorted(results, key=lambda result: result.number):
        if "candidate" not in each.notes:
            continue
        candidate = tuple(each.notes["candidate"])
        reward, before = each.values["reward"], each.notes["before"]
        drawn = [*before, (candidate, reward)] if before is not None else []
        sampled = tuple((tuple(one), float(worth)) for one, worth in drawn)
        trials.append(
            Trial(each.number, candidate, request.space.options(candidate), each.values["accuracy"],
                  each.values["cost"], reward, sampled)
        )  # fmt: skip
    return trials


@dataclass(frozen=True)
class Searched:
    """What a search tried, by number, and the rows of the best. Accuracies are those of the search's own evaluation."""

    path: Path
    request: Request
    trials: tuple[Trial, ...]
    best: Trial
    architecture: Architecture
    timed: str

    @classmethod
    def of(cls, folder: Path, request: Request, trials: Sequence[Trial], resource: Resource) -> "Searched":
        """Of a folder."""
        best = max(trials, key=lambda each: (each.reward, -each.number))
        rows = request.space.architecture(best.candidate).named(f"{request.space.base.name}_searched")
        timed = resource.table.setting.line() if isinstance(resource, Predicted) else "counted"
        return cls(folder, request, tuple(trials), best, rows, timed)

    @property
    def base(self) -> Trial | None:
        """The base of the space, evaluated as the candidates are, where it is one of them."""
        return next((each for each in self.trials if not each.sampled), None)

    @property
    def front(self) -> list[Trial]:
        """The trials that no other beats in both accuracy and cost, the cheapest first."""
        front: list[Trial] = []
        for each in sorted(self.trials, key=lambda trial: (trial.cost, -trial.accuracy)):
            if not front or each.accuracy > front[-1].accuracy:
                front.append(each)
        return front

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        cost = count(self.architecture)
        return {
            "path": str(self.path),
            "found": str(self.path / FOUND),
            "strategy": self.request.strategy,
            "quantity": self.request.quantity,
            "target": self.request.target,
            "evaluations": len(self.trials),
            "base": None if self.base is None else _plain(self.base),
            "best": _plain(self.best) | {"params": cost.params, "macs": cost.macs},
            "front": [_plain(each) for each in self.front],
            "rewards": [each.reward for each in self.trials],
            "timed": self.timed,
            "machine": machine().to_dict(),
        }


def _plain(trial: Trial) -> dict[str, Any]:
    return {name: value for name, value in asdict(trial).items() if name not in ("candidate", "sampled")}
