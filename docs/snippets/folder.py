"""The folder that a page's commands and snippets are run in."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from .data import NEEDS
from .reading import MARKS, ROOT, Line

BIN = Path(sys.executable).parent
TIMEOUT_S = 900  # of a command
CHANGES = {  # small data does not shorten these
    "--time 30m": "--time 5s",
    "search cifar10/": "search cifar10/ --evaluations 4 --out runs/cifar10",
    "adapt runs/photos": "adapt runs/photos --proposals 2 --short-steps 2 --reduction 0.06 --epochs 1",
}
INHERITED = ("OMP", "PYTHONPATH")
SHARED_RESULTS: dict[str, tuple[int, str]] = {}


class Folder:
    """A folder that has the data that pages speak of, and what the lines above have made."""

    def __init__(self, path: Path):
        self.path = path
        self.server: subprocess.Popen[bytes] | None = None
        self.environment = {
            "PATH": os.pathsep.join([str(BIN), os.environ["PATH"]]),
            "HOME": os.environ["HOME"],
            "LANG": "C.UTF-8",
            "MPLBACKEND": "agg",
            "ORT_DISABLE_TELEMETRY": "1",  # of snippets that load ONNX Runtime themselves
            **{name: value for name, value in os.environ.items() if name.startswith(INHERITED)},
        }

    def run_line(self, line: Line) -> tuple[int, str]:
        """Exit status of a line and what it printed."""
        text = line.text
        for printed, shorter in CHANGES.items():
            text = text.replace(printed, shorter)
        if line.is_python:
            text = "\n".join(part for part in text.splitlines() if not any(mark in part for mark in MARKS))
        try:
            self._make_needs(text)
            self._remove_earlier_run(text)
            if line.is_python:
                return self._run_python(text)
            if text.startswith(("leannet serve", "tensorboard")):
                return self._serve(text)
            if text.startswith("make"):
                return self._run_once(f"cd {shlex.quote(str(ROOT))} && {text.split('  #')[0].strip()}")
            if text.startswith("pip install"):
                return self._run(f"{self._fresh_environment()} && cd {shlex.quote(str(ROOT))} && {text}")
            return self._run(text)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            return -1, str(error)

    def _run(self, text: str) -> tuple[int, str]:
        process = subprocess.run(
            ["bash", "-c", text], cwd=self.path, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        return process.returncode, process.stdout.decode(errors="replace")

    def _run_python(self, text: str) -> tuple[int, str]:
        """Runs a block behind the blocks above it on its page."""
        earlier = self.path / "earlier_blocks.py"
        script = (earlier.read_text() if earlier.exists() else "import leannet\n") + text + "\n"
        (self.path / "blocks.py").write_text(script)
        code, output = self._run("python blocks.py")
        if not code:
            earlier.write_text(script)
        return code, output

    def _run_once(self, text: str) -> tuple[int, str]:
        """For what no page changes: the second page that says it gets the result of the first."""
        if text not in SHARED_RESULTS:
            SHARED_RESULTS[text] = self._run(text)
        return SHARED_RESULTS[text]

    def _make_needs(self, text: str, under_way: tuple[str, ...] = ()) -> None:
        """Makes what a line needs and is not there. Raises RuntimeError where that fails."""
        words = re.findall(r"[\w./-]+", "\n".join(line.split("  #")[0] for line in text.splitlines()))
        outputs = {words[i + 1] for i, word in enumerate(words[:-1]) if word in {"--out", "out"}}
        for need, command in NEEDS.items():
            is_named = any(
                word.rstrip("/") == need or word.startswith(f"{need}/") for word in words if word not in outputs
            )
            is_named = is_named or (need == "docs" and any(word.startswith("docs/") for word in outputs))
            if is_named and not (self.path / need).exists() and need not in outputs and need not in under_way:
                self._make_needs(command, (*under_way, need))
                code, output = self._run(command)
                if code:
                    raise RuntimeError(f"{command}: exit status {code}\n{output}")

    def _remove_earlier_run(self, text: str) -> None:
        """Where a page trains a run twice, the second replaces the first."""
        for name in re.findall(r"out[= ]\"?([\w./-]+)", text):
            run = self.path / name
            if (run / "config.toml").exists() or (run / "fold-1").exists():
                shutil.rmtree(run)

    def _fresh_environment(self) -> str:
        """The shell's words that enter a new virtual environment, which sees this one's packages."""
        environment = self.path / "environment"
        if not environment.exists():
            subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
            packages = next((environment / "lib").iterdir()) / "site-packages"
            these = next((BIN.parent / "lib").iterdir()) / "site-packages"
            (packages / "these.pth").write_text(f"{these}\n")
        return f"export PATH={shlex.quote(str(environment / 'bin'))}:$PATH"

    def _serve(self, text: str) -> tuple[int, str]:
        """Starts a server and waits for its port; it runs until the next one, or the page's end."""
        self.stop_server()
        named = re.search(r"--port (\d+)", text)
        port = int(named[1]) if named else 6006 if text.startswith("tensorboard") else 8000
        words = shlex.split(text, comments=True)
        self.server = subprocess.Popen(
            words, cwd=self.path, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, executable=str(BIN / words[0]),
        )  # fmt: skip
        assert self.server.stdout is not None
        for _ in range(240):
            if self.server.poll() is not None:
                return self.server.returncode, self.server.stdout.read().decode(errors="replace")
            if not port:  # any free one: the server prints which
                return 0, self.server.stdout.readline().decode()
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    return 0, ""
            time.sleep(0.25)
        return 1, "no answer on its port within a minute"

    def stop_server(self) -> None:
        """Ends the server as Ctrl-C does."""
        if self.server is not None:
            self.server.send_signal(signal.SIGINT)
            try:
                self.server.wait(20)
            except subprocess.TimeoutExpired:
                self.server.kill()
            self.server = None
