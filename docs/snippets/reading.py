"""What a page holds: commands, lines of Python, and whole files."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

COMMANDS = {
    "leannet", "make", "pip", "torchrun", "accelerate", "python", "curl", "tensorboard", "schemathesis", "train.py",
    ".venv/bin/ruff", "OMP_NUM_THREADS=1",
}  # fmt: skip
PYTHON = re.compile(r"(import|from) |\w[\w., ]* = |leannet\.")
# The first line of a block that is a file: a comment with the file's name alone.
FILE = re.compile(r"(?:#|//|<!--) (\w[\w-]*\.\w+)(?: -->)?$")
MARKS = ("needs a GPU", "needs the hub", "needs several machines", "needs another environment")
SKIPPED = {
    "make test": "runs before every change anyway",
    "make docs": "writes into the repository; a test compares what it writes",
    "make docs-check": "is this program",
    "python experiments/": "an experiment of hours",
    "python benchmarks/": "a benchmark, which wants the machine to itself",
    "train.py": "timm's, in an environment of its own",
    ".venv/bin/ruff": "changes the repository",
}


@dataclass(frozen=True)
class Line:
    """A command, or a block of Python, and where it stands."""

    page: str
    number: int
    text: str
    is_python: bool


def blocks(page: Path) -> Iterator[tuple[int, str, list[str]]]:
    """(number of the first line, language as fenced or "", lines) of each block of a page."""
    lines, language, block, first = page.read_text(encoding="utf-8").splitlines(), None, list[str](), 0
    for number, line in enumerate([*lines, ""], start=1):
        fence = re.match(r"```(\w*)$", line)
        if fence and language is None:
            if block:  # an indented one, up to the fence
                yield first, "", block
            language, block, first = fence[1] or "text", [], number + 1
        elif fence and language:
            yield first, language, block
            language, block = None, []
        elif language:
            block.append(line)
        elif line.startswith("    ") or (block and not line.strip()):
            first = first if block else number
            block.append(line[4:])
        elif block:
            yield first, "", block
            block = []


def files_of(page: Path) -> dict[str, str]:
    """The files that a page prints whole: name -> text."""
    files = {}
    for _, language, lines in blocks(page):
        if language and lines and (name := FILE.match(lines[0])):
            files[name[1]] = "\n".join(lines) + "\n"
    return files


def lines_of(page: Path) -> Iterator[Line]:
    """What is to be run, in the order of the page: each command by itself, and consecutive lines of Python together."""
    name = page.relative_to(ROOT).as_posix()
    for first, language, lines in blocks(page):
        code = [line for line in lines if line.strip() and not line.startswith("#")]
        if (
            language not in {"", "sh", "python"}
            or not code
            or (language and FILE.match(lines[0]))
            or (not language and not PYTHON.match(code[0]) and not _is_command(code[0]))
        ):
            continue
        number, mark, python = first, "", list[str]()
        while lines:
            text = lines.pop(0)
            start, number = number, number + 1
            while text.endswith("\\") and lines:
                text, number = f"{text}\n{lines.pop(0)}", number + 1
            is_shell = language == "sh" or _is_command(text) or text.startswith("#") or not text.strip()
            if language == "python" or not is_shell:
                python.append(text)
                continue
            if python and text.strip():
                yield Line(name, start - len(python), "\n".join(python), True)
                python = []
            if text.startswith("#"):  # a mark holds for all lines below it, up to a blank one
                mark = f"  {text}"
            elif not text.strip():
                mark = ""
            else:
                yield Line(name, start, text + mark, False)
        if python:
            yield Line(name, number - len(python), "\n".join(python), True)


def _is_command(text: str) -> bool:
    return text.split(" ")[0] in COMMANDS


def reason_to_skip(line: Line) -> str:
    """Why a line is not run; empty where it is run."""
    for mark in MARKS:
        if mark in line.text and not line.is_python:
            return mark
    return next((reason for start, reason in SKIPPED.items() if line.text.startswith(start)), "")
