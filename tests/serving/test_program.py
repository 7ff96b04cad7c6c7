"""`leannet serve` as a program, its errors, and its own page."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from leannet.errors import LeannetError
from leannet.serving.limits import Limits
from leannet.serving.running import serve
from tests.conftest import keep
from tests.serving.client import HEAD, IMAGE, Running, ask, encoded, form
from tests.web.accessibility import LIVE, RECORD_SPOKEN, check_page, tab_stops


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_program(artifact: Path, tmp_path: Path, end: signal.Signals) -> None:
    """Starts, answers and stops, where there is no torch and the kernel refuses every byte written to a file."""
    lines = (
        "import resource, sys",
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))",
        "sys.modules['torch'] = None",
        "from leannet.cli import app, serve",
        "if 'serve' not in [each.name for each in app.app.registered_commands]:",
        "    app.app.command(name='serve')(serve.command)",
        f"sys.argv = ['leannet', 'serve', {str(artifact)!r}, '--port', '0', '--json']",
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
                received = line.recv(9999)
            assert received.startswith(b"HTTP/1.1 503 ") if end == signal.SIGINT else received == b""
        finally:
            process.kill()
    assert (process.returncode, out) == (0, "")
    assert re.fullmatch(r"mobilenet_v3_debug answers at http://127\.0\.0\.1:\d+; Ctrl-C stops it\n", errors)
    assert list(tmp_path.iterdir()) == []


def _taken(_: Path) -> dict[str, Any]:
    holder = socket.create_server(("127.0.0.1", 0))
    return {"port": holder.getsockname()[1], "_": holder}


MISTAKES: dict[str, tuple[Callable[[Path], dict[str, Any]], str]] = {
    "no artifact": (lambda root: {"source": root / "x.onnx"}, "no such artifact"),
    "a folder that is not a site": (
        lambda root: {"source": root},
        "expected an artifact .* or a folder of leannet web",
    ),
    "an origin that is not one": (lambda root: {"cors": ["example.org/page"]}, "expected an origin such as"),
    "a host that is not here": (lambda root: {"host": "192.0.2.1"}, "192.0.2.1, port 0: cannot listen there"),
    "a port that is taken": (_taken, "cannot listen there .*: choose another --port"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_line(artifact: Path, tmp_path: Path, mistake: str) -> None:
    make, words = MISTAKES[mistake]
    options = {"source": artifact, "port": 0} | make(tmp_path)
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
    "model_json",
    ["", "[]", "{}", '{"folder": "../", "model": {"file": "net.onnx"}}', '{"folder": 1, "model": {"file": 2}}'],
)
def test_what_is_not_a_site(artifact: Path, tmp_path: Path, model_json: str) -> None:
    (tmp_path / "net.onnx").write_bytes(artifact.read_bytes())
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_text("x")
    (folder / "model.json").write_text(model_json)
    with pytest.raises(LeannetError, match=r"expected an artifact \(.*\) or a folder of leannet web, found another"):
        serve(folder, port=0)


def test_a_site_without_its_artifact(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("x")
    (tmp_path / "model.json").write_text('{"folder": "v-1/", "model": {"file": "model.onnx"}}')
    with pytest.raises(LeannetError, match=r"model\.onnx: no such artifact"):
        serve(tmp_path, port=0)


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (830, "dark"), (1440, "light"), (1440, "dark")])
def test_the_page_for_eyes_keyboards_and_screen_readers(
    browser: Any, small: Running, tmp_path: Path, width: int, scheme: Any
) -> None:
    """Nothing to scroll sideways; everything reached by Tab, with names, headings and contrast; one voice."""
    (tmp_path / "a.png").write_bytes(IMAGE)
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{small.port}/")
    check_page(page)
    endpoints = ["health", "model", "metrics", "openapi.json"]
    assert tab_stops(page) == ["choose", *endpoints]
    page.evaluate(RECORD_SPOKEN)
    page.on("filechooser", lambda _: None)  # or it is switched off and on between the two
    page.focus("#choose")
    for key in ("Enter", "Space"):
        with page.expect_file_chooser() as chooser:
            page.keyboard.press(key)
        page.evaluate("window.spoken = []")
        chooser.value.set_files(tmp_path / "a.png")
        page.wait_for_selector("#top .bar")
        answer = page.inner_text("#top .name >> nth=0") + ", " + page.inner_text("#top .percent >> nth=0")
        assert page.evaluate("window.spoken.filter((text) => text)") == ["Looking", answer]
    assert page.get_attribute("#image", "alt") == "a.png"
    assert page.evaluate(LIVE) == ["problem", "spoken"]
    check_page(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    keep(page, tmp_path, f"serve_{width}_{scheme}")
    context.close()


def test_both_pages_use_one_style(small: Running) -> None:
    """Every class of serve's page is one of the web page's style sheet, and shared ids mean the same elements."""
    page = small.ask("GET", "/").body.decode()
    static = Path(str(files("leannet.web") / "static"))
    style, web_page = ((static / name).read_text() for name in ("style.css", "index.html"))
    assert style in page
    markup = page[page.index("<body>") : page.index("<script>")]
    classes = {name for names in re.findall(r'class="([^"]+)"', markup) for name in names.split()}
    assert {"stage", "card", "top", "endpoints"} <= classes
    assert {name for name in classes if f".{name}" not in style} == set()
    elements, web_elements = (
        dict(reversed(pair) for pair in re.findall(r'<(\w+)[^>]* id="(\w+)"', text)) for text in (markup, web_page)
    )
    shared = set(elements) & set(web_elements)
    assert {"state", "stage", "image", "choose", "file", "problem", "top", "spoken", "times"} <= shared
    assert {name for name in shared - {"times"} if elements[name] != web_elements[name]} == set()


def test_the_page_in_a_browser(browser: Any, small: Running, tmp_path: Path) -> None:
    """Its own policy allows what it does, and it sends nothing to another address."""
    (tmp_path / "a.png").write_bytes(IMAGE)
    (tmp_path / "b.png").write_text("words")
    address, requested, messages = f"http://127.0.0.1:{small.port}/", [], []
    page = browser.new_page()
    page.on("request", lambda request: requested.append(request.url))
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(address)
    page.set_input_files("input[type=file]", tmp_path / "a.png")
    page.wait_for_selector("#top .bar")
    rows = page.locator("#top .name").all_inner_texts()
    assert messages == []
    page.set_input_files("input[type=file]", tmp_path / "b.png")
    page.wait_for_selector("#problem:not([hidden])")
    assert "b.png: expected an image" in page.inner_text("#problem")
    page.close()
    assert rows == [ranked["class"] for ranked in small.post(("a.png", IMAGE)).json["predictions"][0]["top"]]
    assert address in requested
    assert all(url.startswith((address, f"blob:{address}", "data:,")) for url in requested)
