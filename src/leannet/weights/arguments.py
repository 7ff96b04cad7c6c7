"""What a training program's saved arguments say about its network and preprocessing."""

from collections.abc import Mapping
from typing import Any

from leannet.weights.inert import Record

TRAINING = ("optim", "epoch", "global_step", "lr_sched", "callbacks", "args")  # keys that only training programs write


def recorded(loaded: Mapping[Any, Any]) -> dict[str, Any]:
    """Metadata from the saved arguments of timm's or torchvision's training program; a key for each that is known.

    mean, std: of three channels. interpolation, crop_ratio: as in the preprocessing. architecture: the program's name
    for the network. trained: whether this is a training program's checkpoint, rather than published weights.
    """
    args = loaded.get("args")
    fields = args.fields if isinstance(args, Record) else args if isinstance(args, Mapping) else {}
    metadata: dict[str, Any] = {"trained": any(str(key).startswith(TRAINING) for key in loaded)}
    for key in ("mean", "std"):
        value = fields.get(key)
        if isinstance(value, list | tuple) and len(value) == 3 and all(isinstance(x, float | int) for x in value):
            metadata[key] = tuple(float(x) for x in value)
    if fields.get("interpolation") in ("bilinear", "bicubic"):
        metadata["interpolation"] = fields["interpolation"]
    crop_size, resize_size = (
        fields.get("val_crop_size"),
        fields.get("val_resize_size"),
    )  # torchvision's; timm has the ratio
    ratio = (
        crop_size / resize_size
        if isinstance(crop_size, int) and isinstance(resize_size, int) and resize_size
        else fields.get("crop_pct")
    )
    if isinstance(ratio, float) and 0 < ratio <= 1:
        metadata["crop_ratio"] = ratio
    arch = loaded.get("arch", fields.get("model"))
    return metadata | ({"architecture": arch} if isinstance(arch, str) else {})
