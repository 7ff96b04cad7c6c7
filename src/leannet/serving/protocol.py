"""HTTP/1.1 as uvicorn and h11 speak it, with an end to patience: headers, and answers that nobody takes."""

import asyncio
import http

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from leannet.serving.limits import Refused, busy
from leannet.serving.replies import error

HEADER_BYTES = 32_768


class PatientProtocol(H11Protocol):
    """uvicorn waits for the headers of a request, and for a client to take its answer, as long as it takes."""

    _headers: asyncio.TimerHandle | None = None
    _answer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the class above
        super().connection_made(transport)
        most = 2 * self.app_state["limits"].requests
        if len(self.connections) > most:
            self._refuse(busy(f"{most} connections are open"))
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._headers, self._answer = _cancelled(self._headers), _cancelled(self._answer)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._answer = self.loop.call_later(self._seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._answer = _cancelled(self._answer)

    def send_400_response(self, msg: str) -> None:
        """Refuses what is no HTTP."""
        self._refuse(Refused(400, "expected an HTTP/1.1 request with headers of at most "
                                  f"{HEADER_BYTES:,} bytes, found something else"))  # fmt: skip

    @property
    def _seconds(self) -> float:
        return float(self.app_state["limits"].seconds)

    def _watch(self) -> None:
        """One timer from the first moment that headers are waited for until they are there."""
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._headers = _cancelled(self._headers)
        elif self._headers is None:
            self._headers = self.loop.call_later(self._seconds, self._too_slow)

    def _too_slow(self) -> None:
        self._headers = None
        self._refuse(Refused(408, f"expected the headers of a request within {self._seconds:g} s, found a part"))

    def _refuse(self, refused: Refused) -> None:
        if self.transport.is_closing():
            return
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:  # else an answer is on its way already
            response = error(refused, {"connection": "close"})
            head = f"HTTP/1.1 {refused.status} {http.HTTPStatus(refused.status).phrase}\r\n".encode()
            lines = b"".join(name + b": " + value + b"\r\n" for name, value in response.raw_headers)
            self.transport.write(head + lines + b"\r\n" + bytes(response.body))
        self.transport.close()


def _cancelled(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Nothing, instead of a timer."""
    if timer is not None:
        timer.cancel()
    return None
