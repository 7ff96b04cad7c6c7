"""Fresh weights that begin with what is known before anything is learned: of the images, and of a signal's way.

Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", arXiv 2404.00498, sections 3.2 and 3.3. They change weights
that `network.initialize` has drawn.
"""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leannet.data.loader import Batches, Loader, PreparedDataset, normalize
from leannet.errors import LeannetError
from leannet.network import Network
from leannet.training.muon import hidden_matrices

PATCHES = 1 << 22  # that are measured
LEAST_IMAGES = 256  # that they come from
BATCH = 64
FLOOR = 5e-4  # added to variances, so that the noise of smooth images is not enlarged without end; section 3.2


def images_to_whiten(plain: PreparedDataset, indices: NDArray[np.int64], seed: int) -> Iterable[Tensor]:
    """Some of these images, normalized, in batches (N, C, H, W): as many as `whiten_stems` wants."""
    pixels = plain.preprocessing.height * plain.preprocessing.width
    some = np.random.default_rng(seed).permutation(indices)[: max(PATCHES // pixels, LEAST_IMAGES)]
    return (normalize(images, plain.preprocessing) for images, _, _ in Loader(plain, Batches(some, BATCH), 0))


@torch.no_grad()
def whiten_stems(network: Network, images: Iterable[Tensor]) -> None:
    """Sets the filters that read the image to those that whiten its patches, each beside its negative (section 3.2).

    Such filters are the eigenvectors of the covariance of patches over the root of their variance: their outputs have
    variance 1 and no correlation. The largest variances come first, and filters beyond twice the values of a patch stay
    as drawn. images: normalized, in batches (N, C, H, W). Raises LeannetError where no row has filters that read all
    channels of the image.
    """
    modules = [network.get_submodule(key.removesuffix(".weight")) for key in network.architecture.stems]
    stems = [module for module in modules if isinstance(module, nn.Conv2d) and module.groups == 1]
    if not stems:
        raise LeannetError(
            "--whiten-stem: expected a convolution that reads all channels of the image, found none in "
            f"{network.architecture.name}"
        )
    sums = [torch.zeros(2 * (stem.weight[0].numel(),), dtype=torch.float64) for stem in stems]
    patches = [0] * len(stems)
    for batch in images:
        for number, stem in enumerate(stems):
            columns = nn.functional.unfold(batch.contiguous(), stem.kernel_size, stem.dilation, 0, stem.stride)
            values = columns.transpose(0, 1).flatten(1).double()
            sums[number] += values @ values.t()
            patches[number] += values.shape[1]
    for stem, total, of in zip(stems, sums, patches, strict=True):
        variances, vectors = torch.linalg.eigh(total / of)
        filters = (vectors / (variances.clamp(min=0) + FLOOR).sqrt()).t().flip(0).view(-1, *stem.weight.shape[1:])
        pairs = min(len(stem.weight) // 2, len(filters))
        stem.weight[: 2 * pairs] = torch.cat([filters[:pairs], -filters[:pairs]])


@torch.no_grad()
def begin_as_identities(network: Network) -> None:
    """Makes hidden convolutions of more than one pixel pass on the channels that they read (section 3.3).

    Of filters (C', C, K, K) the first min(C, C') begin as the identity, the others stay as drawn. Grouped convolutions,
    those that read the image and those that make classes are left as they are.
    """
    for weight in hidden_matrices(network):
        if weight.shape[-1] > 1 or weight.shape[-2] > 1:
            nn.init.dirac_(weight[: weight.shape[1]])
