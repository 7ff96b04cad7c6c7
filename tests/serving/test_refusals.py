"""Whatever a client does, it gets one line, and the server goes on."""

import json
import os
import re
import socket

import numpy as np
import pytest

from tests.conftest import draw
from tests.serving.bad import BAD
from tests.serving.client import HEAD, IMAGE, Running, encoded, one_line, talk


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_line_and_the_server_goes_on(small: Running, kind: str) -> None:
    (body, headers), status, words = BAD[kind]
    answer = small.ask("POST", "/predict", body, headers)
    assert (answer.status, bool(re.search(words, one_line(answer)))) == (status, True), answer.body
    assert small.post(("a.png", IMAGE)).status == 200
    assert small.service.waiting == 0


def test_damaged_images_are_refused_or_answered(small: Running) -> None:
    """Every format with bytes changed, left out and doubled. LEANNET_FUZZ: how many; docs/serve.md has a long run."""
    image, random = draw("disc", 8, 50), np.random.default_rng(0)
    kinds = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000")
    whole = [encoded(image, kind) for kind in kinds] + [encoded(image, "TIFF", compression="tiff_lzw")]
    whole += [encoded(image.quantize(9), "PNG"), encoded(image.convert("CMYK"), "JPEG", progressive=True)]
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
    answer = small.ask("POST", f"/predict?top={top}", IMAGE, {"content-type": "image/png"})
    assert answer.status == 422
    assert one_line(answer).startswith("top: expected")


def test_more_classes_than_there_are(small: Running) -> None:
    assert len(small.post(("a.png", IMAGE), top=99).json["predictions"][0]["top"]) == 3


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


def test_slow_clients_are_not_waited_for(small: Running) -> None:
    """A body, or headers, a byte now and then."""
    body = [HEAD + b"Content-Length: 1000\r\n\r\n", *[b"x"] * 99]
    for pieces in (body, [bytes([letter]) for letter in HEAD * 3]):
        sent: list[bytes] = []
        received, closed = talk(small.port, *pieces, wait=0.05, sent=sent)
        assert received.startswith(b"HTTP/1.1 408 ")
        assert b"within 0.6 s" in received
        assert closed
        assert len(sent) < len(pieces)  # it did not wait for all of them
        assert received.count(b"HTTP/1.1") == 1
    assert small.ask("GET", "/health").json["ready"]


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
    received, closed = talk(small.port, head, *[chunk] * 6)
    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in received
    assert not closed  # what is still on its way is thrown away first, so that the answer can be read
    assert small.service.metrics.text(0, 0, {}).count('status="500"') == 0


def test_whoever_sends_everything_first_can_read_the_refusal(small: Running) -> None:
    for path, status in (("/predict", 413), ("/health", 405), ("/nothing", 404)):
        answer = small.ask("POST", path, bytes(30_000_000), {"content-type": "image/png"})
        assert (answer.status, answer.headers["connection"]) == (status, "close")


def test_a_length_that_was_promised_and_a_client_that_leaves(small: Running, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(("127.0.0.1", small.port)) as line:
        line.sendall(HEAD + b"Content-Length: 1000\r\n\r\nabc")
    assert small.post(("a.png", IMAGE)).status == 200
    assert capfd.readouterr() == ("", "")


def test_what_is_not_http(small: Running, capfd: pytest.CaptureFixture[str]) -> None:
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    for data in (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", chunked + b"no number\r\n"):
        received, closed = talk(small.port, data)
        assert received.startswith(b"HTTP/1.1 400 ")
        assert json.loads(received.split(b"\r\n\r\n")[1])["error"].startswith("expected")
        assert closed
    assert small.ask("GET", "/health").status == 200
    assert capfd.readouterr() == ("", "")


def test_several_requests_on_one_connection(small: Running) -> None:
    """Also after a refusal, where the body was read; and two that were sent at once."""
    request = HEAD + b"Content-Length: %d\r\n\r\n%s"
    good, bad = request % (len(IMAGE), IMAGE), request % (5, b"words")
    received, _ = talk(small.port, good + bad, good, wait=0.3)
    assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"200", b"422", b"200"]
