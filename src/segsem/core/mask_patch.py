"""`MaskPatch`: a mask somewhere in an image, small, immutable and hashable."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from segsem.core.exceptions import InputError
from segsem.core.types import BoxRC, MaskArray

MOST_PIXELS = 1 << 30
"""Of a patch that is read from JSON: more is a damaged file."""

_SHAPE, _BITS = "shape", "bits"


@dataclass(frozen=True, slots=True)
class MaskPatch:
    """A mask, cut to what is set, as bits.

    Attributes
    ----------
    offset_rc : (int, int)
        Row and column of its first pixel in the image.
    shape : (int, int)
        (h, w) in px; (0, 0) where nothing is set.
    bits : bytes
        `numpy.packbits` of the mask, row by row.
    """

    offset_rc: tuple[int, int]
    shape: tuple[int, int]
    bits: bytes

    @classmethod
    def of(cls, mask: MaskArray, offset_rc: tuple[int, int] = (0, 0)) -> MaskPatch:
        """Cut a (h, w) bool mask whose first pixel lies at `offset_rc` to what is set."""
        rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows) == 0:
            return cls((int(offset_rc[0]), int(offset_rc[1])), (0, 0), b"")
        inner = mask[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
        offset = (int(offset_rc[0] + rows[0]), int(offset_rc[1] + cols[0]))
        return cls(offset, (inner.shape[0], inner.shape[1]), np.packbits(inner).tobytes())

    @property
    def is_empty(self) -> bool:
        """Whether nothing is set."""
        return not self.bits

    @property
    def mask(self) -> MaskArray:
        """(h, w) bool, made anew each time."""
        height, width = self.shape
        raw = np.frombuffer(self.bits, dtype=np.uint8)
        return np.unpackbits(raw, count=height * width).reshape(height, width).astype(bool)

    @property
    def box_rc(self) -> BoxRC:
        """Centres of its first and last pixel; never empty, as boxes of prompts must not be."""
        row, col = self.offset_rc
        height, width = self.shape
        return (
            float(row),
            float(col),
            float(row + max(height, 2) - 1),
            float(col + max(width, 2) - 1),
        )

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the patch into the (H, W) image."""
        row, col = self.offset_rc
        return slice(row, row + self.shape[0]), slice(col, col + self.shape[1])

    def moved(self, rows: int, cols: int) -> MaskPatch:
        """Return the patch moved by so many px."""
        return MaskPatch(
            (self.offset_rc[0] + rows, self.offset_rc[1] + cols), self.shape, self.bits
        )

    def within(self, row0: int, col0: int, shape: tuple[int, int]) -> MaskArray:
        """(h, w) bool: the mask in the part of the image that begins at (row0, col0)."""
        part = np.zeros(shape, dtype=bool)
        top, left = self.offset_rc[0] - row0, self.offset_rc[1] - col0
        rows = slice(max(top, 0), max(min(top + self.shape[0], shape[0]), 0))
        cols = slice(max(left, 0), max(min(left + self.shape[1], shape[1]), 0))
        if rows.start < rows.stop and cols.start < cols.stop:
            inner = self.mask[
                rows.start - top : rows.stop - top, cols.start - left : cols.stop - left
            ]
            part[rows, cols] = inner
        return part

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON values, from which `from_json` makes it again."""
        bits = base64.b64encode(zlib.compress(self.bits, 9)).decode("ascii")
        return {"offset_rc": list(self.offset_rc), "shape": list(self.shape), "bits": bits}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> MaskPatch:
        """Make it from JSON values.

        Raises
        ------
        InputError
            If they are not those of a patch.
        """
        try:
            row, col = (int(value) for value in given["offset_rc"])
            height, width = (int(value) for value in given["shape"])
            if min(height, width) < 0 or height * width > MOST_PIXELS:
                raise ValueError(_SHAPE)
            size = -(-height * width // 8)
            unpacker = zlib.decompressobj()
            bits = unpacker.decompress(base64.b64decode(given["bits"], validate=True), size + 1)
            if len(bits) != size:
                raise ValueError(_BITS)
        except (KeyError, TypeError, ValueError, zlib.error) as error:
            msg = f"Expected a mask as offset_rc, shape and bits, but cannot read its {error}"
            raise InputError(msg) from error
        return cls((row, col), (height, width), bits)
