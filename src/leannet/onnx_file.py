"""The envelope of an ONNX file: its metadata apart from its graph, read and written without the package onnx.

A model is a Protocol Buffers message (onnx.proto, ModelProto): a sequence of fields, each with its number. Metadata are
the fields of number 14, pairs of key and value; all else stays as it is, byte for byte.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from leannet.errors import LeannetError

GRAPH, METADATA = 7, 14  # numbers of ModelProto's fields
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types of a field


def split_metadata(data: bytes, where: str | Path) -> tuple[bytes, dict[str, str]]:
    """A model without its metadata, and the metadata. Raises LeannetError for what is no ONNX file."""
    rest, metadata, graphs = bytearray(), {}, 0
    try:
        for number, start, content, stop in _fields(data):
            graphs += number == GRAPH
            if number == METADATA:
                pair = {key: data[content:stop][a:b].decode() for key, _, a, b in _fields(data[content:stop])}
                metadata[pair[1]] = pair.get(2, "")
            else:
                rest += data[start:stop]
    except (ValueError, KeyError, IndexError):
        raise LeannetError(f"{where}: expected an ONNX file, found something else, or only a part of one") from None
    if graphs != 1:
        raise LeannetError(f"{where}: expected an ONNX file, found none: it has no graph")
    return bytes(rest), metadata


def with_metadata(data: bytes, metadata: Mapping[str, str]) -> bytes:
    """A model with more metadata, after those that it has."""
    pairs = (_bytes(1, key.encode()) + _bytes(2, value.encode()) for key, value in metadata.items())
    return data + b"".join(_bytes(METADATA, pair) for pair in pairs)


def _fields(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """The number of each field, where it starts, where its content starts, and where it stops."""
    position = 0
    while position < len(data):
        start = position
        tag, position = _varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        content = position
        if wire_type == VARINT:
            _, stop = _varint(data, position)
        elif wire_type == BYTES:
            size, content = _varint(data, position)
            stop = content + size
        elif wire_type in {FIXED32, FIXED64}:
            stop = position + (4 if wire_type == FIXED32 else 8)
        else:
            raise ValueError(f"no field has wire type {wire_type}")
        if stop > len(data) or not number:
            raise ValueError("cut off")
        yield number, start, content, stop
        position = stop


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
        if shift > 63:
            raise ValueError("too long")


def _as_varint(value: int) -> bytes:
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(groups) + bytes([value])


def _bytes(number: int, content: bytes) -> bytes:
    return _as_varint(number << 3 | BYTES) + _as_varint(len(content)) + content
