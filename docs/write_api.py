"""Writes docs/api.md from the signatures and docstrings of the public names. Run: make docs

A name is public that a package names in its `__all__`; each is described once, where it is met first. What public
functions return is described too, though nobody has to import it. Types stand as they are written in the source.
"""

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

API = Path(__file__).with_name("api.md")
PACKAGES = (
    "leannet",
    "leannet.artifact",
    "leannet.quantization",
    "leannet.web",
    "leannet.nas",
    "leannet.looks",
    "leannet.diagrams",
    "leannet.experiments",
    "leannet.rows",
)
RETURNED = "What they return"
INTRODUCTION = """# Functions and classes

Written by `make docs` (docs/write_api.py) from the source: every public function and class, and what they return.
[python.md](python.md) says which to use for what.
"""
WIDTH = 100
# What ends the description of a parameter within a docstring.
SENTENCE = re.compile(r"(?:^|(?<=\s))(?=(?:Raises|Returns|Yields) )")


class Item:
    """A function or class, as its source and its docstring describe it."""

    def __init__(self, name: str, value: Any):
        self.name, self.value = name, value
        self.source: Any = ast.parse(textwrap.dedent(inspect.getsource(value))).body[0]

    def lines(self) -> Iterator[str]:
        """The item in Markdown, without its heading."""
        if isinstance(self.source, ast.FunctionDef):
            yield f"```python\n{signature(self.source)}\n```\n"
            text, parameters = described(ast.get_docstring(self.source) or "", parameters_of(self.source.args))
            yield text[0]
            yield "".join(f"- **{name}**: {words}\n" for name, words in parameters.items())
            yield text[1]
            return
        fields = list(fields_of(self.source))
        (before, after), documented = described(ast.get_docstring(self.source) or "", [name for name, *_ in fields])
        yield before
        yield after
        bases = [base.__name__ for base in self.value.__bases__ if base.__module__.startswith("leannet.")]
        if bases and bases != ["Frozen"]:
            yield f"Has all that `{'`, `'.join(bases)}` has.\n"
        yield from table([(f"`{n}`", code(kind), code(value), documented.get(n) or inline(doc))
                          for n, kind, value, doc in fields])  # fmt: skip
        for member in self.source.body:
            doc = ast.get_docstring(member) if isinstance(member, ast.FunctionDef) else None
            if doc and not member.name.startswith("_"):
                yield f"- `{' '.join(signature(member).split())}`: {inline(doc)}"


def table(cells: list[tuple[str, str, str, str]]) -> Iterator[str]:
    """A class's fields: name, type, default, what they are; a column that is empty is left out."""
    headers = ("field", "type", "default", "")
    kept = [column for column in range(4) if any(line[column] for line in cells)]
    if cells:
        for line in (headers, ("---",) * 4, *cells):
            yield f"| {' | '.join(line[column] for column in kept)} |"
        yield ""


def signature(function: ast.FunctionDef) -> str:
    """A function's head as written, on one line or, where that is too long, a parameter a line; a property's alone."""
    arguments = function.args
    returns = f" -> {ast.unparse(function.returns)}".replace("'", "") if function.returns else ""
    if any("property" in ast.unparse(decorator) for decorator in function.decorator_list):
        return function.name + returns
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + arguments.defaults
    parts = [parameter(each, default) for each, default in zip(positional, defaults, strict=True)]
    if parts and parts[0] in {"self", "cls"}:
        parts.pop(0)
    if arguments.vararg:
        parts.append(f"*{ast.unparse(arguments.vararg)}")
    elif arguments.kwonlyargs:
        parts.append("*")
    parts += [parameter(each, value) for each, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    if arguments.kwarg:
        parts.append(f"**{ast.unparse(arguments.kwarg)}")
    line = f"{function.name}({', '.join(parts)}){returns}"
    if len(line) <= WIDTH:
        return line
    return f"{function.name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){returns}"


def parameters_of(arguments: ast.arguments) -> list[str]:
    """Names, in order."""
    plain = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [each.arg for each in (*plain, arguments.vararg, arguments.kwarg) if each]


def parameter(argument: ast.arg, default: ast.expr | None) -> str:
    """`name: type = default`."""
    return ast.unparse(argument) + (f" = {ast.unparse(default)}" if default else "")


def fields_of(source: ast.ClassDef) -> Iterator[tuple[str, str, str, str]]:
    """(name, type, default, docstring) of each annotated public field of a class."""
    for statement, following in zip(source.body, [*source.body[1:], None], strict=True):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        name, kind = statement.target.id, ast.unparse(statement.annotation)
        if name.startswith("_") or "ClassVar" in kind:
            continue
        doc = ""
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            doc = str(following.value.value)
        default = ast.unparse(statement.value) if statement.value else ""
        yield name, kind, default, " ".join(doc.split())


def described(doc: str, names: list[str]) -> tuple[tuple[str, str], dict[str, str]]:
    """A docstring in Markdown: what stands before and behind the names it explains, and what it says of each."""
    blocks: tuple[list[str], list[str]] = [], []
    descriptions: dict[str, str] = {}
    for paragraph in filter(None, doc.split("\n\n")):
        if paragraph.startswith(" ") or "\n    " in paragraph:
            blocks[bool(descriptions)].append(f"```\n{textwrap.dedent(paragraph)}\n```\n")
            continue
        text = " ".join(paragraph.split())
        pieces = re.split(rf"(?:^|(?<=[.;] ))(?=(?:{'|'.join(map(re.escape, names))}): )", text) if names else [text]
        for piece in filter(None, pieces):
            name, _, words = piece.partition(": ")
            first, *sentences = SENTENCE.split(words if name in names else piece)
            if name in names:
                descriptions[name] = inline(first).rstrip(";")
            else:
                sentences.insert(0, first)
            blocks[bool(descriptions)].extend(f"{inline(sentence)}\n" for sentence in sentences if sentence.strip())
    return ("\n".join(blocks[0]), "\n".join(blocks[1])), descriptions


def inline(text: str) -> str:
    """Text on one line that Markdown leaves alone, but for what stands in backquotes."""
    parts = " ".join(text.split()).split("`")
    plain = [re.sub(r"([*_<>|])", r"\\\1", part) for part in parts[::2]]
    return "`".join(part for pair in zip(plain, [*parts[1::2], None], strict=True) for part in pair if part is not None)


def code(text: str) -> str:
    """Code in a cell of a table."""
    return f"`{text.replace('|', chr(92) + '|')}`" if text else ""


def returned_by(function: Any) -> Iterator[type]:
    """The classes of leannet's that a function returns, also those that it imports for type checking alone."""
    function = inspect.unwrap(function)
    annotation = function.__annotations__.get("return")
    if not isinstance(annotation, str):
        yield from classes_in(annotation)
        return
    module = inspect.getmodule(function)
    assert module is not None
    names = dict(function.__globals__)
    for statement in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(statement, ast.ImportFrom) and statement.module:
            wanted = [alias.name for alias in statement.names if alias.name in annotation and alias.name not in names]
            names |= {name: getattr(import_module(statement.module), name) for name in wanted}
    yield from classes_in(eval(annotation, names))


def classes_in(annotation: Any) -> Iterator[type]:
    """The classes of leannet's that a type speaks of."""
    if inspect.isclass(annotation) and annotation.__module__.startswith("leannet"):
        yield annotation
    for part in get_args(annotation):
        yield from classes_in(part)


def sections() -> dict[str, list[Item]]:
    """What is described, by package."""
    found: dict[str, list[Item]] = {}
    described_ids: set[int] = set()
    returned: list[type] = []
    for package in PACKAGES:
        module = import_module(package)
        found[package] = []
        for name in module.__all__:
            value = getattr(module, name)
            if id(value) in described_ids or not (inspect.isclass(value) or inspect.isfunction(value)):
                continue
            described_ids.add(id(value))
            found[package].append(Item(name, value))
            if inspect.isfunction(value):
                returned += returned_by(value)
    while returned:  # and what stands in what they return
        value = returned.pop(0)
        if id(value) in described_ids:
            continue
        described_ids.add(id(value))
        found.setdefault(RETURNED, []).append(Item(value.__name__, value))
        if dataclasses.is_dataclass(value):
            for field in dataclasses.fields(value):
                returned += [] if field.name.startswith("_") else classes_in(field.type)
    found[RETURNED].sort(key=lambda item: item.name)
    return found


def page() -> str:
    """docs/api.md."""
    described_items = sections()
    uses: dict[str, int] = {}

    def anchor(heading: str) -> str:
        """Where GitHub puts a heading: of equal ones the second has `-1`."""
        base = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        uses[base] = uses.get(base, -1) + 1
        return f"{base}-{uses[base]}" if uses[base] else base

    contents, lines = [], list[str]()
    for package, items in described_items.items():
        start = f"- **[{package}](#{anchor(package)})**"
        contents.append(f"{start}: {', '.join(f'[{item.name}](#{anchor(item.name)})' for item in items)}")
        lines.append(f"## {package}\n")
        if package != RETURNED:
            lines.append(inline((import_module(package).__doc__ or "").split("\n\n")[0]) + "\n")
        for item in items:
            lines += [f"### {item.name}\n", *item.lines(), ""]
    text = "\n".join([INTRODUCTION, *contents, "", *lines])
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def main() -> None:
    """Writes the page."""
    API.write_text(page(), encoding="utf-8")
    print(API.relative_to(API.parents[1]))


if __name__ == "__main__":
    main()
