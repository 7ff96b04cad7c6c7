"""The images of a job, as shrinking a network needs them: some to score channels by, and those that evaluate."""

from collections.abc import Collection, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from leannet.console import Console
from leannet.data.loader import Batches, Loader, normalize
from leannet.errors import LeannetError
from leannet.network import Network, build, folded, subnetwork
from leannet.rows import Add, Node
from leannet.rows.channels import Channels
from leannet.rows.narrowing import narrowed
from leannet.shrink.criteria import Batch
from leannet.shrink.names import is_of
from leannet.tasks import Result
from leannet.training.job import Job
from leannet.training.loop import evaluation_batches, predictions_of
from leannet.training.objective import Distilled
from leannet.training.precise_batch_norm import precise_batch_norm
from leannet.training.skipping import Charged, Skipped

BATCH = 32
PRUNED = "_pruned"  # behind the name of an architecture


class Images:
    """Some training images, always the same ones, and the validation images; batch norm's statistics are taken from
    augmented ones, as the weights have learned to expect them.

    number: of the training images that scores and batch norm's statistics are taken from.
    """

    def __init__(self, job: Job, number: int, console: Console):
        self.job, self._console = job, console
        objective = job.objective
        while isinstance(objective, Charged | Skipped | Distilled):  # labels alone say what a channel is worth
            objective = objective.inner
        self.objective = objective
        self._augmented, self._plain = job.images
        train = job.split.train
        some: NDArray[np.int64] = np.sort(np.random.default_rng(0).permutation(train)[:number])
        self._batches = Batches(np.random.default_rng(0).permutation(some), min(BATCH, len(some)), training=True)
        self.number = len(some)

    def batches(self, label: str | None, augmented: bool = False) -> Iterator[Batch]:
        """Normalized images (N, C, H, W) and the targets of the objective. label: of the progress bar; None: none."""
        loader = Loader(self._augmented if augmented else self._plain, self._batches, workers=0)
        steps = iter(loader) if label is None else self._console.track(iter(loader), len(loader), label)
        for images, labels, _ in steps:
            x = images.contiguous(memory_format=torch.channels_last)
            yield normalize(x, self._plain.preprocessing), labels

    def settle(self, network: Network, label: str | None = "batch norm") -> Network:
        """The network, whose batch norm has the statistics of these images."""
        precise_batch_norm(network, (images for images, _ in self.batches(label, augmented=True)))
        return network

    def accuracy_and_loss(self, network: Network, label: str | None) -> tuple[float, float]:
        """The accuracy on the images, and the mean loss, in evaluation mode."""
        fast = folded(self.objective.evaluated(network))
        total = weight = correct = seen = 0.0
        with torch.no_grad():
            for images, labels in self.batches(label):
                seen += len(images)
                losses = self.objective.losses(fast, images, labels)
                total, correct = total + float(losses.total), correct + float(losses.correct)
                weight += float(self.objective.weight(labels))
        return correct / seen, total / weight

    def evaluate(self, network: Network) -> Result:
        """The scores on the validation images."""
        validation = self.job.split.validation
        batches = Loader(self._plain, evaluation_batches(validation, self.job.settings, self._plain), workers=0)
        device = torch.device("cpu")
        predictions, _ = predictions_of(network, batches, self._plain, self.job.task, device)
        return self.job.task.score(predictions, self._plain.dataset.keep(validation))


def narrow_network(network: Network, tied: Channels, removed: Collection[int]) -> Network:
    """The network without groups of channels, and what is kept of its weights."""
    narrow = narrowed(tied, removed)
    name = network.architecture.name
    small = build(narrow.architecture.named(name if name.endswith(PRUNED) else f"{name}{PRUNED}")).eval()
    state = narrow.state({key: value.detach().cpu().numpy() for key, value in network.state_dict().items()})
    small.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in state.items()})
    return small


def blocks_that_matter_least(
    network: Network, number: int, rows: Collection[str], keep: Collection[str], images: Images, console: Console
) -> tuple[str, ...]:
    """Residual blocks to leave out, one after another the one without which the loss on the images is lowest.

    rows: only these may go; empty: all. keep: these stay.

    Raises LeannetError where there are fewer.
    """
    names: list[str] = []
    while len(names) < number:
        candidates = [
            node.path
            for node in network.architecture.graph.nodes
            if _is_residual(node)
            and (not rows or node.path in rows)
            and not any(is_of(name, [node.path]) for name in keep)
        ]
        if not candidates:
            raise LeannetError(
                f"--blocks {number}: expected as many residual blocks that keep their input's shape in "
                f"{network.architecture.name}, found {len(names)}"
            )
        smaller = {name: subnetwork(network, network.architecture.without(name)) for name in candidates}
        loss = {
            name: images.accuracy_and_loss(images.settle(each, f"without {name}"), f"without {name}")[1]
            for name, each in smaller.items()
        }
        best = min(candidates, key=loss.__getitem__)
        console.say(f"  without {best} the loss is {loss[best]:.4f}, the least of {len(candidates)} blocks")
        names.append(best)
        network = smaller[best]
    return tuple(names)


def _is_residual(node: Node) -> bool:
    adds = any(isinstance(layer.row, Add) for layer in node.layers)
    return bool(node.inside) and adds and node.row.shares is None and node.in_shapes == (node.out_shape,)
