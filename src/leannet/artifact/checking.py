"""`check`: whether what was shipped still gives what it gave."""

from collections.abc import Sequence
from pathlib import Path

from leannet.artifact.opening import open_artifact
from leannet.artifact.replaying import Checked, check_artifact


def check(path: str | Path, engines: Sequence[str] | None = None) -> list[Checked]:
    """Replays the golden images of an artifact, file or folder, from PNG file to output.

    engines: None: all that are installed. Raises LeannetError for what is damaged, an engine that is asked for and not
    installed, and where none is installed.
    """
    return check_artifact(open_artifact(path), engines)
