"""A region as JSON values, exactly: what stands in place of a region that a reviewer changed."""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from segsem.core.contour import SOURCE_CODES, Contour, Region, Source
from segsem.core.exceptions import InputError

_PAIRS = ("vertices_rc", "raw_vertices_rc", "normals_rc")
_FLOATS = ("sigma_px", "slope", "contrast", "confidence")
_OPTIONAL = ("unsmoothed_px", "offset_nm")
_BYTES = ("source_code", "flags")
MOST_PIXELS = 1 << 30
_MOST_POINTS = 1 << 24


def region_to_json(region: Region) -> dict[str, Any]:
    """Say a region as JSON values; its status is the decision's and is left out."""
    mask = region.mask
    confidence = float(region.confidence)
    return {
        "id": int(region.region_id),
        "offset_rc": [int(v) for v in region.offset_rc],
        "shape": [int(n) for n in mask.shape],
        "mask": _packed(np.packbits(mask)),
        "source": region.source.value,
        "confidence": confidence if math.isfinite(confidence) else None,
        "reason": region.fallback_reason,
        "contours": [_contour_to_json(contour) for contour in region.contours],
    }


def region_from_json(value: Mapping[str, Any]) -> Region:
    """Read what `region_to_json` wrote.

    Raises
    ------
    InputError
        If it is something else.
    """
    try:
        height, width = (int(n) for n in value["shape"])
        row, col = (int(v) for v in value["offset_rc"])
        if height < 1 or width < 1 or height * width > MOST_PIXELS or row < 0 or col < 0:
            msg = f"mask of {height} x {width} px at {row}, {col}"
            raise ValueError(msg)
        bits = _unpacked(value["mask"], (height * width + 7) // 8, np.uint8)
        mask = np.unpackbits(bits, count=height * width).reshape(height, width).view(np.bool_)
        confidence, reason = value["confidence"], value["reason"]
        return Region(
            region_id=int(value["id"]),
            offset_rc=(row, col),
            mask=mask,
            contours=tuple(_contour_from_json(item) for item in value["contours"]),
            source=Source(value["source"]),
            confidence=math.nan if confidence is None else float(confidence),
            fallback_reason=None if reason is None else str(reason),
        )
    except (KeyError, TypeError, ValueError, AttributeError, zlib.error) as error:
        msg = f"Expected a region with its mask and contours, but it cannot be read: {error}"
        raise InputError(msg) from error


def _contour_to_json(contour: Contour) -> dict[str, Any]:
    said: dict[str, Any] = {
        "id": int(contour.contour_id),
        "closed": bool(contour.closed),
        "is_hole": bool(contour.is_hole),
        "points": len(contour),
    }
    for name in (*_PAIRS, *_FLOATS):
        said[name] = _packed(np.asarray(getattr(contour, name), dtype="<f8"))
    for name in _BYTES:
        said[name] = _packed(np.asarray(getattr(contour, name), dtype=np.uint8))
    for name in _OPTIONAL:
        array = getattr(contour, name)
        if array is not None:
            said[name] = _packed(np.asarray(array, dtype="<f8"))
    return said


def _contour_from_json(value: Mapping[str, Any]) -> Contour:
    n_points = int(value["points"])
    if not 0 <= n_points <= _MOST_POINTS:
        msg = f"a contour of {n_points} points"
        raise ValueError(msg)
    arrays: dict[str, Any] = {
        name: _unpacked(value[name], 16 * n_points, "<f8").reshape(n_points, 2) for name in _PAIRS
    }
    for name in (*_FLOATS, *(name for name in _OPTIONAL if name in value)):
        arrays[name] = _unpacked(value[name], 8 * n_points, "<f8")
    for name in _BYTES:
        arrays[name] = _unpacked(value[name], n_points, np.uint8)
    if not np.isfinite(arrays["vertices_rc"]).all():
        msg = "a vertex is not a number"
        raise ValueError(msg)
    if n_points and int(arrays["source_code"].max()) >= len(SOURCE_CODES):
        msg = "an unknown source"
        raise ValueError(msg)
    closed, is_hole = bool(value["closed"]), bool(value["is_hole"])
    return Contour(contour_id=int(value["id"]), closed=closed, is_hole=is_hole, **arrays)


def _packed(array: npt.NDArray[Any]) -> str:
    return base64.b64encode(zlib.compress(array.tobytes())).decode("ascii")


def _unpacked(text: str, n_bytes: int, dtype: Any) -> npt.NDArray[Any]:
    """Unpack exactly so many bytes: a damaged length must not fill the memory."""
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(raw, n_bytes + 1)
    if len(data) != n_bytes:
        msg = f"expected {n_bytes} bytes, but got {len(data)}"
        raise ValueError(msg)
    return np.frombuffer(data, dtype=dtype).copy()
