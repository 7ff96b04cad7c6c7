"""`prune`: a trained network made smaller, by a plan: channels that go together, whole blocks, then training.

The result is other rows with their weights: it is loaded, counted, trained, pruned again and exported like any network.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from leannet import __version__
from leannet.checkpoint import load, load_shipped, save, to_bytes
from leannet.console import Console
from leannet.errors import LeannetError, command_line
from leannet.files import check_writable
from leannet.header import Header, checkpoint_file
from leannet.network import Network, build, subnetwork
from leannet.retired import current_settings
from leannet.rows.channels import Channels, channels
from leannet.run_files import LAST, LOG, MODEL, STATE
from leannet.sections import Metrics, Step
from leannet.shrink.budgets import Budget, Quantity, read_budgets
from leannet.shrink.choosing import check_names
from leannet.shrink.composing import Composer
from leannet.shrink.continuing import check_classes, training_settings
from leannet.shrink.criteria import score
from leannet.shrink.curves import Sensitivity
from leannet.shrink.deciding import Decider
from leannet.shrink.images import Images, blocks_that_matter_least, narrow_network
from leannet.shrink.names import Criterion
from leannet.shrink.plan import Plan, digest_of, groups_of, plan_of, without_blocks
from leannet.shrink.progress import Progress, Round
from leannet.shrink.pruned import Pruned, cost_of, result
from leannet.shrink.request import Request
from leannet.training.folder import check_out, make_run
from leannet.training.job import prepare, trained, watched
from leannet.training.reading import Reader
from leannet.training.run import Run, begin, continue_run
from leannet.training.settings import Settings

PLAN = "plan.json"  # in the folder of a pruning: of the original, whatever the rounds
ROUNDS = "rounds"  # beside it: a run for each round but the last
SPARE = 1024  # bytes that the header of a result may be longer


def prune(
    run: str | Path,
    data: str | None = None,
    *,
    macs: str | None = None,
    params: str | None = None,
    size: str | None = None,
    activation_memory: str | None = None,
    latency: str | None = None,
    out: str | Path | None = None,
    plan_only: str | Path | None = None,
    quiet: bool = False,
    request: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Pruned:
    """Makes a run or checkpoint smaller, and trains it on.

    macs, params, size, activation_memory, latency: the most that the result may cost, as "50%" of what it costs now, or
    "14M", "1.2MB", "300kB", "3ms"; none: 50 % of the mult-adds. data: None: the images of the run. out: the run folder;
    None: a new one under runs/. plan_only: the file that the plan is written to; nothing else is done. request: fields
    of shrink.request.Request. settings: of the training, fields of training.settings.Settings; others are those that
    trained the network. epochs: 20; 0: it is not trained.
    Raises LeannetError, one line, for a budget below what the rows can be, and settings or data that cannot be used.
    """
    texts: dict[Quantity, str | None] = {
        "macs": macs, "params": params, "size_bytes": size, "activation_bytes": activation_memory,
        "latency_ms": latency,
    }  # fmt: skip
    fields = dict(request or {})
    budgets = dict(fields.pop("budgets", {})) | {name: str(text) for name, text in texts.items() if text is not None}
    if settings.get("epochs") == 0:
        fields["finetune"] = bool(settings.pop("epochs"))
    asked = Request.make(run=str(checkpoint_file(run).resolve()), budgets=budgets, **fields)
    chosen = training_settings(Path(asked.run), data, settings)
    if chosen.time is not None and asked.rounds > 1:
        raise LeannetError("--time: expected --epochs where there are several rounds")
    console = Console(quiet)
    if plan_only is None:
        check_out(out, chosen)
        if out is not None and (Path(out) / Progress.file).exists():
            raise LeannetError(
                f"--out {out}: holds another pruning; choose a new folder, or {command_line('prune --resume', out)}"
            )
    else:
        check_writable(Path(plan_only))
    pruning = _Pruning(asked, chosen, console)
    if plan_only is not None:
        return pruning.only_plan(Path(plan_only))
    pruning.decide_first()  # before anything is written
    return pruning.rounds(make_run(out, chosen.data))


def resume_pruning(folder: str | Path, quiet: bool = False) -> Pruned:
    """Goes on with a pruning that was stopped or killed, with the same result as if it had not been.

    Raises LeannetError for a folder of none.
    """
    path = Path(folder)
    progress = Progress.load(path)
    settings = Settings.make(current_settings(progress.settings), str(path / Progress.file))
    return _Pruning(progress.request, settings, Console(quiet), progress).rounds(path)


class _Pruning:
    """A pruning on its way: in rounds, each of which is a run."""

    def __init__(self, request: Request, settings: Settings, console: Console, progress: Progress | None = None):
        file = Path(request.run)
        network, self.header = load_shipped(file)
        self.request, self.console, self.reader = request, console, Reader()
        self.job = prepare(settings, self.reader, console, (network, self.header))
        check_classes(self.job, self.header, file)
        self.images = Images(self.job, request.images, console)
        self.network = build(self.job.header.architecture).eval()
        self.network.load_state_dict(self.job.network.state_dict())
        self.before = cost_of(self.network, self.job.header)
        plain = self.job.settings.model_dump(mode="json", exclude_none=True)
        weights = hashlib.sha256(file.read_bytes()).hexdigest()
        if progress is not None and progress.weights != weights:
            raise LeannetError(f"{file}: has changed since this pruning began: start a new one")
        command = self.job.header.provenance.command
        self.progress = progress or Progress(request=request, settings=plain, weights=weights, command=command)
        self._first: tuple[Channels, Plan, Network] | None = None

    # The whole

    def only_plan(self, file: Path) -> Pruned:
        """Decides the first round, and writes its plan."""
        _, plan, network = self._decide(self.network, 1)
        plan.save(file)
        return self._result(None, plan, network)

    def decide_first(self) -> None:
        """Decides the first round. Raises LeannetError where it cannot be done."""
        self._first = self._decide(self.network, 1)
        self._note(accuracy=self.images.evaluate(self.network).accuracy)
        self._note_round(self._first[1], self._first[2])

    def rounds(self, folder: Path) -> Pruned:
        """Does what is not done yet."""
        self.progress.save(folder)
        network, last = self.network, self.request.rounds
        run: Run | None = None
        composer: Composer | None = None
        for number in range(1, last + 1):
            place = folder if number == last else folder / ROUNDS / str(number)
            if last > 1:
                self.console.say(f"round {number} of {last}")
            decided = self.progress.rounds[number - 1] if number <= len(self.progress.rounds) else None
            started = decided is not None and (place / STATE).exists()
            first = self._first if number == 1 else None
            tied, plan, smaller = first or self._decide(network, number, decided, settle=not started)
            composer = Composer(tied, plan.blocks) if composer is None else composer
            composer.add(tied, groups_of(plan, tied, PLAN))
            if decided is None:
                self._note_round(plan, smaller)
                self.progress.save(folder)
            whole = composer.plan(plan, digest_of(self.network.architecture))
            if number == last:
                whole.save(folder / PLAN)
            if not self.request.finetune:
                network = smaller
                if number == last:
                    scores = self.images.evaluate(network).summary()
                    save(place / MODEL, network, self._header(network, Metrics(validation=scores)))
                continue
            run = self._train(smaller, place, number, started)
            if not run.finished:
                return self._result(folder, whole, smaller, run)
            network, _ = load(place)
        return self._result(folder, whole, network, run)

    # A round

    def _decide(
        self, network: Network, number: int, decided: Round | None = None, settle: bool = True
    ) -> tuple[Channels, Plan, Network]:
        """The groups of channels of a network without the blocks that go, the plan, and the smaller network."""
        request, where = self.request, self.request.plan or PLAN
        plan = decided.plan if decided is not None else Plan.load(request.plan) if request.plan is not None else None
        if plan is None:
            blocks: tuple[str, ...] = ()
            if number == 1 and request.blocks:
                check_names((*request.rows, *request.keep), network.architecture)
                blocks = blocks_that_matter_least(
                    network, request.blocks, request.rows, request.keep, self.images, self.console
                )
        else:
            without_blocks(network.architecture, plan, where)  # raises where they are not there
            blocks = plan.blocks
        about = {"rows_digest": digest_of(network.architecture), "criterion": self._criterion, "blocks": blocks}
        network = subnetwork(network, network.architecture.without(*blocks)) if blocks else network
        tied = channels(network.architecture)
        if plan is None:
            plan = plan_of(tied, self._choose(network, tied, number), **about)
        scores = None
        if any(row.remove is None for row in plan.rows):
            scores = self._score(network, tied)
        removed = groups_of(plan, tied, where, scores)
        plan = plan_of(tied, removed, **about)
        smaller = narrow_network(network, tied, removed)
        return tied, plan, self.images.settle(smaller) if settle else smaller

    def _choose(self, network: Network, tied: Channels, number: int) -> frozenset[int]:
        request = self.request
        curves = None if request.sensitivity is None else Sensitivity.load(request.sensitivity)
        if curves is not None and curves.rows_digest != digest_of(network.architecture):
            raise LeannetError(
                f"--sensitivity {request.sensitivity}: it was measured of another network, {curves.network}, and this "
                f"is {network.architecture.name}"
            )
        if curves is not None and curves.criterion != self._criterion:
            raise LeannetError(
                f"--sensitivity {request.sensitivity}: it was measured without the channels that --criterion "
                f"{curves.criterion} scores lowest: expected that criterion, found {self._criterion}"
            )
        original = self.network.architecture
        scores, budgets, beside = self._score(network, tied), self._budgets(number), self._beside(self.network)
        while True:
            decider = Decider.of(original, tied, request.choice, request.rows, request.keep, beside, curves)
            if request.ratio is not None:
                left = (1 - request.ratio) ** (number / request.rounds)
                limits: dict[Any, float] = {"channels": left * self._channels}
                return decider.choose(scores, limits)
            removed = decider.decide(scores, budgets, request.timing, self.console)
            if all(budget.quantity != "size_bytes" for budget in budgets):
                return removed
            # A block that is written out as rows makes the header longer: then as much more goes.
            if (needed := self._beside(narrow_network(network, tied, removed))) <= beside:
                return removed
            beside = needed

    def _beside(self, network: Network) -> int:
        """The bytes that a file has beside its tensors, at most."""
        tensors = sum(value.numel() * value.element_size() for value in network.state_dict().values())
        header = self.header.model_copy(update={"architecture": network.architecture})
        return len(to_bytes(network, header, dense=True)) - tensors + SPARE

    def _score(self, network: Network, tied: Channels) -> Any:
        batches = self.images.batches(f"scores of {self._criterion}")
        return score(network, tied, self._criterion, batches, self.images.objective, self.job.settings.seed)

    @cached_property
    def _criterion(self) -> Criterion:
        """That of the plan, or else of the request."""
        request = self.request
        if request.plan is not None and self.progress.rounds:  # the plan is kept there; its file may be gone
            return self.progress.rounds[0].plan.criterion or request.criterion
        of_plan = Plan.load(request.plan).criterion if request.plan is not None else None
        return of_plan or request.criterion

    @property
    def _channels(self) -> int:
        """That the filters of the original make."""
        tied = channels(self.network.architecture)
        return sum(len(makers) for makers in tied.makers.values())

    def _budgets(self, number: int) -> tuple[Budget, ...]:
        """Of a round: every round takes the same share of what is left."""
        share = number / self.request.rounds
        return tuple(
            replace(budget, most=budget.before * (budget.most / budget.before) ** share) for budget in self.budgets
        )

    @cached_property
    def budgets(self) -> tuple[Budget, ...]:
        """Those that were asked for."""
        request = self.request
        if "latency_ms" in request.budgets and self.progress.latency_ms is None:
            self._note(latency_ms=request.timing.milliseconds([self.network.architecture])[0])
        before: dict[Any, float] = asdict(self.before) | {"latency_ms": self.progress.latency_ms}
        return read_budgets(request.budgets, before)

    def _train(self, network: Network, place: Path, number: int, started: bool) -> Run:
        if started:
            return continue_run(place, self.console.quiet, False, self.reader, finished_too=True)
        for name in (MODEL, LAST, LOG):  # of a training that was killed before its state was saved
            (place / name).unlink(missing_ok=True)
        settings = self.job.settings
        if number < self.request.rounds:
            settings = settings.model_copy(update={"epochs": self.request.between})
        header = self._header(network, None)
        return begin(self.job.of(watched(network, self.job.objective), header, settings), place, self.console)

    def _header(self, network: Network, metrics: Metrics | None) -> Header:
        """Of the checkpoints of a result. metrics: None: it will be trained. Without training nothing in it depends on
        where or when it was made."""
        header = self.job.header
        pruned = Step(
            done="pruned",
            leannet=__version__,
            parameters={"criterion": self._criterion, "blocks": list(self.progress.rounds[0].plan.blocks)},
        )
        history = (*self.header.provenance.history, pruned)
        update: dict[str, Any] = {"history": history, "command": None}
        if metrics is None:
            update = {"history": (*history, trained(self.job.settings)), "command": self.progress.command}
        return header.model_copy(
            update={
                "architecture": network.architecture,
                "metrics": metrics or Metrics(),
                "provenance": header.provenance.model_copy(update=update),
            }
        )

    def _note(self, **fields: Any) -> None:
        self.progress = self.progress.model_copy(update=fields)

    def _note_round(self, plan: Plan, network: Network) -> None:
        accuracy = self.images.evaluate(network).accuracy
        self.console.say(f"  {100 * accuracy:.2f} % of the validation images before any training")
        self._note(rounds=(*self.progress.rounds, Round(plan=plan, accuracy=accuracy)))

    def _result(self, folder: Path | None, plan: Plan, network: Network, run: Run | None = None) -> Pruned:
        header = self.job.header.model_copy(update={"architecture": network.architecture})
        return result(self.network, network, header, folder, plan, self.before, self.progress, self.budgets, run)
