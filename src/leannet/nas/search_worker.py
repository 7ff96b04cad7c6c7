"""One of those who search: it trains the shared weights or waits for them, and takes part in the loop."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from leannet import __version__
from leannet.checkpoint import load_shipped, save
from leannet.console import Console
from leannet.errors import LeannetError
from leannet.files import write_whole
from leannet.nas.adapt_resource import TABLE
from leannet.nas.evaluating import ByRun, BySupernet, ByTraining, Evaluator
from leannet.nas.kept import Kept
from leannet.nas.resources import Counted, Predicted, Resource
from leannet.nas.search_loop import POLL, SHARED, Loop
from leannet.nas.search_request import Request, Search
from leannet.nas.searched import FOUND, Searched, trials_of
from leannet.nas.space import Space
from leannet.nas.study import Study
from leannet.nas.supernet import HALF, Shared
from leannet.nas.tables import LatencyTable, Work, measure_table
from leannet.nas.trials import DONE
from leannet.network import Network, build
from leannet.rows.channels import channels
from leannet.run_files import LAST, LOG, MODEL, STATE
from leannet.sections import Metrics, Step
from leannet.shrink.continuing import check_classes
from leannet.shrink.criteria import score
from leannet.shrink.plan import digest_of
from leannet.shrink.timing import torch_threads_kept
from leannet.training.job import prepare
from leannet.training.reading import Reader
from leannet.training.run import begin, continue_run
from leannet.training.settings import Settings

SUPERNET, SPOOL, WEIGHTS = "supernet", "spool", "found.safetensors"
WHOLES = 10  # networks that the overhead of a table is fitted to
SECONDS_A_NETWORK = 0.2


class Worker:
    """One of those that search."""

    def __init__(self, settings: Settings, console: Console, threads: int | None, original: Path | None = None):
        """original: a trained network whose widths are searched. threads: of torch, while candidates are evaluated;
        None: all that others leave. Raises LeannetError for data and settings that cannot be used."""
        self.console, self.reader, self._threads = console, Reader(), threads
        source = None if original is None else load_shipped(original)
        self.job = prepare(settings, self.reader, console, source)
        if source is not None and original is not None:
            check_classes(self.job, source[1], original)
        if self.job.task.name != "classify":
            raise LeannetError(f"{settings.data}: searches are for classes: expected images with a class each")

    def fitted(self, space: Space) -> Space:
        """The space with the classes and colors of the images."""
        return space.with_classes(len(self.job.header.classes))

    def kept(self) -> Kept:
        """The widths of the trained network, by the norms of its filters."""
        network = self._original()
        return Kept.of(network.architecture, score(network, channels(network.architecture), "l2"))

    def _original(self) -> Network:
        network = build(self.job.header.architecture).eval()
        network.load_state_dict(self.job.network.state_dict())
        return network

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
            resource = Predicted(LatencyTable.load(folder / TABLE), request.timing, request.device)
        about = request.model_dump(mode="json", exclude={"evaluations", "space"})
        space = request.space.model_dump(mode="json", exclude={"base"})
        about |= {"base": digest_of(request.space.base), "space": space}
        storage, spool = begun.storage or str((folder / "study.db").resolve()), folder / SPOOL
        with Study(storage, begun.study, about, request.space.decisions, spool, self.console.say) as study:
            evaluator = self._evaluator(study, folder, request)
            with torch_threads_kept():
                Loop(study, request, resource, evaluator, self.console, self._threads).run()
            trials = trials_of(study.results(), request)
        searched = Searched.of(folder, request, trials, resource)
        write_whole(folder / FOUND, searched.architecture.to_json().encode())
        if isinstance(evaluator, ByRun):
            self._save(evaluator.network(searched.best.candidate), searched, folder / WEIGHTS)
        return searched

    def _save(self, network: Network, searched: Searched, file: Path) -> None:
        """The best network with what is left of the weights, to be trained on."""
        header = self.job.header
        request = searched.request
        done = Step(done="searched", leannet=__version__,
                    parameters={"quantity": request.quantity, "target": request.target})  # fmt: skip
        history = (*header.provenance.history[:-1], done)  # without the training that nothing was
        update = {
            "architecture": searched.architecture,
            "metrics": Metrics(),
            "provenance": header.provenance.model_copy(update={"history": history}),
        }
        named = build(searched.architecture)
        named.load_state_dict(network.state_dict())
        save(file, named, header.model_copy(update=update))

    def _evaluator(self, study: Study, folder: Path, request: Request) -> Evaluator:
        if request.evaluate == "training":
            return ByTraining(self.job, request.space, request)
        if isinstance(request.space, Kept):
            return ByRun(self.job, self._original(), request.space, request)
        place = folder / SUPERNET
        if not place.is_symlink():  # it is another search's
            self._train_supernet(study, place, request)
        assert isinstance(request.space, Space)
        return BySupernet(self.job, place, request.space, request)

    def _train_supernet(self, study: Study, place: Path, request: Request) -> None:
        """The shared weights, by one worker while the others wait."""
        space = request.space
        assert isinstance(space, Space)
        precision = HALF.get(self.job.settings.precision or "no")
        while study.result(SHARED) is None:
            claim = study.claim(SHARED)
            if claim is None:
                time.sleep(POLL)
                continue
            with study.working(claim):
                if (place / STATE).exists():
                    run = continue_run(
                        place, self.console.quiet, False, self.reader, finished_too=True,
                        wrap=lambda inner: Shared(inner, space, request.rule, precision=precision),
                    )  # fmt: skip
                else:
                    for name in (MODEL, LAST, LOG):  # of a training that was killed before its state was saved
                        (place / name).unlink(missing_ok=True)
                    shared = Shared(self.job.objective, space, request.rule, precision=precision)
                    settings = self.job.settings
                    if request.rule == "uniform":  # the largest network, which is evaluated, hardly ever runs
                        settings = settings.model_copy(update={"batch_statistics": "precise"})
                    run = begin(replace(self.job, objective=shared, settings=settings), place, self.console)
                if not run.finished:
                    raise KeyboardInterrupt
            study.tell(claim, DONE)
