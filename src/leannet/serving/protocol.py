"""HTTP/1.1 as uvicorn and h11 speak it, with time limits on request headers and on clients that do not read."""

import asyncio
import http

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from leannet.serving.limits import Refused, busy
from leannet.serving.replies import error

HEADER_BYTES = 32_768


class TimedProtocol(H11Protocol):
    """Adds the time limits that uvicorn lacks: it would wait for ever for headers, and for a client to read."""

    _headers_timer: asyncio.TimerHandle | None = None
    _response_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the class above
        super().connection_made(transport)
        max_connections = 2 * self.app_state["limits"].requests
        if len(self.connections) > max_connections:
            self._refuse(busy(f"{max_connections} connections are open"))
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._headers_timer, self._response_timer = _cancel(self._headers_timer), _cancel(self._response_timer)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._response_timer = self.loop.call_later(self._seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._response_timer = _cancel(self._response_timer)

    def send_400_response(self, msg: str) -> None:
        """Refuses what is not HTTP."""
        self._refuse(Refused(400, "expected an HTTP/1.1 request with headers of at most "
                                  f"{HEADER_BYTES:,} bytes, found something else"))  # fmt: skip

    @property
    def _seconds(self) -> float:
        return float(self.app_state["limits"].seconds)

    def _watch(self) -> None:
        """Runs one timer while the headers of a request are awaited."""
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._headers_timer = _cancel(self._headers_timer)
        elif self._headers_timer is None:
            self._headers_timer = self.loop.call_later(self._seconds, self._too_slow)

    def _too_slow(self) -> None:
        self._headers_timer = None
        self._refuse(
            Refused(
                408,
                f"expected the headers of a request within {self._seconds:g} s, found only part of them: send it again",
            )
        )

    def _refuse(self, refused: Refused) -> None:
        if self.transport.is_closing():
            return
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:  # otherwise a response is already being sent
            response = error(refused, {"connection": "close"})
            head = f"HTTP/1.1 {refused.status} {http.HTTPStatus(refused.status).phrase}\r\n".encode()
            lines = b"".join(name + b": " + value + b"\r\n" for name, value in response.raw_headers)
            self.transport.write(head + lines + b"\r\n" + bytes(response.body))
        self.transport.close()


def _cancel(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Cancels a timer, if there is one. Returns None, to assign in its place."""
    if timer is not None:
        timer.cancel()
    return None
