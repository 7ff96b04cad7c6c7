"""The training loop. It is all here: what happens to a batch, to an epoch, and to a run that is stopped."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from numpy.typing import NDArray
from torch import Tensor, nn

from leannet.checkpoint import save
from leannet.console import Console
from leannet.data.loader import Batches, Loader, PictureSet, normalize, told_of_workers
from leannet.data.split import Split
from leannet.errors import LeannetError
from leannet.header import Header
from leannet.network import Network
from leannet.training import processes
from leannet.training.average import Average
from leannet.training.memory import keeping_memory
from leannet.training.mixing import mix
from leannet.training.optimizing import freeze, frozen_rows, make_optimizer, set_rate
from leannet.training.progress import Clock, epoch_line, kept, log_epoch, note
from leannet.training.settings import Settings
from leannet.training.state import Saved, Standing, save_state
from leannet.training.statistics import recalibrate
from leannet.training.task import Result, Task
from leannet.training.tensorboard import events

SAVE_SECONDS = 60  # a killed process loses no more than this
FEW_STEPS = 100  # in an epoch: batch norm's running statistics lag behind
POPULATION = 2048  # pictures to measure them on instead
MANY_EPOCHS = 100_000  # where time ends a run


def fit(
    network: Network,
    task: Task,
    pictures: PictureSet,
    plain: PictureSet,
    split: Split,
    settings: Settings,
    header: Header,
    run: Path,
    console: Console,
    saved: Saved | None = None,
) -> Standing:
    """Trains a network in place and leaves a run folder behind; from `saved` on, where a run goes on.

    pictures, plain: the same set, with augmentation and without. After each epoch: log.csv, last.safetensors, and where
    the task ranks it the best yet model.safetensors and predictions.csv. Ctrl-C ends the batch, saves and returns.
    Raises LeannetError where the loss is no number any more, or a picture cannot be read; what was saved stays.
    """
    accelerator = make_accelerator(settings)
    device, first = accelerator.device, accelerator.is_main_process
    dtype = torch.float64 if settings.precision == "fp64" else torch.float32
    frozen = freeze(network, settings)
    alone = settings.batch_size // accelerator.num_processes
    if accelerator.num_processes > 1 and (
        settings.sync_norm == "always" or (settings.sync_norm == "auto" and alone < processes.SMALL_BATCH)
    ):
        processes.synchronize(network)
    network.to(device=device, dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]  # a form that torch's stubs lack
    average = Average(network, settings.average) if settings.average else None
    optimizer = make_optimizer(network, settings.optimizer, settings.batch_size)
    standing = Standing()
    if saved is not None:
        saved.restore(network, optimizer, average)
        standing = saved.standing
    model, optimizer = accelerator.prepare(torch.compile(network) if settings.compile else network, optimizer)
    judged = average.network if average else network
    if standing.scaler is not None and accelerator.scaler is not None:
        accelerator.scaler.load_state_dict(standing.scaler)

    workers = settings.workers or 0
    epochs = range(standing.epoch, MANY_EPOCHS if settings.time else settings.epochs)
    share = {"rank": accelerator.process_index, "world": accelerator.num_processes}
    chances = balanced(pictures, split.train) if settings.sampling == "balanced" else None
    batches = Batches(
        split.train, settings.batch_size, epochs, settings.seed, True, start=standing.step, chances=chances, **share
    )
    if not batches.an_epoch:
        raise LeannetError(f"{len(split.train)} pictures are too few for {accelerator.num_processes} processes")
    validated = plain.pictures.keep(split.validation)
    validation = Loader(plain, Batches(split.validation, 2 * settings.batch_size, **share), workers)
    population = _population(plain, split, settings, batches.an_epoch)
    clock = Clock(
        settings.epochs * batches.an_epoch,
        standing.epoch * batches.an_epoch + standing.step,
        settings.time,
        standing.spent,
    )

    def save_all() -> None:
        standing.spent = clock.spent
        standing.scaler = accelerator.scaler.state_dict() if accelerator.scaler is not None else None
        if first:
            save_state(run, network, optimizer, standing, header, average)
        clock.saved()

    with (
        told_of_workers(),
        _noticing_interrupt() as interrupted,
        console.bar(clock.total),
        keeping_memory(device.type == "cpu"),
        events(run if settings.tensorboard and first else None, len(standing.log)) as log_events,
    ):
        spent = standing.spent
        stream = iter(Loader(pictures, batches, workers, pin=device.type == "cuda"))
        for epoch in epochs:
            if standing.ended:
                break
            model.train()
            for module in frozen:
                module.eval()
            began = time.perf_counter()
            for step in range(standing.step, batches.an_epoch):
                images, labels, _ = next(stream)
                labels = labels.to(device, non_blocking=True)
                x = _as_input(images.to(device, non_blocking=True), pictures, dtype)
                torch.manual_seed(_seed(settings.seed, epoch, step))  # dropout draws the same when resumed
                if pictures.augment is not None:
                    draw = np.random.default_rng((settings.seed, epoch, step, accelerator.process_index))
                    x, labels = mix(x, labels, len(header.classes), pictures.augment, draw)
                rate = settings.optimizer.rate(settings.batch_size) * settings.schedule.factor(
                    epoch + step / batches.an_epoch, settings.epochs, spent / settings.time if settings.time else None
                )
                set_rate(optimizer, rate)
                weight = processes.total(task.weight(labels))
                loss_sum = right = torch.zeros((), device=device)
                parts = batches.parts(step, settings.accumulate)
                for part, targets in zip(x.tensor_split(parts), labels.tensor_split(parts), strict=True):
                    with accelerator.autocast():
                        outputs = model(part)
                        loss = task.loss(outputs, targets)
                    # Processes average their gradients; the batch is the mean over all of their pictures.
                    accelerator.backward(loss * (accelerator.num_processes / weight))
                    loss_sum = loss_sum + loss.detach()
                    right = right + task.right(outputs, targets)
                if settings.clip is not None:
                    accelerator.clip_grad_norm_(model.parameters(), settings.clip)
                optimizer.step()
                optimizer.zero_grad()
                if average is not None:
                    average.update(network)

                counts = torch.stack([loss_sum / weight, right, torch.tensor(float(len(labels)), device=device)])
                mean_loss, right_ones, seen = processes.total(counts).tolist()
                standing.step = step + 1
                standing.seen += int(seen)
                standing.right += int(right_ones)
                standing.loss_sum += mean_loss * seen
                if not np.isfinite(standing.loss_sum):
                    where = f"epoch {epoch + 1}, step {step + 1}, learning rate {rate:.2g}"
                    raise LeannetError(f"the loss is no number any more at {where}; {kept(run)}; try a smaller --lr")
                clock.tick(int(seen))
                console.advance(clock.done, _label(epoch, settings), note(standing, clock))
                # What one process sees, all do at the same step; and they share one clock.
                seen_by_all = torch.tensor([float(bool(interrupted)), float(clock.is_up), clock.spent], device=device)
                stop, up, spent = processes.total(seen_by_all).tolist()
                spent /= accelerator.num_processes
                if stop or clock.since_save() > SAVE_SECONDS:
                    now = time.perf_counter()
                    standing.seconds, began = standing.seconds + now - began, now
                    save_all()
                if stop:
                    console.say("stopped after this batch, and saved")
                    if first:
                        if standing.best_rank is None:  # no epoch is done: the weights as they are, that some are there
                            save(run / "model.safetensors", judged, _with_metrics(header, epoch))
                        save(run / "last.safetensors", judged, _with_metrics(header, epoch))
                    return standing
                if up:
                    standing.ended = True
                    break

            processes.share_buffers(judged)
            if population is not None:
                measured = (_as_input(images.to(device), plain, dtype) for images, _, _ in population)
                recalibrate(judged, measured, frozen_rows(network.architecture, settings.freeze))
            standing.seconds += time.perf_counter() - began
            predictions = predictions_of(judged, validation, plain, task, device, dtype)
            result = task.score(predictions, validated)
            current = _with_metrics(header, epoch, result)
            best = standing.best_rank is None or list(result.rank) > standing.best_rank
            standing.stale = 0 if best else standing.stale + 1
            standing.ended = standing.ended or standing.stale == settings.patience
            if best:
                standing.best_rank = list(result.rank)
            if first:
                log_epoch(run, standing, result, optimizer.param_groups[0]["lr"])
                log_events(standing.log[-1])
                if best:
                    save(run / "model.safetensors", judged, current)
                    task.write(run / "predictions.csv", predictions, validated)
                save(run / "last.safetensors", judged, current)
                console.say(epoch_line(standing, None if settings.time else settings.epochs, clock, best))
            standing.next_epoch()
            save_all()
            if standing.stale == settings.patience:
                console.say(f"no better epoch in {settings.patience}: this is enough")
    return standing


def make_accelerator(settings: Settings) -> Accelerator:
    """The device, precision and processes of a run. Raises LeannetError where a process has too few pictures a step."""
    AcceleratorState._reset_state()  # accelerate remembers the precision of an earlier run in this process
    precision = "no" if settings.precision == "fp64" else settings.precision
    if precision == "fp16" and (settings.cpu or not torch.cuda.is_available()):
        raise LeannetError("--precision fp16: expected a GPU, found none; bf16 works on processors too")
    processes.leave_together()
    accelerator = Accelerator(cpu=settings.cpu, mixed_precision=precision)
    least = settings.batch_size // accelerator.num_processes // settings.accumulate
    if least < 2:
        raise LeannetError(
            f"--batch-size {settings.batch_size}: expected two pictures or more for each of "
            f"{accelerator.num_processes * settings.accumulate} parts, as batch norm needs"
        )
    return accelerator


def balanced(pictures: PictureSet, indices: NDArray[np.int64]) -> NDArray[np.float64]:
    """Chances for each of these pictures, so that every class comes as often as any other."""
    labels = pictures.pictures.labels[indices]
    counts = np.bincount(labels, minlength=len(pictures.pictures.classes))
    chances = 1 / counts[labels]
    return np.asarray(chances / chances.sum())


def _population(plain: PictureSet, split: Split, settings: Settings, steps: int) -> Loader | None:
    """Training pictures to measure batch norm's statistics on, where the running ones would lag behind."""
    if settings.batch_statistics == "running" or (settings.batch_statistics == "auto" and steps >= FEW_STEPS):
        return None
    some = np.random.default_rng(settings.seed).permutation(split.train)[:POPULATION]
    return Loader(plain, Batches(some, settings.batch_size, training=True), settings.workers or 0)


@torch.no_grad()
def predictions_of(
    model: nn.Module,
    batches: Loader,
    pictures: PictureSet,
    task: Task,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> NDArray[np.float32]:
    """What the task keeps of the outputs for every picture of a loader, in its order: (N, ...) float32.

    Of several processes each runs its share, and all get the whole.
    """
    model.eval()
    kept, indices = [], []
    for images, _, numbers in batches:
        kept.append(task.predictions(model(_as_input(images.to(device), pictures, dtype))))
        indices.append(numbers)
    if not kept:  # fewer pictures than processes
        return processes.gathered(np.empty(0, np.int64), np.empty(0, np.float32))
    return processes.gathered(_places(batches, torch.cat(indices).numpy()), torch.cat(kept).float().numpy())


def _places(batches: Loader, indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each picture stands in the loader's own order."""
    order = batches.indices
    return np.argsort(order, kind="stable")[np.searchsorted(np.sort(order), indices)]


def _seed(seed: int, epoch: int, step: int) -> int:
    """Of one step; another one in each process."""
    rank = processes.rank()
    return hash((seed, epoch, step, rank) if rank else (seed, epoch, step)) % 2**63


def _as_input(images: Tensor, pictures: PictureSet, dtype: torch.dtype = torch.float32) -> Tensor:
    return normalize(images.contiguous(memory_format=torch.channels_last), pictures.preprocessing, dtype)


def _label(epoch: int, settings: Settings) -> str:
    return f"epoch {epoch + 1}" + ("" if settings.time else f"/{settings.epochs}")


@contextmanager
def _noticing_interrupt() -> Iterator[list[bool]]:
    """A list that is empty until Ctrl-C, for the loop to look at after each batch. A second Ctrl-C stops at once."""
    asked: list[bool] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(True)

    try:
        before = signal.signal(signal.SIGINT, ask)
    except ValueError:  # not in the main thread: there is no Ctrl-C to catch
        yield asked
        return
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def _with_metrics(header: Header, epoch: int, result: Result | None = None) -> Header:
    metrics: dict[str, object] = {"epoch": epoch + 1}
    if result is not None:
        metrics["validation"] = result.summary()
    return header.model_copy(update={"metrics": metrics})
