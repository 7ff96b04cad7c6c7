"""A site over HTTP: the headers that threads need, and nothing outside of it."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from leannet.serving.site import artifact_in
from tests.serving.client import IMAGE, SMALL, Running, running

VERSION = "v-0123456789ab"


@pytest.fixture(scope="module")
def site(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A folder as `leannet web` makes them, with secrets beside it."""
    root = tmp_path_factory.mktemp("root")
    folder = root / "site"
    (folder / VERSION / "ort").mkdir(parents=True)
    (root / "secret.txt").write_text("secret")
    (root / "site-secret.txt").write_text("secret")
    model = {"folder": f"{VERSION}/", "model": {"file": "model.onnx"}}
    files = {"index.html": "<!doctype html><p>site", "model.json": json.dumps(model), "sw.js": "1", ".hidden": "secret"}
    files |= {f"{VERSION}/{name}": "1" for name in ("app.js", "x.mjs", "ort/wasm.wasm", "ort/wasm.wasm.gz")}
    for name, text in files.items():
        (folder / name).write_text(text)
    (folder / VERSION / "model.onnx").write_bytes(artifact.read_bytes())
    (folder / "link.txt").symlink_to(root / "secret.txt")
    opened = artifact_in(folder)
    assert opened is not None
    assert opened.path is not None
    with running(opened.path, site=folder) as server:
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
        immutable = VERSION in path  # the folder's name is a digest of what is in it
        assert answer.headers["cache-control"] == ("max-age=31536000, immutable" if immutable else "no-cache")
        again = site.ask("GET", path, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status, again.body) == (304, b"")
    part = site.ask("GET", f"/{VERSION}/model.onnx", headers={"range": "bytes=0-9"})
    assert (part.status, len(part.body)) == (206, 10)
    assert site.post(("a.png", IMAGE)).status == 200
    assert site.ask("GET", "/health").json["ready"]


def test_an_answer_that_nobody_reads_is_abandoned(site: Running) -> None:
    site.artifact.with_name("large.bin").write_bytes(bytes(30_000_000))
    with socket.create_connection(("127.0.0.1", site.port), timeout=5) as line:
        line.sendall(f"GET /{VERSION}/large.bin HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        time.sleep(3 * SMALL.seconds)
        size = 0
        with suppress(ConnectionResetError):
            while piece := line.recv(1 << 20):
                size += len(piece)
    assert 0 < size < 30_000_000
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
    answer = site.ask("GET", path.format(root=site.artifact.parents[2]))
    assert answer.status == 404
    assert b"secret" not in answer.body
    assert "set-cookie" not in answer.headers
    assert site.ask("POST", "/index.html").status == 405
