"""Edits and objects as JSON values, and back; what comes from a file is checked first."""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from segsem.core.contour import Source
from segsem.core.exceptions import InputError
from segsem.core.types import LabelArray
from segsem.project.label_edit import Box, LabelEdit, LabelObject, PixelChange

FAST_FROM_BYTES = 1 << 16
"""Above this, bits are packed with the fastest level: the person waits for it."""

_INT32 = np.iinfo(np.int32)


def object_to_json(item: LabelObject) -> dict[str, Any]:
    """Say an object as JSON values."""
    score = item.iou_pred
    return {
        "id": int(item.object_id),
        "area_px": int(item.area_px),
        "bbox": [int(value) for value in item.bbox],
        "source": item.source.value,
        "iou_pred": None if score is None or not math.isfinite(score) else float(score),
        "prompts": plain(item.prompts),
        "class_name": item.class_name,
    }


def object_from_json(value: Any) -> LabelObject:
    """Read an object.

    Raises
    ------
    InputError
        If it is not what `object_to_json` writes.
    """
    try:
        prompts = value["prompts"]
        if not isinstance(prompts, dict):
            raise TypeError
        return LabelObject(
            object_id=_whole(value["id"], low=1),
            area_px=_whole(value["area_px"]),
            bbox=_box(value["bbox"]),
            source=Source(value["source"]),
            iou_pred=None if value["iou_pred"] is None else float(value["iou_pred"]),
            prompts=prompts,
            class_name=str(value["class_name"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        msg = f"Expected an object with id, area_px, bbox and source, but got {_short(value)}"
        raise InputError(msg) from error


def edit_to_json(edit: LabelEdit) -> dict[str, Any]:
    """Say an edit as JSON values: the bits of its mask packed, equal values once."""
    pixels = edit.pixels
    return {
        "name": edit.name,
        "box": [int(value) for value in pixels.box],
        "bits": _packed(pixels.bits),
        "old": _values_to_json(pixels.before),
        "new": _values_to_json(pixels.after),
        "objects": {
            str(key): [_or_none(edit.before.get(key)), _or_none(edit.after.get(key))]
            for key in sorted({*edit.before, *edit.after})
        },
    }


def edit_from_json(value: Any, shape: tuple[int, int]) -> LabelEdit:
    """Read an edit of an image of `shape`.

    Raises
    ------
    InputError
        If it is not what `edit_to_json` writes, or does not fit the image.
    """
    try:
        box = _box(value["box"])
        if box[2] > shape[0] or box[3] > shape[1]:
            raise ValueError
        pixels = _pixels(box, value)
        before: dict[int, LabelObject | None] = {}
        after: dict[int, LabelObject | None] = {}
        for key, (old, new) in value["objects"].items():
            before[int(key)] = None if old is None else object_from_json(old)
            after[int(key)] = None if new is None else object_from_json(new)
        return LabelEdit(str(value["name"]), pixels, before, after)
    except (KeyError, TypeError, ValueError, AttributeError, zlib.error) as error:
        msg = f"Expected an edit of a {shape[0]} x {shape[1]} px image, but got {_short(value)}"
        raise InputError(msg) from error


def plain(value: Any) -> Any:
    """Make a value JSON's own: numpy's numbers and arrays, tuples, numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _or_none(item: LabelObject | None) -> dict[str, Any] | None:
    return None if item is None else object_to_json(item)


def _pixels(box: Box, value: Mapping[str, Any]) -> PixelChange:
    n_pixels = (box[2] - box[0]) * (box[3] - box[1])
    raw = _unpacked(value["bits"], (n_pixels + 7) // 8)
    bits: npt.NDArray[np.uint8] = np.frombuffer(raw, dtype=np.uint8)
    count = int(np.unpackbits(bits, count=n_pixels).sum()) if n_pixels else 0
    return PixelChange(
        box, bits, _values_from_json(value["old"], count), _values_from_json(value["new"], count)
    )


def _values_to_json(values: LabelArray) -> int | str:
    return int(values[0]) if len(values) == 1 else _packed(values.astype("<i4"))


def _values_from_json(value: Any, count: int) -> LabelArray:
    if isinstance(value, str):
        raw = _unpacked(value, 4 * count)
        return np.frombuffer(raw, dtype="<i4").astype(np.int32)
    return np.array([_whole(value, high=_INT32.max)], dtype=np.int32)


def _packed(array: npt.NDArray[Any]) -> str:
    raw = np.ascontiguousarray(array).tobytes()
    level = 6 if len(raw) < FAST_FROM_BYTES else 1
    return base64.b64encode(zlib.compress(raw, level)).decode("ascii")


def _unpacked(text: str, n_bytes: int) -> bytes:
    """Unpack exactly `n_bytes`, however much a damaged file would unpack to."""
    try:
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(base64.b64decode(text, validate=True), n_bytes + 1)
    except binascii.Error as error:
        raise ValueError from error
    if len(raw) != n_bytes:
        raise ValueError
    return raw


def _box(value: Any) -> Box:
    row0, col0, row1, col1 = (_whole(item) for item in value)
    if row1 < row0 or col1 < col0:
        raise ValueError
    return row0, col0, row1, col1


def _whole(value: Any, low: int = 0, high: int = _INT32.max) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError
    return value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
