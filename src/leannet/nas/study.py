"""Studies: candidates that any number of workers evaluate, each of them once.

Trials live in an Optuna study: a file of SQLite or a journal on one machine, PostgreSQL for many. Optuna hands out
trials and keeps results; what is here it leaves to its users (5.0.0): that no two workers evaluate the same candidate,
that what a killed worker was at is taken up by another, and that a storage which is away for a while stops nobody.

A candidate has a key. Who wants it writes a trial with that key, which the storage numbers, and then reads all: the
lowest number that is not given up has it. Trial and key are one transaction, so no two can both see themselves first.
"""

import glob
import json
import os
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import numpy as np

from leannet.errors import LeannetError
from leannet.files import write_whole
from leannet.nas.choices import Decision, Option
from leannet.nas.liveness import LIVE, place_here, process_here, runs
from leannet.nas.storage import OPENING_SECONDS, Trying, close, database_of, storage_of, without_password
from leannet.nas.trials import KEY, NOTES, WORKER, Claim, Result, finished
from leannet.runtime.processor import cores

BEAT, PLACE, PROCESS, ABOUT = "beat", "place", "process", "about"
BEAT_SECONDS = 10.0
GRACE_SECONDS = 60.0  # without a beat, after which a trial is given up
PATIENCE_SECONDS = 3600.0  # for a storage that is away
Say = Callable[[str], None]


class Study:
    """Trials by key, for one worker among any number."""

    def __init__(
        self,
        storage: str,
        name: str,
        about: Mapping[str, Any],
        decisions: Sequence[Decision] = (),
        spool: Path | None = None,
        say: Say = lambda line: None,
        grace: float = GRACE_SECONDS,
        patience: float = PATIENCE_SECONDS,
    ):
        """about: what the study is for; every worker has to say the same. decisions: what a candidate chooses, so that
        Optuna's tools show it. spool: a folder for results until the storage has them. say: hears what is odd. grace:
        seconds without a sign after which a worker counts as gone. patience: seconds for a storage that is away.

        Raises LeannetError for a storage that cannot be reached, and a study of this name about something else.
        """
        self.name, self._decisions, self._say = name, tuple(decisions), say
        self._spool, self._grace = spool, grace
        self.worker = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
        self.place, self.process = place_here(), process_here()
        self._storage, self._text = storage_of(storage), without_password(storage)
        LIVE.add(self.worker)
        self._beats: dict[int, tuple[int, float]] = {}  # trial -> the beat that was seen last, and when it was new
        # While it was away nobody's beats could be heard.
        self._trying = Trying(self._text, patience, spool, say, self._beats.clear)
        opening = replace(self._trying, patience=min(patience, OPENING_SECONDS))
        try:
            self._id = opening(self._begun)
            opening(lambda: self._agree(dict(about)))
            self._deliver()
        except BaseException:
            self.close()
            raise

    def _begun(self) -> int:
        """The storage's number of the study, which is made where it is not there."""
        import optuna

        with suppress(optuna.exceptions.DuplicatedStudyError):
            self._storage.create_new_study([optuna.study.StudyDirection.MAXIMIZE], self.name)
        return int(self._storage.get_study_id_from_name(self.name))

    def close(self) -> None:
        """Gives back the connections to the storage."""
        LIVE.discard(self.worker)
        close(self._storage)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _agree(self, about: dict[str, Any]) -> None:
        text = json.dumps(about, sort_keys=True)
        known = self._storage.get_study_user_attrs(self._id)
        if ABOUT not in known:
            self._storage.set_study_user_attr(self._id, ABOUT, text)
            known = {ABOUT: text}
        if known[ABOUT] != text:
            of_study = json.loads(known[ABOUT])
            name = next(key for key in {**of_study, **about} if of_study.get(key) != about.get(key))
            raise LeannetError(
                f"study {self.name} in {self._text} is for another search: {name} is {of_study.get(name)} there, and "
                f"{about.get(name)} here: choose another --out, or go on with that one by --resume"
            )

    # What is known

    def results(self) -> list[Result]:
        """All finished trials, in the order of their numbers; of a key the first."""
        return finished(self._trials())

    def result(self, key: str) -> Result | None:
        """That of a candidate, where one is finished."""
        return next((each for each in self.results() if each.key == key), None)

    @property
    def count(self) -> int:
        """How many trials were ever begun."""
        return len(self._trials())

    def taken(self) -> set[str]:
        """The keys of candidates that are finished, or that a worker which is alive evaluates."""
        return {
            str(trial.user_attrs[KEY])
            for trial in self._trials()
            if KEY in trial.user_attrs
            and (trial.state.name == "COMPLETE" or (not trial.state.is_finished() and self._is_alive(trial)))
        }

    def abandoned(self) -> dict[str, dict[str, Any]]:
        """What workers that are gone were at: the notes of each, by key."""
        taken = self.taken()
        return {
            str(trial.user_attrs[KEY]): dict(trial.user_attrs.get(NOTES, {}))
            for trial in self._trials()
            if not trial.state.is_finished() and trial.user_attrs.get(KEY) not in {None, *taken}
        }

    def is_open(self, key: str) -> bool:
        """Whether a worker that is alive evaluates this candidate."""
        return any(self._is_alive(trial) for trial in self._open(key, self._trials()))

    def share_of_cores(self) -> int | None:
        """The cores of this machine that each of its workers may have; None: all, this one is alone."""
        workers = {
            trial.user_attrs[WORKER]
            for trial in self._trials()
            if trial.user_attrs.get(PLACE) == self.place and not trial.state.is_finished() and self._is_alive(trial)
        }
        others = len(workers - {self.worker})
        return max(1, cores() // (1 + others)) if others else None

    # One candidate

    def claim(
        self, key: str, options: Mapping[str, Option] | None = None, notes: Mapping[str, Any] | None = None
    ) -> Claim | None:
        """The right to evaluate a candidate; None where another has it or it is finished.

        A trial whose worker is gone is given up first. options: what the candidate chooses, by decision. notes: plain
        data that stays with the trial.
        """
        trials = self._trials()
        if any(trial.state.name == "COMPLETE" and trial.user_attrs.get(KEY) == key for trial in trials):
            return None
        for trial in self._open(key, trials):
            if self._is_alive(trial) or self._was_spooled(trial):
                return None
            self._say(f"trial {trial.number}: worker {trial.user_attrs.get(WORKER)} is gone; taking it up")
            self._give_up(trial._trial_id)
        token = uuid4().hex
        trial_id = self._create(key, token, dict(options or {}), dict(notes or {}))
        number = self._trying(lambda: self._storage.get_trial_number_from_id(trial_id))
        first = min(
            (each.number for each in self._trials()
             if each.user_attrs.get(KEY) == key and each.state.name != "FAIL"), default=number
        )  # fmt: skip
        if first != number or not self._begin(trial_id):
            self._give_up(trial_id)
            return None
        return Claim(number, trial_id, key, self._seed(number))

    def _create(self, key: str, token: str, options: dict[str, Option], notes: dict[str, Any]) -> int:
        """A new trial with its key, in one transaction: its ID."""
        from optuna.distributions import CategoricalDistribution
        from optuna.trial import TrialState, create_trial

        chosen = [decision for decision in self._decisions if decision.name in options]
        template = create_trial(
            state=TrialState.WAITING,
            params={name: options[name] for name, _ in chosen},
            distributions={name: CategoricalDistribution(of) for name, of in chosen},
            user_attrs={
                KEY: key,
                WORKER: self.worker,
                PLACE: self.place,
                PROCESS: self.process,
                "token": token,
                BEAT: 0,
                NOTES: notes,
            },
        )

        def create() -> int:
            # After a connection that broke, it may be there already.
            for trial in self._storage.get_all_trials(self._id, deepcopy=False):
                if trial.user_attrs.get("token") == token:
                    return int(trial._trial_id)
            return int(self._storage.create_new_trial(self._id, template_trial=template))

        return self._trying(create)

    def _begin(self, trial_id: int) -> bool:
        from optuna.trial import TrialState

        def begin() -> bool:
            if self._storage.set_trial_state_values(trial_id, TrialState.RUNNING):
                return True
            # It may have been said before a connection broke.
            return bool(self._storage.get_trial(trial_id).state.name == "RUNNING")

        try:
            return self._trying(begin)
        except LookupError:  # another gave it up meanwhile
            return False

    @contextmanager
    def working(self, claim: Claim) -> Iterator[None]:
        """While a candidate is evaluated: says now and then that this worker is alive."""
        stop = threading.Event()

        def beat() -> None:
            number = 0
            while not stop.wait(min(BEAT_SECONDS, self._grace / 6)):
                number += 1
                with suppress(Exception):  # the storage is away, or the trial was given up: telling finds out
                    self._storage.set_trial_user_attr(claim.trial_id, BEAT, number)
            database_of(self._storage).remove_session()  # this thread's connection

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        except BaseException:
            stop.set()
            thread.join()
            with suppress(Exception):
                self._give_up(claim.trial_id)
            raise
        stop.set()
        thread.join()

    def tell(self, claim: Claim, values: Mapping[str, float]) -> None:
        """Gives the storage a result, however long it is away; until then it is in the spool.

        Raises LeannetError where the storage stays away for longer than `patience`: the result is not lost.
        """
        file = self._spool / f"{self.name}_{claim.number}.json" if self._spool is not None else None
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, json.dumps({"study": self.name, "trial": claim.number, "values": dict(values)}).encode())
        self._complete(claim.trial_id, claim.number, dict(values))
        if file is not None:
            file.unlink(missing_ok=True)

    def _deliver(self) -> None:
        """Results that an earlier worker could not give the storage."""
        for file in sorted(self._spool.glob(f"{glob.escape(self.name)}_*.json")) if self._spool is not None else []:
            try:
                result = json.loads(file.read_text())
            except FileNotFoundError:  # its worker has told it
                continue
            trial = next((each for each in self._trials() if each.number == result["trial"]), None)
            if trial is not None and not trial.state.is_finished():
                if self._is_alive(trial):  # its worker is still telling it
                    continue
                self._begin(trial._trial_id)
                self._complete(trial._trial_id, trial.number, result["values"])
                self._say(f"trial {trial.number}: its result, kept while the storage was away, is told")
            file.unlink(missing_ok=True)

    def _was_spooled(self, trial: Any) -> bool:
        """Whether the worker of a trial, which is gone, had left its result, which is told now."""
        if self._spool is None or not (self._spool / f"{self.name}_{trial.number}.json").exists():
            return False
        self._deliver()
        return True

    def _complete(self, trial_id: int, number: int, values: dict[str, float]) -> None:
        def complete() -> None:
            self._storage.set_trial_user_attr(trial_id, "values", values)
            self._finish(trial_id, "COMPLETE", values)

        try:
            self._trying(complete)
        except LookupError:
            self._say(f"trial {number}: another worker had taken it up meanwhile; its own result counts")

    def _finish(self, trial_id: int, state: str, values: Mapping[str, float] | None = None) -> None:
        """Ends a trial. Raises LookupError for one that has ended."""
        from optuna.trial import TrialState

        first = [next(iter(values.values()))] if values else None  # what Optuna's tools show
        self._trying(lambda: self._storage.set_trial_state_values(trial_id, TrialState[state], first))

    def _give_up(self, trial_id: int) -> None:
        """Ends a trial without a result; one that has ended stays as it is."""
        with suppress(LookupError):
            self._finish(trial_id, "FAIL")

    # Who is alive

    def _open(self, key: str, trials: Sequence[Any]) -> list[Any]:
        return [each for each in trials if each.user_attrs.get(KEY) == key and not each.state.is_finished()]

    def _is_alive(self, trial: Any) -> bool:
        """Whether the worker of a trial is: of this machine by its process, of another by its beats."""
        attrs = trial.user_attrs
        if attrs.get(PLACE) == self.place and attrs[PROCESS] == self.process:
            return attrs.get(WORKER) in LIVE  # one that was closed, as after an interrupt, is gone
        if attrs.get(PLACE) == self.place:
            return runs(str(attrs[PROCESS]))
        beat, now = int(attrs.get(BEAT, 0)), time.monotonic()
        seen, since = self._beats.get(trial.number, (-1, now))
        if beat != seen:
            self._beats[trial.number] = (beat, now)
            return True
        return now - since < self._grace

    def _trials(self) -> list[Any]:
        return list(self._trying(lambda: self._storage.get_all_trials(self._id, deepcopy=False)))

    @property
    def ordinal(self) -> int:
        """Which worker of the study this is, counted from 0: a search by one alone is the same from the same seed."""
        workers = list(
            dict.fromkeys(str(trial.user_attrs[WORKER]) for trial in self._trials() if KEY in trial.user_attrs)
        )
        return workers.index(self.worker) if self.worker in workers else len(workers)

    def _seed(self, number: int) -> int:
        words = [zlib.crc32(self.name.encode()), number, self.ordinal]
        return int(np.random.SeedSequence(words).generate_state(1)[0])
