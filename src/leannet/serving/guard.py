"""Middleware around every request: limits, response headers, metrics, and connections that close cleanly."""

import asyncio
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leannet.serving.limits import Limits, Refused, busy
from leannet.serving.metrics import Metrics
from leannet.serving.replies import error

DRAIN_S = 2.0
TOO_SLOW = 408

# On every response. A content security policy comes from the route.
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
}


class Guard:
    """Wraps an application.

    A response that is sent before the request's body was read closes the connection. What the client is still sending
    is first read and discarded, for up to DRAIN_S, because otherwise the client could not read the response.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        metrics: Metrics,
        label: Callable[[str], str],
        log: Callable[[str], None] | None = None,
        headers: Mapping[str, str] = HEADERS,
    ):
        """label: gives a path its label in the metrics. log: called with a line per request."""
        self._app, self._limits, self._metrics = app, limits, metrics
        self._label, self._log, self._headers = label, log, headers
        self._in_progress = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._headers)
        full = self._in_progress >= self._limits.requests
        app = error(busy(f"{self._limits.requests} requests are under way")) if full else self._app
        self._in_progress += 1
        try:
            await app(scope, exchange.receive, exchange.send)
        except asyncio.CancelledError:  # the server is being stopped
            if not exchange.started:
                await error(Refused(503, "the server is being stopped"))(scope, receive, exchange.send)
        except Exception:  # a bug in this program: in full here, in one line for the client
            traceback.print_exc()
            raise
        finally:
            self._in_progress -= 1
            self._count(scope, exchange)

    def _count(self, scope: Scope, exchange: "_Exchange") -> None:
        seconds = time.monotonic() - exchange.began_s
        label = self._label(scope["path"])
        if exchange.status:
            self._metrics.requests[label, exchange.status] += 1
            if label == "/predict" and exchange.status == 200:
                self._metrics.seconds.observe(seconds)
        if self._log is not None:
            path = scope.get("raw_path", b"").decode("ascii", "replace")
            client = (scope.get("client") or ("-",))[0]
            status = exchange.status or "left"
            self._log(f"{client} {scope['method']} {path} {status} {1e3 * seconds:.1f} ms")


class _Exchange:
    """One request and its response."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, headers: Mapping[str, str]):
        self._receive, self._send, self._headers = receive, send, headers
        request_headers = Headers(scope=scope)
        length = request_headers.get("content-length", "0")
        self._read = "transfer-encoding" not in request_headers and length.strip("0") == ""
        self.status = 0  # 0: the client left before there was a response
        self.started = self._left = False
        self.began_s = time.monotonic()

    async def receive(self) -> Message:
        message = await self._receive()
        disconnected = message["type"] == "http.disconnect"
        if disconnected or not message.get("more_body", False):
            self._read = True
        self._left |= disconnected and not self.status
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started, self.status = True, 0 if self._left else message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in self._headers.items():
                headers.setdefault(name, value)
            if not self._read:
                headers["connection"] = "close"
        elif not self._read and not message.get("more_body", False):
            await self._send({**message, "more_body": True})  # the whole response; its end closes the connection
            await self._drain()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def _drain(self) -> None:
        if self.status == TOO_SLOW:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while not self._read:
                    await self.receive()
