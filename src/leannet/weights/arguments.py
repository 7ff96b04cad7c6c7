"""What a training program's own arguments say of its network and of the images that it saw."""

from collections.abc import Mapping
from typing import Any

from leannet.weights.inert import Record

TRAINING = ("optim", "epoch", "global_step", "lr_sched", "callbacks", "args")  # keys that only trainers write


def recorded(loaded: Mapping[Any, Any]) -> dict[str, Any]:
    """What a checkpoint of timm's or torchvision's training program records, as far as its arguments say it.

    mean, std: of three channels. interpolation, crop_ratio: as in the preprocessing. architecture: its own name for the
    network. trained: whether the file is a trainer's checkpoint, and not weights that were published.
    """
    args = loaded.get("args")
    fields = args.fields if isinstance(args, Record) else args if isinstance(args, Mapping) else {}
    about: dict[str, Any] = {"trained": any(str(key).startswith(TRAINING) for key in loaded)}
    for key in ("mean", "std"):
        value = fields.get(key)
        if isinstance(value, list | tuple) and len(value) == 3 and all(isinstance(x, float | int) for x in value):
            about[key] = tuple(float(x) for x in value)
    if fields.get("interpolation") in ("bilinear", "bicubic"):
        about["interpolation"] = fields["interpolation"]
    cut, whole = fields.get("val_crop_size"), fields.get("val_resize_size")  # torchvision's; timm has the ratio
    ratio = cut / whole if isinstance(cut, int) and isinstance(whole, int) and whole else fields.get("crop_pct")
    if isinstance(ratio, float) and 0 < ratio <= 1:
        about["crop_ratio"] = ratio
    arch = loaded.get("arch", fields.get("model"))
    return about | ({"architecture": arch} if isinstance(arch, str) else {})
