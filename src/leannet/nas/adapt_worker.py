"""One of those who work on an adaptation: it makes the proposals of a step or trains them, and waits for others."""

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch

from leannet import __version__
from leannet.checkpoint import load, load_shipped, save
from leannet.console import Console
from leannet.errors import Diverged, LeannetError
from leannet.files import write_whole
from leannet.header import Header
from leannet.nas.adapt_request import CHOSEN, OFFER, STEPS, TIMED, Adaptation, Chosen, Offer, Offered, Request, winner
from leannet.nas.adapt_resource import TABLE, resource_of
from leannet.nas.adapted import Adapted
from leannet.nas.proposing import Proposal, proposals
from leannet.nas.resources import Predicted
from leannet.nas.study import Study
from leannet.nas.tables import LatencyTable
from leannet.nas.trials import DONE
from leannet.network import Network, build
from leannet.rows.channels import channels
from leannet.run_files import LAST, LOG, MODEL, STATE
from leannet.runtime.engines import is_installed
from leannet.sections import Metrics, Step
from leannet.shrink.budgets import readable
from leannet.shrink.continuing import check_classes
from leannet.shrink.criteria import score
from leannet.shrink.images import Images, narrow_network
from leannet.shrink.timing import torch_threads_kept
from leannet.training.job import prepare, trained, watched
from leannet.training.loop import fit
from leannet.training.reading import Reader
from leannet.training.run import Run, begin, continue_run
from leannet.training.settings import Settings

SPOOL, ORIGINAL, NETWORK = "spool", "original.safetensors", "network.safetensors"
ACCURACY = {"classify": "validation_accuracy", "detect": "validation_ap50"}  # in the log, by task
STATISTICS = 1024  # training images
TRAINING = "training"  # the key of the one at the end
HALVINGS = 7  # of what a step takes away, until a row alone can
POLL = 1.0  # seconds between looks at what others do
CLOSE = 0.02  # of the budget, that a network may take more by the clock
SHARED_SECONDS = 120.0  # after which a file that another worker has written should be seen here


class _Stopped(Exception):
    """A training was stopped before its end."""


class Worker:
    """One of those that work on an adaptation."""

    def __init__(
        self, request: Request, file: Path, settings: Settings, console: Console, threads: int | None = None
    ):  # fmt: skip
        """file: the network that is adapted. threads: of torch, while proposals are trained; None: all."""
        network, header = load_shipped(file)
        self.request, self.console, self.reader, self.threads = request, console, Reader(), threads
        self.job = prepare(settings, self.reader, console, (network, header))
        check_classes(self.job, header, file)
        self.images = Images(self.job, STATISTICS, console)
        self.original = build(self.job.header.architecture).eval()
        self.original.load_state_dict(self.job.network.state_dict())
        self.weights = hashlib.sha256(file.read_bytes()).hexdigest()

    # The whole

    def adapt(self, folder: Path) -> Adapted:
        """Does what is not done yet, beside whoever else does."""
        adaptation = Adaptation.load(folder)
        about = {"weights": adaptation.weights, "request": adaptation.request.model_dump(mode="json")}
        spool = folder / SPOOL
        storage = adaptation.storage or str((folder / "study.db").resolve())
        with Study(storage, adaptation.study, about, spool=spool, say=self.console.say) as study:
            history: list[tuple[Offer, Chosen]] = []
            network, cost, accuracy = self.original, adaptation.before, adaptation.accuracy
            most, met = adaptation.most, True
            while True:
                step = len(history) + 1
                if cost <= most:
                    slower = self._slower(study, folder, step - 1, network, adaptation)
                    if slower <= 1 + CLOSE:
                        break
                    most = cost / slower
                if step > (self.request.steps or step):
                    self.console.say(f"  the budget is not met after {self.request.steps} steps: "
                                     f"{readable(self.request.quantity, cost)}", style="yellow")  # fmt: skip
                    met = False
                    break
                offer = self._offer(study, folder, step, network, cost, accuracy, adaptation, most)
                chosen = self._take_step(study, folder, offer, network)
                history.append((offer, chosen))
                network = load(self._place(folder, step) / NETWORK)[0].eval()
                cost, accuracy = chosen.cost, chosen.accuracy
            run = self._train(study, folder, network)
            result = study.result(TRAINING)
        trained_to = result.values["accuracy"] if result is not None else None
        return Adapted.of(folder, adaptation, history, self.original, network, trained_to, run, met)

    @staticmethod
    def _place(folder: Path, step: int) -> Path:
        return folder / STEPS / f"{step:03d}"

    def _offer(
        self, study: Study, folder: Path, step: int, network: Network, cost: float, accuracy: float,
        adaptation: Adaptation, most: float,
    ) -> Offer:  # fmt: skip
        """The proposals of a step: the first worker makes them, and measures what its table lacks."""
        file = self._place(folder, step) / OFFER
        reductions = self.request.reductions
        # What rows alone could not take away in the steps before is asked for again.
        by_now = (1 - sum(map(reductions.of_step, range(1, step + 1)))) * adaptation.before
        target = max(min(cost - reductions.of_step(step) * adaptation.before, by_now), min(most, cost))

        def make() -> None:
            tied, request = channels(network.architecture), self.request
            scores, resource = score(network, tied, "l2"), resource_of(request, folder, self.console.say)
            offered: list[Proposal] = []
            goal = target
            for _ in range(HALVINGS):
                with torch_threads_kept():
                    offered, resource = proposals(
                        tied, scores, resource, goal, request.rows, request.keep, request.round_to, request.least
                    )
                if offered:
                    break
                goal = (cost + goal) / 2  # small networks have no row that alone takes away so much
            if not offered:
                raise LeannetError(
                    f"adapt, step {step}: expected a row that alone takes away something of "
                    f"{readable(request.quantity, cost)}, found none: a smaller --round-to, a smaller --least, or a "
                    "larger budget"
                )
            # Those first that keep most of a width, since they have most to gain from.
            offered.sort(key=lambda each: (-each.after / each.before, -each.before, each.key))
            if isinstance(resource, Predicted):
                resource.save(folder / TABLE)
            named = tuple(
                Offered(key=each.key, row=each.row, before=each.before, after=each.after, cost=each.cost,
                        removed=tuple(sorted(each.removed)))
                for each in offered[: request.proposals]
            )  # fmt: skip
            Offer(step=step, cost=cost, accuracy=accuracy, target=goal, proposals=named).save(file)

        self._once(study, f"step {step}", file, make, self._can_measure(folder))
        return Offer.load(file)

    def _slower(self, study: Study, folder: Path, step: int, network: Network, adaptation: Adaptation) -> float:
        """How much more of the original's time a network takes than the budget's share, both timed in turns: what its
        rows are measured to take may be a lucky figure. 1 of what is counted, and where the engine is not here."""
        request = self.request
        if request.quantity != "latency_ms" or not is_installed(request.timing.engine):
            return 1.0
        file = self._place(folder, step) / TIMED

        def time_both() -> None:
            before, after = request.timing.milliseconds([self.original.architecture, network.architecture])
            write_whole(file, json.dumps({"before": before, "after": after}).encode())

        self._once(study, f"timed {step}", file, time_both, self._can_measure(folder))
        timed = json.loads(file.read_text())
        slower = float(timed["after"] / timed["before"] / (adaptation.most / adaptation.before))
        if slower > 1 + CLOSE:
            self.console.say(
                f"  by the clock it takes {100 * timed['after'] / timed['before']:.1f} % of the time, "
                f"{100 * adaptation.most / adaptation.before:.1f} % is the budget: more steps"
            )
        return slower

    def _can_measure(self, folder: Path) -> bool:
        """Whether this worker is on the machine whose table it is: others take proposals, but do not make them."""
        if self.request.quantity != "latency_ms":
            return True
        try:
            LatencyTable.load(folder / TABLE).check(self.request.engine, self.request.precision, self.request.threads)
        except LeannetError:
            return False
        return True

    def _once(self, study: Study, key: str, file: Path, make: Callable[[], None], may: bool = True) -> None:
        """Makes a file, unless another worker does or has. may: whether this one can."""
        waited = alone = 0.0
        while not file.exists():
            claim = study.claim(key) if may else None
            if claim is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
                with study.working(claim):
                    make()
                study.tell(claim, DONE)
                return
            if not may and not alone:
                self.console.say("  waiting for a worker on the machine whose milliseconds are counted")
            time.sleep(POLL)
            alone = alone + POLL if not study.is_open(key) else POLL
            if not may and alone > SHARED_SECONDS:
                raise LeannetError(f"{file.parent}: expected a worker on the machine whose latency table it is, found "
                                   "none at work: start leannet adapt --resume there")  # fmt: skip
            waited = waited + POLL if study.result(key) is not None else 0.0
            if waited > SHARED_SECONDS:
                raise LeannetError(f"{file}: expected the file that another worker has written, found none: all "
                                   "workers need the same folder")  # fmt: skip

    def _take_step(self, study: Study, folder: Path, offer: Offer, network: Network) -> Chosen:
        """Trains and evaluates proposals until all are done, and chooses."""
        place = self._place(folder, offer.step)
        if (place / CHOSEN).exists():
            return Chosen.load(place / CHOSEN)
        quantity = self.request.quantity
        self.console.say(
            f"step {offer.step}: from {readable(quantity, offer.cost)} to {readable(quantity, offer.target)}, "
            f"{len(offer.proposals)} proposals"
        )
        tied = channels(network.architecture)
        shift = int(hashlib.sha256(study.worker.encode()).hexdigest(), 16) % len(offer.proposals)
        order = (*offer.proposals[shift:], *offer.proposals[:shift])  # workers begin at different ends
        keys = {f"{offer.step}/{each.key}": each for each in order}
        while True:
            known = {result.key: result.values for result in study.results() if result.key in keys}
            if len(known) == len(keys):
                break
            idle = True
            for key, each in keys.items():
                if key in known or (claim := study.claim(key)) is None:
                    continue
                idle = False
                with study.working(claim):
                    small = narrow_network(network, tied, each.removed)
                    accuracy = self._train_shortly(small, offer.step, self.threads or study.share_of_cores())
                    save(place / _file(each), small, self._header(small, None))
                study.tell(claim, {"accuracy": accuracy, "cost": each.cost})
                self.console.say(
                    f"  {each.row} {each.before} -> {each.after}: {100 * accuracy:.2f} % "
                    f"({100 * (accuracy - offer.accuracy):+.2f}), {readable(quantity, each.cost)}"
                )
            if idle:
                time.sleep(POLL)
        accuracies = {keys[key].key: values["accuracy"] for key, values in known.items()}

        def choose() -> None:
            chosen = winner(offer, accuracies, self.request.select)
            best = next(each for each in offer.proposals if each.key == chosen.key)
            small, header = load(place / _file(best))
            save(place / NETWORK, small, header)
            chosen.save(place / CHOSEN)
            for each in offer.proposals:
                (place / _file(each)).unlink(missing_ok=True)

        self._once(study, f"choice {offer.step}", place / CHOSEN, choose)
        chosen = Chosen.load(place / CHOSEN)
        self.console.say(
            f"  {chosen.row} becomes {chosen.after} wide: {100 * chosen.accuracy:.2f} %, "
            f"{readable(quantity, chosen.cost)}"
        )
        return chosen

    def _train_shortly(self, network: Network, step: int, threads: int | None) -> float:
        """Trains a proposal for some steps. Returns its accuracy on the validation images. threads: None: as the
        settings say."""
        settings, request = self.job.settings, self.request
        rate = settings.optimizer.rate(settings.batch_size) * request.short_rate
        short = settings.model_copy(
            update={
                "epochs": 1,
                "time": None,
                "steps_per_epoch": request.short_steps,
                "seed": settings.seed + step,  # the same images for all proposals of a step
                "optimizer": settings.optimizer.model_copy(update={"lr": rate}),
                "schedule": settings.schedule.model_copy(update={"name": "cosine", "warmup_epochs": 0.0}),
                "ema_decay": None,
                "batch_statistics": "running",
                "progressive_resizing": None,
                "threads": threads or settings.threads,
            }
        )
        header = self._header(network, None)
        learner = watched(network, self.job.objective)
        try:
            ended = fit(self.job.of(learner, header, short), None, Console(quiet=True))
        except Diverged:
            return 0.0
        if ended.interrupted:
            raise KeyboardInterrupt
        learned = learner.to("cpu", torch.float32).state_dict()
        network.load_state_dict({key: learned[key] for key in network.state_dict()})
        network.eval()
        return float(ended.state.log[-1][ACCURACY[self.job.task.name]])

    def _train(self, study: Study, folder: Path, network: Network) -> Run | None:
        """The long training, by one worker while the others wait. None: another has done it."""
        while study.result(TRAINING) is None:
            claim = study.claim(TRAINING)
            if claim is None:
                time.sleep(POLL)
                continue
            with suppress(_Stopped), study.working(claim):
                run = self._train_on(folder, network)
                if not run.finished:
                    raise _Stopped  # the claim is given back
                assert run.validation is not None
                study.tell(claim, {"accuracy": run.validation.accuracy})
            return run
        return None

    def _train_on(self, folder: Path, network: Network) -> Run:
        if (folder / STATE).exists():
            return continue_run(folder, self.console.quiet, False, self.reader, finished_too=True)
        for name in (MODEL, LAST, LOG):  # of a training that was killed before its state was saved
            (folder / name).unlink(missing_ok=True)
        job = self.job.of(watched(network, self.job.objective), self._header(network, None), self.job.settings)
        return begin(job, folder, self.console)

    def _header(self, network: Network, metrics: Metrics | None) -> Header:
        header = self.job.header
        request = self.request
        adapted = Step(
            done="adapted",
            leannet=__version__,
            parameters={"quantity": request.quantity, "budget": request.budget, "select": request.select},
        )
        history = (*header.provenance.history, adapted, trained(self.job.settings))
        return header.model_copy(
            update={
                "architecture": network.architecture,
                "metrics": metrics or Metrics(),
                "provenance": header.provenance.model_copy(update={"history": history}),
            }
        )


def _file(each: Offered) -> str:
    return f"{each.key.replace(':', '_').replace('/', '_')}.safetensors"
