"""The loop of one worker of a search: propose, claim, evaluate, tell."""

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from leannet.console import Console
from leannet.errors import LeannetError
from leannet.microcontrollers import fit
from leannet.nas.choices import Candidate
from leannet.nas.evaluating import Evaluator
from leannet.nas.resources import Resource
from leannet.nas.search_request import Request
from leannet.nas.searched import trials_of
from leannet.nas.strategies import TRIES, Drawn, Tried, draw_new, strategy
from leannet.nas.study import Study
from leannet.rows import Architecture
from leannet.shrink.budgets import readable
from leannet.shrink.plan import digest_of

SHARED = "supernet"  # the key of its training
POLL = 1.0  # seconds between looks at what others do


class Loop:
    """The loop of one worker: propose, claim, evaluate, tell."""

    def __init__(
        self, study: Study, request: Request, resource: Resource, evaluator: Evaluator, console: Console,
        threads: int | None = None,
    ):  # fmt: skip
        """threads: of torch, while candidates are evaluated; None: all that other workers leave."""
        self._study, self._request, self._resource = study, request, resource
        self._evaluator, self._console, self._threads = evaluator, console, threads
        self._strategy = strategy(request.strategy, request.space, request.seed)
        self._base = request.space.as_base()
        self._all = torch.get_num_threads()
        self._rows: dict[Candidate, tuple[Architecture, str]] = {}
        self._fit: dict[str, bool] = {}

    def run(self) -> None:
        """Until so many candidates have been evaluated."""
        request, study = self._request, self._study
        while True:
            tried = trials_of(study.results(), request)
            if len(tried) >= request.evaluations:
                return
            abandoned = study.abandoned()
            for key, notes in abandoned.items():  # what a worker that is gone was at
                if "candidate" in notes:
                    self._evaluate(tuple(notes["candidate"]), key, notes)
            if abandoned:
                continue
            taken = study.taken()
            if len(taken - {SHARED}) >= request.evaluations:  # others are at the last ones
                time.sleep(POLL)
                continue
            if (base := self._base) is not None and self._key(base) not in taken and self._fits(base):
                self._evaluate(base, self._key(base), {"candidate": list(base), "before": None})
                continue
            draw = np.random.default_rng([request.seed, study.count, study.ordinal])
            lessons = [Tried(each.number, each.candidate, each.reward, each.sampled) for each in tried]
            known = {self._key(each.candidate): each.reward for each in tried}
            drawn = self._draw(lessons, taken, known, draw)
            if drawn is None and len(taken - {SHARED}) > len(tried):  # others are at the last ones
                time.sleep(POLL)
                continue
            if drawn is None and not tried:
                raise LeannetError(f"search: expected a network of the space within --sram and --flash, found none of "
                                   f"the {TRIES:,} that were drawn: larger limits, or a smaller space")  # fmt: skip
            if drawn is None:
                self._console.say("the strategy proposes nothing new any more: the search has ended")
                return
            candidate = drawn.candidate
            notes = {"candidate": list(candidate), "before": [[list(each), worth] for each, worth in drawn.before]}
            self._evaluate(candidate, self._key(candidate), notes)

    def _draw(
        self, lessons: Sequence[Tried], taken: Collection[str], known: Mapping[str, float],
        draw: np.random.Generator,
    ) -> Drawn | None:  # fmt: skip
        """A candidate that fits, and that nobody has."""
        return draw_new(
            self._strategy, lessons, lambda each: self._key(each) not in taken, self._fits,
            lambda each: known.get(self._key(each)), draw,
        )  # fmt: skip

    def _evaluate(self, candidate: Candidate, key: str, notes: Mapping[str, Any]) -> None:
        claim = self._study.claim(key, self._request.space.options(candidate), notes)
        if claim is None:
            return
        with self._study.working(claim):
            torch.set_num_threads(self._threads or min(self._all, self._study.share_of_cores() or self._all))
            rows = self._request.space.architecture(candidate)
            self._resource = self._resource.learn([rows])  # of kept widths a table has not every pair
            cost = self._resource.of(rows)
            accuracy = self._evaluator.accuracy(candidate)
        reward = self._request.reward.of(accuracy, cost)
        self._study.tell(claim, {"reward": reward, "accuracy": accuracy, "cost": cost})
        self._console.say(f"  trial {claim.number}: {100 * accuracy:.2f} %, "
                          f"{readable(self._request.quantity, cost)}, reward {reward:.4f}")  # fmt: skip

    def _key(self, candidate: Candidate) -> str:
        """Of the network: different candidates may be the same one."""
        return self._named(candidate)[1]

    def _named(self, candidate: Candidate) -> tuple[Architecture, str]:
        if candidate not in self._rows:
            rows = self._request.space.architecture(candidate)
            self._rows[candidate] = rows, digest_of(rows)
        return self._rows[candidate]

    def _fits(self, candidate: Candidate) -> bool:
        """Whether it is within the limits of memory."""
        limits = self._request.limits
        if limits is None:
            return True
        rows, key = self._named(candidate)
        if key not in self._fit:
            self._fit[key] = fit(rows).fits(limits)
        return self._fit[key]
