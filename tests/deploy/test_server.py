"""The server: what `predict` says, over HTTP; and one line, with the server still there, for whatever a client does."""

import asyncio
import email
import email.policy
import http.client
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import leannet
from leannet.checkpoint import save
from leannet.deploy import Artefact, export
from leannet.deploy.serving.app import PATHS, application
from leannet.deploy.serving.batching import Batcher
from leannet.deploy.serving.limits import Limits, Refused
from leannet.deploy.serving.multipart import boundary_of, files_of, harmless
from leannet.deploy.serving.running import serve, server
from leannet.deploy.serving.service import Service
from leannet.deploy.serving.site import artefact_in
from leannet.errors import LeannetError
from leannet.header import Header
from leannet.preprocessing import Preprocessing
from tests.conftest import draw, lively

SMALL = Limits(
    body_bytes=200_000, pixels=90_000, files=3, seconds=0.6, batch=4, queue=6, requests=64, held_bytes=900_000
)


class Answered(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Running(NamedTuple):
    """A server under test."""

    port: int
    artefact: Path
    service: Service

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answered:
        return ask(self.port, method, path, body, headers)

    def post(self, *pictures: tuple[str, bytes], top: int = 5) -> Answered:
        body, kind = form(*pictures)
        return self.ask("POST", f"/predict?top={top}", body, {"content-type": kind})


def ask(port: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answered:
    """One request. A refusal before anything was read may be cut off by the system: then it is asked again."""
    for _ in range(5):
        with suppress(ConnectionError):
            return _ask(port, method, path, body, headers)
    raise AssertionError(f"no answer to {method} {path[:60]}")


def _ask(port: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answered:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        given = {name.lower(): value for name, value in answer.getheaders()}
        return Answered(answer.status, given, answer.read())
    finally:
        connection.close()


def form(*pictures: tuple[str, bytes], field: str = "file") -> tuple[bytes, str]:
    """A multipart body, and its Content-Type."""
    parts = [
        f'--=x=\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode() + data + b"\r\n"
        for name, data in pictures
    ]
    return b"".join(parts) + b"--=x=--\r\n", 'multipart/form-data; boundary="=x="'


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_of(width: int, height: int) -> bytes:
    """A PNG file that says it is of that size, and holds a row of it."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((8, 0, 0, 0, 0))
    rows = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(width + 1))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + rows


PICTURE = encoded(draw("disc", 3, 60))


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a network that was never trained, but whose weights all do something."""
    folder = tmp_path_factory.mktemp("artefact")
    network = lively(leannet.create("mobilenet_v3_debug", classes=3))
    take = Preprocessing(height=32, width=32)
    save(
        folder / "net.safetensors",
        network,
        Header(architecture=network.architecture, classes=("ape", 'b"e\\e', "çat"), preprocessing=take),
    )
    return export(folder / "net.safetensors").path


@contextmanager
def running(artefact: Path, limits: Limits = SMALL, **options: Any) -> Iterator[Running]:
    """A real server in a thread, on a free port."""
    service = Service(Artefact.open(artefact), limits, threads=2)
    made = server(application(service, **options))
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=made.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Running(port, artefact, service)
        finally:
            made.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def small(artefact: Path) -> Iterator[Running]:
    with running(artefact) as found:
        yield found


def one_line(answer: Answered) -> str:
    """The error of an answer that is one."""
    assert answer.body.count(b"\n") == 1
    assert list(answer.json) == ["error"]
    assert "\n" not in answer.json["error"]
    assert answer.headers["content-type"] == "application/json"
    return str(answer.json["error"])


def test_the_answers_are_those_of_predict(small: Running, tmp_path: Path) -> None:
    """Formats, colours, transparency, orientation."""
    turned = Image.Exif()
    turned[0x0112] = 6
    picture = draw("square", 4, 90).resize((90, 50))
    files = {
        "a.png": encoded(picture),
        "b.jpg": encoded(picture, "JPEG", exif=turned.tobytes()),
        "c.webp": encoded(picture.convert("L"), "WEBP", lossless=True),
        "d.gif": encoded(picture.quantize(16), "GIF"),
        "ü e.png": encoded(Image.merge("RGBA", (*picture.split(), picture.split()[0]))),
        "f.tif": encoded(Image.fromarray(np.arange(900, dtype=np.uint16).reshape(30, 30) * 70), "TIFF"),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    wanted, broken = leannet.predict(small.artefact, [tmp_path / name for name in files], top=2)
    assert broken == []
    for (name, data), right in zip(files.items(), wanted, strict=True):
        in_form = small.post((name, data), top=2)
        alone = small.ask("POST", "/predict?top=2", data, {"content-type": "image/x-whatever"})
        for answer, path in ((in_form, name), (alone, "image 0")):
            assert answer.status == 200, answer.body
            assert answer.json["model"] == "mobilenet_v3_debug"
            assert set(answer.json["milliseconds"]) == {"queue", "prepare", "network"}
            (found,) = answer.json["predictions"]
            assert found == right.to_dict() | {
                "path": path,
                "probability": pytest.approx(right.probabilities[0], abs=1e-6),
                "top": [
                    {"class": c, "probability": pytest.approx(p, abs=1e-6)}
                    for c, p in zip(right.classes, right.probabilities, strict=True)
                ],
            }
    several = small.post(*list(files.items())[:3], top=1)
    assert [each["prediction"] for each in several.json["predictions"]] == [each.classes[0] for each in wanted[:3]]


def test_sixteen_clients_at_once_get_the_answers_of_one(artefact: Path) -> None:
    files = [encoded(draw("disc", number, 80)) for number in range(48)]
    with running(artefact, Limits(batch=8)) as found:
        alone = [found.post(("x.png", data)).json["predictions"] for data in files]
        with ThreadPoolExecutor(16) as clients:
            together = list(clients.map(lambda data: found.post(("x.png", data)).json["predictions"], files))
        for one, other in zip(alone, together, strict=True):
            np.testing.assert_allclose(
                [each["probability"] for each in one[0]["top"]],
                [each["probability"] for each in other[0]["top"]],
                atol=1e-6,
            )
            assert one[0]["prediction"] == other[0]["prediction"]
        assert found.service.waiting == 0


def test_a_batch_is_what_is_there() -> None:
    """While the network is busy pictures gather; then it takes as many as it may, each with its own answer."""
    sizes, go_on = [], threading.Event()

    def network(pictures: Any) -> Any:
        go_on.wait(10)
        sizes.append(len(pictures))
        if any(picture[0] == 99 for picture in pictures):
            raise ValueError("an engine's")
        return np.stack(pictures).astype(np.float32)

    async def all_of_them() -> list[Any]:
        asked = [asyncio.ensure_future(batcher.ask(np.array([number]))) for number in (*range(10), 99)]
        await asyncio.sleep(0.05)
        go_on.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    batcher = Batcher(network, most=4)
    batcher.start()
    *good, bad = asyncio.run(all_of_them())
    assert sizes == [1, 4, 4, 2] or sizes == [4, 4, 3], sizes  # whether the first went in before the others came
    assert isinstance(bad, ValueError)
    for number, each in enumerate(good):  # those beside the bad one share its fate, and no other
        assert isinstance(each, ValueError) if number >= 8 + (sizes[0] == 1) else each.probabilities == [number]
    assert asyncio.run(batcher.ask(np.array([5]))).batch == 1
    batcher.stop()
    assert not batcher.alive


def _raw(data: bytes, kind: str = "application/octet-stream", **headers: str) -> tuple[bytes, dict[str, str]]:
    return data, {"content-type": kind, **headers}


def _form(*pictures: tuple[str, bytes], field: str = "file") -> tuple[bytes, dict[str, str]]:
    body, kind = form(*pictures, field=field)
    return _raw(body, kind)


BAD: dict[str, tuple[tuple[bytes, dict[str, str]], int, str]] = {
    "a text file": (_form(("a.txt", b"some words")), 422, r"a.txt: expected a picture \(JPEG, .*\), found a text file"),
    "an empty body": (_raw(b""), 400, "found an empty body"),
    "no picture": (_form(), 400, "field 'file', found none"),
    "no file chosen": (_form(("", b"")), 400, "field 'file', found none"),
    "an empty file": (_form(("a.png", b"")), 422, "a.png: expected a picture .*, found an empty file"),
    "another field": (_form(("a.png", PICTURE), field="pic"), 400, "field 'file', found 'pic'"),
    "a truncated JPEG": (_raw(encoded(draw("disc", 1), "JPEG")[:600]), 422, "image 0: expected a whole picture"),
    "a JPEG without its end": (_raw(encoded(draw("disc", 1), "JPEG")[:-60]), 422, "broken one .*truncated"),
    "half a PNG": (_form(("a.png", PICTURE[: len(PICTURE) // 2])), 422, "a.png: expected a whole picture"),
    "a decompression bomb": (_raw(png_of(30_000, 30_000)), 413, "at most 90,000 pixels, found"),
    "a large picture": (_raw(png_of(301, 300)), 413, "found 301 x 300: make it smaller"),
    "a large body": (_raw(bytes(300_000)), 413, "at most 200,000 bytes, found 300,000"),
    "many files": (_form(*[("a.png", PICTURE)] * 4), 422, "at most 3 files"),
    "a picture beside a broken one": (_form(("a.png", PICTURE), ("b.png", b"x")), 422, "b.png: expected"),
    "PostScript": (_raw(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), 422, "expected a picture .*text file"),
    "floats": (_raw(encoded(Image.new("F", (9, 9)), "TIFF")), 422, "32-bit float"),
    "form of a shell": (_raw(PICTURE, "application/x-www-form-urlencoded"), 415, "Content-Type of multipart/form-data"),
    "no boundary": (_raw(PICTURE, "multipart/form-data"), 400, "boundary of 1 to 70 characters, found none"),
    "another boundary": (_raw(form()[0], "multipart/form-data; boundary=y"), 400, "begins with the boundary"),
    "half a form": (_raw(form(("a", PICTURE))[0][:-20], form()[1]), 400, "cut off"),
    "endless headers": (_raw(b"--y\r\na: " + b"b" * 9000, "multipart/form-data; boundary=y"), 400, "8192 bytes"),
    "words behind a boundary": (_raw(b"--yes\r\n", "multipart/form-data; boundary=y"), 400, "end of a line"),
    "compressed": (_raw(PICTURE, **{"content-encoding": "gzip"}), 415, "Content-Encoding 'gzip'"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_line_and_the_server_goes_on(small: Running, kind: str) -> None:
    (body, headers), status, words = BAD[kind]
    answer = small.ask("POST", "/predict", body, headers)
    assert (answer.status, bool(re.search(words, one_line(answer)))) == (status, True), answer.body
    assert small.post(("a.png", PICTURE)).status == 200
    assert small.service.waiting == 0


def test_damaged_pictures_are_refused_or_answered(small: Running) -> None:
    """Every format with bytes changed, left out and doubled. LEANNET_FUZZ: how many; docs/serve.md has a long run."""
    picture, random = draw("disc", 8, 50), np.random.default_rng(0)
    kinds = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000")
    whole = [encoded(picture, kind) for kind in kinds] + [encoded(picture, "TIFF", compression="tiff_lzw")]
    whole += [encoded(picture.quantize(9), "PNG"), encoded(picture.convert("CMYK"), "JPEG", progressive=True)]
    for data in whole:
        assert small.ask("POST", "/predict", data, {"content-type": "image/x"}).status == 200
    seen = set()
    for _ in range(int(os.environ.get("LEANNET_FUZZ", "400"))):
        data = bytearray(whole[random.integers(len(whole))])
        for _ in range(random.integers(1, 6)):
            at = int(random.integers(min(len(data), (60, len(data))[random.integers(2)])))  # headers more often
            length = int(random.integers(1, 9))
            change = (random.bytes(length), b"", data[at : at + length] * 2, b"\xff" * length)[random.integers(4)]
            data[at : at + length] = change
        answer = small.ask("POST", "/predict", bytes(data), {"content-type": "image/x"})
        if answer.status != 200:
            one_line(answer)
        seen.add(answer.status)
    assert seen <= {200, 413, 422}
    assert {200, 422} <= seen


@pytest.mark.parametrize("top", ["0", "-1", "x", "", "1.5", "9" * 5000, "%D9%A3", "1&top=2", "%00"])
def test_top_is_a_number(small: Running, top: str) -> None:
    answer = small.ask("POST", f"/predict?top={top}", PICTURE, {"content-type": "image/png"})
    assert answer.status == 422
    assert one_line(answer).startswith("top: expected")


def test_more_classes_than_there_are(small: Running) -> None:
    assert len(small.post(("a.png", PICTURE), top=99).json["predictions"][0]["top"]) == 3


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/predict", 405),
        ("PUT", "/health", 405),
        ("BREW", "/", 405),
        ("GET", "/predict/", 404),
        ("GET", "/docs", 404),
        ("GET", "/%00%ff", 404),
        ("POST", "//predict", 404),
        ("OPTIONS", "*", 404),
        ("GET", "/" + "x" * 400_000, 400),
    ],
)
def test_other_paths_and_methods(small: Running, method: str, path: str, status: int) -> None:
    answer = small.ask(method, path)
    assert answer.status == status
    assert "expected" in one_line(answer)
    assert ("allow" in answer.headers) == (status == 405)


def talk(port: int, *pieces: bytes, wait: float = 0.0) -> tuple[bytes, bool]:
    """Sends pieces, `wait` seconds apart; what comes back, and whether the server closed the connection."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=0.05) as line:
        try:
            for piece in pieces:
                line.sendall(piece)
                time.sleep(wait)
        except OSError:  # closed in the middle
            pass
        until = time.monotonic() + 5
        while time.monotonic() < until:
            try:
                piece = line.recv(65536)
            except TimeoutError:
                if got:
                    return got, False
                continue
            except OSError:
                return got, True
            if not piece:
                return got, True
            got += piece
    raise AssertionError("no answer")


HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"


def test_slow_clients_are_not_waited_for(small: Running) -> None:
    """A body, or headers, a byte now and then."""
    body = [HEAD + b"Content-Length: 1000\r\n\r\n", *[b"x"] * 99]
    for pieces in (body, [bytes([letter]) for letter in HEAD * 3]):
        began = time.monotonic()
        found, closed = talk(small.port, *pieces, wait=0.05)
        assert found.startswith(b"HTTP/1.1 408 ")
        assert b"within 0.6 s" in found
        assert closed
        assert time.monotonic() - began < 8  # 5 s and more would be all of the pieces
    assert small.ask("GET", "/health").json["ready"]
    assert found.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"Content-Length: 200000000\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"8000\r\n" + bytes(0x8000) + b"\r\n",
    ],
)
def test_a_large_body_is_refused_before_it_is_there(small: Running, head: bytes) -> None:
    """Answered when no more than the limit and a little was sent, of two hundred megabytes or of a body without end."""
    chunk = b"8000\r\n" + bytes(0x8000) + b"\r\n" if b"chunked" in head else bytes(100)
    found, closed = talk(small.port, head, *[chunk] * 6)
    assert found.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in found
    assert not closed  # what is still on its way is thrown away first, so that the answer can be read
    assert small.service.metrics.text(0, 0, {}).count('status="500"') == 0


def test_whoever_sends_everything_first_can_read_the_refusal(small: Running) -> None:
    for path, status in (("/predict", 413), ("/health", 405), ("/nothing", 404)):
        answer = small.ask("POST", path, bytes(30_000_000), {"content-type": "image/png"})
        assert (answer.status, answer.headers["connection"]) == (status, "close")


def test_a_length_that_was_promised_and_a_client_that_leaves(small: Running, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(("127.0.0.1", small.port)) as line:
        line.sendall(HEAD + b"Content-Length: 1000\r\n\r\nabc")
    assert small.post(("a.png", PICTURE)).status == 200
    assert capfd.readouterr() == ("", "")


def test_what_is_no_http(small: Running, capfd: pytest.CaptureFixture[str]) -> None:
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    for data in (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", chunked + b"no number\r\n"):
        found, closed = talk(small.port, data)
        assert found.startswith(b"HTTP/1.1 400 ")
        assert json.loads(found.split(b"\r\n\r\n")[1])["error"].startswith("expected")
        assert closed
    assert small.ask("GET", "/health").status == 200
    assert capfd.readouterr() == ("", "")


def test_several_requests_on_one_connection(small: Running) -> None:
    """Also after a refusal, where the body was read; and two that were sent at once."""
    request = HEAD + b"Content-Length: %d\r\n\r\n%s"
    good, bad = request % (len(PICTURE), PICTURE), request % (5, b"words")
    found, _ = talk(small.port, good + bad, good, wait=0.3)
    assert re.findall(rb"HTTP/1.1 (\d+)", found) == [b"200", b"422", b"200"]


def test_a_full_queue_is_503_until_there_is_room(artefact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    with running(artefact) as found, ThreadPoolExecutor(SMALL.queue) as clients:
        ordinary = found.service._network
        monkeypatch.setattr(found.service._batcher, "_network", lambda pictures: go_on.wait(20) and ordinary(pictures))
        waiting = [clients.submit(found.post, ("a.png", PICTURE)) for _ in range(SMALL.queue)]
        while found.service.waiting < SMALL.queue:
            time.sleep(0.01)
        refused, health = found.post(("a.png", PICTURE)), found.ask("GET", "/health")
        assert "queue of 6 pictures is full" in one_line(refused)
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert (health.status, health.json["ready"]) == (503, False)
        assert b"leannet_queue_pictures 6\n" in found.ask("GET", "/metrics").body
        go_on.set()
        assert [each.result().status for each in waiting] == [200] * SMALL.queue
        assert found.ask("GET", "/health").json["ready"]


def test_an_engine_that_fails_is_told_and_got_over(
    artefact: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with running(artefact) as found:
        with monkeypatch.context() as patch:
            patch.setattr(found.service._batcher, "_network", lambda pictures: 1 // 0)
            answer = found.post(("a.png", PICTURE))
            assert (answer.status, "mistake of the server" in one_line(answer)) == (500, True)
            patch.setattr(found.service._batcher, "_network", lambda pictures: np.full((1, 3), np.nan, np.float32))
            answer = found.post(("a.png", PICTURE))
            assert (answer.status, "leannet check" in one_line(answer)) == (422, True)
        assert found.post(("a.png", PICTURE)).status == 200
        assert found.service.waiting == 0
    assert capfd.readouterr().err.strip().endswith("ZeroDivisionError: integer division or modulo by zero")


def test_bodies_in_memory_are_counted_together(artefact: Path) -> None:
    """Slow clients that hold all there may be: others are refused, and served when those are gone."""
    limits = Limits(body_bytes=200_000, held_bytes=300_000, seconds=5)
    with running(artefact, limits) as found:
        line = socket.create_connection(("127.0.0.1", found.port))
        line.sendall(HEAD + b"Content-Length: 190000\r\n\r\n" + bytes(180_000))
        while b"leannet_held_bytes 180000\n" not in found.ask("GET", "/metrics").body:
            time.sleep(0.01)
        refused = found.ask("POST", "/predict", bytes(150_000), {"content-type": "image/png"})
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        line.close()
        while b"leannet_held_bytes 0\n" not in found.ask("GET", "/metrics").body:
            time.sleep(0.01)
        assert found.post(("a.png", PICTURE)).status == 200


def test_requests_under_way_are_counted(artefact: Path) -> None:
    with running(artefact, Limits(requests=1)) as found:
        with socket.create_connection(("127.0.0.1", found.port)) as line:
            line.sendall(HEAD + b"Content-Length: 10\r\n\r\n")
            while (refused := found.ask("GET", "/health")).status == 200:
                time.sleep(0.01)
            assert refused.status == 503
            assert "1 requests are under way" in one_line(refused)
        while found.ask("GET", "/health").status == 503:
            time.sleep(0.01)


def test_connections_are_counted(artefact: Path) -> None:
    with running(artefact, Limits(requests=4)) as found:
        lines = [socket.create_connection(("127.0.0.1", found.port)) for _ in range(8)]
        while (refused := found.ask("GET", "/health")).status == 200:  # until the server has seen all of them
            pass
        assert (refused.status, "8 connections are open" in one_line(refused)) == (503, True)
        for line in lines:
            line.close()
        while found.ask("GET", "/health").status == 503:
            time.sleep(0.01)


WRITES: list[object] = []
_HOOKED = threading.Event()


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if not _HOOKED.is_set():
        return
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        WRITES.append(arguments)
    if event in {"os.mkdir", "os.rename", "os.truncate", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"}:
        WRITES.append((event, *arguments))


def test_no_file_is_ever_opened_for_writing(artefact: Path) -> None:
    """Python tells its audit hooks of every file and program, temporary ones included."""
    sys.addaudithook(_watch)
    large = encoded(Image.effect_noise((3000, 2000), 90), "JPEG", quality=97)  # beyond what is kept in memory elsewhere
    assert len(large) > 2_000_000
    with running(artefact, Limits()) as found:
        _HOOKED.set()
        try:
            open(os.devnull, "w").close()
            assert len(WRITES) == 1  # the hook sees
            WRITES.clear()
            assert found.post(("../../etc/passwd", large), ("b.png", PICTURE)).status == 200
            for (body, headers), _, _ in BAD.values():
                assert found.ask("POST", "/predict", body, headers).status < 500
        finally:
            _HOOKED.clear()
    assert WRITES == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\pictures\\a b.jpg", "a b.jpg"),
        ("..", "image 0"),
        ("/", "image 0"),
        ("a\tb\x7f\u202e.png", "ab.png"),
        ("x" * 300, "x" * 100),
    ],
)
def test_a_path_as_a_name_is_only_a_name(small: Running, given: str, kept: str) -> None:
    assert small.post((given, PICTURE)).json["predictions"][0]["path"] == kept
    assert (harmless(given) or "image 0") == kept


contents = st.binary(max_size=60) | st.sampled_from([b"\r\n", b"\r\n--", b"--x", b"\r\n--=", b"\r\n\r\n", b"--=x=-"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.text("ab /.ü", min_size=1, max_size=9), contents), min_size=1, max_size=4))
def test_forms_are_read_as_the_standard_library_reads_them(parts: list[tuple[str, bytes]]) -> None:
    body, kind = form(*parts)
    message = email.message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body, policy=email.policy.HTTP)
    theirs = [part.get_payload(decode=True) for part in message.iter_parts()]  # type: ignore[attr-defined]
    ours = files_of(body, boundary_of(kind), 9)
    assert ours == parts
    if all(data and not set(data) & set(b"\r\n") for _, data in parts):  # it changes ends of lines, and drops nothing
        assert [data for _, data in ours] == theirs


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([b"--=x=", b"--", b"\r\n", b"name=file", b"Content-Disposition: form-data; ", b"a"])))
def test_whatever_is_no_form_is_refused_and_nothing_else(pieces: list[bytes]) -> None:
    with suppress(Refused):  # and only that
        assert files_of(b"".join(pieces), b"=x=", 2)


VERSION = "v-0123456789ab"


@pytest.fixture(scope="module")
def site(artefact: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A folder as `leannet web` makes them, with secrets beside it."""
    root = tmp_path_factory.mktemp("root")
    folder = root / "site"
    (folder / VERSION / "ort").mkdir(parents=True)
    (root / "secret.txt").write_text("secret")
    (root / "site-secret.txt").write_text("secret")
    about = {"folder": f"{VERSION}/", "model": {"file": "model.onnx"}}
    files = {"index.html": "<!doctype html><p>site", "model.json": json.dumps(about), "sw.js": "1", ".hidden": "secret"}
    files |= {f"{VERSION}/{name}": "1" for name in ("app.js", "x.mjs", "ort/wasm.wasm", "ort/wasm.wasm.gz")}
    for name, text in files.items():
        (folder / name).write_text(text)
    (folder / VERSION / "model.onnx").write_bytes(artefact.read_bytes())
    (folder / "link.txt").symlink_to(root / "secret.txt")
    found = artefact_in(folder)
    assert found is not None
    assert found.path is not None
    with running(found.path, site=folder) as server:
        yield server


def test_a_site_has_what_threads_in_a_browser_need(site: Running) -> None:
    types = {
        "/": "text/html; charset=utf-8",
        "/index.html": "text/html; charset=utf-8",
        "/sw.js": "text/javascript; charset=utf-8",
        "/model.json": "application/json",
        f"/{VERSION}/x.mjs": "text/javascript; charset=utf-8",
        f"/{VERSION}/ort/wasm.wasm": "application/wasm",
        f"/{VERSION}/ort/wasm.wasm.gz": "application/gzip",
        f"/{VERSION}/model.onnx": "application/octet-stream",
    }
    for path, kind in types.items():
        answer = site.ask("GET", path)
        assert (answer.status, answer.headers["content-type"]) == (200, kind)
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "content-encoding" not in answer.headers
        for_ever = VERSION in path  # the folder's name is a digest of what is in it
        assert answer.headers["cache-control"] == ("max-age=31536000, immutable" if for_ever else "no-cache")
        again = site.ask("GET", path, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status, again.body) == (304, b"")
    part = site.ask("GET", f"/{VERSION}/model.onnx", headers={"range": "bytes=0-9"})
    assert (part.status, len(part.body)) == (206, 10)
    assert site.post(("a.png", PICTURE)).status == 200
    assert site.ask("GET", "/health").json["ready"]


def test_an_answer_that_nobody_takes_is_given_up(site: Running) -> None:
    site.artefact.with_name("large.bin").write_bytes(bytes(30_000_000))
    with socket.create_connection(("127.0.0.1", site.port), timeout=5) as line:
        line.sendall(f"GET /{VERSION}/large.bin HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        time.sleep(3 * SMALL.seconds)
        got = 0
        with suppress(ConnectionResetError):
            while piece := line.recv(1 << 20):
                got += len(piece)
    assert 0 < got < 30_000_000
    assert len(site.ask("GET", f"/{VERSION}/large.bin").body) == 30_000_000


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/v-0123456789ab/../../secret.txt",
        "/v-0123456789ab/..%5c..%5csecret.txt",
        "/../site-secret.txt",
        "//secret.txt",
        "/link.txt",
        "/.hidden",
        "/v-0123456789ab/",
        "/%00",
        "/a%0d%0aset-cookie:x",
        "/" + "x" * 300,
        "{root}/secret.txt",
        "/{root}/secret.txt",
    ],
)
def test_nothing_outside_the_site_is_served(site: Running, path: str) -> None:
    answer = site.ask("GET", path.format(root=site.artefact.parents[2]))
    assert answer.status == 404
    assert b"secret" not in answer.body
    assert "set-cookie" not in answer.headers
    assert site.ask("POST", "/index.html").status == 405


def test_every_answer_has_the_headers(small: Running) -> None:
    for path in (*PATHS, "/", "/nothing"):
        headers = small.ask("GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers


def test_other_origins_may_ask_only_where_they_are_named(artefact: Path) -> None:
    asks = {"origin": "https://a.example", "access-control-request-method": "POST"}
    with running(artefact, cors=["https://a.example"]) as found:
        assert found.ask("OPTIONS", "/predict", headers=asks).headers["access-control-allow-origin"] == asks["origin"]
        refused = found.ask("OPTIONS", "/predict", headers=asks | {"origin": "https://b.example"})
        assert (refused.status, "a.example" in one_line(refused)) == (400, True)
        answer = found.ask("GET", "/model", headers={"origin": "https://a.example"})
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
        assert "access-control-allow-origin" not in found.ask("GET", "/model", headers={"origin": "null"}).headers


def test_the_description_names_what_there_is(small: Running) -> None:
    document = small.ask("GET", "/openapi.json").json
    assert set(document["paths"]) == set(PATHS)
    assert set(document["paths"]["/predict"]["post"]["responses"]) == {"200", "400", "408", "413", "415", "422", "503"}
    for (_, _), status, _ in BAD.values():
        assert str(status) in document["paths"]["/predict"]["post"]["responses"]
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
        place = document
        for step in reference.split("/"):
            place = place[step]
    for path, schema in (("/model", "Model"), ("/health", "Health")):
        described = document["components"]["schemas"][schema]
        assert set(described["required"]) == set(small.ask("GET", path).json)
    described = document["components"]["schemas"]["Prediction"]["properties"]
    assert set(described) == set(small.post(("a.png", PICTURE)).json["predictions"][0])


def test_model_tells_no_internals(small: Running) -> None:
    found = small.ask("GET", "/model").json
    assert found["classes"] == ["ape", 'b"e\\e', "çat"]
    assert found["size_bytes"] == small.artefact.stat().st_size
    assert found["params"] == leannet.count(leannet.architecture("mobilenet_v3_debug", classes=3)).params
    assert not {"provenance", "split", "architecture", "path"} & set(found)


def test_counters_count(artefact: Path) -> None:
    with running(artefact) as found:
        for _ in range(3):
            found.post(("a.png", PICTURE), ("b.png", PICTURE))
        found.ask("POST", "/predict")
        found.ask("GET", "/" + "x" * 50)
        text = found.ask("GET", "/metrics").body.decode()
    assert 'leannet_requests_total{path="/predict",status="200"} 3\n' in text
    assert 'leannet_requests_total{path="/predict",status="415"} 1\n' in text
    assert 'leannet_requests_total{path="other",status="404"} 1\n' in text
    assert "leannet_request_seconds_count 3\n" in text
    assert re.search(r"^leannet_batch_pictures_sum 6\.", text, flags=re.MULTILINE)
    predicted = re.findall(r'leannet_predictions_total\{class="((?:[^"\\]|\\.)*)"\} (\d+)', text)
    assert sum(int(count) for _, count in predicted) == 6
    assert int(re.findall(r"process_resident_memory_bytes (\d+)", text)[0]) > 10_000_000
    for line in text.splitlines():  # the format, as its specification has it
        assert re.fullmatch(r'# (HELP|TYPE) \w+ .+|\w+(\{(\w+="([^"\\]|\\.)*",?)+\})? [\d.e+-]+', line), line


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_program(artefact: Path, tmp_path: Path, end: signal.Signals) -> None:
    """Starts, answers and stops, where there is no torch and the kernel refuses every byte written to a file."""
    lines = (
        "import resource, sys",
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))",
        "sys.modules['torch'] = None",
        "from leannet.cli import app, serve",
        "if 'serve' not in [each.name for each in app.app.registered_commands]:",
        "    app.app.command(name='serve')(serve.command)",
        f"sys.argv = ['leannet', 'serve', {str(artefact)!r}, '--port', '0', '--json']",
        "app.main()",
    )
    with subprocess.Popen(
        [sys.executable, "-c", "\n".join(lines)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(tmp_path), "HOME": str(tmp_path)},
    ) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert ready["model"] == "mobilenet_v3_debug"
            port = int(ready["url"].rsplit(":", 1)[1])
            body, kind = form(("a.bmp", encoded(Image.effect_noise((1500, 1000), 90), "BMP")))
            assert ask(port, "POST", "/predict", body, {"content-type": kind}).status == 200
            with socket.create_connection(("127.0.0.1", port)) as line:
                if end == signal.SIGINT:  # a client in the middle of a request does not keep it from ending
                    line.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
                    time.sleep(0.2)
                process.send_signal(end)
                out, errors = process.communicate(timeout=30)
                line.settimeout(5)
                told = line.recv(9999)
            assert told.startswith(b"HTTP/1.1 503 ") if end == signal.SIGINT else told == b""
        finally:
            process.kill()
    assert (process.returncode, out) == (0, "")
    assert re.fullmatch(r"mobilenet_v3_debug answers at http://127\.0\.0\.1:\d+; Ctrl-C stops it\n", errors)
    assert list(tmp_path.iterdir()) == []


def _taken(_: Path) -> dict[str, Any]:
    holder = socket.create_server(("127.0.0.1", 0))
    return {"port": holder.getsockname()[1], "_": holder}


MISTAKES: dict[str, tuple[Callable[[Path], dict[str, Any]], str]] = {
    "no artefact": (lambda root: {"what": root / "x.onnx"}, "no such artefact"),
    "a folder that is no site": (lambda root: {"what": root}, "expected an artefact .* or a folder of leannet web"),
    "an origin that is none": (lambda root: {"cors": ["example.org/page"]}, "expected an origin such as"),
    "a host that is not here": (lambda root: {"host": "192.0.2.1"}, "192.0.2.1, port 0: cannot be listened on"),
    "a port that is taken": (_taken, "cannot be listened on .*: choose another --port"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_line(artefact: Path, tmp_path: Path, mistake: str) -> None:
    make, words = MISTAKES[mistake]
    options = {"what": artefact, "port": 0} | make(tmp_path)
    holder = options.pop("_", None)
    with pytest.raises(LeannetError, match=words):
        serve(**options)
    if holder is not None:
        holder.close()


@pytest.mark.parametrize("limits", [{"batch": 0}, {"seconds": -1}, {"files": 99}, {"body_bytes": 10**10}])
def test_limits_that_cannot_be(limits: dict[str, int]) -> None:
    with pytest.raises(LeannetError, match="limits"):
        Limits(**limits)


@pytest.mark.parametrize(
    "about", ["", "[]", "{}", '{"folder": "../", "model": {"file": "net.onnx"}}', '{"folder": 1, "model": {"file": 2}}']
)
def test_what_is_no_site(artefact: Path, tmp_path: Path, about: str) -> None:
    (tmp_path / "net.onnx").write_bytes(artefact.read_bytes())
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_text("x")
    (folder / "model.json").write_text(about)
    with pytest.raises(
        LeannetError, match=r"expected an artefact \(\.onnx\) or a folder of leannet web, found another"
    ):
        serve(folder, port=0)


def test_a_site_without_its_artefact(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("x")
    (tmp_path / "model.json").write_text('{"folder": "v-1/", "model": {"file": "model.onnx"}}')
    with pytest.raises(LeannetError, match=r"model\.onnx: no such artefact"):
        serve(tmp_path, port=0)


def test_the_page_in_a_browser(small: Running, tmp_path: Path) -> None:
    """Its own policy allows what it does, and nothing leaves for another address."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium")
    from playwright.sync_api import sync_playwright

    (tmp_path / "a.png").write_bytes(PICTURE)
    (tmp_path / "b.png").write_text("words")
    address, asked, said = f"http://127.0.0.1:{small.port}/", [], []
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(address)
        page.set_input_files("input[type=file]", tmp_path / "a.png")
        page.wait_for_selector("[role=status] p")
        rows = page.locator("[role=status] tr td:first-child").all_inner_texts()
        assert said == []
        page.set_input_files("input[type=file]", tmp_path / "b.png")
        page.wait_for_selector("p.error")
        assert "b.png: expected a picture" in page.inner_text("p.error")
        browser.close()
    assert rows == [each["class"] for each in small.post(("a.png", PICTURE)).json["predictions"][0]["top"]]
    assert all(url.startswith((address, f"blob:{address}", "data:,")) for url in asked)
