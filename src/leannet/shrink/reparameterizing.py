"""`reparameterize`: what was trained as parallel branches as single layers, with the same answers."""

from dataclasses import dataclass
from pathlib import Path

import torch

from leannet import __version__
from leannet.checkpoint import load, save
from leannet.errors import LeannetError
from leannet.files import spare_inputs
from leannet.header import checkpoint_file
from leannet.network import Network, reparameterized
from leannet.rows.branches import deploy
from leannet.sections import Step

TOLERANCE = 1e-2  # of the largest output: more is no rounding
DONE = "reparameterized"  # the step in the history of such weights


@dataclass(frozen=True)
class Reparameterized:
    """The network whose branches are folded. layers: those that it has instead. difference: the largest of all outputs
    on random images, over the largest of them."""

    network: Network
    layers: int
    difference: float


def reparameterize(run: str | Path, out: str | Path | None = None) -> Reparameterized:
    """Folds the parallel branches of a run or checkpoint (Ding et al., arXiv 2101.03697, section 3.3).

    out: the checkpoint that is written; None: none is. Raises LeannetError where there is nothing
    to fold, and where folding would change the answers.
    """
    spare_inputs([out], [run, checkpoint_file(run)])
    network, header = load(checkpoint_file(run))
    layers = len(deploy(network.architecture).maps)
    if not layers:
        raise LeannetError(
            f"{run}: expected rows with parallel branches, found none to fold in {header.architecture.name}"
        )
    result = reparameterized(network)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(4, *header.architecture.input.shape, generator=generator)
    with torch.inference_mode():
        answers = [torch.cat([each.flatten() for each in (made.values() if isinstance(made, dict) else [made])])
                   for made in (network(images), result(images))]  # fmt: skip
    difference = float((answers[1] - answers[0]).abs().max() / answers[0].abs().max().clamp(min=1e-12))
    if not difference <= TOLERANCE:
        raise LeannetError(
            f"{run}: folding would change its answers by {difference:.1e} of the largest: it is kept as it is"
        )
    history = (*header.provenance.history, Step(done=DONE, leannet=__version__))
    provenance = header.provenance.model_copy(update={"history": history})
    header = header.model_copy(update={"architecture": result.architecture, "provenance": provenance})
    result.origin = header
    if out is not None:
        save(out, result, header)
    return Reparameterized(result, layers, difference)
