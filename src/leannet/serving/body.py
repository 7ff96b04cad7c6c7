"""Request bodies: read into memory, refused as soon as they are too large or too slow, never written to disk."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.requests import Request

from leannet.serving.limits import Limits, Refused, busy
from leannet.serving.multipart import boundary_of, files_of

TYPES = "multipart/form-data, image/* or application/octet-stream"


@dataclass
class _Received:
    """Bytes of one body that are in memory."""

    size: int = 0


class Bodies:
    """Reads bodies within the limits, and knows how many bytes of them are in memory."""

    def __init__(self, limits: Limits):
        self._limits = limits
        self.held_bytes = 0

    @asynccontextmanager
    async def files(self, request: Request) -> AsyncIterator[list[tuple[str, bytes]]]:
        """Names and contents of the files in a request. Inside the context their bytes count as held.

        Raises Refused for another content type, a body that is too large or too slow, and a malformed form.
        """
        media_type = _media_type(request)
        boundary = boundary_of(request.headers["content-type"]) if media_type == "multipart/form-data" else None
        received = _Received()
        try:
            body = await self._read(request, received)
            if not body:
                raise Refused(400, "expected an image, found an empty body: curl -F file=@image.jpg")
            files = files_of(body, boundary, self._limits.files) if boundary is not None else [("", body)]
            del body  # or a form would be in memory twice while its images wait
            yield files
        finally:
            self.held_bytes -= received.size

    async def _read(self, request: Request, received: _Received) -> bytes:
        limits = self._limits
        declared = request.headers.get("content-length", "0")
        if declared.isdecimal() and int(declared[:20]) > limits.body_bytes:
            raise _too_large(f"{int(declared[:20]):,}", limits)
        chunks: list[bytes] = []
        try:
            async with asyncio.timeout(limits.seconds):
                async for chunk in request.stream():
                    received.size += len(chunk)
                    self.held_bytes += len(chunk)
                    if received.size > limits.body_bytes:
                        raise _too_large("more", limits)
                    if self.held_bytes > limits.held_bytes:
                        raise busy(
                            f"the bodies of other requests fill the {limits.held_bytes:,} bytes reserved for them"
                        )
                    chunks.append(chunk)
        except TimeoutError:
            raise Refused(
                408,
                f"expected the whole body within {limits.seconds:g} s, found {received.size:,} bytes: send it again",
            ) from None
        return b"".join(chunks)


def _media_type(request: Request) -> str:
    """The media type of the body. Raises Refused for one that is not accepted."""
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        raise Refused(
            415, f"expected an uncompressed body, found Content-Encoding {coding[:40]!r}: send it uncompressed"
        )
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in {"multipart/form-data", "application/octet-stream"} or re.fullmatch(
        r"image/[\w.+*-]+", media_type
    ):
        return media_type
    found = f"Content-Type {media_type[:60]!r}" if media_type else "none"
    raise Refused(
        415, f"expected a Content-Type of {TYPES}, found {found}: curl -F file=@image.jpg sends the right one"
    )


def _too_large(found: str, limits: Limits) -> Refused:
    return Refused(413, f"expected a body of at most {limits.body_bytes:,} bytes, found {found}: send a smaller image")
