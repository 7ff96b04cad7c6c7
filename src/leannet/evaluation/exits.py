"""How sure an image has to be to leave a network early: chosen by validation images, for what is saved and lost."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from leannet import __version__
from leannet.blocks.table import recording
from leannet.checkpoint import load, save
from leannet.cost.skipping import skipping
from leannet.data.loader import normalize
from leannet.errors import LeannetError
from leannet.evaluation.scoring import answers_of
from leannet.evaluation.skipped import image_costs
from leannet.files import check_writable
from leannet.header import checkpoint_file
from leannet.network import subnetwork
from leannet.rows.exits import exits
from leannet.sections import Metrics, Step
from leannet.tasks.metrics import score

STEPS = 60  # confidences that are tried: quantiles of those that images have


@dataclass(frozen=True)
class Leaving:
    """What a confidence to leave at makes of the images. left: the share that leaves at each exit, and at the end."""

    threshold: float
    accuracy: float
    macs: float  # of an image, in the mean
    left: tuple[float, ...]


@dataclass(frozen=True)
class ExitCurve:
    """Accuracy and cost by the confidence to leave at. staying: where no image leaves. chosen: None: none was wanted
    that can be had."""

    path: Path | None
    images: int
    total: int  # mult-adds of all rows
    staying: Leaving
    curve: tuple[Leaving, ...]
    chosen: Leaving | None

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self) | {"path": str(self.path) if self.path else None}


def choose_exits(
    run: str | Path,
    data: str | None = None,
    cost: float | None = None,
    max_drop: float = 0.5,
    out: str | Path | None = None,
    quiet: bool = False,
) -> ExitCurve:
    """Chooses the confidence at which images leave at exits, and writes the network with it.

    data: None: the validation images of the run. cost: the mean mult-adds of an image over those of all rows: the most
    accurate that costs no more; None: the cheapest that loses no more than `max_drop` points against running all. out:
    None: `exits.safetensors` beside the checkpoint. All exits have one threshold.

    Raises LeannetError where the network has no exits, or no threshold is cheap enough.
    """
    file = checkpoint_file(run)
    target = Path(out) if out is not None else file.with_name("exits.safetensors")
    network, header = load(file)
    exit_rows, spent = exits(header.architecture), skipping(header.architecture)
    if not exit_rows or spent is None:
        raise LeannetError(f"{run}: expected a network with early exits, found {header.architecture.name}; train "
                           "--exits gives it some")  # fmt: skip
    if cost is not None and not 0 < cost <= 1:
        raise LeannetError(f"--cost {cost:g}: expected a share above 0, up to 1")
    check_writable(target)
    plain = header.architecture
    last = plain.reads()[exit_rows[-1].choice][1]
    heads = subnetwork(network, plain.only(*(each.logits for each in exit_rows), last))
    names = [each.decision for each in exit_rows]
    gates: dict[str, list[NDArray[np.int8]]] = {name: [] for name in spent.decisions if name not in names}

    def answers(images: torch.Tensor) -> NDArray[np.float32]:
        with torch.inference_mode(), recording(heads) as decided:
            outputs = heads(normalize(images, header.preprocessing))
            for name, taken in gates.items():
                taken.append(decided[name].numpy())
        return np.stack([torch.softmax(outputs[name], dim=1).numpy() for name in heads.output_names], axis=1)

    images, probabilities = answers_of(answers, header, file, data, None, quiet)
    of_gates = {name: np.concatenate(taken) for name, taken in gates.items()}

    def leaving(threshold: float) -> Leaving:
        at = _left_at(probabilities, threshold)
        leave = {name: (at == number).astype(np.int8) for number, name in enumerate(names)}
        predicted = probabilities.argmax(axis=2)[np.arange(len(at)), at]
        left = np.bincount(at, minlength=len(names) + 1) / len(at)
        mean = image_costs(spent, of_gates | leave).mean
        return Leaving(threshold, float((predicted == images.labels).mean()), mean, tuple(left.tolist()))

    confidences = probabilities[:, :-1].max(axis=2)
    tried = np.unique(np.round(np.quantile(confidences, np.linspace(0, 1, STEPS)), 4))
    curve = [leaving(float(threshold)) for threshold in tried if threshold < 1]
    staying = leaving(1.0)
    if cost is not None:
        cheap = [each for each in (*curve, staying) if each.macs <= cost * spent.total]
        if not cheap:
            least = min(each.macs for each in (*curve, staying)) / spent.total
            raise LeannetError(f"--cost {cost:g}: no confidence is as cheap: the least is {least:.3f}")
        chosen = max(cheap, key=lambda each: (each.accuracy, -each.macs))
    else:
        close = [each for each in (*curve, staying) if 100 * (staying.accuracy - each.accuracy) <= max_drop]
        chosen = min(close, key=lambda each: (each.macs, -each.accuracy))
    edited = plain.edit({name: {"threshold": chosen.threshold} for name in names})
    at = _left_at(probabilities, chosen.threshold)
    taken = probabilities[np.arange(len(at)), at]
    metrics = Metrics(epoch=header.metrics.epoch, validation=score(taken, images.labels, header.classes).summary())
    step = Step(done="exits", leannet=__version__, parameters={"threshold": chosen.threshold})
    provenance = header.provenance.model_copy(update={"history": (*header.provenance.history, step)})
    kept = metrics if images.split == "validation" else Metrics(epoch=header.metrics.epoch)
    update = {"architecture": edited, "provenance": provenance, "metrics": kept}
    save(target, network, header.model_copy(update=update))
    result = ExitCurve(None, len(images.labels), spent.total, staying, tuple(curve), chosen)
    return replace(result, path=target)


def _left_at(probabilities: NDArray[np.float32], threshold: float) -> NDArray[np.int64]:
    """For each image the number of the exit at which it leaves; the last number: the end."""
    sure = probabilities[:, :-1].max(axis=2) > np.float32(threshold)
    return np.where(sure.any(axis=1), sure.argmax(axis=1), sure.shape[1])
