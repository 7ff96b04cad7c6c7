"""Two images made one: mixup and CutMix, on a whole batch."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from leannet.data.augment import Augment


def mix(
    images: Tensor, labels: Tensor, classes: int, augment: Augment, draw: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """(N, C, H, W) floats and (N,) labels -> images, and (N, classes) probabilities where images were mixed.

    Mixup: Zhang et al., arXiv 1710.09412; CutMix: Yun et al., arXiv 1905.04899. Where both are on, every second batch
    gets one of them, by chance. Where neither is, both come back as they are.
    """
    kinds = [kind for kind in ("mixup", "cutmix") if getattr(augment, kind)]
    if not kinds:
        return images, labels
    kind = kinds[draw.integers(len(kinds))]
    alpha = getattr(augment, kind)
    kept = float(draw.beta(alpha, alpha))
    order = torch.from_numpy(draw.permutation(len(labels))).to(images.device)
    if kind == "mixup":
        images = torch.lerp(images[order], images, kept)
    else:
        images, kept = _paste(images, order, kept, draw)
    soft = F.one_hot(labels, classes).to(images.dtype)
    return images, torch.lerp(soft[order], soft, kept)


def _paste(images: Tensor, order: Tensor, kept: float, draw: np.random.Generator) -> tuple[Tensor, float]:
    """A box of the share 1 - kept from the other image, and the share that was really kept."""
    height, width = images.shape[-2:]
    side = math.sqrt(1 - kept)
    middle_y, middle_x = draw.uniform(0, height), draw.uniform(0, width)
    top, bottom = (round(np.clip(middle_y + sign * side * height / 2, 0, height)) for sign in (-1, 1))
    left, right = (round(np.clip(middle_x + sign * side * width / 2, 0, width)) for sign in (-1, 1))
    images = images.clone()
    images[:, :, top:bottom, left:right] = images[order, :, top:bottom, left:right]
    return images, 1 - (bottom - top) * (right - left) / (height * width)
