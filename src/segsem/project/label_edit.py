"""One change of a label image, small enough to keep thousands of: which pixels, from what to what.

Undo, redo, the journal and the viewer all work on the same edits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from segsem.core.contour import Source
from segsem.core.types import LabelArray, MaskArray

Box = tuple[int, int, int, int]
"""First row, first column, and the row and column after the last."""

EMPTY: tuple[slice, slice] = (slice(0, 0), slice(0, 0))


@dataclass(frozen=True, slots=True)
class LabelObject:
    """One object of a label image, and where it comes from.

    Attributes
    ----------
    object_id : int
        Its value in the label image.
    area_px : int
    bbox : (int, int, int, int)
        First row, first column, and the row and column after the last.
    source : Source
        What its mask stands on; `mixed` once a person changed a model's mask.
    iou_pred : float or None
        The model's own estimate; None where no model was asked.
    prompts : dict
        What the model was asked with, as JSON values.
    class_name : str
        Empty unless the user names classes.
    """

    object_id: int
    area_px: int
    bbox: Box
    source: Source = Source.SAM2
    iou_pred: float | None = None
    prompts: dict[str, Any] = field(default_factory=dict)
    class_name: str = ""

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of its bounding box into the label image."""
        row0, col0, row1, col1 = self.bbox
        return slice(row0, row1), slice(col0, col1)


@dataclass(frozen=True, slots=True)
class PixelChange:
    """Pixels that change, as bits, and their values before and after.

    Attributes
    ----------
    box : (int, int, int, int)
        Smallest one around all that changes.
    bits : (n,) uint8
        `numpy.packbits` of which pixels of the box change, row by row.
    before, after : (1,) or (K,) int32
        One value for all of the K pixels, or one for each.
    """

    box: Box
    bits: npt.NDArray[np.uint8]
    before: LabelArray
    after: LabelArray

    @classmethod
    def between(
        cls, before: LabelArray, after: LabelArray, offset_rc: tuple[int, int]
    ) -> PixelChange:
        """Compare two (h, w) label images whose first pixel lies at `offset_rc`."""
        changed = before != after
        rows, cols = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        if len(rows) == 0:
            return cls.none()
        inner = (slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1))
        changed = changed[inner]
        row, col = offset_rc
        box = (row + rows[0], col + cols[0], row + rows[-1] + 1, col + cols[-1] + 1)
        return cls(
            (int(box[0]), int(box[1]), int(box[2]), int(box[3])),
            np.packbits(changed),
            _collapsed(before[inner][changed]),
            _collapsed(after[inner][changed]),
        )

    @classmethod
    def none(cls) -> PixelChange:
        """Make one in which no pixel changes."""
        nothing = np.zeros(1, dtype=np.int32)
        return cls((0, 0, 0, 0), np.zeros(0, dtype=np.uint8), nothing, nothing)

    @property
    def is_empty(self) -> bool:
        """Whether no pixel changes."""
        return len(self.bits) == 0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the box into the label image."""
        row0, col0, row1, col1 = self.box
        return slice(row0, row1), slice(col0, col1)

    @property
    def mask(self) -> MaskArray:
        """(h, w) bool: which pixels of the box change."""
        height, width = self.box[2] - self.box[0], self.box[3] - self.box[1]
        flat = np.unpackbits(self.bits, count=height * width)
        return flat.reshape(height, width).astype(bool)

    @property
    def nbytes(self) -> int:
        """Bytes that it takes in memory."""
        return int(self.bits.nbytes + self.before.nbytes + self.after.nbytes)


@dataclass(frozen=True, slots=True)
class LabelEdit:
    """One step of work on a label image.

    Attributes
    ----------
    name : str
        In the user's words, for "Undo ...".
    pixels : PixelChange
    before, after : mapping of int to LabelObject or None
        The objects that it changes; None where there is none before, or after.
    """

    name: str
    pixels: PixelChange
    before: Mapping[int, LabelObject | None]
    after: Mapping[int, LabelObject | None]


def _collapsed(values: LabelArray) -> LabelArray:
    values = values.astype(np.int32, copy=False)
    return values[:1].copy() if (values == values[0]).all() else values
