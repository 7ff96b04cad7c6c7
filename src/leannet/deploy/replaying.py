"""Golden pictures again, in every engine there is."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leannet.deploy.artefact import Artefact
from leannet.errors import LeannetError
from leannet.runtime import ENGINES
from leannet.runtime.engines import is_installed

BATCHES = (1, 7)


@dataclass(frozen=True)
class Checked:
    """What one engine made of the golden pictures, against what was recorded when the artefact was made."""

    engine: str  # with its version; empty where it is not installed
    name: str
    batch: int
    difference: float  # the largest, over the largest output
    tolerance: float
    same_class: bool  # of every picture
    problem: str = ""

    @property
    def passed(self) -> bool:
        return not self.problem and self.same_class and self.difference <= self.tolerance

    def line(self) -> str:
        """For a person."""
        if self.problem:
            return f"{self.engine or self.name}, batch {self.batch}: {self.problem}"
        words = "same classes" if self.same_class else "ANOTHER CLASS"
        found = f"largest difference {self.difference:.1e} (allowed {self.tolerance:.0e}), {words}"
        return f"{self.engine}, batch {self.batch}: {found}"

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self) | {"passed": self.passed}


def check_artefact(artefact: Artefact, engines: Sequence[str] | None = None) -> list[Checked]:
    """Replays the golden pictures of an artefact, from PNG file to output.

    engines: None: all that are installed. Raises LeannetError for an engine that is asked for and not installed, and
    where none is installed.
    """
    found = []
    for name in engines or [name for name in artefact.engines if is_installed(name)]:
        if name not in artefact.engines:
            raise LeannetError(f"--engine {name}: expected one of {', '.join(artefact.engines)}")
        found += [_checked(artefact, name, batch) for batch in BATCHES]
    if not found:
        raise LeannetError(
            f"it was made for {', '.join(artefact.engines)}, which is not here: pip install 'leannet[deploy,litert]'"
        )
    return found


def write_checked(artefact: Artefact, target: Path, trouble: str) -> tuple[Checked, ...]:
    """Replays an artefact's golden pictures and writes it; what every engine found.

    Raises LeannetError that begins with `trouble` where one is wrong: then nothing is written.
    """
    checks = check_artefact(artefact)
    wrong = [each for each in checks if not each.passed]
    if wrong:
        raise LeannetError(f"{trouble}: {wrong[0].line()}; nothing was written")
    artefact.save(target)
    return tuple(checks)


def _checked(artefact: Artefact, name: str, batch: int) -> Checked:
    tolerance = float(artefact.header.artefact.get("tolerance", 1e-4))
    version = ENGINES[name].version()
    if not artefact.golden:
        return Checked(version, name, batch, 0.0, tolerance, False, "the artefact has no golden pictures")
    chosen = [artefact.golden[number % len(artefact.golden)] for number in range(max(batch, len(artefact.golden)))]
    try:
        wanted = np.stack([each.outputs for each in chosen])
        made = np.concatenate(
            [
                artefact.outputs([each.image() for each in chosen[start : start + batch]], name)
                for start in range(0, len(chosen), batch)
            ]
        )
        largest = float(np.abs(wanted).max())
        difference = float(np.abs(made - wanted).max()) / max(largest, 1e-30)
    except Exception as error:  # whatever an engine raises for a graph that it cannot run
        return Checked(version, name, batch, float("inf"), tolerance, False, " ".join(str(error).split())[:200])
    # Of two classes that are as good as equal, either is right.
    best = np.take_along_axis(made, wanted.argmax(axis=1)[:, None], axis=1)[:, 0]
    same = bool((best >= made.max(axis=1) - tolerance * largest).all())
    return Checked(version, name, batch, difference, tolerance, same)
