"""`serve`: from a path to a server that runs until it is stopped."""

import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from leannet.artifact.artifact import Artifact
from leannet.artifact.opening import open_artifact
from leannet.errors import LeannetError, command_line
from leannet.header import is_artifact
from leannet.run_files import MODEL
from leannet.runtime.packages import package
from leannet.runtime.processor import cores
from leannet.serving.limits import Limits

GRACE_S = 3  # for requests in progress when the server is stopped


@dataclass(frozen=True)
class Serving:
    """A server that is ready for requests."""

    url: str
    model: str
    digest: str
    site: str | None
    threads: int

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)


def serve(
    source: str | Path,
    host: str = "127.0.0.1",
    port: int = 8000,
    threads: int | None = None,
    limits: Limits | None = None,
    cors: Sequence[str] = (),
    verbose: bool = False,
    ready: Callable[[Serving], None] = lambda serving: None,
) -> None:
    """Serves an artifact, or a site made of one, until SIGINT or SIGTERM.

    source: an artifact, or a folder of `leannet web`. port: 0 takes any free one. threads: for the network, and as many
    again for decoding; None: one per core. cors: origins whose pages may send requests. ready: called with the address
    as soon as the server answers.
    Raises LeannetError for what cannot be served, for an address that cannot be used, and for a missing package.
    """
    _check_packages()
    from leannet.serving.app import application
    from leannet.serving.service import Service

    artifact, site = _open(Path(source))
    _check_origins(cors)
    service = Service(artifact, limits or Limits(), threads or cores())
    app = application(service, site, cors, _log if verbose else None)
    with _listening(host, port) as listener:
        url = _url(host, listener.getsockname()[1])
        facts = service.facts
        ready(Serving(url, facts["name"], facts["digest"], str(site) if site else None, service.threads))
        _run_until_stopped(server(app), listener)


def server(app: Any) -> Any:
    """A uvicorn server for an application; `run(sockets=[listener])` starts it."""
    import uvicorn

    from leannet.serving.protocol import HEADER_BYTES, TimedProtocol

    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=TimedProtocol,
        h11_max_incomplete_event_size=HEADER_BYTES,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="critical",  # the guard prints what has to be printed
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    return uvicorn.Server(config)


def _run_until_stopped(uvicorn_server: Any, listener: socket.socket) -> None:
    """On a signal, uvicorn finishes the requests in progress and then raises the signal again."""
    if threading.current_thread() is not threading.main_thread():  # signals reach the main thread alone
        uvicorn_server.run(sockets=[listener])
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with suppress(KeyboardInterrupt):
            uvicorn_server.run(sockets=[listener])
    finally:
        signal.signal(signal.SIGTERM, previous)


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _check_packages() -> None:
    for name in ("starlette", "uvicorn"):
        try:
            package(name)
        except LeannetError:
            raise LeannetError(f"leannet serve needs the package {name}: pip install 'leannet[serve]'") from None


def _open(source: Path) -> tuple[Artifact, Path | None]:
    """The artifact, and the folder of its site if it is in one."""
    from leannet.serving.site import artifact_in

    if not source.is_dir() or is_artifact(source):
        return open_artifact(source), None
    if (artifact := artifact_in(source)) is not None:
        return artifact, source
    if (source / MODEL).exists():
        raise LeannetError(f"{source}: expected an artifact, found a run: {command_line('export', source)} makes one")
    raise LeannetError(
        f"{source}: expected an artifact (.onnx, or a folder of leannet export) or a folder of leannet web, found "
        "another folder: make an artifact with leannet export RUN"
    )


def _check_origins(origins: Sequence[str]) -> None:
    for origin in origins:
        if not re.fullmatch(r"\*|https?://[\w.\-\[\]:]+", origin):
            raise LeannetError(f"--cors {origin}: expected an origin such as https://example.org, or * for all of them")


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OverflowError:
        raise LeannetError(f"--port {port}: expected 0 to 65535") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise LeannetError(
            f"{host}, port {port}: cannot listen there ({reason}): choose another --port, or 0 for any free one"
        ) from None


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
