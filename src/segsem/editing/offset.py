"""Growing and shrinking by fractions of a pixel, without losing them to rounding.

A label image holds whole pixels, so a quarter of a pixel moves a straight edge not at all. What
is kept with the object is therefore the mask that it was before the first step, and how far it
was moved since; the mask shown is always that of the moved sub-pixel outline. Four steps of a
quarter are exactly one step of one, and as much back gives the first mask bit by bit.

The moved outline is the line at a distance from the first one (`segsem.editing.outline`), so it
rounds outer corners as it grows: by Steiner's formula an area A with perimeter P grows by
P·d + π·d² where its outline is convex.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from segsem.core.types import LabelArray, MaskArray
from segsem.editing.errors import EditError
from segsem.editing.outline import rasterised, sub_pixel_outline
from segsem.editing.window import Box, Slices, around, box_of, placed

KEY = "offset"
"""Where `LabelObject.prompts` holds an `Offset`."""

MOST_PX = 100.0
_MARGIN_PX = 3
_LARGEST_PX = 1 << 28


@dataclass(frozen=True, slots=True)
class Offset:
    """How far an object was moved, and from where.

    Attributes
    ----------
    amount_px : float
        Outwards.
    box : Box
        Of the mask before the first step, in the image.
    base : (h, w) bool
        That mask, in its box.
    result_crc : int
        Of the mask that the last step made: where the object is another one by now, somebody
        else changed it, and the next step starts from what it is.
    """

    amount_px: float
    box: Box
    base: MaskArray
    result_crc: int

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        bits = zlib.compress(np.packbits(self.base).tobytes(), 9)
        return {
            "px": self.amount_px,
            "box": list(self.box),
            "bits": base64.b64encode(bits).decode("ascii"),
            "crc": self.result_crc,
        }

    @classmethod
    def from_json(cls, value: Any) -> Offset | None:
        """Read what `as_json` wrote; None where it is something else, e.g. a damaged file's."""
        try:
            row0, col0, row1, col1 = (int(number) for number in value["box"])
            height, width = row1 - row0, col1 - col0
            if min(row0, col0, height - 1, width - 1) < 0 or height * width > _LARGEST_PX:
                return None
            n_bytes = -(-height * width // 8)
            packed = base64.b64decode(str(value["bits"]), validate=True)
            raw = zlib.decompressobj().decompress(packed, n_bytes + 1)
            bits = np.unpackbits(np.frombuffer(raw, dtype=np.uint8), count=height * width)
            amount, crc = float(value["px"]), int(value["crc"])
        except (TypeError, KeyError, ValueError, OverflowError, binascii.Error, zlib.error):
            return None
        if len(raw) != n_bytes or not abs(amount) <= MOST_PX:
            return None
        return cls(amount, (row0, col0, row1, col1), bits.reshape(height, width) > 0, crc)


@dataclass(frozen=True, slots=True)
class Moved:
    """What a step made.

    Attributes
    ----------
    labels : (h, w) int32
        Of the window.
    amount_px : float
        How far the outline lies from where it was before the first step.
    prompts : dict
        The object's, with its `Offset`.
    """

    labels: LabelArray
    amount_px: float
    prompts: dict[str, Any]


def offset_window(box: Box, prompts: Mapping[str, Any], amount_px: float, limits: Box) -> Slices:
    """Index of the window that a step has to see.

    Parameters
    ----------
    box : Box
        The object's bounding box.
    prompts : mapping
        The object's.
    amount_px : float
        The step.
    limits : Box
        Part of the image that may be edited.
    """
    known = Offset.from_json(prompts.get(KEY))
    boxes = [box] if known is None else [box, known.box]
    total = abs(amount_px) + (0.0 if known is None else abs(known.amount_px))
    return around(boxes, int(np.ceil(total)) + _MARGIN_PX, limits)


def move_outline(
    labels: LabelArray,
    window: Slices,
    object_id: int,
    amount_px: float,
    prompts: Mapping[str, Any],
) -> Moved:
    """Move an object's outline outwards, or inwards; other objects are in its way.

    Parameters
    ----------
    labels : (h, w) int32
        Of the window.
    window : (slice, slice)
        From `offset_window`.
    object_id : int
    amount_px : float
        Outwards; negative inwards.
    prompts : mapping
        The object's, perhaps with the `Offset` of earlier steps.

    Returns
    -------
    Moved

    Raises
    ------
    EditError
        If nothing would be left, or the outline was moved too far already.
    """
    mask = labels == object_id
    offset = (window[0].start, window[1].start)
    known = Offset.from_json(prompts.get(KEY))
    if known is None or known.result_crc != _crc(mask, offset):
        box = box_of(mask, offset)
        known = Offset(0.0, box, mask[_part(box, offset)].copy(), 0)
    total = round(known.amount_px + amount_px, 6)
    if abs(total) > MOST_PX:
        msg = f"Expected an outline within {MOST_PX:g} px of where it was: use the brush for more"
        raise EditError(msg)
    wanted = _moved(placed(known.base, known.box[:2], window), total)
    result = wanted & ((labels == 0) | mask)
    if not result.any():
        msg = "Nothing would be left of this object: delete it instead"
        raise EditError(msg)
    after = np.where(mask, np.int32(0), labels)
    after[result] = object_id
    rest = {key: value for key, value in prompts.items() if key != KEY}
    if total != 0:
        rest[KEY] = Offset(total, known.box, known.base, _crc(result, offset)).as_json()
    return Moved(after, total, rest)


def _moved(base: MaskArray, total_px: float) -> MaskArray:
    if total_px == 0 or not base.any():
        return base
    moved = rasterised(base, sub_pixel_outline(base), abs(total_px) + 1.5, total_px)
    # An outline is smoother than its mask: what grows loses no pixel by it.
    return np.asarray(base | moved if total_px > 0 else base & moved)


def _crc(mask: MaskArray, offset_rc: tuple[int, int]) -> int:
    box = box_of(mask, offset_rc)
    bits = np.packbits(mask[_part(box, offset_rc)]) if mask.any() else np.zeros(0, np.uint8)
    return zlib.crc32(bits.tobytes(), zlib.crc32(np.array(box, dtype="<i8").tobytes()))


def _part(box: Box, offset_rc: tuple[int, int]) -> Slices:
    row, col = offset_rc
    return slice(box[0] - row, box[2] - row), slice(box[1] - col, box[3] - col)
