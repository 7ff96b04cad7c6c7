"""Names that leannet used before: in headers of format version 1, which still open, and of flags, which are refused.

This is the only place where they stand.
"""

from collections.abc import Mapping
from typing import Any

# Verb -> flag that it had -> what it is called now.
FLAGS: Mapping[str, Mapping[str, str]] = {
    "activations": {"--picture": "--image", "--no-picture": "--no-image"},
    "attention": {"--picture": "--image", "--no-picture": "--no-image"},
    "advise": {"--out": "--figure"},
    "compare": {"--pictures": "--figures"},
    "embed": {"--part": "--split"},
    "evaluate": {"--part": "--split"},
    "report": {"--pictures": "--figures"},
    "train": {"--average": "--ema-decay"},
}

# Setting that a TOML file had -> what it is called now.
SETTINGS: Mapping[str, str] = {"average": "ema_decay"}
IMAGE_COLUMN = "picture"  # what some tables call the column of the image
# Of tensors in state/resume.safetensors.
EMA_PREFIX = "average."

_SHIPPING = {"kept_float": "keep_float", "judged_on": "evaluated_on"}


def header_of_version_1(data: Mapping[str, Any]) -> dict[str, Any]:
    """A header of format version 1 as one of version 2. data: as its file has it, whose digest was checked."""
    header = dict(data)
    if "artefact" in header:
        header["shipping"] = _renamed(header.pop("artefact"), _SHIPPING)
    if "split" in header:
        header["split"] = _renamed(header["split"], {"marks": "fingerprints"})
    if "metrics" in header:
        header["metrics"] = {key: _renamed(value, {"pictures": "images"}) for key, value in header["metrics"].items()}
    if "provenance" in header:
        provenance = _renamed(header["provenance"], {"licence": "license"})
        done = provenance.pop("done", None)
        header["provenance"] = provenance | ({"history": [{"done": done}]} if done else {})
    return header


def current_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run that an older leannet began, as they are called now."""
    current = {SETTINGS.get(name, name): value for name, value in values.items()}
    skipping = current.get("skipping")
    if isinstance(skipping, Mapping) and "exits" not in skipping and skipping.get("learning") != "hybrid":
        # Written as 0.1 in any case, where it meant nothing without hybrid learning.
        current["skipping"] = {name: value for name, value in skipping.items() if name != "alpha"}
    return current


def current_state(words: Mapping[str, Any]) -> dict[str, Any]:
    """What state/resume.safetensors says of a run, as it is called now."""
    if "standing" not in words:
        return dict(words)
    state = _renamed(words["standing"], {"right": "correct"})
    return {key: value for key, value in words.items() if key != "standing"} | {"state": state}


def _renamed(section: Any, names: Mapping[str, str]) -> Any:
    """A section with its keys as they are called today, without what is not known."""
    if not isinstance(section, Mapping):
        return section
    return {names.get(key, key): value for key, value in section.items() if value is not None}
