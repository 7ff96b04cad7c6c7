"""What `leannet serve` bears: 32 clients that never pause, for a minute.

    python benchmarks/serve_load.py [RUN, ARTIFACT or NAME] [--seconds 60] [--clients 32]

NAME: a network of the zoo with fresh weights, since only time and memory matter here; default: mobilenet_v3_small. The
server is a process of its own; this one draws images of several sizes, sends them over connections that stay open,
and compares every answer with the one that the same image got alone. The memory of the server is read each second.
Writes docs/benchmarks/serve_load.json and .md.
"""

import argparse
import asyncio
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "benchmarks" / "serve_load.json"
SIZES = ((64, 64), (320, 240), (640, 480), (1280, 960), (1920, 1080))  # width, height
EACH = 4  # images of each size
TOLERANCE = 1e-4  # of a probability, in another batch
PROGRAM = [sys.executable, "-m", "leannet"]


def artifact_of(what: str, folder: Path) -> Path:
    """An artifact: itself, exported from a run, or of a network with fresh weights."""
    import leannet

    if what.endswith(".onnx"):
        return Path(what)
    if not Path(what).exists():
        from leannet.checkpoint import save
        from leannet.header import Header
        from leannet.preprocessing import Preprocessing

        network = leannet.create(what)
        rows = network.architecture
        classes = tuple(f"class {number}" for number in range(rows.classes))
        take = Preprocessing(height=rows.input.height, width=rows.input.width)
        save(folder / "model.safetensors", network, Header(architecture=rows, classes=classes, preprocessing=take))
        what = str(folder / "model.safetensors")
    return leannet.export(what, folder / "model.onnx").path


def images() -> list[bytes]:
    """Discs on noise, every fourth a PNG and the others JPEGs."""
    random, encoded = np.random.default_rng(0), []
    for number in range(EACH):
        for width, height in SIZES:
            noise = random.integers(0, 90, (height // 8, width // 8, 3), dtype=np.uint8)
            image = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
            x, y, radius = random.integers(0, width), random.integers(0, height), height // 4
            color = tuple(int(value) for value in random.integers(100, 255, 3))
            ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
            file = io.BytesIO()
            image.save(file, "PNG" if number == 0 else "JPEG")
            encoded.append(file.getvalue())
    return encoded


class Client:
    """One connection that stays open."""

    def __init__(self, port: int):
        self._port = port

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body."""
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        length = int(re.findall(r"content-length: (\d+)", head)[0])
        return int(head.split()[1]), await self._reader.readexactly(length)

    def close(self) -> None:
        self._writer.close()


def request_of(image: bytes) -> bytes:
    """An image as the body of a request."""
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {len(image)}\r\n\r\n"
    return head.encode() + image


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two answers agree, to what the order of additions in another batch may change."""
    ours, theirs = (
        {each["class"]: each["probability"] for each in answer["predictions"][0]["top"]} for answer in (one, other)
    )
    return (
        all(abs(ours[name] - theirs[name]) < TOLERANCE for name in ours.keys() & theirs.keys())
        and abs(max(ours.values()) - max(theirs.values())) < TOLERANCE
    )


async def drive(port: int, pid: int, seconds: float, clients: int) -> dict[str, Any]:
    """Asks for `seconds`: latencies, errors, other answers, batches, memory."""
    requests = [request_of(image) for image in images()]
    first = Client(port)
    await first.open()
    alone = [json.loads((await first.ask(request))[1]) for request in requests]
    before = await batches(first)
    first.close()
    latencies_ms: list[float] = []
    statuses: dict[int, int] = {}
    wrong, memory = 0, [resident(pid)]
    began = time.perf_counter()

    async def one(number: int) -> None:
        nonlocal wrong
        client = Client(port)
        await client.open()
        while (start := time.perf_counter()) - began < seconds:
            which = number % len(requests)
            status, body = await client.ask(requests[which])
            latencies_ms.append(1e3 * (time.perf_counter() - start))
            statuses[status] = statuses.get(status, 0) + 1
            wrong += status != 200 or not same(alone[which], json.loads(body))
            number += 7  # in another order for each client
        client.close()

    async def watch() -> None:
        while (now := time.perf_counter() - began) < seconds:
            await asyncio.sleep(int(now) + 1 - now)
            memory.append(resident(pid))

    await asyncio.gather(watch(), *(one(number) for number in range(clients)))
    took = time.perf_counter() - began
    last = Client(port)
    await last.open()
    after = await batches(last)
    last.close()
    p50, p90, p99, most = (float(value) for value in np.percentile(latencies_ms, (50, 90, 99, 100)))
    counts = {size: after[size] - before[size] for size in after}
    return {
        "seconds": took,
        "requests": len(latencies_ms),
        "requests_per_s": len(latencies_ms) / took,
        "statuses": statuses,
        "errors": sum(count for status, count in statuses.items() if status != 200),
        "other_answers": wrong,
        "latency_ms": {"p50": p50, "p90": p90, "p99": p99, "most": most},
        "batches": counts,
        "images_per_batch": counts.pop("images") / max(counts["batches"], 1),
        "resident_mb": [round(size / 1e6, 1) for size in memory],
    }


async def batches(client: Client) -> dict[str, float]:
    """From the server's metrics: how many batches were at most so large, all of them, and the images in them; 0 where a
    server counts none."""
    text = (await client.ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"))[1].decode()
    counts = {bound: float(n) for bound, n in re.findall(r'leannet_batch_images_bucket\{le="(\d+)"\} (\d+)', text)}
    for key, word in (("batches", "count"), ("images", "sum")):
        counts[key] = sum(map(float, re.findall(rf"leannet_batch_images_{word} ([\d.]+)", text)))
    return counts


def resident(pid: int) -> int:
    """Bytes of a process that are in memory (Linux)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measured(what: str, seconds: float, clients: int) -> dict[str, Any]:
    """Starts the server, drives it, stops it."""
    with tempfile.TemporaryDirectory() as folder:
        artifact = artifact_of(what, Path(folder))
        load_before = os.getloadavg()[0]
        command = [*PROGRAM, "serve", str(artifact), "--port", "0", "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                ready = json.loads(server.stdout.readline())
                load_results = asyncio.run(drive(int(ready["url"].rsplit(":", 1)[1]), server.pid, seconds, clients))
            finally:
                server.terminate()
        weights = "trained" if Path(what).exists() else "fresh"
        server_facts = {
            "model": ready["model"],
            "weights": weights,
            "threads": ready["threads"],
            "size_bytes": artifact.stat().st_size,
        }
    return (
        server_facts | {"clients": clients, "load_before": load_before, "exit_status": server.returncode} | load_results
    )


def page(results: dict[str, Any], command: str) -> str:
    """The results for a person."""
    sizes = ", ".join(f"{width} x {height}" for width, height in SIZES)
    memory = results["resident_mb"]
    at_10, at_end = (float(np.median(part)) for part in (memory[8:13] or memory, memory[-5:]))
    latency, counts = results["latency_ms"], results["batches"]
    alone, full = counts["1"] / counts["batches"], 1 - counts["4"] / counts["batches"]
    lines = [
        "# A server under load",
        "",
        f"Written by `{command}`. `leannet serve` of {results['model']} ({results['size_bytes'] / 1e6:.2f} MB, "
        f"{results['weights']} weights, {results['threads']} threads), {results['clients']} clients in a process of "
        f"their own that never pause, each on one connection, for {results['seconds']:.0f} s on {results['machine']}; "
        f"server and clients share it. Images: {len(SIZES) * EACH}, JPEG and PNG, of {sizes} pixels in equal parts. "
        f"Load of the machine just before: {results['load_before']:.1f} (0: nothing else ran).",
        "",
        "| | |",
        "|---|--:|",
        f"| answers a second | {results['requests_per_s']:.1f} |",
        f"| answers in all | {results['requests']:,} |",
        f"| errors | {results['errors']} |",
        f"| answers other than for the image alone | {results['other_answers']} |",
        f"| latency, half of them within | {latency['p50']:.0f} ms |",
        f"| nine tenths | {latency['p90']:.0f} ms |",
        f"| 99 of 100 | {latency['p99']:.0f} ms |",
        f"| the slowest | {latency['most']:.0f} ms |",
        f"| images in a batch, mean | {results['images_per_batch']:.2f} |",
        f"| batches of one; of five to eight | {100 * alone:.0f} %; {100 * full:.0f} % |",
        f"| memory of the server before | {memory[0]:.0f} MB |",
        f"| around 10 s (median of five seconds) | {at_10:.0f} MB |",
        f"| at the end (the same) | {at_end:.0f} MB |",
        f"| at most | {max(memory):.0f} MB |",
        f"| exit status of the server | {results['exit_status']} |",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Runs it and writes the page."""
    from leannet.runtime import machine

    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("what", nargs="?", default="mobilenet_v3_small")
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--clients", type=int, default=32)
    arguments = options.parse_args()
    results = {"machine": machine().line()} | measured(arguments.what, arguments.seconds, arguments.clients)
    OUT.write_text(json.dumps(results, indent=1) + "\n")
    what = arguments.what if arguments.what != options.get_default("what") else ""
    command = f"python benchmarks/serve_load.py {Path(what).name} --seconds {arguments.seconds:g}".replace("  ", " ")
    OUT.with_suffix(".md").write_text(page(results, command))
    print(page(results, command))


if __name__ == "__main__":
    main()
