"""Forms: the files of a multipart/form-data body that is whole, in memory (RFC 7578). Nothing is written anywhere."""

import re
from collections.abc import Iterator

from leannet.serving.limits import Refused

FIELD = "file"
HEADER_BYTES = 8192  # of one part
_PARAMETER = re.compile(r';\s*([\w*-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;\s"]*)')


def boundary_of(content_type: str) -> bytes:
    """The boundary that a Content-Type names. Raises Refused."""
    boundary = _parameters(content_type).get("boundary", "")
    if not 1 <= len(boundary) <= 70:
        found = f"one of {len(boundary)} characters" if boundary else "none"
        raise Refused(400, f"expected multipart/form-data with a boundary of 1 to 70 characters, found {found}")
    return boundary.encode("latin-1")


def files_of(body: bytes, boundary: bytes, most: int) -> list[tuple[str, bytes]]:
    """Names, as they were given, and contents of the files in the field `file`, in order.

    Raises Refused for a body that is no form, a form of other fields or without files, and one of more than `most`.
    """
    found = []
    for headers, content in _parts(body, boundary):
        parameters = _parameters(headers.get("content-disposition", ""))
        if (field := parameters.get("name")) != FIELD:
            named = f"'{harmless(field)}'" if field else "a part without a name"
            raise Refused(400, f"expected images in the form's field '{FIELD}', found {named}: {_HOW}")
        if content or parameters.get("filename"):  # a browser sends an empty part where no file was chosen
            found.append((parameters.get("filename", ""), content))
        if len(found) > most:
            raise Refused(422, f"expected at most {most} files in one request, found more: send them in several")
    if not found:
        raise Refused(400, f"expected one image or more in the form's field '{FIELD}', found none: {_HOW}")
    return found


def harmless(name: str) -> str:
    """The last part of a path, its printable characters, at most 100 of them; empty where nothing is left."""
    last = re.split(r"[/\\]", name)[-1]
    kept = "".join(character for character in last if character.isprintable())[:100].strip()
    return kept if kept.strip(".") else ""


_HOW = f"curl -F {FIELD}=@image.jpg"


def _parts(body: bytes, boundary: bytes) -> Iterator[tuple[dict[str, str], bytes]]:
    """Headers, their names in lower case, and content of each part."""
    mark = b"\r\n--" + boundary
    if body.startswith(mark[2:]):
        place = len(mark) - 2
    else:  # what comes before the first boundary is for readers of mail
        place = body.find(mark) + len(mark)
        if place < len(mark):
            raise Refused(400, "expected a form that begins with the boundary of its Content-Type, found none")
    while True:
        line_end = body.find(b"\r\n", place, place + HEADER_BYTES)
        rest = body[place : line_end if line_end >= 0 else place + 2]
        if rest.startswith(b"--"):
            return
        if line_end < 0 or rest.strip(b" \t"):
            raise Refused(400, "expected the end of a line behind a boundary of the form, found something else")
        # The empty line that ends the headers may follow the boundary at once.
        stop = body.find(b"\r\n\r\n", line_end, line_end + HEADER_BYTES)
        if stop < 0:
            raise Refused(400, f"expected headers of at most {HEADER_BYTES} bytes in each part of the form, found more")
        start = stop + 4
        end = body.find(mark, start)
        if end < 0 or mark in body[line_end:start]:
            raise Refused(400, "expected a form that ends with its boundary, found one that is cut off")
        yield _headers(body[line_end:stop]), body[start:end]
        place = end + len(mark)


def _headers(block: bytes) -> dict[str, str]:
    lines = block.decode("utf-8", "replace").split("\r\n")
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _parameters(value: str) -> dict[str, str]:
    """`a; b="c"` -> {"b": "c"}."""
    found = {}
    for name, text in _PARAMETER.findall(value):
        quoted = text.startswith('"')
        found[name.lower()] = re.sub(r'\\(["\\])', r"\1", text[1:-1]) if quoted else text
    return found
