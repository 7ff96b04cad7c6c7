"""What is imported when, and which way the arrows point."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import leannet

SOURCE = Path(__file__).parents[1] / "src" / "leannet"
# Each room may import those before it in this list, and itself.
ROOMS = [
    {"errors", "lazy", "native", "notebook", "run_files"},
    {"files", "launcher", "onnx_file", "rows"},
    {"style"},
    {"preprocessing", "retired", "sections"},
    {"cost", "zoo", "header"},
    {"blocks", "diagrams", "layer_names", "what"},
    {"network"},
    {"checkpoint", "runtime"},
    {"microcontrollers", "weights"},
    {"factory"},
    {"console", "data"},
    {"detect"},
    {"tasks"},
    {"artifact"},
    {"benchmark", "evaluation"},
    {"training"},
    {"quantization", "reports", "shrink", "studies", "web"},
    {"nas", "serving"},
    {"advice", "looks"},
    {"experiments"},
    {"cli"},
]
LEVEL = {name: number for number, names in enumerate(ROOMS) for name in names}


def _room(path: Path) -> str:
    first = path.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


def test_arrows_point_one_way() -> None:
    wrong = []
    for path in SOURCE.rglob("*.py"):
        room = _room(path)
        if room in {"__init__", "__main__"}:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("leannet."):
                target = node.module.split(".")[1]
                if target != room and LEVEL[target] >= LEVEL[room]:
                    wrong.append(f"{path.name} imports {node.module}")
    assert wrong == []


def test_nothing_asks_for_torchvision() -> None:
    banned = {"torchvision", "timm", "pytorch_grad_cam"}
    paths = list(SOURCE.rglob("*.py"))
    assert len(paths) > 100
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & banned, path


@pytest.mark.parametrize(
    ("code", "light"),
    [
        ("import leannet", {"torch", "numpy", "pydantic", "rich"}),
        ("import leannet.cli.app", {"torch", "numpy", "pydantic"}),
        ("import leannet; leannet.architecture('mobilenet_v2')", {"torch", "numpy"}),
        ("import leannet.evaluation, leannet.data.sources", {"torchvision", "matplotlib", "sklearn", "pyarrow"}),
        ("import leannet.training, leannet.reports", {"torchvision", "matplotlib", "sklearn", "pyarrow", "jinja2"}),
    ],
)
def test_heavy_libraries_wait_until_they_are_used(code: str, light: set[str]) -> None:
    check = f"{code}; import sys; print(*({light!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_type_checkers_may_read_it() -> None:
    """PEP 561: without the marker they take every name of the package for Any."""
    assert Path(leannet.__file__).with_name("py.typed").exists()


def test_the_page_on_python_has_every_public_name() -> None:
    page = (SOURCE.parents[1] / "docs" / "python.md").read_text()
    missing = [name for name in leannet.__all__ if name != "__version__" and not re.search(rf"`{name}\b", page)]
    assert missing == []
    assert set(re.findall(r"^\| `(\w+)\(", page, re.MULTILINE)) <= set(leannet.__all__)
