"""The network in training: one step on a batch, in one process or several."""

from contextlib import nullcontext

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import convert_to_fp32
from torch import Tensor, nn

from leannet import launcher
from leannet.errors import LeannetError
from leannet.network import Network
from leannet.training import processes
from leannet.training.ema import EMA
from leannet.training.objective import Objective, Outputs
from leannet.training.optimizing import freeze, make_optimizer, set_rate
from leannet.training.settings import Settings
from leannet.training.sparsity import Sparsifier
from leannet.training.state import SavedState, TrainState


class Learner:
    """A network with its optimizer and EMA, on its device."""

    def __init__(self, network: Network, objective: Objective, settings: Settings, saved: SavedState | None = None):
        """saved: in a resumed run, the weights, optimizer and EMA to restore."""
        accelerator = make_accelerator(settings)
        self.network, self.settings, self.accelerator = network, settings, accelerator
        self.device, self.is_main_process = accelerator.device, accelerator.is_main_process
        self.dtype = torch.float64 if settings.precision == "fp64" else torch.float32
        self._frozen = freeze(network, settings)
        if self._syncs_batch_norm():
            processes.convert_sync_batch_norm(network)
        network.to(device=self.device, dtype=self.dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]  # a form that torch's stubs lack
        self.objective = objective.to(self.device, self.dtype).bound(network)
        self.ema = EMA(network, settings.ema_decay) if settings.ema_decay else None
        self._scales = [
            module.weight for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)
        ]
        optimizer = make_optimizer(network, settings.optimizer, settings.batch_size)
        if saved is not None:
            saved.restore(network, optimizer, self.ema)
        self.sparsifier = Sparsifier(network, settings.sparsity) if settings.sparsity.is_used else None
        model = torch.compile(network) if settings.compile else network
        self._model, self.optimizer = accelerator.prepare(model, optimizer)
        network.__dict__.pop("forward", None)  # accelerate's autocast is for training, not for evaluation
        if saved is not None and saved.state.scaler is not None and accelerator.scaler is not None:
            accelerator.scaler.load_state_dict(saved.state.scaler)

    def _syncs_batch_norm(self) -> bool:
        """Whether batch norm runs over all processes: if each has few images at once."""
        world, mode = self.accelerator.num_processes, self.settings.sync_norm
        images_per_process = self.settings.batch_size // world // self.settings.accumulate
        return world > 1 and (mode == "always" or (mode == "auto" and images_per_process < processes.SMALL_BATCH))

    @property
    def evaluated(self) -> Network:
        """The network that is validated and saved: the EMA if there is one, else the network in training."""
        return self.ema.network if self.ema else self.network

    def keep_average(self) -> None:
        """Gives the network in training the averaged weights, if there are any."""
        if self.ema is not None:
            self.network.load_state_dict(self.ema.network.state_dict())

    @property
    def weights_are_finite(self) -> bool:
        """Whether every weight is finite."""
        return all(bool(torch.isfinite(weight).all()) for weight in self.evaluated.parameters())

    def begin_epoch(self) -> None:
        """Puts layers in training mode, and frozen ones in evaluation mode, so that their statistics stay."""
        self._model.train()
        for module in self._frozen:
            module.eval()

    def train_step(
        self, x: Tensor, labels: Tensor, rate: float, parts: int, share: float = 0.0
    ) -> tuple[float, float, int]:
        """One step. Returns the mean loss, the number of correct images and of all images, over all processes.

        x: (N, C, H, W), this process's share of the batch; labels: the targets of the objective. parts: how many
        forward and backward passes the share is divided into, to save memory. share: of the run that is done.
        """
        accelerator, objective = self.accelerator, self.objective
        set_rate(self.optimizer, rate)
        weight = processes.all_reduce_sum(objective.weight(labels))
        loss_sum = correct = torch.zeros((), device=self.device)
        shares = zip(x.tensor_split(parts), labels.tensor_split(parts), strict=True)
        for number, (part, targets) in enumerate(shares, start=1):
            # Gradients are exchanged between processes once per step, with the last part.
            with nullcontext() if number == parts else accelerator.no_sync(self._model):
                losses = objective.losses(self._run, part, targets)
                # Processes average their gradients; the loss of the batch is the mean over all their images.
                accelerator.backward(losses.total * (accelerator.num_processes / weight))
            loss_sum = loss_sum + losses.total.detach()
            correct = correct + losses.correct
        if self.settings.clip is not None:
            accelerator.clip_grad_norm_(self._model.parameters(), self.settings.clip)
        if self.settings.bn_l1:
            for scale in self._scales:
                if scale.grad is not None:
                    scale.grad.add_(scale.detach().sign(), alpha=self.settings.bn_l1)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.ema is not None:
            self.ema.update(self.network)
        if self.sparsifier is not None:
            self.sparsifier.step(share, *([self.ema.network] if self.ema is not None else []))
        counts = torch.stack([loss_sum / weight, correct, torch.tensor(float(len(labels)), device=self.device)])
        mean_loss, correct_images, seen = processes.all_reduce_sum(counts).tolist()
        return mean_loss, correct_images, int(seen)

    def _run(self, x: Tensor) -> Outputs:
        with self.accelerator.autocast():
            outputs: Outputs = convert_to_fp32(self._model(x))
        return outputs

    def save_scaler(self, state: TrainState) -> None:
        """Adds the state of float16's loss scaler, if there is one, to what is saved."""
        scaler = self.accelerator.scaler
        state.scaler = scaler.state_dict() if scaler is not None else None


def make_accelerator(settings: Settings) -> Accelerator:
    """The device, precision and processes of a run.

    Raises LeannetError if a process has too few images per step, or if accelerate and the launcher disagree on the
    number of processes: each would then train alone, into the same folder.
    """
    AcceleratorState._reset_state()  # accelerate remembers the precision of an earlier run in this process
    precision = "no" if settings.precision in {None, "fp64"} else settings.precision
    if precision == "fp16" and (settings.cpu or not torch.cuda.is_available()):
        raise LeannetError("--precision fp16: expected a GPU, found none; bf16 works on processors too")
    processes.leave_group_at_exit()
    # On a machine without a GPU, accelerate joins a launcher's processes only if they ask for the CPU.
    cpu = settings.cpu or (launcher.world() > 1 and not torch.accelerator.is_available())
    try:
        accelerator = Accelerator(cpu=cpu, mixed_precision=precision)
    except ValueError as error:  # the launcher gave no address at which to meet
        if launcher.world() == 1:
            raise
        raise LeannetError(f"{launcher.world()} processes cannot train together: {error}") from None
    if accelerator.num_processes != launcher.world() or processes.world() != launcher.world():
        raise LeannetError(
            f"expected the {launcher.world()} processes of the launcher to train together, found that accelerate "
            f"joins {accelerator.num_processes}; give --cpu, or start one process"
        )
    images_per_part = settings.batch_size // accelerator.num_processes // settings.accumulate
    if images_per_part < 2:
        raise LeannetError(
            f"--batch-size {settings.batch_size}: expected two images or more for each of "
            f"{accelerator.num_processes * settings.accumulate} parts, as batch norm needs"
        )
    return accelerator
