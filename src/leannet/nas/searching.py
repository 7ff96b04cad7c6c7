"""`search`: networks of a space, by what they reach and what they take on a device (MnasNet; Tan et al., 1807.11626).

Candidates are trials of a study: a strategy proposes, from all that was tried; who claims a candidate evaluates it.
Any number of processes and machines that share the folder take part, and each may stop and go on.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import torch

from leannet.console import Console
from leannet.errors import LeannetError, command_line
from leannet.files import write_whole
from leannet.microcontrollers import fit
from leannet.nas.adapt_resource import TABLE
from leannet.nas.evaluating import BySupernet, ByTraining, Evaluator
from leannet.nas.resources import Counted, Predicted, Resource
from leannet.nas.search_request import Request, Search
from leannet.nas.searched import FOUND, Searched, trials_of
from leannet.nas.space import Candidate, Space
from leannet.nas.spaces import read_space
from leannet.nas.storage import absolute, check_storage
from leannet.nas.strategies import TRIES, Drawn, Tried, draw_new, strategy
from leannet.nas.study import Study
from leannet.nas.supernet import Shared
from leannet.nas.tables import LatencyTable, Work, measure_table
from leannet.retired import current_settings
from leannet.rows import Architecture
from leannet.run_files import LAST, LOG, MODEL, STATE
from leannet.shrink.budgets import Quantity, check_budgets, read_budgets, readable
from leannet.shrink.plan import digest_of
from leannet.shrink.timing import torch_threads_kept
from leannet.training.folder import check_out, make_run
from leannet.training.job import prepare
from leannet.training.reading import Reader
from leannet.training.run import begin, continue_run, make_settings
from leannet.training.settings import Settings

LARGEST, SUPERNET, SPOOL = "largest.json", "supernet", "spool"
SHARED = "supernet"  # the key of its training
POLL = 1.0  # seconds between looks at what others do
WHOLES = 10  # networks that the overhead of a table is fitted to
SECONDS_A_NETWORK = 0.2


def search(
    data: str | Path,
    space: str | Space,
    *,
    latency: str | None = None,
    macs: str | None = None,
    params: str | None = None,
    out: str | Path | None = None,
    storage: str | None = None,
    supernet: str | Path | None = None,
    quiet: bool = False,
    request: Mapping[str, Any] | None = None,
    begun: Callable[[Path], object] = lambda folder: None,
    short_threads: int | None = None,
    **settings: Any,
) -> Searched:
    """Searches a space for a network of images, and returns all that was tried, the best first.

    space: a file, a network whose rows suggest one, or a Space. latency, macs, params: the target, as "50%" of what the
    largest network of the space takes, or "3ms", "14M"; one of them, or none where the request has sram or flash: then
    only those count. out: the folder; None: a new one under runs/.
    storage: of the study, for workers on several machines; None: a file of SQLite in the folder. supernet: the run of
    an earlier search over the same space, whose weights are taken. request: fields of nas.search_request.Request.
    begun: called with the folder once others may help. short_threads: of torch, while candidates are evaluated; None:
    all. settings: of the training of the shared weights, fields of training.settings.Settings.
    Raises LeannetError, one line, for a space, target, data or settings that cannot be used.
    """
    targets: dict[Quantity, str | None] = {"latency_ms": latency, "macs": macs, "params": params}
    asked: dict[Quantity, str | None] = {name: text for name, text in targets.items() if text is not None}
    wishes = dict(request or {})
    if not asked and (wishes.get("sram") or wishes.get("flash")):  # what fits is not worth less for what it takes
        asked, wishes = {"macs": None}, wishes | {"hard": True}
    if len(asked) != 1:
        number = len(asked) or "none"
        raise LeannetError(
            f"search: expected one target of --latency, --macs and --params, or --sram or --flash alone, found {number}"
        )
    ((quantity, text),) = asked.items()
    budgets = {} if text is None else {quantity: text}
    check_budgets(budgets)
    if storage is not None:
        check_storage(storage)
    if fixed := [name for name in ("model", "width", "resolution", "weights") if settings.get(name)]:
        raise LeannetError(f"--{fixed[0]}: the space says what networks are: leave it out")
    if out is not None and (Path(out) / Search.file).exists():
        raise LeannetError(
            f"--out {out}: holds another search; choose a new folder, or {command_line('search --resume', out)}"
        )
    if settings.get("precision", "no") != "no" and wishes.get("evaluate", "supernet") == "supernet":
        raise LeannetError(f"--precision {settings['precision']}: shared weights are trained in float32: leave it out")
    chosen = read_space(space) if isinstance(space, str) else space
    # Candidates see images at their own size, so small ones at first would save nothing.
    planned = make_settings(data, {"progressive_resizing": 1.0, **settings, "model": LARGEST})
    check_out(out, planned)
    is_new = out is None or not Path(out).exists()
    folder = make_run(out, str(data))
    file = folder / LARGEST
    write_whole(file, chosen.architecture(chosen.largest).to_json().encode())
    try:
        worker = _Worker(planned.model_copy(update={"model": str(file)}), Console(quiet), short_threads)
        chosen = worker.fitted(chosen)
        made = Request.make(space=chosen, quantity=quantity, target=1.0, **wishes)
        made.check_memory()
        resource = worker.first_resource(made)
        largest = resource.of(chosen.architecture(chosen.largest))
        limits = read_budgets(budgets, {made.quantity: largest})
        made = made.model_copy(update={"target": limits[0].most if limits else largest})
        if supernet is not None and made.evaluate == "supernet":
            BySupernet(worker.job, Path(supernet), chosen, made)  # raises where it is another's
    except BaseException:
        file.unlink()
        if is_new:
            folder.rmdir()
        raise
    if isinstance(resource, Predicted):
        resource.save(folder / TABLE)
    if supernet is not None:
        (folder / SUPERNET).symlink_to(Path(supernet).resolve())
    plain = worker.job.settings.model_dump(mode="json", exclude_none=True)
    study = f"search {folder.resolve().name} {uuid4().hex[:12]}"
    command = worker.job.header.provenance.command
    Search(request=made, settings=plain, storage=absolute(storage), study=study, command=command).save(folder)
    begun(folder)
    return worker.search(folder)


def resume_search(folder: str | Path, quiet: bool = False, threads: int | None = None) -> Searched:
    """Goes on with a search that was stopped or killed, or helps one that others are at.

    threads: of torch, while candidates are evaluated; None: all. Raises LeannetError for a folder of none.
    """
    path = Path(folder)
    begun = Search.load(path)
    settings = Settings.make(current_settings(begun.settings), str(path / Search.file))
    return _Worker(settings.model_copy(update={"model": str(path / LARGEST)}), Console(quiet), threads).search(path)


class _Worker:
    """One of those that search."""

    def __init__(self, settings: Settings, console: Console, threads: int | None):
        self.console, self.reader, self._threads = console, Reader(), threads
        self.job = prepare(settings, self.reader, console)
        if self.job.task.name != "classify":
            raise LeannetError(f"{settings.data}: searches are for classes: expected images with a class each")

    def fitted(self, space: Space) -> Space:
        """The space with the classes and colors of the images."""
        return space.with_classes(len(self.job.header.classes))

    def first_resource(self, request: Request) -> Resource:
        """Counts, or a latency table of all rows of the space. Raises LeannetError for a table that is not allowed."""
        if request.quantity != "latency_ms":
            return Counted(request.quantity)
        if request.table is not None:
            table = LatencyTable.load(request.table)
            table.check(request.engine, request.precision, request.threads, request.device)
            return Predicted(table, request.timing, request.device).learn(list(request.space.covering()))
        draw = np.random.default_rng(0)
        wholes = [request.space.architecture(request.space.random(draw)) for _ in range(WHOLES)]
        work = Work.of(request.space.covering(), wholes)
        number = len(work.networks)
        self.console.say(f"timing {len(work.probes.rows)} rows by {number} networks, {request.timing}")
        with torch_threads_kept(), self.console.bar(number) as bar:
            table = measure_table(work, request.engine, request.precision, request.threads,
                                  seconds=SECONDS_A_NETWORK * number,
                                  done=lambda done: bar.advance(done, "timing"))  # fmt: skip
        self.console.say(f"  {table.quality()}")
        return Predicted(table, request.timing)

    # The whole

    def search(self, folder: Path) -> Searched:
        """Does what is not done yet, beside whoever else does."""
        begun = Search.load(folder)
        request = begun.request
        resource: Resource = Counted(request.quantity)
        if request.quantity == "latency_ms":
            resource = Predicted(LatencyTable.load(folder / TABLE), request.timing)
        about = request.model_dump(mode="json", exclude={"evaluations", "space"})
        about |= {
            "space": digest_of(request.space.base),
            "stages": [each.model_dump() for each in request.space.stages],
        }
        storage, spool = begun.storage or str((folder / "study.db").resolve()), folder / SPOOL
        with Study(storage, begun.study, about, request.space.decisions, spool, self.console.say) as study:
            evaluator = self._evaluator(study, folder, request)
            if self._threads is not None:
                torch.set_num_threads(self._threads)
            _Search(study, request, resource, evaluator, self.console).run()
            trials = trials_of(study.results(), request)
        searched = Searched.of(folder, request, trials, resource)
        write_whole(folder / FOUND, searched.architecture.to_json().encode())
        return searched

    def _evaluator(self, study: Study, folder: Path, request: Request) -> Evaluator:
        if request.evaluate == "training":
            return ByTraining(self.job, request.space, request)
        place = folder / SUPERNET
        if not place.is_symlink():  # it is another search's
            self._train_supernet(study, place, request)
        return BySupernet(self.job, place, request.space, request)

    def _train_supernet(self, study: Study, place: Path, request: Request) -> None:
        """The shared weights, by one worker while the others wait."""
        while study.result(SHARED) is None:
            claim = study.claim(SHARED)
            if claim is None:
                time.sleep(POLL)
                continue
            with study.working(claim):
                if (place / STATE).exists():
                    run = continue_run(
                        place, self.console.quiet, False, self.reader, finished_too=True,
                        wrap=lambda inner: Shared(inner, request.space, request.rule),
                    )  # fmt: skip
                else:
                    for name in (MODEL, LAST, LOG):  # of a training that was killed before its state was saved
                        (place / name).unlink(missing_ok=True)
                    shared = Shared(self.job.objective, request.space, request.rule)
                    settings = self.job.settings
                    if request.rule == "uniform":  # the largest network, which is evaluated, hardly ever runs
                        settings = settings.model_copy(update={"batch_statistics": "precise"})
                    run = begin(replace(self.job, objective=shared, settings=settings), place, self.console)
                if not run.finished:
                    raise KeyboardInterrupt
            study.tell(claim, {"done": 1.0})


class _Search:
    """The loop of one worker: propose, claim, evaluate, tell."""

    def __init__(
        self, study: Study, request: Request, resource: Resource, evaluator: Evaluator, console: Console
    ):  # fmt: skip
        self._study, self._request, self._resource = study, request, resource
        self._evaluator, self._console = evaluator, console
        self._strategy = strategy(request.strategy, request.space, request.seed)
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
        rows = self._request.space.architecture(candidate)
        cost = self._resource.of(rows)
        with self._study.working(claim):
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
