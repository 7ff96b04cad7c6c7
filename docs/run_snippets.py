"""Runs every command and snippet of README and docs/ as printed, on small data that it draws: `make docs-check`.

python docs/run_snippets.py [PAGE ...]     # README.md, docs/shipping.md, ...; none: all

A block is what is indented by four spaces, or fenced as sh or python. It is run in a folder of the page's own, which
has what the pages speak of: photos/, cat.jpg, cifar10/, ... What a line needs besides is made first, as NEEDS says.
A block of Python that begins with `# NAME.py` is that file: it is written, and run by itself.
Changed is nothing but what CHANGES says; left out is what a visible mark says (`# needs a GPU`, `# needs the hub`,
`# needs several machines`) and what LEFT_OUT says.
"""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
SECONDS = 900  # a command

COMMANDS = {
    "leannet", "make", "pip", "torchrun", "accelerate", "python", "curl", "tensorboard", "schemathesis", "train.py",
    ".venv/bin/ruff", "OMP_NUM_THREADS=1",
}  # fmt: skip
PYTHON = re.compile(r"(import|from) |\w[\w., ]* = |leannet\.")
MARKS = ("needs a GPU", "needs the hub", "needs several machines", "needs another environment")
CHANGES = {"--time 30m": "--time 5s"}  # a clock is not shortened by small data
LEFT_OUT = {
    "make test": "is what runs before every change",
    "make docs": "writes into the repository; a test compares what it writes",
    "make docs-check": "is this",
    "python experiments/": "an experiment of hours",
    "python benchmarks/": "a benchmark, which wants the machine to itself",
    "train.py": "timm's, in an environment of its own",
    ".venv/bin/ruff": "changes the repository",
}
SMALL = "--model mobilenet_v3_small --width 0.5 --resolution 64 --epochs 1 --quiet"
NEEDS = {  # what a line speaks of and the page did not make
    "runs/photos": f"leannet train photos {SMALL} --out runs/photos",
    "runs/a": f"leannet train photos {SMALL} --out runs/a",
    "runs/b": f"leannet train photos {SMALL} --seed 1 --out runs/b",
    "runs/folds": f"leannet train photos {SMALL} --folds 5 --out runs/folds",
    "runs/ants_bees-mobilenet_v2": f"leannet train ants_bees {SMALL} --out runs/ants_bees-mobilenet_v2",
    "runs/ants_bees-two_layer": f"leannet train ants_bees {SMALL} --out runs/ants_bees-two_layer",
    "runs/photos/model.onnx": "leannet export runs/photos",
    "runs/a/model.int8.onnx": "leannet quantize runs/a",
    "model.onnx": f"leannet train photos {SMALL} --out runs/plain && leannet export runs/plain --out model.onnx",
    "model.safetensors": f"leannet train photos {SMALL} --out runs/own && cp runs/own/model.safetensors .",
    "site": "leannet export runs/photos && leannet web runs/photos/model.onnx --out site",
    "small.json": "python small.py",
    "mobilenetv2_100.safetensors": "python foreign.py mobilenet_v2 timm mobilenetv2_100.safetensors",
    "last.ckpt": "python foreign.py mobilenet_v2 timm last.ckpt model.",
    "model_best.pth.tar": "python foreign.py mobilenet_v2 timm model_best.pth.tar",
    "holiday": "mkdir holiday && cp cat.jpg dog.jpg holiday",
    "resnet18.pth": "python foreign.py resnet18 torchvision resnet18.pth",
    "experiments": f"ln -s {shlex.quote(str(ROOT / 'experiments'))} experiments",
    "docs": "mkdir -p docs/figures",
}
SMALL_ROWS = """
import leannet
open("small.json", "w").write(leannet.architecture("two_layer", classes=2).to_json())
"""
FOREIGN = '''
"""A file of another library's: our fresh weights under its names."""
import sys
import torch
from safetensors.torch import save_file
from leannet.network import build
from leannet.zoo import find
name, library, out, prefix = (*sys.argv[1:], "")[:4]
family = find(name)
source = next(source for source in family.sources if source.name.startswith(library))
rows = source.rows(1.0, family.resolution, family.classes, 3)
own, theirs = build(rows).state_dict(), dict(source.keys(rows))
state = {f"{prefix}{theirs[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}": value for key, value in own.items()}
save_file(state, out) if out.endswith(".safetensors") else torch.save({"state_dict": state}, out)
'''


@dataclass(frozen=True)
class Line:
    """A command, or a block of Python, and where it stands."""

    page: str
    number: int
    text: str
    is_python: bool


def blocks(page: Path) -> Iterator[tuple[int, str, list[str]]]:
    """(number of the first line, kind as fenced or "", lines) of each block of a page."""
    lines, kind, found, begin = page.read_text(encoding="utf-8").splitlines(), None, [], 0
    for number, line in enumerate([*lines, ""], start=1):
        fence = re.match(r"```(\w*)$", line)
        if fence and kind is None:
            kind, found, begin = fence[1] or "text", [], number + 1
        elif fence and kind:
            yield begin, kind, found
            kind, found = None, []
        elif kind:
            found.append(line)
        elif line.startswith("    ") or (found and not line.strip()):
            begin = number if not found else begin
            found.append(line[4:])
        elif found:
            yield begin, "", found
            found = []


def lines_of(page: Path) -> Iterator[Line]:
    """What of a page is to be run, in its order: each command by itself, and lines of Python that follow each other."""
    name = page.relative_to(ROOT).as_posix()
    for begin, kind, lines in blocks(page):
        code = [line for line in lines if line.strip() and not line.startswith("#")]
        if (
            kind not in {"", "sh", "python"}
            or not code
            or (not kind and not PYTHON.match(code[0]) and not _is_command(code[0]))
        ):
            continue
        number, mark, python = begin, "", list[str]()
        while lines:
            text = lines.pop(0)
            place, number = number, number + 1
            while text.endswith("\\") and lines:
                text, number = f"{text}\n{lines.pop(0)}", number + 1
            if kind == "python" or not (kind == "sh" or _is_command(text) or text.startswith("#") or not text.strip()):
                python.append(text)
                continue
            if python and text.strip():
                yield Line(name, place - len(python), "\n".join(python), True)
                python = []
            if text.startswith("#"):  # a mark is of all lines below, up to a blank one
                mark = f"  {text}"
            elif not text.strip():
                mark = ""
            else:
                yield Line(name, place, text + mark, False)
        if python:
            yield Line(name, number - len(python), "\n".join(python), True)


def _is_command(text: str) -> bool:
    return text.split(" ")[0] in COMMANDS


def reason_to_leave_out(line: Line) -> str:
    """Why a line is not run; empty where it is."""
    for mark in MARKS:
        if mark in line.text and not line.is_python:
            return mark
    return next((why for start, why in LEFT_OUT.items() if line.text.startswith(start)), "")


DONE: dict[str, tuple[int, str]] = {}


class Folder:
    """Where a page's lines are run."""

    def __init__(self, path: Path):
        self.path = path
        self.server: subprocess.Popen[bytes] | None = None
        paths = os.pathsep.join([str(BIN), os.environ["PATH"]])
        passed_on = {
            name: value for name, value in os.environ.items() if name.startswith("OMP") or name == "PYTHONPATH"
        }
        self.environment = {
            "PATH": paths,
            "HOME": os.environ["HOME"],
            "LANG": "C.UTF-8",
            "MPLBACKEND": "agg",
            **passed_on,
        }

    def run(self, text: str) -> tuple[int, str]:
        """Exit status and what was printed."""
        done = subprocess.run(
            ["bash", "-c", text], cwd=self.path, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout.decode(errors="replace")

    def prepare(self, text: str, making: tuple[str, ...] = ()) -> None:
        """Makes what a line needs and is not there."""
        words = re.findall(r"[\w./-]+", "\n".join(line.split("  #")[0] for line in text.splitlines()))
        made = {words[i + 1] for i, word in enumerate(words[:-1]) if word in {"--out", "out"}}
        for need, how in NEEDS.items():
            used = any(word.rstrip("/") == need or word.startswith(f"{need}/") for word in words if word not in made)
            used = used or (need == "docs" and any(word.startswith("docs/") for word in made))
            if used and not (self.path / need).exists() and need not in made and need not in making:
                self.prepare(how, (*making, need))
                code, out = self.run(how)
                if code:
                    raise RuntimeError(f"{how}: exit status {code}\n{out}")

    def make_room(self, text: str) -> None:
        """A run that a page makes twice, in this way or that, is made anew."""
        for name in re.findall(r"out[= ]\"?([\w./-]+)", text):
            place = self.path / name
            if (place / "config.toml").exists() or (place / "fold-1").exists():
                shutil.rmtree(place)

    def once(self, text: str) -> tuple[int, str]:
        """The same for what no page changes: pages that say it again are given what it came to."""
        if text not in DONE:
            DONE[text] = self.run(text)
        return DONE[text]

    def serve(self, text: str) -> tuple[int, str]:
        """Starts a server and waits for its port; it runs until the next one, or the page's end."""
        self.stop()
        port = re.search(r"--port (\d+)", text)
        wanted = int(port[1]) if port else 6006 if text.startswith("tensorboard") else 8000
        words = shlex.split(text, comments=True)
        self.server = subprocess.Popen(
            words, cwd=self.path, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, executable=str(BIN / words[0]),
        )  # fmt: skip
        for _ in range(240):
            if self.server.poll() is not None:
                assert self.server.stdout is not None
                return self.server.returncode, self.server.stdout.read().decode(errors="replace")
            if not wanted:  # any free port: it says which
                assert self.server.stdout is not None
                return 0, self.server.stdout.readline().decode()
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", wanted)) == 0:
                    return 0, ""
            time.sleep(0.25)
        return 1, "no answer on its port within a minute"

    def stop(self) -> None:
        """Ends the server as Ctrl-C does."""
        if self.server is not None:
            self.server.send_signal(signal.SIGINT)
            try:
                self.server.wait(20)
            except subprocess.TimeoutExpired:
                self.server.kill()
            self.server = None


def run_page(page: Path, base: Path) -> list[tuple[Line, int, str]]:
    """The lines of a page that failed: exit status and what was printed."""
    failed = []
    lines = list(lines_of(page))
    with tempfile.TemporaryDirectory() as place:
        folder = Folder(Path(place) / "here")
        shutil.copytree(base, folder.path, symlinks=True)
        for line in lines:
            why = reason_to_leave_out(line)
            title = f"{line.page}:{line.number}: {line.text.splitlines()[0][:90]}"
            if why:
                print(f"  left out  {title} ({why})", flush=True)
                continue
            began = time.perf_counter()
            code, out = _run(folder, line)
            seconds = time.perf_counter() - began
            print(f"  {'ok' if not code else f'EXIT {code}':9} {title} ({seconds:.0f} s)", flush=True)
            if code:
                failed.append((line, code, out))
        folder.stop()
    return failed


def _run(folder: Folder, line: Line) -> tuple[int, str]:
    text = line.text
    for printed, shorter in CHANGES.items():
        text = text.replace(printed, shorter)
    try:
        if line.is_python:
            text = "\n".join(each for each in text.splitlines() if not any(mark in each for mark in MARKS))
            folder.prepare(text)
            folder.make_room(text)
            if file := re.match(r"# (\w+\.py)\n", text):
                (folder.path / file[1]).write_text(text + "\n")
                return folder.run(f"python {file[1]}")
            past = folder.path / "past.py"  # blocks of a page follow each other
            whole = (past.read_text() if past.exists() else "import leannet\n") + text + "\n"
            (folder.path / "block.py").write_text(whole)
            code, out = folder.run("python block.py")
            if not code:
                past.write_text(whole)
            return code, out
        folder.prepare(text)
        folder.make_room(text)
        if text.startswith(("leannet serve", "tensorboard")):
            return folder.serve(text)
        if text.startswith("make"):
            return folder.once(f"cd {shlex.quote(str(ROOT))} && {text.split('  #')[0].strip()}")
        if text.startswith("pip install"):
            return folder.run(f"{_environment(folder)} && cd {shlex.quote(str(ROOT))} && {text}")
        return folder.run(text)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return -1, str(error)


def _environment(folder: Folder) -> str:
    """Words that begin to use a fresh environment that has this one's packages."""
    place = folder.path / "environment"
    if not place.exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        packages = next((place / "lib").iterdir()) / "site-packages"
        here = next((BIN.parent / "lib").iterdir()) / "site-packages"
        (packages / "those.pth").write_text(f"{here}\n")
    return f"export PATH={shlex.quote(str(place / 'bin'))}:$PATH"


def draw_base(base: Path) -> None:
    """The small data that the pages speak of."""
    import io

    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image, ImageDraw

    def draw(kind: int, number: int, size: int = 80) -> Image.Image:
        random = np.random.default_rng((kind, number))
        image = Image.fromarray(random.integers(0, 90, (size, size, 3), dtype=np.uint8))
        radius, x, y = random.integers(size // 6, size // 3), *random.integers(size // 3, size - size // 3, 2)
        pen = ImageDraw.Draw(image)
        box = [int(n) for n in (x - radius, y - radius, x + radius, y + radius)]
        (pen.ellipse if kind % 2 else pen.rectangle)(box, fill=tuple(int(n) for n in random.integers(120, 255, 3)))
        return image

    base.mkdir(parents=True)
    for root, classes, each, first in (
        ("photos", ("cat", "dog"), 24, 0),
        ("more-photos", ("cat", "dog"), 8, 100),
        ("ants_bees/train", ("ants", "bees"), 24, 0),
        ("ants_bees/val", ("ants", "bees"), 10, 100),
        ("imagenet/train", ("n01440764", "n01443537"), 8, 0),
        ("imagenet/val", ("n01440764", "n01443537"), 4, 100),
    ):
        for kind, name in enumerate(classes):
            (base / root / name).mkdir(parents=True)
            for number in range(first, first + each):
                draw(kind, number).save(base / root / name / f"{number}.jpg")
    draw(0, 200).save(base / "ants_bees/train/ants/1225872729_6f0856588f.jpg")
    draw(1, 200).save(base / "ants_bees/val/bees/2782079948_8d4e94a826.jpg")
    draw(0, 201).save(base / "ants_bees/train/ants/imageNotFound.gif")
    for name, kind in (("cat.jpg", 0), ("dog.jpg", 1), ("dog.png", 1), ("image.jpg", 0)):
        draw(kind, 300).save(base / name)
    (base / "cifar10").mkdir()
    for split, each, first in (("train", 12, 0), ("test", 4, 100)):
        cells, labels = [], []
        for label in range(10):
            for number in range(first, first + each):
                stream = io.BytesIO()
                draw(label, number, 32).save(stream, "JPEG")
                cells.append({"bytes": stream.getvalue(), "path": None})
                labels.append(label)
        names = "airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck"
        table = pa.table({"img": cells, "label": labels}).replace_schema_metadata({"class_names": names})
        pq.write_table(table, base / "cifar10" / f"{split}.parquet")
    (base / "foreign.py").write_text(FOREIGN)
    (base / "small.py").write_text(SMALL_ROWS)


def main() -> None:
    """Runs the pages that are named, or all; exits with 1 where a line of them failed."""
    docs = sorted((ROOT / "docs").glob("*.md"))
    pages = [ROOT / name for name in sys.argv[1:]] or [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *docs]
    failed = []
    with tempfile.TemporaryDirectory() as place:
        base = Path(place) / "base"
        draw_base(base)
        for page in pages:
            print(page.relative_to(ROOT), flush=True)
            failed += run_page(page, base)
    for line, code, out in failed:
        print(f"\n{line.page}:{line.number}: exit status {code}\n{line.text}\n{out[-1500:]}")
    print(f"\n{len(failed)} of the lines failed" if failed else "\nevery line did what it says")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
