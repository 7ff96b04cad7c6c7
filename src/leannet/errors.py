"""The one error type a user sees: what was expected, what was found, where, and what to do."""

import difflib
import shlex
from collections.abc import Iterable


class LeannetError(ValueError):
    """A user's mistake, told in one line. The command line prints it and exits with status 2."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))


def nearest(word: str, known: Iterable[str], count: int = 3) -> str:
    """The `count` known words most like `word`, as text for an error message."""
    ranked = sorted(known, key=lambda k: difflib.SequenceMatcher(None, word.lower(), k.lower()).ratio(), reverse=True)
    return ", ".join(ranked[:count])


def command_line(verb: str, *words: object) -> str:
    """A command to type, with names quoted as a shell needs it."""
    names = (str(word) for word in words)
    # A path that begins with a dash would be read as a flag; `--flag` itself is written with the verb.
    return shlex.join(["leannet", *verb.split(), *(f"./{name}" if name.startswith("-") else name for name in names)])
