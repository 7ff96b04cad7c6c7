"""The files of a multipart/form-data body (RFC 7578) that is wholly in memory. Nothing is written to disk."""

import re
from collections.abc import Iterator

from leannet.serving.limits import Refused

FIELD = "file"
HEADER_BYTES = 8192  # of the headers of one part
_PARAMETER = re.compile(r';\s*([\w*-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;\s"]*)')


def boundary_of(content_type: str) -> bytes:
    """The boundary in a Content-Type. Raises Refused where it is missing or too long."""
    boundary = _parameters(content_type).get("boundary", "")
    if not 1 <= len(boundary) <= 70:
        found = f"one of {len(boundary)} characters" if boundary else "none"
        raise Refused(400, f"expected multipart/form-data with a boundary of 1 to 70 characters, found {found}")
    return boundary.encode("latin-1")


def files_of(body: bytes, boundary: bytes, max_files: int) -> list[tuple[str, bytes]]:
    """Names, as the client sent them, and contents of the files in the field `file`, in order.

    Raises Refused for a malformed form, for other fields, for no file and for more than `max_files`.
    """
    files = []
    for headers, content in _parts(body, boundary):
        parameters = _parameters(headers.get("content-disposition", ""))
        if (field := parameters.get("name")) != FIELD:
            found = f"'{safe_name(field)}'" if field else "a part without a name"
            raise Refused(400, f"expected images in the form's field '{FIELD}', found {found}: {_HOW}")
        if content or parameters.get("filename"):  # a browser sends an empty part where no file was chosen
            files.append((parameters.get("filename", ""), content))
        if len(files) > max_files:
            raise Refused(422, f"expected at most {max_files} files in one request, found more: use several requests")
    if not files:
        raise Refused(400, f"expected one image or more in the form's field '{FIELD}', found none: {_HOW}")
    return files


def safe_name(name: str) -> str:
    """The last part of a path, without unprintable characters, at most 100 long; empty where nothing is left."""
    last = re.split(r"[/\\]", name)[-1]
    printable = "".join(character for character in last if character.isprintable())[:100].strip()
    return printable if printable.strip(".") else ""


_HOW = f"curl -F {FIELD}=@image.jpg"


def _parts(body: bytes, boundary: bytes) -> Iterator[tuple[dict[str, str], bytes]]:
    """Headers, their names in lower case, and content of each part."""
    delimiter = b"\r\n--" + boundary
    if body.startswith(delimiter[2:]):
        place = len(delimiter) - 2
    else:  # a preamble, which readers ignore
        place = body.find(delimiter) + len(delimiter)
        if place < len(delimiter):
            raise Refused(400, "expected a form that begins with the boundary of its Content-Type, found none")
    while True:
        line_end = body.find(b"\r\n", place, place + HEADER_BYTES)
        rest = body[place : line_end if line_end >= 0 else place + 2]
        if rest.startswith(b"--"):
            return
        if line_end < 0 or rest.strip(b" \t"):
            raise Refused(400, "expected the end of the line after a boundary of the form, found something else")
        # The empty line that ends the headers may follow the boundary directly.
        stop = body.find(b"\r\n\r\n", line_end, line_end + HEADER_BYTES)
        if stop < 0:
            raise Refused(400, f"expected headers of at most {HEADER_BYTES} bytes in each part of the form, found more")
        start = stop + 4
        end = body.find(delimiter, start)
        if end < 0 or delimiter in body[line_end:start]:
            raise Refused(400, "expected a form that ends with its boundary, found one that is cut off: send it again")
        yield _headers(body[line_end:stop]), body[start:end]
        place = end + len(delimiter)


def _headers(block: bytes) -> dict[str, str]:
    lines = block.decode("utf-8", "replace").split("\r\n")
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _parameters(value: str) -> dict[str, str]:
    """`a; b="c"` -> {"b": "c"}."""
    parameters = {}
    for name, text in _PARAMETER.findall(value):
        quoted = text.startswith('"')
        parameters[name.lower()] = re.sub(r'\\(["\\])', r"\1", text[1:-1]) if quoted else text
    return parameters
