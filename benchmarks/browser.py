"""Float and 8-bit integers in a browser: how much longer one takes than the other, and how much smaller it is.

    python benchmarks/browser.py [--seconds 12] [--networks NAME ...]

Networks of the zoo with fresh weights, since only time and size matter here, quantized on drawn images. Each becomes
two sites of leannet web, float32 and int8. One page in headless Chromium loads both with onnxruntime-web and runs them
in turns, an image each, so that what else the machine does meets both. The ratio is the median of the pairs' ratios.
Writes docs/benchmarks/browser.json and .md. Alone on two cores it takes about four minutes.
"""

import argparse
import json
import tempfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

import leannet
from leannet.checkpoint import save
from leannet.header import Header
from leannet.preprocessing import Preprocessing
from leannet.quantization import quantize
from leannet.web import make_site
from leannet.web.onnxruntime_web import PACKAGE, VERSION

OUT = Path(__file__).parents[1] / "docs" / "benchmarks" / "browser.json"
NETWORKS = ("mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2")
RESOLUTION, CLASSES, IMAGES = 224, 5, 10
CHROMIUM = "/usr/bin/chromium"
ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
# Both networks in one page, in turns; the one that goes first changes.
MEASURE = """async ([addresses, seconds]) => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 224, height: 224 });
  const context = canvas.getContext("2d");
  for (let y = 0; y < 224; y += 16) {
    for (let x = 0; x < 224; x += 16) {
      context.fillStyle = `rgb(${x} ${y} ${(x * y) % 256})`;
      context.fillRect(x, y, 16, 16);
    }
  }
  const networks = [];
  for (const address of addresses) networks.push(await (await import(address)).load({ threads: 1 }));
  const checked = [];
  for (const network of networks) checked.push(await network.check());
  const once = async (i) => (await networks[i].classify(canvas)).milliseconds.network;
  for (let warm = 0; warm < 5; warm++) for (const i of [0, 1]) await once(i);
  const pairs = [];
  for (const began = performance.now(); performance.now() - began < 1000 * seconds; ) {
    const pair = [];
    for (const i of pairs.length % 2 ? [1, 0] : [0, 1]) pair[i] = await once(i);
    pairs.push(pair);
  }
  for (const network of networks) network.close();
  return { pairs, checked };
}"""


class Handler(SimpleHTTPRequestHandler):
    """A server of files that isolates its pages, so that clocks are fine (5 microseconds)."""

    def end_headers(self) -> None:
        for name, value in ISOLATED.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def draw_images(folder: Path) -> None:
    """Smooth noise, a folder for each class."""
    random = np.random.default_rng(0)
    for number in range(IMAGES):
        place = folder / f"class_{number % CLASSES}"
        place.mkdir(parents=True, exist_ok=True)
        noise = Image.fromarray(random.integers(0, 256, (14, 14, 3), dtype=np.uint8))
        noise.resize((256, 256), Image.Resampling.BICUBIC).save(place / f"{number}.png")


def make_sites(name: str, data: Path, folder: Path) -> dict[str, int]:
    """Two sites of a network, `float32` and `int8` in the folder; the sizes of their artifacts in bytes."""
    network = leannet.create(name, classes=CLASSES, resolution=RESOLUTION)
    header = Header(
        architecture=network.architecture,
        classes=tuple(f"class_{number}" for number in range(CLASSES)),
        preprocessing=Preprocessing(height=RESOLUTION, width=RESOLUTION),
    )
    checkpoint = folder / "model.safetensors"
    save(checkpoint, network, header)
    integers = quantize(checkpoint, str(data), max_drop=100, calibration=5, seconds=0, quiet=True).path
    if integers is None:
        raise SystemExit(f"{name}: its integers were not written")
    artifacts = {"float32": leannet.export(checkpoint).path, "int8": integers}
    for precision, artifact in artifacts.items():
        make_site(artifact, folder / precision, quiet=True, integers=precision == "int8")
    return {precision: artifact.stat().st_size for precision, artifact in artifacts.items()}


def measured(page: Any, base: str, seconds: float) -> dict[str, Any]:
    """Times of both sites below an address."""
    addresses = [f"{base}/{precision}/leannet.js" for precision in ("float32", "int8")]
    answer = page.evaluate(MEASURE, [addresses, seconds])
    if not all(check["passed"] for check in answer["checked"]):
        raise SystemExit(f"{base}: the golden images are not answered as they were: {answer['checked']}")
    pairs = np.array(answer["pairs"])
    ratios = pairs[:, 1] / pairs[:, 0]
    low, high = (float(value) for value in np.percentile(ratios, (25, 75)))
    return {
        "pairs": len(pairs),
        "float32_ms": float(np.median(pairs[:, 0])),
        "int8_ms": float(np.median(pairs[:, 1])),
        "time_ratio": float(np.median(ratios)),
        "time_ratio_quartiles": [low, high],
    }


def as_page(result: dict[str, Any], command: str) -> str:
    """The results for a person."""
    lines = [
        "# Integers in a browser",
        "",
        f"Written by `{command}` on {result['machine']}, in {result['browser']} with {result['runtime']}, one thread, "
        f"{RESOLUTION} x {RESOLUTION}. Fresh weights, {CLASSES} classes. Both networks run in turns in one page; a "
        "ratio is the median of the pairs' ratios, with its quartiles. Sizes are those of the artifacts.",
        "",
        "| | float32 ms | int8 ms | time, int8 / float32 | float32 MB | int8 MB | size, int8 / float32 | pairs |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for each in result["networks"]:
        low, high = each["time_ratio_quartiles"]
        lines.append(
            f"| {each['name']} | {each['float32_ms']:.1f} | {each['int8_ms']:.1f} | "
            f"{each['time_ratio']:.2f} ({low:.2f} to {high:.2f}) | {each['float32_bytes'] / 1e6:.2f} | "
            f"{each['int8_bytes'] / 1e6:.2f} | {each['size_ratio']:.2f} | {each['pairs']} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Runs it and writes the page."""
    from leannet.runtime import machine

    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=12, help="to run each pair of networks for")
    options.add_argument("--networks", nargs="+", default=list(NETWORKS))
    options.add_argument("--out", type=Path, default=OUT)
    arguments = options.parse_args()
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name, sync_playwright() as play:
        root = Path(name)
        draw_images(root / "data")
        (root / "empty.html").write_text("<!doctype html><link rel=icon href=data:,>")
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=root))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        for number, network in enumerate(arguments.networks, start=1):
            print(f"{number} of {len(arguments.networks)}  {network}: exporting and quantizing", flush=True)
            (root / network).mkdir()
            sizes = make_sites(network, root / "data", root / network)
            print(f"        {network}: {arguments.seconds:g} s in the browser", flush=True)
            # A browser of its own for each: nothing of the network before is left in it.
            browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(f"{url}/empty.html")
            times = measured(page, f"{url}/{network}", arguments.seconds)
            version = browser.version
            browser.close()
            results.append(
                {"name": network, "float32_bytes": sizes["float32"], "int8_bytes": sizes["int8"],
                 "size_ratio": sizes["int8"] / sizes["float32"]} | times
            )  # fmt: skip
        server.shutdown()
    result = {
        "machine": machine().line(),
        "browser": f"Chromium {version}",
        "runtime": f"{PACKAGE} {VERSION}",
        "resolution": RESOLUTION,
        "threads": 1,
        "networks": results,
    }
    command = f"python benchmarks/browser.py --seconds {arguments.seconds:g}"
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    arguments.out.with_suffix(".md").write_text(as_page(result, command))
    print(as_page(result, command))


if __name__ == "__main__":
    main()
