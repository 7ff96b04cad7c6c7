"""The training loop, all in one place: a step, an epoch, and stopping and resuming a run."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leannet.blocks.fused import fused_batch_norm
from leannet.blocks.table import recording
from leannet.console import Console
from leannet.data.loader import Batches, Loader, PreparedDataset, normalize
from leannet.errors import Diverged, LeannetError
from leannet.evaluation.skipped import Decisions
from leannet.header import Header
from leannet.network import Network, folded
from leannet.rows.gating import decisions, draws
from leannet.run_files import epochs_done
from leannet.sections import Metrics
from leannet.tasks import Result, Task
from leannet.tasks.task import Floats
from leannet.training import processes
from leannet.training.interrupts import interrupt_flag
from leannet.training.job import Job
from leannet.training.keeping import Keeper
from leannet.training.learner import Learner
from leannet.training.memory import keep_freed_memory
from leannet.training.mixing import mix
from leannet.training.optimizing import frozen_rows
from leannet.training.precise_batch_norm import is_precise, population_of, precise_batch_norm
from leannet.training.progress import LONG, Clock, Evaluations, epoch_line, estimate_line, log_epoch, note
from leannet.training.resizing import ProgressiveResizing
from leannet.training.settings import Settings
from leannet.training.state import SavedState, TrainState
from leannet.training.steps import StepLog, step_log
from leannet.training.tensorboard import events
from leannet.training.threads import Threads

SAVE_SECONDS = 60  # the most that a killed process loses
EVALUATED_PIXELS = 1 << 19  # of a batch
MANY_EPOCHS = 100_000  # of a run that ends by time


class Fitted(NamedTuple):
    """How a training ended. best: the scores of the weights that were kept, where this process evaluated them."""

    state: TrainState
    interrupted: bool
    best: Result | None = None


def fit(
    job: Job, folder: Path | None, console: Console, saved: SavedState | None = None, until: int | None = None
) -> Fitted:
    """Trains a job's network in place. saved: the state of a run to resume. until: the epoch before which it stops, as
    if it were to be resumed; None: at the end.

    Returns the final state, whether Ctrl-C was pressed, which may have been too late to end the run early, and the best
    scores.

    folder: of the run: each evaluated epoch writes log.csv and last.safetensors, and, if the task ranks it best so far,
    model.safetensors and predictions.csv. Ctrl-C ends after the batch, and saves. None: nothing is written; the network
    has the last weights in the end, or their moving average, if the settings ask for one. Raises LeannetError if a loss
    or a weight is not finite, a batch does not fit into memory, or an image cannot be read; what was saved stays.
    """
    network, task, split, settings, header = job.network, job.task, job.split, job.settings, job.header
    dataset, plain = job.images
    learner = Learner(network, job.objective, settings, saved)
    keeper = Keeper(folder, learner.is_main_process)
    state = saved.state if saved is not None else TrainState()
    device, dtype, rank, world = learner.device, learner.dtype, processes.rank(), processes.world()
    workers = settings.workers or 0
    epochs = range(
        state.epoch, MANY_EPOCHS if settings.time else min(settings.epochs, settings.epochs if until is None else until)
    )
    probabilities = balanced(dataset, split.train) if settings.sampling == "balanced" else None
    batches = Batches(
        split.train, settings.batch_size, epochs, settings.seed, True, state.step, rank, world, probabilities,
        settings.steps_per_epoch,
    )  # fmt: skip
    if not batches.per_pass:
        raise LeannetError(f"{len(split.train)} images are too few for {world} processes")
    validation_images = plain.dataset.keep(split.validation)
    validation = Loader(plain, evaluation_batches(split.validation, settings, plain), workers)
    last_map = network.architecture.shapes[network.architecture.features]
    population = None
    if is_precise(settings, batches.per_pass, network.architecture):
        pixels = last_map.height * last_map.width
        population = population_of(dataset, split, settings, pixels, draws(network.architecture))
    resizing = ProgressiveResizing.of(network.architecture, settings.progressive_resizing or 1.0)
    evaluated_images = len(split.validation) + (0 if population is None else len(population.indices))
    evaluations = Evaluations(settings, evaluated_images)
    done = state.epoch * batches.per_epoch + state.step
    clock = Clock(settings.epochs * batches.per_epoch, done, settings.time, state.spent, resizing.work)
    untold, best_result = done == 0, None

    def told(at_last: bool) -> bool:
        """Says how long the run takes, as soon as that is known; of short epochs, whose line says what is left, only
        if it is long."""
        seconds = clock.estimate(at_last)
        if seconds is None:
            return at_last
        seconds += evaluations.seconds_of_all(clock)
        if not at_last or seconds >= LONG:
            may_grow = settings.progressive_resizing in {None, 1.0}
            console.say(estimate_line(seconds, settings.epochs, clock.rate, may_grow))
        return True

    def save_all(steps: StepLog) -> None:
        steps.flush()
        state.spent = clock.spent
        learner.save_scaler(state)
        keeper.state(learner, state, header)
        clock.saved()

    with (
        _raise_out_of_memory(settings),
        interrupt_flag() as interrupted,
        console.bar(clock.progress[1]),
        keep_freed_memory(device.type == "cpu"),
        fused_batch_norm(settings.batch_norm == "fused"),
        Threads(network.architecture, settings, console, state.threads) as threads,
        events(keeper.folder if settings.tensorboard else None, epochs_done(state.log)) as log_events,
        step_log(keeper.folder, done) as steps,
    ):
        share_of_time = clock.share
        if not done:
            threads.choose()
        processes.settle_threads()
        stream = iter(Loader(dataset, batches, workers, pin=device.type == "cuda"))
        for epoch in epochs:
            if state.ended:
                break
            learner.begin_epoch()
            if not state.step and epoch:
                threads.choose()
            state.threads = threads.number
            began = time.perf_counter()
            for step in range(state.step, batches.per_epoch):
                images, labels, _ = next(stream)
                number = epoch * batches.per_epoch + step
                at = epoch + step / batches.per_epoch
                share = share_of_time if settings.time else at / settings.epochs
                images = resizing.resize(images, share)
                x, labels = as_step_input(images, labels, dataset, settings.seed, epoch, step, device, dtype)
                rate = settings.optimizer.rate(settings.batch_size) * settings.schedule.factor(
                    at, settings.epochs, share if settings.time else None
                )
                loss, correct, seen = learner.train_step(
                    x, labels, rate, batches.parts(number, settings.accumulate), share
                )

                state.add(loss, correct, seen)
                steps.add(number + 1, epoch + 1, loss, correct / seen, rate)
                where = f"epoch {epoch + 1}, step {step + 1}, learning rate {rate:.2g}"
                if not np.isfinite(state.loss_sum):
                    raise _not_finite("the loss is", where, keeper)
                clock.tick(seen)
                clock.set_aside = evaluations.seconds(clock)
                untold = untold and not told(step + 1 == batches.per_epoch)
                console.curve(loss, correct / seen)
                console.advance(clock.progress[0], _label(epoch, settings), note(state, clock))
                # All processes act on the same signals at the same step, and use one mean clock.
                seen_by_all = torch.tensor([float(bool(interrupted)), float(clock.is_up), clock.share], device=device)
                stop, up, share_of_time = processes.all_reduce_sum(seen_by_all).tolist()
                share_of_time /= world
                due = stop or clock.since_save() > SAVE_SECONDS
                # A step can ruin the weights without a sign in its own loss; such weights are never saved.
                if (due or up or state.step == batches.per_epoch) and not learner.weights_are_finite:
                    raise _not_finite("weights are", where, keeper)
                if due:
                    now = time.perf_counter()
                    state.seconds, began = state.seconds + now - began, now
                    save_all(steps)
                if stop:
                    console.say("stopped after this batch" + (", and saved" if folder is not None else ""))
                    if state.best_rank is None:  # no epoch is done: without this there would be no weights
                        keeper.best(learner.evaluated, _with_metrics(header, epoch))
                    keeper.last(learner.evaluated, _with_metrics(header, epoch))
                    if folder is None:
                        learner.keep_average()
                    return Fitted(state, True, best_result)
                if up:
                    state.ended = True
                    break

            processes.broadcast_buffers(learner.evaluated)
            if epoch == epochs[0]:  # the workers of the next two loaders start here
                processes.settle_threads()
            if not processes.any_process(evaluations.are_due(state, clock)):
                state.seconds += time.perf_counter() - began
                state.next_epoch(evaluated=False)
                save_all(steps)
                continue
            state.seconds += time.perf_counter() - began
            with evaluations.timed(clock):
                if population is not None:
                    inputs = (_as_input(images.to(device), dataset, dtype) for images, _, _ in population)
                    precise_batch_norm(learner.evaluated, inputs, frozen_rows(network.architecture, settings.freeze))
                predictions, decided = predictions_of(learner.evaluated, validation, plain, task, device, dtype)
                result = task.score(predictions, validation_images)
            if not np.isfinite(result.loss):
                raise _not_finite("the validation loss is", f"epoch {epoch + 1}", keeper)
            zeros = [] if learner.sparsifier is None else [learner.sparsifier.reached]
            charge = learner.objective.charge(decided) if decided else None
            by = result.rank if charge is None else (-result.loss - charge,)  # what learning makes less of
            best = state.rank([*zeros, *by], settings.patience)
            best_result = result if best else best_result
            log_epoch(state, task, result, learner.optimizer.param_groups[0]["lr"], charge)
            log_events(state.log[-1])
            keeper.log(state)
            current = _with_metrics(header, epoch, result)
            if best:
                keeper.best(learner.evaluated, current)
                keeper.predictions(task, predictions, validation_images, decided)
            keeper.last(learner.evaluated, current)
            console.curve_epoch(result.loss, result.accuracy)
            console.say(epoch_line(state, task, result, None if settings.time else settings.epochs, clock, best))
            state.ended = state.ended or processes.any_process(clock.is_up)
            state.next_epoch()
            save_all(steps)
            if settings.patience is not None and state.stale >= settings.patience:
                console.say(f"stopped early: no better epoch in {settings.patience}")
    if folder is None:
        learner.keep_average()
    return Fitted(state, processes.any_process(bool(interrupted)), best_result)


def as_step_input(
    images: Tensor,
    labels: Tensor,
    dataset: PreparedDataset,
    seed: int,
    epoch: int,
    step: int,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, Tensor]:
    """A batch as the input of a training step: on the device, normalized, and mixed if augmentation does so.

    Also seeds torch for the step, so that dropout is the same in a resumed run.
    """
    labels = labels.to(device, non_blocking=True)
    x = _as_input(images.to(device, non_blocking=True), dataset, dtype)
    torch.manual_seed(_seed(seed, epoch, step))
    if dataset.augment is not None:
        draw = np.random.default_rng((seed, epoch, step, processes.rank()))
        x, labels = mix(x, labels, len(dataset.dataset.classes), dataset.augment, draw)
    return x, labels


def _not_finite(what: str, where: str, keeper: Keeper) -> Diverged:
    return Diverged(f"{what} not finite at {where}; {keeper.what_is_left}; try a smaller --lr")


def balanced(dataset: PreparedDataset, indices: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sampling probabilities of these images that make every class equally frequent."""
    labels = dataset.dataset.labels[indices]
    counts = np.bincount(labels, minlength=len(dataset.dataset.classes))
    probabilities = 1 / counts[labels]
    return np.asarray(probabilities / probabilities.sum())


@torch.no_grad()
def predictions_of(
    model: nn.Module,
    batches: Loader,
    dataset: PreparedDataset,
    task: Task,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> tuple[NDArray[np.float32], Decisions]:
    """The task's predictions for every image of a loader, in its order: (N, ...) float32; and what its gates decided.

    Each of several processes evaluates a share, and all get the whole.
    """
    model.eval()
    if isinstance(model, Network) and device.type == "cpu" and dtype == torch.float32:
        model = folded(model)
    names = [name for name, _ in decisions(model.architecture)] if isinstance(model, Network) else []
    predictions, indices, taken = list[Floats](), list[Tensor](), list[list[Tensor]]()
    recorded: AbstractContextManager[dict[str, Tensor]] = nullcontext({})
    if isinstance(model, Network) and names:
        recorded = recording(model)
    with recorded as decided:
        for images, _, numbers in batches:
            outputs = model(_as_input(images.to(device), dataset, dtype)).float().cpu().numpy()
            predictions.append(task.answers(task.joined([outputs])))
            indices.append(numbers)
            not_asked = torch.full((len(images),), -1, dtype=torch.int8)
            taken.append([decided.get(name, not_asked).clone() for name in names])
    positions = _positions(batches, torch.cat(indices).numpy()) if indices else np.empty(0, np.int64)
    of_images = np.concatenate(predictions) if predictions else np.empty(0, np.float32)
    of_gates = {
        name: processes.all_gather(positions, torch.cat([each[number] for each in taken] or [torch.empty(0)]).numpy())
        for number, name in enumerate(names)
    }
    return processes.all_gather(positions, of_images), of_gates


def evaluation_batches(indices: NDArray[np.int64], settings: Settings, plain: PreparedDataset) -> Batches:
    """This process's share of images to evaluate, in batches whose maps a processor's cache holds."""
    size = plain.preprocessing.height * plain.preprocessing.width
    batch_size = max(min(2 * settings.batch_size, EVALUATED_PIXELS // size), processes.world())
    return Batches(indices, batch_size, rank=processes.rank(), world=processes.world())


def _positions(batches: Loader, indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """The position of each image in the loader's own order."""
    order = batches.indices
    return np.argsort(order, kind="stable")[np.searchsorted(np.sort(order), indices)]


def _seed(seed: int, epoch: int, step: int) -> int:
    """The seed of a step, different in each process."""
    rank = processes.rank()
    return hash((seed, epoch, step, rank) if rank else (seed, epoch, step)) % 2**63


def _as_input(images: Tensor, dataset: PreparedDataset, dtype: torch.dtype = torch.float32) -> Tensor:
    return normalize(images.contiguous(memory_format=torch.channels_last), dataset.preprocessing, dtype)


def _label(epoch: int, settings: Settings) -> str:
    return f"epoch {epoch + 1}" + ("" if settings.time else f"/{settings.epochs}")


@contextmanager
def _raise_out_of_memory(settings: Settings) -> Iterator[None]:
    """Raises LeannetError if a batch does not fit into memory."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        parts = 2 * settings.accumulate
        raise LeannetError(
            f"too little memory for {settings.batch_size} images per step in {settings.accumulate} part"
            f"{'' if settings.accumulate == 1 else 's'}; try --accumulate {parts}, or a smaller --batch-size"
        ) from None


def _with_metrics(header: Header, epoch: int, result: Result | None = None) -> Header:
    metrics = Metrics(epoch=epoch + 1, validation=result.summary() if result is not None else None)
    return header.model_copy(update={"metrics": metrics})
