"""The file by which a verb that works on a folder for long goes on with it, and by which its workers agree."""

import json
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import ValidationError

from leannet.errors import LeannetError
from leannet.files import write_whole
from leannet.rows import first_error
from leannet.rows.fields import Documented


class Begun(Documented):
    """What has begun in a folder."""

    file: ClassVar[str]  # its name in the folder
    words: ClassVar[str]  # for a person

    settings: dict[str, Any]
    """Of the training."""
    command: str | None = None
    """What it was begun with."""

    def save(self, folder: Path) -> None:
        """Writes it into the folder, whole or not at all."""
        write_whole(folder / self.file, (json.dumps(self.model_dump(mode="json"), indent=1) + "\n").encode())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """From the folder. Raises LeannetError where there is none."""
        file = folder / cls.file
        if not file.exists():
            raise LeannetError(f"{folder}: expected the folder of {cls.words} ({cls.file}), found none")
        try:
            return cls.model_validate_json(file.read_bytes())
        except ValidationError as error:
            raise LeannetError(f"{file}: {first_error(error)}") from None
