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
from leannet.console import Console, duration
from leannet.data.loader import Batches, Loader, PictureSet, normalize
from leannet.data.split import Split
from leannet.errors import LeannetError
from leannet.files import write_whole
from leannet.header import Header
from leannet.network import Network
from leannet.training.memory import keeping_memory
from leannet.training.settings import Optimizer, Settings
from leannet.training.state import Saved, Standing, save_state
from leannet.training.statistics import recalibrate
from leannet.training.task import Result, Task

SAVE_SECONDS = 60  # a killed process loses no more than this
FEW_STEPS = 100  # in an epoch: batch norm's running statistics lag behind
POPULATION = 2048  # pictures to measure them on instead


def fit(
    network: Network,
    task: Task,
    pictures: PictureSet,
    split: Split,
    settings: Settings,
    header: Header,
    run: Path,
    console: Console,
    saved: Saved | None = None,
) -> Standing:
    """Trains a network in place and leaves a run folder behind; from `saved` on, where a run goes on.

    After each epoch: log.csv, last.safetensors, and where the task ranks it the best yet model.safetensors and
    predictions.csv. Ctrl-C ends the batch, saves and returns.
    Raises LeannetError where the loss is no number any more, or a picture cannot be read; what was saved stays.
    """
    accelerator = make_accelerator(settings)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack this form
    optimizer = make_optimizer(network, settings.optimizer, settings.batch_size)
    standing = Standing()
    if saved is not None:
        saved.restore(network, optimizer)
        standing = saved.standing
    model, optimizer = accelerator.prepare(network, optimizer)

    workers, epochs = settings.workers or 0, range(standing.epoch, settings.epochs)
    batches = Batches(split.train, settings.batch_size, epochs, settings.seed, training=True, start=standing.step)
    plain = PictureSet(pictures.pictures, pictures.preprocessing)
    validated = plain.pictures.keep(split.validation)
    validation = Loader(plain, Batches(split.validation, 2 * settings.batch_size), workers)
    population = _population(plain, split, settings, batches.an_epoch)
    clock = _Clock(settings.epochs * batches.an_epoch, standing.epoch * batches.an_epoch + standing.step)

    on_cpu = accelerator.device.type == "cpu"
    with _noticing_interrupt() as interrupted, console.bar(clock.total), keeping_memory(on_cpu):
        stream = iter(Loader(pictures, batches, workers, pin=accelerator.device.type == "cuda"))
        for epoch in epochs:
            model.train()
            began = time.perf_counter()
            for step in range(standing.step, batches.an_epoch):
                images, labels, _ = next(stream)
                images, labels = images.to(accelerator.device), labels.to(accelerator.device)
                torch.manual_seed(hash((settings.seed, epoch, step)) % 2**63)  # dropout draws the same when resumed
                rate = settings.optimizer.rate(settings.batch_size)
                rate *= settings.schedule.factor(epoch + step / batches.an_epoch, settings.epochs)
                for group in optimizer.param_groups:
                    group["lr"] = rate
                with accelerator.autocast():
                    outputs = model(_as_input(images, pictures))
                    loss = task.loss(outputs, labels)
                accelerator.backward(loss)
                optimizer.step()
                optimizer.zero_grad()

                standing.step = step + 1
                standing.seen += len(labels)
                standing.right += int(task.right(outputs, labels))
                standing.loss_sum += float(loss.detach()) * len(labels)
                if not np.isfinite(standing.loss_sum):
                    where = f"epoch {epoch + 1}, step {step + 1}, learning rate {rate:.2g}"
                    raise LeannetError(f"the loss is no number any more at {where}; {_kept(run)}; try a smaller --lr")
                clock.tick(len(labels))
                console.advance(clock.done, f"epoch {epoch + 1}/{settings.epochs}", _note(standing, clock))
                if interrupted or clock.since_save() > SAVE_SECONDS:
                    now = time.perf_counter()
                    standing.seconds, began = standing.seconds + now - began, now
                    save_state(run, network, optimizer, standing, header)
                    clock.saved()
                if interrupted:
                    console.say("stopped after this batch, and saved")
                    if standing.best_rank is None:  # no epoch is done: the weights as they are, so that there are some
                        save(run / "model.safetensors", network, _with_metrics(header, epoch))
                    save(run / "last.safetensors", network, _with_metrics(header, epoch))
                    return standing

            if population is not None:
                recalibrate(model, (_as_input(images.to(accelerator.device), plain) for images, _, _ in population))
            standing.seconds += time.perf_counter() - began
            predictions = predictions_of(model, validation, plain, task, accelerator.device)
            result = task.score(predictions, validated)
            _log(run, standing, result, optimizer.param_groups[0]["lr"])
            current = _with_metrics(header, epoch, result)
            best = standing.best_rank is None or list(result.rank) > standing.best_rank
            if best:
                standing.best_rank = list(result.rank)
                save(run / "model.safetensors", network, current)
                task.write(run / "predictions.csv", predictions, validated)
            save(run / "last.safetensors", network, current)
            console.say(_epoch_line(standing, settings.epochs, clock, best))
            standing.next_epoch()
            save_state(run, network, optimizer, standing, header)
            clock.saved()
    return standing


def make_accelerator(settings: Settings) -> Accelerator:
    """The device and precision of a run. Raises LeannetError under a launcher of several processes."""
    AcceleratorState._reset_state()  # accelerate remembers the precision of an earlier run in this process
    accelerator = Accelerator(cpu=settings.cpu, mixed_precision=settings.precision)
    if accelerator.num_processes > 1:
        raise LeannetError(f"expected one process, found {accelerator.num_processes}: start it without a launcher")
    return accelerator


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
) -> NDArray[np.float32]:
    """What the task keeps of the outputs for every picture of a loader, in its order: (N, ...) float32."""
    model.eval()
    kept = [task.predictions(model(_as_input(images.to(device), pictures))) for images, _, _ in batches]
    return torch.cat(kept).numpy()


def _as_input(images: Tensor, pictures: PictureSet) -> Tensor:
    return normalize(images.contiguous(memory_format=torch.channels_last), pictures.preprocessing)


def make_optimizer(network: nn.Module, settings: Optimizer, batch_size: int) -> torch.optim.Optimizer:
    """The optimizer, without weight decay on biases and normalisation, which it only harms (He et al. 2019, 3.1)."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": settings.decay()}, {"params": others, "weight_decay": 0.0}]
    rate = settings.rate(batch_size)
    match settings.name:
        case "adamw":
            return torch.optim.AdamW(groups, lr=rate)
        case "adam":
            return torch.optim.Adam(groups, lr=rate)
        case "sgd":
            return torch.optim.SGD(groups, lr=rate, momentum=settings.momentum, nesterov=settings.momentum > 0)
        case "rmsprop":
            return torch.optim.RMSprop(groups, lr=rate, momentum=settings.momentum, alpha=0.9, eps=1e-3)


class _Clock:
    """Pictures a second, and time left, from the batches done since this process began."""

    def __init__(self, total: int, done: int):
        self.total, self.done, self._first = total, done, done
        self._began = self._saved = time.perf_counter()
        self._pictures = 0

    def tick(self, pictures: int) -> None:
        self.done += 1
        self._pictures += pictures

    def since_save(self) -> float:
        return time.perf_counter() - self._saved

    def saved(self) -> None:
        self._saved = time.perf_counter()

    @property
    def left(self) -> float:
        spent = time.perf_counter() - self._began
        return spent / max(self.done - self._first, 1) * (self.total - self.done)

    @property
    def rate(self) -> float:
        return self._pictures / max(time.perf_counter() - self._began, 1e-9)


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


def _log(run: Path, standing: Standing, result: Result, rate: float) -> None:
    standing.log.append(
        {
            "epoch": standing.epoch + 1,
            "train_loss": standing.loss_sum / standing.seen,
            "train_accuracy": standing.right / standing.seen,
            "validation_loss": result.loss,
            "validation_accuracy": result.accuracy,
            "learning_rate": rate,
            "seconds": standing.seconds,
            "images_per_s": standing.seen / max(standing.seconds, 1e-9),
        }
    )
    lines = [",".join(standing.log[0]), *(",".join(f"{value:.6g}" for value in line.values()) for line in standing.log)]
    write_whole(run / "log.csv", ("\n".join(lines) + "\n").encode())


def _note(standing: Standing, clock: _Clock) -> str:
    return (
        f"loss {standing.loss_sum / standing.seen:.3f}  accuracy {100 * standing.right / standing.seen:.1f} %  "
        f"{clock.rate:.0f} images/s  {duration(clock.left)} left"
    )


def _epoch_line(standing: Standing, epochs: int, clock: _Clock, best: bool) -> str:
    last = standing.log[-1]
    return (
        f"epoch {last['epoch']:>3}/{epochs}  loss {last['train_loss']:.3f}  "
        f"training {100 * last['train_accuracy']:.1f} %  validation {100 * last['validation_accuracy']:.1f} %  "
        f"{last['images_per_s']:.0f} images/s  {duration(clock.left)} left{'  best so far' if best else ''}"
    )


def _kept(run: Path) -> str:
    return (
        f"{run / 'model.safetensors'} holds the best before"
        if (run / "model.safetensors").exists()
        else "none was saved"
    )
