"""Messages on a pipe: a length, a JSON header, then the raw bytes of the arrays it names.

Arrays cross as they lie in memory, so that a large image costs one copy and nothing is pickled.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from segsem.core.exceptions import ModelError

MAGIC = b"SGSM"
MAX_HEADER_BYTES = 1 << 24
DTYPES = ("|u1", "|b1", "<f4")
"""What may cross: grey images, masks, logits."""

_PREFIX = struct.Struct("<4sI")
_ARRAYS = "arrays"


class ProtocolError(ModelError):
    """What came over the pipe is not one of our messages."""


@dataclass(frozen=True, slots=True)
class Message:
    """One request or answer.

    Attributes
    ----------
    header : dict
        Plain JSON values; the name `arrays` is taken.
    arrays : mapping of str to array
        uint8, bool or float32, any shape.
    """

    header: dict[str, Any]
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)


def write_message(stream: BinaryIO, message: Message) -> None:
    """Write one message and flush.

    Raises
    ------
    ProtocolError
        If an array has a dtype that may not cross.
    OSError
        If the other side is gone.
    """
    arrays = {name: np.ascontiguousarray(array) for name, array in message.arrays.items()}
    listed = [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()]
    for name, dtype, _shape in listed:
        if dtype not in DTYPES:
            msg = f"Expected array {name!r} to be uint8, bool or float32, but got {dtype}"
            raise ProtocolError(msg)
    header = json.dumps({**message.header, _ARRAYS: listed}).encode()
    _write_all(stream, _PREFIX.pack(MAGIC, len(header)))
    _write_all(stream, header)
    for array in arrays.values():
        _write_all(stream, array.reshape(-1).view(np.uint8).data)
    stream.flush()


def _write_all(stream: BinaryIO, data: bytes | memoryview) -> None:
    """Write all of it, also where standard streams are not buffered (PYTHONUNBUFFERED).

    A process that is stopped and goes on (Ctrl+Z) then writes a part, and says how much it was.
    """
    rest = memoryview(data)
    while len(rest):
        rest = rest[stream.write(rest) :]


def read_message(stream: BinaryIO) -> Message | None:
    """Read one message.

    Returns
    -------
    Message or None
        None at the end of the stream.

    Raises
    ------
    ProtocolError
        If the bytes are not a message or end within one.
    """
    prefix = stream.read(_PREFIX.size)
    if not prefix:
        return None
    if len(prefix) < _PREFIX.size:
        raise ProtocolError(_ended(_PREFIX.size, len(prefix)))
    magic, size = _PREFIX.unpack(prefix)
    if magic != MAGIC or size > MAX_HEADER_BYTES:
        msg = f"Expected a message that begins with {MAGIC!r}, but got {prefix!r}"
        raise ProtocolError(msg)
    header = _parse_header(_read_exactly(stream, size))
    arrays = {}
    for name, dtype, shape in header.pop(_ARRAYS):
        kind = np.dtype(dtype)
        count = int(np.prod(shape, dtype=np.int64))
        raw = _read_exactly(stream, count * kind.itemsize)
        arrays[name] = np.frombuffer(raw, dtype=kind).reshape(shape)
    return Message(header, arrays)


def _parse_header(raw: bytes) -> dict[str, Any]:
    try:
        header = json.loads(raw)
    except ValueError as error:
        msg = f"Expected a JSON header, but got {raw[:40]!r}"
        raise ProtocolError(msg) from error
    if not isinstance(header, dict) or not _arrays_are_valid(header.get(_ARRAYS)):
        msg = f"Expected a JSON object that lists its arrays, but got {raw[:80]!r}"
        raise ProtocolError(msg)
    return header


def _arrays_are_valid(listed: Any) -> bool:
    return isinstance(listed, list) and all(
        isinstance(entry, list)
        and len(entry) == 3
        and isinstance(entry[0], str)
        and entry[1] in DTYPES
        and isinstance(entry[2], list)
        and all(type(size) is int and size >= 0 for size in entry[2])
        for entry in listed
    )


def _read_exactly(stream: BinaryIO, size: int) -> bytes:
    raw = stream.read(size) if size else b""
    if len(raw) < size:
        raise ProtocolError(_ended(size, len(raw)))
    return raw


def _ended(expected: int, got: int) -> str:
    return f"Expected {expected} more bytes of a message, but the stream ended after {got}"
