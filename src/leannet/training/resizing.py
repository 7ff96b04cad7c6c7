"""Progressive resizing: the first training images are small, and grow until they have the network's own size.

A step costs what its pixels cost, and what a network learns first is coarse. Touvron et al., arXiv 1906.06423, and Tan
and Le, arXiv 2104.00298, section 4. All images of a step have one size, given by the share of the run that is done.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from leannet.cost import count
from leannet.errors import LeannetError
from leannet.rows import Architecture

GROWTH = 0.85  # of the run; the rest is trained at the network's own size
LEAST_MAP = 2  # pixels: the shorter side of the last feature map of the smallest images


@dataclass(frozen=True)
class ProgressiveResizing:
    """The sizes of the images of a run, (height, width) each, rising to the network's own."""

    sizes: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, architecture: Architecture, first: float) -> "ProgressiveResizing":
        """Sizes from `first` times the network's own on, which its rows divide without a rest. first 1: one size.

        A network whose weights fit one size alone has one too, as those with a fully connected layer over a whole map.
        """
        height, width = architecture.input.height, architecture.input.width
        last = architecture.shapes[architecture.features]
        stride = max(-(-height // last.height), 1)
        own = (height, width)
        smaller = (
            (side, round(width * side / height / stride) * stride)
            for side in range(stride * LEAST_MAP, height, stride)
            if side >= first * height
        )
        return cls((*(size for size in smaller if _fits(architecture, size)), own))

    def at(self, share: float) -> tuple[int, int]:
        """The size after this share of a run, 0 to 1. Smaller ones take equal parts of its first 85 %."""
        return self.sizes[min(int(share / GROWTH * (len(self.sizes) - 1)), len(self.sizes) - 1)]

    def work(self, share: float) -> float:
        """What this share of a run costs, 0 to 1: the share of the pixels of all its images."""
        return self._pixels(share) / self._pixels(1.0)

    def _pixels(self, share: float) -> float:
        *smaller, (height, width) = self.sizes
        if not smaller:
            return share * height * width
        part = GROWTH / len(smaller)
        spent = (max(0.0, min(share - number * part, part)) for number in range(len(smaller)))
        pixels = sum(each * h * w for each, (h, w) in zip(spent, smaller, strict=True))
        return pixels + max(0.0, share - GROWTH) * height * width

    def resize(self, images: Tensor, share: float) -> Tensor:
        """(N, C, H, W) uint8 of the network's own size, made as small as the share of the run asks."""
        size = self.at(share)
        if tuple(images.shape[2:]) == size:
            return images
        return F.interpolate(images, size, mode="bilinear", antialias=True)


def _fits(architecture: Architecture, size: tuple[int, int]) -> bool:
    """Whether the same weights read images of this size, and give as many answers: maps that are looked at in training
    become smaller."""
    try:
        smaller = architecture.with_input(*size)
    except LeannetError:
        return False
    same = count(smaller).params == count(architecture).params
    answers = architecture.without_auxiliary().output_names
    return same and all(smaller.shapes[name] == architecture.shapes[name] for name in answers)
