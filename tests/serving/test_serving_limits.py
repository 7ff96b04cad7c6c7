"""What is counted, so that no client takes it all; and nothing is ever written."""

import email
import email.policy
import os
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from leannet.serving.limits import Limits, Refused
from leannet.serving.multipart import boundary_of, files_of, safe_name
from tests.serving.bad import BAD
from tests.serving.client import HEAD, IMAGE, SMALL, Running, encoded, form, one_line, running


def test_a_full_queue_is_503_until_there_is_room(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    with running(artifact) as server, ThreadPoolExecutor(SMALL.queue) as clients:
        ordinary = server.service._network
        monkeypatch.setattr(server.service._batcher, "_network", lambda images: go_on.wait(20) and ordinary(images))
        waiting = [clients.submit(server.post, ("a.png", IMAGE)) for _ in range(SMALL.queue)]
        while server.service.waiting < SMALL.queue:
            time.sleep(0.01)
        refused, health = server.post(("a.png", IMAGE)), server.ask("GET", "/health")
        assert "queue of 6 images is full" in one_line(refused)
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert (health.status, health.json["ready"]) == (503, False)
        assert b"leannet_queue_images 6\n" in server.ask("GET", "/metrics").body
        go_on.set()
        assert [each.result().status for each in waiting] == [200] * SMALL.queue
        assert server.ask("GET", "/health").json["ready"]


def test_the_server_reports_a_failing_engine_and_goes_on(
    artifact: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with running(artifact) as server:
        with monkeypatch.context() as patch:
            patch.setattr(server.service._batcher, "_network", lambda images: 1 // 0)
            answer = server.post(("a.png", IMAGE))
            assert (answer.status, "error in the server" in one_line(answer)) == (500, True)
            patch.setattr(server.service._batcher, "_network", lambda images: np.full((1, 3), np.nan, np.float32))
            answer = server.post(("a.png", IMAGE))
            assert (answer.status, "leannet check" in one_line(answer)) == (422, True)
        assert server.post(("a.png", IMAGE)).status == 200
        assert server.service.waiting == 0
    assert capfd.readouterr().err.strip().endswith("ZeroDivisionError: integer division or modulo by zero")


def test_bodies_in_memory_are_counted_together(artifact: Path) -> None:
    """Slow clients that hold all there may be: others are refused, and served when those are gone."""
    limits = Limits(body_bytes=200_000, held_bytes=300_000, seconds=5)
    with running(artifact, limits) as server:
        line = socket.create_connection(("127.0.0.1", server.port))
        line.sendall(HEAD + b"Content-Length: 190000\r\n\r\n" + bytes(180_000))
        while b"leannet_held_bytes 180000\n" not in server.ask("GET", "/metrics").body:
            time.sleep(0.01)
        refused = server.ask("POST", "/predict", bytes(150_000), {"content-type": "image/png"})
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        line.close()
        while b"leannet_held_bytes 0\n" not in server.ask("GET", "/metrics").body:
            time.sleep(0.01)
        assert server.post(("a.png", IMAGE)).status == 200


def test_requests_under_way_are_counted(artifact: Path) -> None:
    with running(artifact, Limits(requests=1)) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as line:
            line.sendall(HEAD + b"Content-Length: 10\r\n\r\n")
            while (refused := server.ask("GET", "/health")).status == 200:
                time.sleep(0.01)
            assert refused.status == 503
            assert "1 requests are under way" in one_line(refused)
        while server.ask("GET", "/health").status == 503:
            time.sleep(0.01)


def test_connections_are_counted(artifact: Path) -> None:
    with running(artifact, Limits(requests=4)) as server:
        lines = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(8)]
        while (refused := server.ask("GET", "/health")).status == 200:  # until the server has seen all of them
            pass
        assert (refused.status, "8 connections are open" in one_line(refused)) == (503, True)
        for line in lines:
            line.close()
        while server.ask("GET", "/health").status == 503:
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


def test_no_file_is_ever_opened_for_writing(artifact: Path) -> None:
    """Python tells its audit hooks of every file and program, temporary ones included."""
    sys.addaudithook(_watch)
    large = encoded(Image.effect_noise((3000, 2000), 90), "JPEG", quality=97)  # beyond what is kept in memory elsewhere
    assert len(large) > 2_000_000
    with running(artifact, Limits()) as server:
        _HOOKED.set()
        try:
            open(os.devnull, "w").close()
            assert len(WRITES) == 1  # the hook sees
            WRITES.clear()
            assert server.post(("../../etc/passwd", large), ("b.png", IMAGE)).status == 200
            for (body, headers), _, _ in BAD.values():
                assert server.ask("POST", "/predict", body, headers).status < 500
        finally:
            _HOOKED.clear()
    assert WRITES == []


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\images\\a b.jpg", "a b.jpg"),
        ("..", "image 0"),
        ("/", "image 0"),
        ("a\tb\x7f\u202e.png", "ab.png"),
        ("x" * 300, "x" * 100),
    ],
)
def test_a_path_as_a_name_is_only_a_name(small: Running, sent: str, answered: str) -> None:
    assert small.post((sent, IMAGE)).json["predictions"][0]["path"] == answered
    assert (safe_name(sent) or "image 0") == answered


contents = st.binary(max_size=60) | st.sampled_from([b"\r\n", b"\r\n--", b"--x", b"\r\n--=", b"\r\n\r\n", b"--=x=-"])


@settings(max_examples=60)
@given(st.lists(st.tuples(st.text("ab /.ü", min_size=1, max_size=9), contents), min_size=1, max_size=4))
def test_forms_of_any_content_are_read_back(parts: list[tuple[str, bytes]]) -> None:
    body, kind = form(*parts)
    assert files_of(body, boundary_of(kind), 9) == parts


lines = st.binary(min_size=1, max_size=60).filter(
    lambda data: not set(data) & set(b"\r\n")
)  # the library changes those


@settings(max_examples=60)
@given(st.lists(st.tuples(st.text("ab /.ü", min_size=1, max_size=9), lines), min_size=1, max_size=4))
def test_forms_are_read_as_the_standard_library_reads_them(parts: list[tuple[str, bytes]]) -> None:
    body, kind = form(*parts)
    message = email.message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body, policy=email.policy.HTTP)
    theirs = [part.get_payload(decode=True) for part in message.iter_parts()]  # type: ignore[attr-defined]  # of a policy unknown to mypy
    assert [data for _, data in files_of(body, boundary_of(kind), 9)] == theirs


WHOLE_FORM = [
    b"--=x=",
    b"\r\n",
    b"Content-Disposition: form-data; ",
    b"name=file",
    b"\r\n",
    b"\r\n",
    b"a",
    b"\r\n",
    b"--=x=",
    b"--",
]


@settings(max_examples=200)
@given(st.lists(st.sampled_from([b"--=x=", b"--", b"\r\n", b"name=file", b"Content-Disposition: form-data; ", b"a"])))
@example(WHOLE_FORM)
def test_a_form_has_files_or_is_refused(pieces: list[bytes]) -> None:
    try:
        files = files_of(b"".join(pieces), b"=x=", 2)
    except Refused:  # and nothing else
        assert pieces != WHOLE_FORM
    else:
        assert files
