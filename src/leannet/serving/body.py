"""The body of a request: read as it comes, refused as soon as it is too large or too slow, never written anywhere."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from leannet.serving.limits import Limits, Refused, busy
from leannet.serving.multipart import boundary_of, files_of

TYPES = "multipart/form-data, image/* or application/octet-stream"


class Bodies:
    """Reads bodies within the limits, and knows how many bytes of them are in memory."""

    def __init__(self, limits: Limits):
        self._limits = limits
        self.held_bytes = 0

    @asynccontextmanager
    async def files(self, request: Request) -> AsyncIterator[list[tuple[str, bytes]]]:
        """Names and contents of the files in a request, which count as held inside.

        Raises Refused for another content type, a body that is too large or too slow, and a form that is none.
        """
        kind = _kind(request)
        boundary = boundary_of(request.headers["content-type"]) if kind == "multipart/form-data" else None
        held = [0]
        try:
            body = await self._read(request, held)
            if not body:
                raise Refused(400, "expected an image, found an empty body: curl -F file=@image.jpg")
            files = files_of(body, boundary, self._limits.files) if boundary is not None else [("", body)]
            del body  # else a form would be there twice while its images wait
            yield files
        finally:
            self.held_bytes -= held[0]

    async def _read(self, request: Request, held: list[int]) -> bytes:
        limits = self._limits
        declared = request.headers.get("content-length", "0")
        if declared.isdecimal() and int(declared[:20]) > limits.body_bytes:
            raise _too_large(f"{int(declared[:20]):,}", limits)
        chunks: list[bytes] = []
        try:
            async with asyncio.timeout(limits.seconds):
                async for chunk in request.stream():
                    held[0] += len(chunk)
                    self.held_bytes += len(chunk)
                    if held[0] > limits.body_bytes:
                        raise _too_large("more", limits)
                    if self.held_bytes > limits.held_bytes:
                        raise busy(f"the bodies of other requests fill the {limits.held_bytes:,} bytes there are")
                    chunks.append(chunk)
        except TimeoutError:
            raise Refused(
                408, f"expected the whole body within {limits.seconds:g} s, found {held[0]:,} bytes: send it again"
            ) from None
        return b"".join(chunks)


def _kind(request: Request) -> str:
    """The media type of the body, one that is taken. Raises Refused."""
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        raise Refused(415, f"expected a body as it is, found Content-Encoding {coding[:40]!r}: send it uncompressed")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in {"multipart/form-data", "application/octet-stream"} or re.fullmatch(r"image/[\w.+*-]+", kind):
        return kind
    found = f"Content-Type {kind[:60]!r}" if kind else "none"
    raise Refused(
        415, f"expected a Content-Type of {TYPES}, found {found}: curl -F file=@image.jpg names the right one"
    )


def _too_large(found: str, limits: Limits) -> Refused:
    return Refused(413, f"expected a body of at most {limits.body_bytes:,} bytes, found {found}: send a smaller image")
