"""`check`: whether what was shipped still gives what it gave."""

from collections.abc import Sequence
from pathlib import Path

from leannet.deploy.artefact import Artefact
from leannet.deploy.formats import check_folder
from leannet.deploy.replaying import Checked, check_artefact
from leannet.errors import LeannetError


def check(path: str | Path, engines: Sequence[str] | None = None) -> list[Checked]:
    """Replays the golden pictures of an artefact, or of a folder of `export --format`, from PNG file to output.

    engines: of an artefact; None: all that are installed. Raises LeannetError for what is damaged, an engine that is
    asked for and not installed, and where none is installed.
    """
    if Path(path).is_dir() and not (Path(path) / "model.safetensors").exists():
        if engines:
            raise LeannetError(f"--engine: {path} is a folder, for one runtime: leave it out")
        return check_folder(path)
    return check_artefact(Artefact.open(path), engines)
