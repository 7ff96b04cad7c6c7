"""Writes docs/readers.md, the table of readers, from its cells: `python benchmarks/readers.py --page`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from leannet.artifact.readers import wrong_in
from leannet.files import write_whole
from leannet.zoo import architecture

TITLES = {
    "float32": "float32 (`export`)",
    "uint8-sized": "uint8 images of the network's size (`export --input uint8-sized`)",
    "uint8": "uint8 images of any size (`export --input uint8`)",
    "int8 for onnxruntime": "Integers for ONNX Runtime (`quantize`)",
    "int8 for openvino": "Integers for OpenVINO (`quantize --engine openvino`)",
}
FORMS = {"onnx": "ONNX", "ir": "OpenVINO's own form", "tflite": "LiteRT (.tflite)", "ncnn": "ncnn"}
BATCH_OF_ONE = ("tflite-micro", "ncnn")  # by their nature, or as leannet runs them


def write(cells: Sequence[Any], out: Path) -> None:
    """The page."""
    write_whole(out, ("\n".join(_lines(cells)) + "\n").encode())


def _lines(cells: Sequence[Any]) -> Iterator[str]:
    yield "# Which programs read the files correctly"
    yield ""
    yield (
        "Written by `python benchmarks/readers.py`, which installs every reader in an environment of its own and runs "
        "small networks of every family, with random weights, on noise: one image at a time, then four at once. Each "
        f"cell is a line of JSON in [benchmarks/readers.jsonl](benchmarks/readers.jsonl): {len(cells)} cells. `--page` "
        "writes the page alone. CPU; x86-64."
    )
    yield ""
    yield (
        "**right**: of floats, within 1e-4 of the largest output; of uint8 images of any size, within a quarter of "
        "what skipping antialiasing changes, as `leannet check` allows; of integers, within 5e-2, or twice what "
        "quantizing costs in the engine that they are made for, since another may round differently. **refused**: an "
        "error. **wrong**: a different answer without an error. **one**: right one image at a time, several at "
        "once refused. **one!**: right one image at a time, **wrong** several at once."
    )
    yield ""
    floats = [cell for cell in cells if cell.kind in ("float32", "uint8-sized")]
    wrong = sum("wrong" in (cell.verdict, cell.batch) for cell in floats)
    yield (
        f"Of {len(floats)} cells of float32 networks that do not resize, {wrong} are wrong. What is wrong elsewhere is "
        "listed below, and in the files themselves: in the header under `wrong_in`, and in the doc string that viewers "
        "of ONNX show."
    )
    for kind, title in TITLES.items():
        yield from ("", f"## {title}", "")
        yield from _table([cell for cell in cells if cell.kind == kind and cell.form == "onnx"], with_form=False)
        yield from _reasons(kind, cells)
    yield from ("", "## Files of other formats (`export --format`, `quantize --engine litert`)", "")
    yield from _table([cell for cell in cells if cell.form != "onnx"], with_form=True)
    yield from _reasons("int8 for litert", cells)


def _table(cells: Sequence[Any], with_form: bool) -> Iterator[str]:
    columns = list(dict.fromkeys((cell.form, cell.kind, cell.reader, cell.version) for cell in cells))
    if with_form:
        columns.sort(key=lambda column: (list(FORMS).index(column[0]), column[1] != "float32"))
    by_key = {(cell.family, cell.form, cell.kind, cell.reader, cell.version): cell for cell in cells}
    titles = []
    for form, kind, reader, version in columns:
        words = f"{FORMS[form]}{', integers' if kind.startswith('int8') else ''}: " if with_form else ""
        titles.append(f"{words}{reader} {version}")
    yield f"| family | {' | '.join(titles)} |"
    yield f"|---{'|---' * len(columns)}|"
    for family in dict.fromkeys(cell.family for cell in cells):
        words = [_word(by_key[family, *column]) if (family, *column) in by_key else "" for column in columns]
        yield f"| {family} | {' | '.join(words)} |"


def _word(cell: Any) -> str:
    if cell.verdict != "right":
        return "**wrong**" if cell.verdict == "wrong" else "refused"
    if cell.batch == "wrong":
        return "**one!**"
    return "one" if cell.batch == "refused" and cell.reader not in BATCH_OF_ONE else "right"


def _reasons(kind: str, cells: Sequence[Any]) -> Iterator[str]:
    engine = kind.removeprefix("int8 for ") if kind.startswith("int8") else ""
    reasons: dict[str, str] = {}
    for family in dict.fromkeys(cell.family for cell in cells):
        reasons |= wrong_in("float32" if engine else kind, engine, architecture(family))  # type: ignore[arg-type]
    seen = {cell.reader for cell in cells if cell.kind == kind and "wrong" in (cell.verdict, cell.batch)}
    for reader, reason in reasons.items():
        if reader in seen:
            yield from ("", f"Wrong in {reader}: {reason}.")
    refusals: dict[str, list[str]] = {}
    for cell in cells:
        if cell.kind == kind and cell.verdict == "refused":
            refusals.setdefault(f"{cell.reader} {cell.version}", []).append(cell.family)
    if refusals:
        yield ""
        every = len({cell.family for cell in cells})
        words = (f"{name}, {'all' if len(of) == every else ', '.join(of)}" for name, of in refusals.items())
        yield "Refused: " + "; ".join(words) + "."
