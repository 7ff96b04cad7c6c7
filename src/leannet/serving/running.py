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

GRACE_S = 3  # for requests under way, when it is stopped


@dataclass(frozen=True)
class Serving:
    """A server that is ready."""

    url: str
    model: str
    digest: str
    site: str | None
    threads: int

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)


def serve(
    what: str | Path,
    host: str = "127.0.0.1",
    port: int = 8000,
    threads: int | None = None,
    limits: Limits | None = None,
    cors: Sequence[str] = (),
    verbose: bool = False,
    ready: Callable[[Serving], None] = lambda serving: None,
) -> None:
    """Serves an artifact, or a site made of one, until SIGINT or SIGTERM.

    port: 0: any free one. threads: of the network, and as many decode; None: as many as there are cores.
    cors: origins whose pages may ask. ready: told the address as soon as it answers.
    Raises LeannetError for what cannot be served, an address that cannot be used, and where a package is missing.
    """
    _packages()
    from leannet.serving.app import application
    from leannet.serving.service import Service

    artifact, site = _opened(Path(what))
    _check_origins(cors)
    service = Service(artifact, limits or Limits(), threads or cores())
    app = application(service, site, cors, _say if verbose else None)
    with _listening(host, port) as listener:
        url = _url(host, listener.getsockname()[1])
        about = service.facts
        ready(Serving(url, about["name"], about["digest"], str(site) if site else None, service.threads))
        _until_stopped(server(app), listener)


def server(app: Any) -> Any:
    """uvicorn around an application of `application`, not running yet: `run(sockets=[listener])`."""
    import uvicorn

    from leannet.serving.protocol import HEADER_BYTES, PatientProtocol

    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=PatientProtocol,
        h11_max_incomplete_event_size=HEADER_BYTES,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="critical",  # the guard tells what has to be told
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    return uvicorn.Server(config)


def _until_stopped(made: Any, listener: socket.socket) -> None:
    """uvicorn ends what is under way, and then raises the signal again that stopped it."""
    if threading.current_thread() is not threading.main_thread():  # no signals come here
        made.run(sockets=[listener])
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with suppress(KeyboardInterrupt):
            made.run(sockets=[listener])
    finally:
        signal.signal(signal.SIGTERM, before)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _packages() -> None:
    for name in ("starlette", "uvicorn"):
        try:
            package(name)
        except LeannetError:
            raise LeannetError(f"this needs the package {name}: pip install 'leannet[serve]'") from None


def _opened(what: Path) -> tuple[Artifact, Path | None]:
    """The artifact, and the site where it lies in one."""
    from leannet.serving.site import artifact_in

    if not what.is_dir() or is_artifact(what):
        return open_artifact(what), None
    if (found := artifact_in(what)) is not None:
        return found, what
    if (what / MODEL).exists():
        raise LeannetError(f"{what}: expected an artifact, found a run: {command_line('export', what)} makes one")
    raise LeannetError(
        f"{what}: expected an artifact (.onnx, or a folder of leannet export) or a folder of leannet web, found "
        "another folder: make an artifact with leannet export RUN"
    )


def _check_origins(origins: Sequence[str]) -> None:
    for origin in origins:
        if not re.fullmatch(r"\*|https?://[\w.\-\[\]:]+", origin):
            raise LeannetError(f"--cors {origin}: expected an origin such as https://example.org, or * for all")


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OverflowError:
        raise LeannetError(f"--port {port}: expected 0 to 65535") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise LeannetError(
            f"{host}, port {port}: cannot be listened on ({reason}): choose another --port, 0 for any free one"
        ) from None


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
