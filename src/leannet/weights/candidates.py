"""Where in a file a network's weights stand: in which dict, and behind which prefix.

Trainers keep several: the last weights and their moving average (EMA), a student and its teacher; and wrappers put
prefixes before every key (`module.`, `_orig_mod.`, a Lightning attribute). So nothing is assumed: the keys that the
network needs are looked for as endings of the file's keys, and what stands before them is the prefix.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

# Put into a key, anywhere, by what wraps a module or a part of one: DataParallel, torch.compile, FSDP, checkpointing.
WRAPPERS = re.compile(r"(?<![^.])(?:module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
AVERAGE = re.compile(r"(^|[_.])(ema|average|averaged|avg|swa)([_.]|$)", re.IGNORECASE)
COUNTER = "n_averaged"  # of torch's AveragedModel: beside it stands an average
PLAIN = ("state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "params")
DEPTH = 4
ENOUGH = 0.5  # of the network's keys must stand behind a prefix


@dataclass(frozen=True)
class StateDict:
    """A dict of tensors in a file.

    place: the keys that lead to it, () where it is the whole file. wrappers: what was taken out of its keys.
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
    """The part of a state dict behind a prefix, with its keys as the network's library has them."""

    state: StateDict
    prefix: str
    tensors: dict[str, Tensor]

    @property
    def average(self) -> bool:
        """Whether these are averaged weights, by what they are called."""
        return self.state.average or bool(AVERAGE.search(self.prefix))

    @property
    def rank(self) -> tuple[bool, bool, int]:
        """Averages first, then by the usual names; of equal ones the first in the file is taken."""
        last = self.state.place[-1] if self.state.place else ""
        usual = PLAIN.index(last) if last in PLAIN else len(PLAIN) * bool(last)
        return not self.average, not AVERAGE.search(self.prefix), usual

    @property
    def aside(self) -> list[str]:
        """Keys of the state dict that are not among these."""
        own = {f"{self.prefix}{key}" for key in self.tensors}
        return [key for key in self.state.tensors if key not in own]

    @property
    def label(self) -> str:
        """For a message."""
        return f"'{'.'.join((*self.state.place, self.prefix.removesuffix('.')))}'" if self.prefix else self.state.label

    def said(self) -> str:
        """Where it stands, for a person; nothing where it is the file as it is."""
        words = [f"the weights of '{self.state.name}'"] if self.state.place else []
        if self.average:
            words = [f"{words[0] if words else 'the weights'}, a moving average"]
        taken = [*([self.prefix] if self.prefix else []), *self.state.wrappers]
        if taken:
            words.append(f"{' and '.join(map(repr, taken))} taken off its keys")
        return ", ".join(words)


def state_dicts(loaded: Mapping[Any, Any]) -> list[StateDict]:
    """Every dict of tensors in what a file holds, the outermost first."""
    found = []
    averaged_in_place = _average_in_state_dict(loaded)
    for place, mapping in _mappings(loaded, ()):
        tensors = {key: value for key, value in mapping.items() if isinstance(key, str) and isinstance(value, Tensor)}
        if not tensors:
            continue
        wrappers = tuple(dict.fromkeys(word for key in tensors for word in WRAPPERS.findall(key)))
        bare = {WRAPPERS.sub("", key): value for key, value in tensors.items()}
        if len(bare) == len(tensors):  # else the same keys stand there with and without
            tensors = bare
        else:
            wrappers = ()
        average = bool(AVERAGE.search(".".join(place)) or COUNTER in tensors)
        if averaged_in_place:
            average = place == ("state_dict",)
        found.append(StateDict(place, tensors, wrappers, average))
    return found


def _average_in_state_dict(loaded: Mapping[Any, Any]) -> bool:
    """Whether a trainer has put the average under `state_dict` and the last weights elsewhere.

    Lightning's WeightAveraging leaves them in `current_model_state`, MMEngine's EMAHook, of all places, in
    `ema_state_dict`.
    """
    return "averaging_state" in loaded or ("message_hub" in loaded and "ema_state_dict" in loaded)


def _mappings(
    mapping: Mapping[Any, Any], place: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Mapping[Any, Any]]]:
    yield place, mapping
    if len(place) < DEPTH:
        for key, value in mapping.items():
            if isinstance(value, Mapping) and isinstance(key, str):  # an optimizer numbers what it keeps
                yield from _mappings(value, (*place, key))


def candidates(states: Iterable[StateDict], keys: Iterable[str]) -> list[Candidate]:
    """Where a network's keys may stand. keys: as its library has them.

    A state dict is always one candidate as it is, and one more for each prefix behind which half of the keys stand.
    What stands behind such a prefix belongs to that candidate alone.
    """
    wanted = set(keys)
    found = []
    for state in states:
        votes: Counter[str] = Counter()
        for key in state.tensors:
            parts = key.split(".")
            votes.update(
                ".".join(parts[:i]) + "." * bool(i) for i in range(len(parts)) if ".".join(parts[i:]) in wanted
            )
        prefixes = [prefix for prefix, count in votes.items() if count >= ENOUGH * len(wanted)]
        for prefix in dict.fromkeys([*prefixes, ""]):
            deeper = tuple(other for other in prefixes if other != prefix and other.startswith(prefix))
            tensors = {
                key.removeprefix(prefix): value
                for key, value in state.tensors.items()
                if key.startswith(prefix) and not (deeper and key.startswith(deeper))
            }
            found.append(Candidate(state, prefix, tensors))
    return found
