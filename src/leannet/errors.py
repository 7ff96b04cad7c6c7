"""The one error type a user sees: what was expected, what was found, where, and what to do."""

import difflib
import shlex
from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any


class LeannetError(ValueError):
    """A user's mistake, told in one line. The command line prints it and exits with status 2."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))


class Diverged(LeannetError):
    """A training whose loss or weights are not finite any more."""


def nearest(word: str, known: Iterable[str], count: int = 3) -> str:
    """The `count` known words most like `word`, as text for an error message."""
    ranked = sorted(known, key=lambda k: difflib.SequenceMatcher(None, word.lower(), k.lower()).ratio(), reverse=True)
    return ", ".join(ranked[:count])


IMPORTED: list[str] = []  # modules of --import, which commands that follow need too


def command_line(verb: str, *words: object) -> str:
    """A command to type, with names quoted as a shell needs it, and the --import of this one."""
    names = (str(word) for word in words)
    # A path that begins with a dash would be read as a flag; `--flag` itself is written with the verb.
    imports = [word for module in IMPORTED for word in ("--import", module)]
    return shlex.join(
        ["leannet", *imports, *verb.split(), *(f"./{name}" if name.startswith("-") else name for name in names)]
    )


def as_items(value: Any) -> list[Any]:
    """The items of a sequence; a string, a path, or anything else that is no sequence is one item."""
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]


def check_architecture(value: object) -> None:
    """Raises LeannetError where an architecture is expected and something else came, such as its name."""
    if isinstance(value, str | PathLike):
        raise LeannetError(
            f"expected an architecture, found {str(value)!r}; leannet.architecture(NAME) makes one of the zoo, "
            "leannet.load(RUN)[1].architecture is that of a run"
        )
