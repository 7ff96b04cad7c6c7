"""JSON that people write and edit: a row a line, and one line for what is wrong with it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leannet.errors import LeannetError


def read_text(path: str | Path) -> str:
    """A file's text. Raises LeannetError where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LeannetError(f"{path}: cannot be read as text: {error}") from None


def parsed(text: str, where: str, meant: str) -> object:
    """Plain data from JSON text. meant: what was expected, for messages. Raises LeannetError."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise LeannetError(f"{where}: not JSON ({error}): expected {meant}") from None


def as_object(data: object, where: str, meant: str, newest: int) -> dict[str, Any]:
    """A JSON object of a version that is read. Raises LeannetError for anything else."""
    if not isinstance(data, dict):
        raise LeannetError(f"{where}: expected {meant}, found {type(data).__name__}")
    version = data.get("format_version", 1)
    if isinstance(version, int) and version > newest:
        raise LeannetError(
            f"{where}: format_version {version} is newer than this leannet reads ({newest}): upgrade leannet"
        )
    return data


def a_row_a_line(data: Mapping[str, Any], last: Mapping[str, Any]) -> str:
    """JSON with `rows` a line each, so that it reads as a table and differences show. last: what stands behind them."""
    rows = ",\n".join("    " + json.dumps(row) for row in data["rows"])
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in data.items() if key != "rows"]
    lines.append(f'  "rows": [\n{rows}\n  ]')
    lines += [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in last.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"
