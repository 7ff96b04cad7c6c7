"""A server under test, and clients for it."""

import http.client
import io
import json
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from leannet.artifact import open_artifact
from leannet.serving.app import application
from leannet.serving.limits import Limits
from leannet.serving.running import server
from leannet.serving.service import Service
from tests.conftest import draw

SMALL = Limits(
    body_bytes=200_000, pixels=90_000, files=3, seconds=0.6, batch=4, queue=6, requests=64, held_bytes=900_000
)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Running(NamedTuple):
    """A server under test."""

    port: int
    artifact: Path
    service: Service

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        return ask(self.port, method, path, body, headers)

    def post(self, *images: tuple[str, bytes], top: int = 5) -> Answer:
        body, kind = form(*images)
        return self.ask("POST", f"/predict?top={top}", body, {"content-type": kind})


def ask(port: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
    """One request. The system may cut off a refusal that was sent before anything was read: then it asks again."""
    for _ in range(5):
        with suppress(ConnectionError):
            return _ask(port, method, path, body, headers)
    raise AssertionError(f"no answer to {method} {path[:60]}")


def _ask(port: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        response_headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, response_headers, response.read())
    finally:
        connection.close()


def form(*images: tuple[str, bytes], field: str = "file") -> tuple[bytes, str]:
    """A multipart body, and its Content-Type."""
    parts = [
        f'--=x=\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode() + data + b"\r\n"
        for name, data in images
    ]
    return b"".join(parts) + b"--=x=--\r\n", 'multipart/form-data; boundary="=x="'


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_of(width: int, height: int) -> bytes:
    """A PNG file that claims this size, and has one row of it."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((8, 0, 0, 0, 0))
    rows = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(width + 1))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + rows


IMAGE = encoded(draw("disc", 3, 60))


@contextmanager
def running(artifact: Path, limits: Limits = SMALL, **options: Any) -> Iterator[Running]:
    """A real server in a thread, on a free port."""
    service = Service(open_artifact(artifact), limits, threads=2)
    uvicorn_server = server(application(service, **options))
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=uvicorn_server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Running(port, artifact, service)
        finally:
            uvicorn_server.should_exit = True
            thread.join()


def one_line(answer: Answer) -> str:
    """The error of a refusal, which must be one line of JSON."""
    assert answer.body.count(b"\n") == 1
    assert list(answer.json) == ["error"]
    assert "\n" not in answer.json["error"]
    assert answer.headers["content-type"] == "application/json"
    return str(answer.json["error"])


def talk(port: int, *pieces: bytes, wait: float = 0.0, sent: list[bytes] | None = None) -> tuple[bytes, bool]:
    """Sends pieces, `wait` seconds apart. Returns what comes back, and whether the server closed the connection.

    sent: collects the pieces that were sent before that.
    """
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=0.05) as line:
        try:
            for piece in pieces:
                line.sendall(piece)
                if sent is not None:
                    sent.append(piece)
                time.sleep(wait)
        except OSError:  # closed in the middle
            pass
        until = time.monotonic() + 5
        while time.monotonic() < until:
            try:
                piece = line.recv(65536)
            except TimeoutError:
                if received:
                    return received, False
                continue
            except OSError:
                return received, True
            if not piece:
                return received, True
            received += piece
    raise AssertionError("no answer")


HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
