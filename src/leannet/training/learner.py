"""A network that learns: what one batch does to its weights, in one process or in several."""

from contextlib import nullcontext

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import convert_to_fp32
from torch import Tensor

from leannet import launcher
from leannet.errors import LeannetError
from leannet.network import Network
from leannet.training import processes
from leannet.training.ema import EMA
from leannet.training.optimizing import freeze, make_optimizer, set_rate
from leannet.training.settings import Settings
from leannet.training.state import SavedState, TrainState
from leannet.training.task import Task


class Learner:
    """A network with its optimizer and its EMA, on its device."""

    def __init__(self, network: Network, task: Task, settings: Settings, saved: SavedState | None = None):
        """saved: where a run goes on: the weights, the optimizer and the EMA as they were."""
        accelerator = make_accelerator(settings)
        self.network, self.task, self.settings, self.accelerator = network, task, settings, accelerator
        self.device, self.first = accelerator.device, accelerator.is_main_process
        self.dtype = torch.float64 if settings.precision == "fp64" else torch.float32
        self._frozen = freeze(network, settings)
        if self._syncs_batch_norm():
            processes.synchronize(network)
        network.to(device=self.device, dtype=self.dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]  # a form that torch's stubs lack
        self.ema = EMA(network, settings.ema_decay) if settings.ema_decay else None
        optimizer = make_optimizer(network, settings.optimizer, settings.batch_size)
        if saved is not None:
            saved.restore(network, optimizer, self.ema)
        model = torch.compile(network) if settings.compile else network
        self._model, self.optimizer = accelerator.prepare(model, optimizer)
        network.__dict__.pop("forward", None)  # accelerate's half precision is for training, not for evaluation
        if saved is not None and saved.state.scaler is not None and accelerator.scaler is not None:
            accelerator.scaler.load_state_dict(saved.state.scaler)

    def _syncs_batch_norm(self) -> bool:
        """Whether batch norm is over all processes: where one alone has few images at once."""
        world, wanted = self.accelerator.num_processes, self.settings.sync_norm
        alone = self.settings.batch_size // world // self.settings.accumulate
        return world > 1 and (wanted == "always" or (wanted == "auto" and alone < processes.SMALL_BATCH))

    @property
    def evaluated(self) -> Network:
        """The network that validation and the run's files are of: the EMA of the weights, where there is one."""
        return self.ema.network if self.ema else self.network

    @property
    def is_sound(self) -> bool:
        """Whether every weight is a number."""
        return all(bool(torch.isfinite(weight).all()) for weight in self.evaluated.parameters())

    def begin_epoch(self) -> None:
        """Layers as they are in training; those that are frozen, with their statistics, as they are in use."""
        self._model.train()
        for module in self._frozen:
            module.eval()

    def train_step(self, x: Tensor, labels: Tensor, rate: float, parts: int) -> tuple[float, float, int]:
        """One step. Returns the mean loss, how many were correct, and how many there were, over all processes.

        x: (N, C, H, W), this process's share of the batch; labels: as the task takes them. parts: forward and backward
        passes that the batch is divided into, so that less memory is needed at once.
        """
        accelerator, task = self.accelerator, self.task
        set_rate(self.optimizer, rate)
        weight = processes.total(task.weight(labels))
        loss_sum = correct = torch.zeros((), device=self.device)
        shares = zip(x.tensor_split(parts), labels.tensor_split(parts), strict=True)
        for number, (part, targets) in enumerate(shares, start=1):
            # Gradients travel between processes once a step, with the last part.
            with nullcontext() if number == parts else accelerator.no_sync(self._model):
                with accelerator.autocast():
                    outputs = convert_to_fp32(self._model(part))
                loss = task.loss(outputs, targets)
                # Processes average their gradients; the batch is the mean over all of their images.
                accelerator.backward(loss * (accelerator.num_processes / weight))
            loss_sum = loss_sum + loss.detach()
            correct = correct + task.correct(outputs, targets)
        if self.settings.clip is not None:
            accelerator.clip_grad_norm_(self._model.parameters(), self.settings.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.ema is not None:
            self.ema.update(self.network)
        counts = torch.stack([loss_sum / weight, correct, torch.tensor(float(len(labels)), device=self.device)])
        mean_loss, correct_images, seen = processes.total(counts).tolist()
        return mean_loss, correct_images, int(seen)

    def note_scaler(self, state: TrainState) -> None:
        """Puts the state of float16's loss scale, where there is one, to what is saved."""
        scaler = self.accelerator.scaler
        state.scaler = scaler.state_dict() if scaler is not None else None


def make_accelerator(settings: Settings) -> Accelerator:
    """The device, precision and processes of a run.

    Raises LeannetError where a process has too few images a step, or where accelerate and the launcher do not agree
    on how many processes there are: each would then train alone, into the same folder.
    """
    AcceleratorState._reset_state()  # accelerate remembers the precision of an earlier run in this process
    precision = "no" if settings.precision == "fp64" else settings.precision
    if precision == "fp16" and (settings.cpu or not torch.cuda.is_available()):
        raise LeannetError("--precision fp16: expected a GPU, found none; bf16 works on processors too")
    processes.leave_together()
    # Of a launcher's processes on a machine without a GPU, accelerate joins those that ask for the CPU by name.
    cpu = settings.cpu or (launcher.world() > 1 and not torch.accelerator.is_available())
    try:
        accelerator = Accelerator(cpu=cpu, mixed_precision=precision)
    except ValueError as error:  # the launcher did not say where they can find each other
        if launcher.world() == 1:
            raise
        raise LeannetError(f"{launcher.world()} processes cannot train together: {error}") from None
    if accelerator.num_processes != launcher.world() or processes.world() != launcher.world():
        raise LeannetError(
            f"expected the {launcher.world()} processes of the launcher to train together, found that accelerate "
            f"joins {accelerator.num_processes}; give --cpu, or start one process"
        )
    least = settings.batch_size // accelerator.num_processes // settings.accumulate
    if least < 2:
        raise LeannetError(
            f"--batch-size {settings.batch_size}: expected two images or more for each of "
            f"{accelerator.num_processes * settings.accumulate} parts, as batch norm needs"
        )
    return accelerator
