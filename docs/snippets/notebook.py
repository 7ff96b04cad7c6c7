"""Runs a notebook's cells without Jupyter, and keeps what they show as Jupyter would."""

import ast
import base64
import contextlib
import io
from typing import Any

FORMATS = {
    "text/html": "_repr_html_",
    "text/markdown": "_repr_markdown_",
    "image/svg+xml": "_repr_svg_",
    "image/png": "_repr_png_",  # of Pillow's images
}

Cell = dict[str, Any]


def run_cells(notebook: Cell) -> list[list[Cell]]:
    """The outputs of each code cell of a notebook (nbformat 4), all run in one namespace.

    A cell that raises ends it: the error has the cell's source as a note.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    outputs = []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"])
        try:
            outputs.append(_run(source, namespace))
        except Exception as error:  # a cell may raise anything; it is raised again
            error.add_note(f"in the cell:\n{source}")
            raise
    return outputs


def _run(source: str, namespace: dict[str, Any]) -> list[Cell]:
    tree = ast.parse(source)
    last = tree.body[-1] if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    if last is not None:
        tree.body.pop()
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, "cell", "exec"), namespace)
        # A cell of this repository, whose last expression is what it shows.
        value = eval(compile(ast.Expression(last.value), "cell", "eval"), namespace) if last else None
    outputs: list[Cell] = []
    if printed.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": _lines(printed.getvalue())})
    if value is not None:
        data: dict[str, Any] = {}
        for kind, method in FORMATS.items():
            if hasattr(value, method):
                shown = getattr(value, method)()
                data[kind] = base64.b64encode(shown).decode() if isinstance(shown, bytes) else _lines(shown)
        data["text/plain"] = [type(value).__name__] if data else _lines(repr(value))
        outputs.append({"output_type": "execute_result", "execution_count": None, "metadata": {}, "data": data})
    return outputs


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)
