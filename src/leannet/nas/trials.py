"""Trials of a study."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from leannet.errors import LeannetError
from leannet.nas.choices import Option
from leannet.nas.storage import close, storage_of, without_password

KEY, WORKER, NOTES = "key", "worker", "notes"  # attributes of a trial
DONE = {"done": 0.0}  # what work that has no accuracy tells; to Optuna's tools it is no better than a candidate


@dataclass(frozen=True)
class Claim:
    """A trial that one worker alone evaluates. seed: for what is drawn meanwhile; it is no other trial's."""

    number: int
    trial_id: int
    key: str
    seed: int


@dataclass(frozen=True)
class Result:
    """A finished trial. values: what was measured, by name. notes: what its worker wrote when it began."""

    number: int
    key: str
    options: dict[str, Option]
    values: dict[str, float]
    worker: str
    notes: dict[str, Any] = field(default_factory=dict)


def results_of(storage: str, name: str) -> list[Result]:
    """The finished trials of a study that is there, whoever works on it. Raises LeannetError where there is none."""
    kept = storage_of(storage)
    try:
        trials = kept.get_all_trials(kept.get_study_id_from_name(name), deepcopy=False)
    except KeyError:
        raise LeannetError(f"{without_password(storage)}: holds no study {name}") from None
    finally:
        close(kept)
    return finished(trials)


def finished(trials: Sequence[Any]) -> list[Result]:
    """In the order of their numbers; of a key the first."""
    by_key: dict[str, Result] = {}
    for trial in trials:
        if trial.state.name == "COMPLETE" and KEY in trial.user_attrs:
            by_key.setdefault(trial.user_attrs[KEY], _result(trial))
    return list(by_key.values())


def _result(trial: Any) -> Result:
    attrs = trial.user_attrs
    values = {str(name): float(value) for name, value in attrs.get("values", {}).items()}
    worker, notes = str(attrs.get(WORKER, "")), dict(attrs.get(NOTES, {}))
    return Result(trial.number, str(attrs[KEY]), dict(trial.params), values, worker, notes)
