"""`find_lr`: a short test of which learning rate suits a network, its images and its settings.

The range test of Smith (arXiv 1506.01186, section 3.3): train for some steps while the rate rises, and watch the loss.
As is usual today, the rate rises exponentially with each step, and the test ends when the loss explodes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leannet import launcher
from leannet.blocks.fused import fused_batch_norm
from leannet.console import Console
from leannet.data.loader import Batches, Loader, raise_worker_failures
from leannet.errors import LeannetError
from leannet.files import write_whole
from leannet.style import COLORS, INK, figure, plain_axes, write_figure
from leannet.training.job import Job, prepare
from leannet.training.learner import Learner
from leannet.training.loop import as_step_input, balanced
from leannet.training.memory import keep_freed_memory
from leannet.training.reading import Reader
from leannet.training.run import make_settings
from leannet.training.threads import Threads

EXPLODED = 4.0  # times the lowest smoothed loss so far: the test ends
SMOOTHING = 0.03  # of all steps: the standard deviation of the Gaussian that smooths the losses
BELOW_MINIMUM = 10.0  # the suggestion is the rate of the lowest loss divided by this
RULE = "a tenth of the rate at which the smoothed loss is lowest"
COLUMNS = ("step", "learning_rate", "loss", "smoothed_loss")


@dataclass(frozen=True)
class LearningRates:
    """A range test: the loss of each step, and the rate that it suggests."""

    model: str
    rates: NDArray[np.float64]  # (steps,), rising
    losses: NDArray[np.float64]  # (steps,), the mean loss of each step's batch
    smoothed: NDArray[np.float64]  # (steps,), without lag
    exploded: bool  # whether the loss exploded before the last rate

    @property
    def suggested(self) -> float | None:
        """A peak learning rate. None: the loss never fell by more than its noise."""
        lowest = int(self.smoothed.argmin())
        noise = float(np.std(self.losses[: lowest + 1] - self.smoothed[: lowest + 1]))
        if self.smoothed[0] - self.smoothed[lowest] <= noise:
            return None
        return float(self.rates[lowest] / BELOW_MINIMUM)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        columns = {"learning_rates": self.rates, "losses": self.losses, "smoothed_losses": self.smoothed}
        head = {"model": self.model, "suggested": self.suggested, "rule": RULE, "exploded": self.exploded}
        return head | {name: values.tolist() for name, values in columns.items()}

    def save(self, path: str | Path) -> Path:
        """Writes the figure (SVG, PNG or PDF), and beside it a CSV of the same name. Returns the path of the CSV."""
        path = Path(path)
        rows = zip(self.rates, self.losses, self.smoothed, strict=True)
        lines = [f"{step},{rate:.6g},{loss:.6g},{smooth:.6g}" for step, (rate, loss, smooth) in enumerate(rows, 1)]
        self._draw(path)
        table = path.with_suffix(".csv")
        write_whole(table, ("\n".join([",".join(COLUMNS), *lines]) + "\n").encode())
        return table

    def _draw(self, path: Path) -> None:
        with figure(7.5, 4) as canvas:
            axes = canvas.subplots()
            axes.plot(self.rates, self.losses, ".", color=COLORS[0], alpha=0.35, label="each step")
            axes.plot(self.rates, self.smoothed, color=COLORS[0], label="smoothed")
            if self.suggested is not None:
                axes.axvline(self.suggested, color=COLORS[1], label=f"suggested: {self.suggested:.2g}")
            axes.set_xscale("log")
            top = 1.2 * float(self.smoothed[: max(1, len(self.smoothed) // 2)].max())
            axes.set_ylim(0, max(top, 1.5 * float(self.smoothed.min())))
            axes.set_xlabel("learning rate")
            axes.set_ylabel("training loss")
            axes.set_title(f"Learning-rate range test of {self.model}", color=INK)
            plain_axes(axes)
            axes.legend(frameon=False)
            write_figure(canvas, path)


@raise_worker_failures()
def find_lr(
    data: str | Path,
    steps: int = 100,
    lowest: float = 1e-6,
    highest: float = 10.0,
    quiet: bool = False,
    **settings: Any,
) -> LearningRates:
    """Trains for some steps while the learning rate rises, and returns the losses and the rate that they suggest.

    data, settings: as for `train`: weights, batch, augmentation and optimizer are those of the planned run; its rate
    and schedule are not used. Seeded as training is. Writes nothing, and discards the network.
    Raises LeannetError, one line, as `train` does, for an empty range, and under a launcher.
    """
    if steps < 10 or not 0 < lowest < highest:
        raise LeannetError(
            f"expected 10 steps or more and 0 < lowest < highest rate, found {steps}, {lowest:g} and {highest:g}"
        )
    if launcher.world() > 1:
        raise LeannetError(
            f"expected one process to look for a learning rate, found {launcher.world()}: start it without a launcher"
        )
    console = Console(quiet)
    job = prepare(make_settings(data, settings), Reader(), console)
    rates = np.geomspace(lowest, highest, steps)
    losses = _losses(job, rates, console)
    exploded = len(losses) < steps
    return LearningRates(
        job.header.architecture.name, rates[: len(losses)], losses, _smooth(losses, SMOOTHING * steps), exploded
    )


def _losses(job: Job, rates: NDArray[np.float64], console: Console) -> NDArray[np.float64]:
    """The loss of a step at each rate, until it explodes."""
    settings, (dataset, _) = job.settings, job.datasets()
    learner = Learner(job.network, job.objective, settings)
    probabilities = balanced(dataset, job.split.train) if settings.sampling == "balanced" else None
    batches = Batches(
        job.split.train, settings.batch_size, range(len(rates)), settings.seed, True, probabilities=probabilities
    )
    per_epoch = batches.per_epoch
    losses: list[float] = []
    running = lowest = 0.0
    learner.begin_epoch()
    with (
        console.bar(len(rates)),
        keep_freed_memory(learner.device.type == "cpu"),
        fused_batch_norm(settings.batch_norm == "fused"),
        Threads(job.network.architecture, settings, console) as threads,
    ):
        threads.choose()
        for number, (rate, (images, labels, _)) in enumerate(
            zip(rates, Loader(dataset, batches, settings.workers or 0), strict=False)
        ):
            epoch, step = divmod(number, per_epoch)
            x, labels = as_step_input(
                images, labels, dataset, settings.seed, epoch, step, learner.device, learner.dtype
            )
            loss, _, _ = learner.train_step(x, labels, float(rate), batches.parts(step, settings.accumulate))
            if not np.isfinite(loss):
                break
            losses.append(loss)
            running = loss if number == 0 else 0.8 * running + 0.2 * loss
            lowest = running if number == 0 else min(lowest, running)
            console.advance(number + 1, "learning rate", f"{rate:.2g}  loss {loss:.3f}")
            if running > EXPLODED * lowest:
                break
    if not losses:
        raise LeannetError(f"expected a finite loss at the lowest rate, {rates[0]:g}, found none; try a lower rate")
    return np.array(losses)


def _smooth(losses: NDArray[np.float64], deviation: float) -> NDArray[np.float64]:
    """The losses smoothed by a Gaussian of this standard deviation in steps, centered, so that there is no lag."""
    steps = np.arange(len(losses))
    weights = np.exp(-0.5 * ((steps[:, None] - steps[None]) / deviation) ** 2)
    return np.asarray(weights @ losses / weights.sum(axis=1))
