"""Requests that the server must refuse, each with its status and words of its error."""

from PIL import Image

from tests.conftest import draw
from tests.serving.client import IMAGE, encoded, form, png_of


def raw(data: bytes, kind: str = "application/octet-stream", **headers: str) -> tuple[bytes, dict[str, str]]:
    return data, {"content-type": kind, **headers}


def sent(*images: tuple[str, bytes], field: str = "file") -> tuple[bytes, dict[str, str]]:
    body, kind = form(*images, field=field)
    return raw(body, kind)


BAD: dict[str, tuple[tuple[bytes, dict[str, str]], int, str]] = {
    "a text file": (sent(("a.txt", b"some words")), 422, r"a.txt: expected an image \(JPEG, .*\), found a text file"),
    "an empty body": (raw(b""), 400, "found an empty body"),
    "no image": (sent(), 400, "field 'file', found none"),
    "no file chosen": (sent(("", b"")), 400, "field 'file', found none"),
    "an empty file": (sent(("a.png", b"")), 422, "a.png: expected an image .*, found an empty file"),
    "another field": (sent(("a.png", IMAGE), field="pic"), 400, "field 'file', found 'pic'"),
    "a truncated JPEG": (raw(encoded(draw("disc", 1), "JPEG")[:600]), 422, "image 0: expected a whole image"),
    "a JPEG without its end": (raw(encoded(draw("disc", 1), "JPEG")[:-60]), 422, "broken one .*truncated"),
    "half a PNG": (sent(("a.png", IMAGE[: len(IMAGE) // 2])), 422, "a.png: expected a whole image"),
    "a decompression bomb": (raw(png_of(30_000, 30_000)), 413, "at most 90,000 pixels, found"),
    "a large image": (raw(png_of(301, 300)), 413, "found 301 x 300: make it smaller"),
    "a large body": (raw(bytes(300_000)), 413, "at most 200,000 bytes, found 300,000"),
    "many files": (sent(*[("a.png", IMAGE)] * 4), 422, "at most 3 files"),
    "an image beside a broken one": (sent(("a.png", IMAGE), ("b.png", b"x")), 422, "b.png: expected"),
    "PostScript": (raw(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), 422, "expected an image .*text file"),
    "floats": (raw(encoded(Image.new("F", (9, 9)), "TIFF")), 422, "32-bit float"),
    "form of a shell": (raw(IMAGE, "application/x-www-form-urlencoded"), 415, "Content-Type of multipart/form-data"),
    "no boundary": (raw(IMAGE, "multipart/form-data"), 400, "boundary of 1 to 70 characters, found none"),
    "another boundary": (raw(form()[0], "multipart/form-data; boundary=y"), 400, "begins with the boundary"),
    "half a form": (raw(form(("a", IMAGE))[0][:-20], form()[1]), 400, "cut off"),
    "endless headers": (raw(b"--y\r\na: " + b"b" * 9000, "multipart/form-data; boundary=y"), 400, "8192 bytes"),
    "words behind a boundary": (raw(b"--yes\r\n", "multipart/form-data; boundary=y"), 400, "end of the line"),
    "compressed": (raw(IMAGE, **{"content-encoding": "gzip"}), 415, "Content-Encoding 'gzip'"),
}
