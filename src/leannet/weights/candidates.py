"""Finds a network's weights in a file: in which dict, and after which prefix.

Training programs save several: the last weights and their moving average (EMA), a student and its teacher. Wrappers put
prefixes before every key (`module.`, `_orig_mod.`, a Lightning attribute). So the keys of the network are searched for
as suffixes of the file's keys, and whatever precedes them is the prefix.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

# Inserted anywhere in a key by wrappers of a module or submodule: DataParallel, torch.compile, FSDP, checkpointing.
WRAPPERS = re.compile(r"(?<![^.])(?:module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
AVERAGE = re.compile(r"(^|[_.])(ema|average|averaged|avg|swa)([_.]|$)", re.IGNORECASE)
COUNTER = "n_averaged"  # key of torch's AveragedModel, whose other keys are averaged weights
PLAIN = ("state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "params")
DEPTH = 4
ENOUGH = 0.5  # share of the network's keys that a prefix must have


@dataclass(frozen=True)
class StateDict:
    """A dict of tensors in a file.

    place: the keys that lead to it, () for the whole file. wrappers: what was removed from its keys.
    """

    place: tuple[str, ...]
    tensors: dict[str, Tensor]
    wrappers: tuple[str, ...]
    average: bool

    @property
    def name(self) -> str:
        return ".".join(self.place)

    @property
    def label(self) -> str:
        """For a message."""
        return f"'{self.name}'" if self.place else "the rest"


@dataclass(frozen=True)
class Candidate:
    """The entries of a state dict with one prefix, under the keys of the network's library."""

    state: StateDict
    prefix: str
    tensors: dict[str, Tensor]

    @property
    def average(self) -> bool:
        """Whether these are averaged weights, by their name."""
        return self.state.average or bool(AVERAGE.search(self.prefix))

    @property
    def rank(self) -> tuple[bool, bool, int]:
        """Averages first, then by the usual names; of equal ones the first in the file wins."""
        last = self.state.place[-1] if self.state.place else ""
        usual = PLAIN.index(last) if last in PLAIN else len(PLAIN) * bool(last)
        return not self.average, not AVERAGE.search(self.prefix), usual

    @property
    def unused_keys(self) -> list[str]:
        """Keys of the state dict that are not in this candidate."""
        used_keys = {f"{self.prefix}{key}" for key in self.tensors}
        return [key for key in self.state.tensors if key not in used_keys]

    @property
    def label(self) -> str:
        """For a message."""
        return f"'{'.'.join((*self.state.place, self.prefix.removesuffix('.')))}'" if self.prefix else self.state.label

    def description(self) -> str:
        """Where it is in the file, for a message; empty: it is the whole file, unchanged."""
        words = [f"the weights of '{self.state.name}'"] if self.state.place else []
        if self.average:
            words = [f"{words[0] if words else 'the weights'}, a moving average"]
        removed = [*([self.prefix] if self.prefix else []), *self.state.wrappers]
        if removed:
            words.append(f"{' and '.join(map(repr, removed))} removed from its keys")
        return ", ".join(words)


def state_dicts(loaded: Mapping[Any, Any]) -> list[StateDict]:
    """Every dict of tensors in what a file holds, the outermost first."""
    states = []
    averaged_in_place = _average_in_state_dict(loaded)
    for place, mapping in _mappings(loaded, ()):
        tensors = {key: value for key, value in mapping.items() if isinstance(key, str) and isinstance(value, Tensor)}
        if not tensors:
            continue
        wrappers = tuple(dict.fromkeys(word for key in tensors for word in WRAPPERS.findall(key)))
        unwrapped = {WRAPPERS.sub("", key): value for key, value in tensors.items()}
        if len(unwrapped) == len(tensors):  # otherwise the same keys exist with and without the wrapper
            tensors = unwrapped
        else:
            wrappers = ()
        average = bool(AVERAGE.search(".".join(place)) or COUNTER in tensors)
        if averaged_in_place:
            average = place == ("state_dict",)
        states.append(StateDict(place, tensors, wrappers, average))
    return states


def _average_in_state_dict(loaded: Mapping[Any, Any]) -> bool:
    """Whether the file has the average under `state_dict` and the last weights elsewhere.

    Lightning's WeightAveraging puts the last weights in `current_model_state`, MMEngine's EMAHook in `ema_state_dict`,
    despite its name.
    """
    return "averaging_state" in loaded or ("message_hub" in loaded and "ema_state_dict" in loaded)


def _mappings(
    mapping: Mapping[Any, Any], place: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Mapping[Any, Any]]]:
    yield place, mapping
    if len(place) < DEPTH:
        for key, value in mapping.items():
            if isinstance(value, Mapping) and isinstance(key, str):  # an optimizer's state has integer keys
                yield from _mappings(value, (*place, key))


def candidates(states: Iterable[StateDict], keys: Iterable[str]) -> list[Candidate]:
    """The candidates for a network's weights. keys: those of its library.

    Each state dict is a candidate as it is, and again for each prefix that has at least half of the keys. Entries with
    such a prefix belong to that candidate alone.
    """
    library_keys = set(keys)
    all_candidates = []
    for state in states:
        votes: Counter[str] = Counter()
        for key in state.tensors:
            parts = key.split(".")
            votes.update(
                ".".join(parts[:i]) + "." * bool(i) for i in range(len(parts)) if ".".join(parts[i:]) in library_keys
            )
        prefixes = [prefix for prefix, count in votes.items() if count >= ENOUGH * len(library_keys)]
        for prefix in dict.fromkeys([*prefixes, ""]):
            deeper = tuple(other for other in prefixes if other != prefix and other.startswith(prefix))
            tensors = {
                key.removeprefix(prefix): value
                for key, value in state.tensors.items()
                if key.startswith(prefix) and not (deeper and key.startswith(deeper))
            }
            all_candidates.append(Candidate(state, prefix, tensors))
    return all_candidates
