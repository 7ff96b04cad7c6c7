"""Which engine skips, by which means, in which precision, and what that saves.

    python benchmarks/skip_engines.py [--seconds 4]      # a quarter of an hour; leave the machine alone meanwhile

ResNet-50 at 224 px with SkipNet's recurrent gates, one thread: every second gate skips, against the same file with none
skipping, and against one whose choices are masked. Ways: a branch for one image; gathered, for 8; the host's steps
(ncnn); masked. int8 with ranges that nothing was measured for: time alone counts. The browser is headless Chromium with
onnxruntime-web, one thread, both files in one page in turns. Appends a line for each way to
docs/benchmarks/skip_engines.jsonl, goes on where it stopped, and writes docs/benchmarks/skip_engines.md.
"""

import argparse
import json
import tempfile
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import browser
import numpy as np
from skip_latency import forced, weights_of

import leannet
from leannet.artifact.exporting import export
from leannet.checkpoint import save
from leannet.files import write_whole
from leannet.header import Header
from leannet.preprocessing import Preprocessing
from leannet.rows.gating import gated
from leannet.runtime import ENGINES, machine, measure
from leannet.runtime.branching import Branches
from leannet.runtime.precisions import program, runs_in
from leannet.web import make_site

OUT = Path(__file__).parents[1] / "docs" / "benchmarks" / "skip_engines.jsonl"
NETWORK, IMAGES, SKIPS = "resnet50", 8, 0.25  # a way skips that saves this share of what the mult-adds promise
WAYS: dict[str, tuple[Branches | None, int]] = {"masked": (None, 1), "branch": ("one", 1), "gather": ("any", IMAGES)}
ENGINE_WAYS = {
    "torch": ("gather",),
    "onnxruntime": ("masked", "branch", "gather"),
    "openvino": ("masked", "branch"),
    "litert": ("masked", "branch"),
    "ncnn": ("masked", "host's steps"),
}


def timed(engine: str, way: str, precision: str, seconds: float) -> dict[str, Any]:
    """Milliseconds with no gate skipping and with every second one, in turns."""
    branches, images = WAYS.get(way, ("one", 1))
    rows = gated(leannet.architecture(NETWORK), "recurrent")
    weights, share = weights_of(rows), 1.0
    x = np.random.default_rng(0).normal(size=(images, *rows.input.shape)).astype(np.float32)
    runs = {}
    for pattern in ("none", "every second"):
        table, share = forced(rows, pattern)
        made = program(table, precision, engine, weights, branches)
        runs[pattern] = partial(ENGINES[engine].prepare(made, 1), x)
    ms = {name: each.median_ms for name, each in measure(runs, 2 * seconds, threads=1).items()}
    return {"engine": ENGINES[engine].version(), "images": images, **saving(ms, share)}


def saving(ms: dict[str, float], share: float) -> dict[str, Any]:
    """What is saved, over the share of the mult-adds that is."""
    saved = (1 - ms["every second"] / ms["none"]) / (1 - share)
    return {"ms": ms, "macs": share, "saved_share": saved, "skips": saved > SKIPS}


def in_a_browser(way: str, seconds: float) -> dict[str, Any]:
    """The same of two sites in one page."""
    rows = gated(leannet.architecture(NETWORK), "recurrent").with_classes(5)
    share = 1.0
    with tempfile.TemporaryDirectory() as name, browser.sync_playwright() as play:
        root = Path(name)
        (root / "empty.html").write_text("<!doctype html><link rel=icon href=data:,>")
        for pattern, word in (("none", "float32"), ("every second", "int8")):  # as the page names its two sites
            table, share = forced(rows, pattern)
            shape = table.input
            header = Header(architecture=table, classes=tuple("abcde"),
                            preprocessing=Preprocessing(height=shape.height, width=shape.width))  # fmt: skip
            network = leannet.build(table).eval()
            save(root / "model.safetensors", network, header)
            branches = WAYS[way][0]
            exported = export(root / "model.safetensors", root / f"{word}.onnx", branches=branches)
            make_site(exported.path, root / "sites" / word, quiet=True)
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(browser.Handler, directory=root))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        chromium = play.chromium.launch(executable_path=browser.CHROMIUM, args=["--no-sandbox"])
        page = chromium.new_page()
        page.goto(f"{url}/empty.html")
        times = browser.measured(page, f"{url}/sites", seconds)
        version = chromium.version
        chromium.close()
        server.shutdown()
    ms = {"none": times["float32_ms"], "every second": times["int8_ms"]}
    return {"engine": f"{browser.PACKAGE} {browser.VERSION} in Chromium {version}", "images": 1, **saving(ms, share)}


def page(lines: list[dict[str, Any]]) -> str:
    """docs/benchmarks/skip_engines.md."""
    text = [
        "# Which engine skips", "",
        "Written by `python benchmarks/skip_engines.py`: ResNet-50 at 224 px with recurrent gates, one thread, median "
        f"milliseconds of the whole batch, in turns. {'; '.join(sorted({line['machine'] for line in lines}))}. Every "
        f"second gate skips, which leaves {lines[0]['macs']:.3f} of the mult-adds. Saved: the share of the "
        "milliseconds saved over the share of the mult-adds saved, against the same file with none skipping.", "",
        "| engine | way | precision | images | none skips | every second skips | saved | skips |",
        "|---|---|---|--:|--:|--:|--:|---|",
    ]  # fmt: skip
    text += [
        f"| {line['engine']} | {line['way']} | {line['precision']} | {line['images']} | {line['ms']['none']:.1f} | "
        f"{line['ms']['every second']:.1f} | {line['saved_share']:.2f} | {'yes' if line['skips'] else 'no'} |"
        for line in sorted(lines, key=lambda line: list(ORDER).index((line["of"], line["way"], line["precision"])))
    ]
    text += [
        "", "Not there: gathering in OpenVINO, which answers wrongly for several images (2026.4, MobileNetV2), and in "
        "LiteRT, whose kernels want the number of images before; branches in ncnn, which has none; integers in torch "
        "and in ncnn, which leannet writes none for.",
    ]  # fmt: skip
    return "\n".join(text) + "\n"


ORDER = [
    *((engine, way, precision) for engine, ways in ENGINE_WAYS.items() for way in ways
      for precision in ("float32", "int8") if runs_in(precision, engine)),
    ("browser", "masked", "float32"), ("browser", "branch", "float32"),
]  # fmt: skip


def main() -> None:
    """Everything that is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each pattern")
    arguments = parser.parse_args()
    lines = [json.loads(line) for line in OUT.read_text().splitlines()] if OUT.exists() else []
    for engine, way, precision in ORDER:
        if any((line["of"], line["way"], line["precision"]) == (engine, way, precision) for line in lines):
            continue
        about = {"of": engine, "way": way, "precision": precision, "machine": machine().line()}
        seconds = arguments.seconds * (3 if way == "gather" else 1)
        made = in_a_browser(way, seconds) if engine == "browser" else timed(engine, way, precision, seconds)
        lines.append(about | made)
        print(json.dumps(lines[-1]), flush=True)
        with OUT.open("a") as file:
            file.write(json.dumps(lines[-1]) + "\n")
    write_whole(OUT.with_suffix(".md"), page(lines).encode())


if __name__ == "__main__":
    main()
