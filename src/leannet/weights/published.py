"""What only a library's name for its weights says: padding, epsilon, and the range of the images.

timm's ports from TensorFlow (`tf_...`), and trainings of one network on images of another range, have the same keys,
and no file of them says which it is. The facts are those of timm 1.0.31: the `default_cfgs` of its models and, for the
epsilon, the functions that build them.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from leannet.errors import LeannetError
from leannet.zoo.foreign import Source, ported, with_epsilon

NAMED = "timm:"  # before NAME:FILE, where a file's name says nothing
MINUS_ONE_TO_ONE, ZERO_TO_ONE = ((0.5,) * 3, (0.5,) * 3), ((0.0,) * 3, (1.0,) * 3)  # mean and deviation
# Of a name, as its repositories have it or the older files ("_"): all others' images are normalized as ImageNet's are.
RANGES = (
    (re.compile(r"tf_mobilenetv3|tf_efficientnet_lite|tf_efficientnet_b\d[._]ap[._-]"), MINUS_ONE_TO_ONE),
    (re.compile(r"[._]ra4_e3600_|mobilenetv4_conv_small(_035|_050|[._]e3600_)"), MINUS_ONE_TO_ONE),
    (re.compile(r"adv-efficientnet-b\d"), MINUS_ONE_TO_ONE),  # EfficientNet-PyTorch 0.7.1
    (re.compile(r"mobilenetv3_large_100[._].*miil"), ZERO_TO_ONE),
)
WITH_TENSORFLOWS_EPSILON = re.compile(r"fbnetc_100(\.rmsp_in1k|-c345b898)")  # set where timm loads them


def split_name(weights: str) -> tuple[str, str]:
    """timm's name and the weights of `timm:NAME:WEIGHTS`; "" and all of it without one. Raises LeannetError."""
    if not weights.startswith(NAMED):
        return "", weights
    name, _, rest = weights.removeprefix(NAMED).partition(":")
    if not name or not rest or "/" in name:
        raise LeannetError(
            f"{weights}: expected timm:NAME:FILE, NAME as timm calls the weights "
            "(timm:tf_mobilenetv3_small_100.in1k:model.safetensors)"
        )
    return name, rest


def named(source: Source, name: str, where: str, metadata: Mapping[str, Any]) -> Source:
    """The source with the padding, epsilon and range of the weights that timm calls so.

    name: timm's; "": to be read from the rest. where: the file or hub, whose name and folders may hold it. metadata: of
    the file, a hub or a wheel. Raises LeannetError, saying what to write, where timm has several forms and nothing
    names one, or a name is timm's for none of them.
    """
    if name and source.forms and not _pattern(source).match(name):
        raise LeannetError(f"{NAMED}{name}:{where}: expected timm's name for them, such as {' or '.join(source.forms)}")
    name = name or (_name(source, where, metadata) if source.forms else where)
    if not name:
        raise LeannetError(
            f"{where}: timm has such weights in several forms, of other padding, epsilon or image range, and only its "
            f"name for them says which: write {NAMED}NAME:{where}, NAME as timm calls them "
            f"({' or '.join(source.forms)})"
        )
    if source.forms and name.startswith("tf_"):
        source = ported(source)
    elif WITH_TENSORFLOWS_EPSILON.search(name):
        source = with_epsilon(source)
    for pattern, (mean, std) in RANGES:
        if pattern.search(name):
            return replace(source, mean=mean, std=std)
    return source


def _name(source: Source, where: str, metadata: Mapping[str, Any]) -> str:
    """timm's name in that of the file, of a folder that it is in (a hub calls every file model.safetensors), or in the
    metadata; "": in none."""
    parts = re.split(r"/|--", where)[::-1]
    pattern = _pattern(source)
    matches = (pattern.search(part) for part in (*parts, str(metadata.get("architecture", ""))))
    name = next((match[0] for match in matches if match), "")
    return name or (f"tf_{source.forms[0]}" if parts[0].startswith("tf_") else "")


def _pattern(source: Source) -> re.Pattern[str]:
    """Of timm's names for the weights of a source that has several forms, at any width."""
    model = re.sub(r"\d+$", r"\\d+", source.forms[0].partition(".")[0])
    return re.compile(rf"(?:tf_)?{model}.*")
