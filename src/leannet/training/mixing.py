"""Mixup and CutMix, on a whole batch."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from leannet.data.augment import Augment


def mix(
    images: Tensor, labels: Tensor, classes: int, augment: Augment, draw: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """(N, C, H, W) floats and (N,) labels -> images, and (N, classes) probabilities if images were mixed.

    Mixup: Zhang et al., arXiv 1710.09412; CutMix: Yun et al., arXiv 1905.04899. If both are on, one of them is drawn
    for each batch. If neither is, images and labels are returned unchanged.
    """
    kinds = [kind for kind in ("mixup", "cutmix") if getattr(augment, kind)]
    if not kinds:
        return images, labels
    kind = kinds[draw.integers(len(kinds))]
    alpha = getattr(augment, kind)
    share = float(draw.beta(alpha, alpha))
    order = torch.from_numpy(draw.permutation(len(labels))).to(images.device)
    if kind == "mixup":
        images = torch.lerp(images[order], images, share)
    else:
        images, share = _paste(images, order, share, draw)
    soft = F.one_hot(labels, classes).to(images.dtype)
    return images, torch.lerp(soft[order], soft, share)


def _paste(images: Tensor, order: Tensor, share: float, draw: np.random.Generator) -> tuple[Tensor, float]:
    """Images with a box of the area 1 - share pasted from another image, and the share that remains after clipping."""
    height, width = images.shape[-2:]
    side = math.sqrt(1 - share)
    middle_y, middle_x = draw.uniform(0, height), draw.uniform(0, width)
    top, bottom = (round(np.clip(middle_y + sign * side * height / 2, 0, height)) for sign in (-1, 1))
    left, right = (round(np.clip(middle_x + sign * side * width / 2, 0, width)) for sign in (-1, 1))
    images = images.clone()
    images[:, :, top:bottom, left:right] = images[order, :, top:bottom, left:right]
    return images, 1 - (bottom - top) * (right - left) / (height * width)
