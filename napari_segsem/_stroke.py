"""One stroke of a pen while it is drawn: what it covers, and what of that is shown."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from segsem.core.types import MaskArray
from segsem.editing.strokes import stroke, stroke_window
from segsem.editing.window import Box, Slices, around

ROOM_PX = 256
"""Room around a stroke when its window is made: few strokes need another."""

EDGE_PX = 2
"""Width of the outline that is shown."""

Result = Callable[[Slices, MaskArray], MaskArray]
"""What becomes of covered pixels of a window: the mask whose outline is shown."""


class Stroke:
    """Pixels that a pen has covered so far, in a window that grows with them.

    Parameters
    ----------
    start_rc : (float, float)
        Where the pen was set down.
    diameter_px : float
        Of the pen.
    limits : Box
        Part of the image that may be edited.
    result : callable
        What the stroke will make; its outline is shown.
    """

    def __init__(
        self, start_rc: tuple[float, float], diameter_px: float, limits: Box, result: Result
    ) -> None:
        self.path: list[tuple[float, float]] = [start_rc]
        self._diameter, self._limits, self._result = diameter_px, limits, result
        self.window: Slices = (slice(0, 0), slice(0, 0))
        self.covered: MaskArray = np.zeros((0, 0), dtype=bool)
        self.shown: npt.NDArray[np.uint8] = np.zeros((0, 0), dtype=np.uint8)
        self._cover(np.array([start_rc]))

    @property
    def offset_rc(self) -> tuple[int, int]:
        """Row and column of the window's first pixel in the image."""
        return self.window[0].start, self.window[1].start

    def move_to(self, point_rc: tuple[float, float]) -> tuple[Slices, npt.NDArray[np.uint8]] | None:
        """Draw on to a point.

        Returns
        -------
        (slices, (h, w) uint8) or None
            Which part of `shown` changes, and to what; None where the window is another one now,
            with `shown` as it is to be.
        """
        last = self.path[-1]
        self.path.append(point_rc)
        return self._cover(np.array([last, point_rc]))

    def _cover(self, path: npt.NDArray[np.float64]) -> tuple[Slices, npt.NDArray[np.uint8]] | None:
        part = stroke_window(path, self._diameter, self._limits)
        fresh = not self._holds(part)
        if fresh:
            self._enlarge(part)
        here = self._inner(part)
        self.covered[here] |= stroke(path, self._diameter, part)
        if fresh:
            whole = (slice(0, self.covered.shape[0]), slice(0, self.covered.shape[1]))
            self.shown = self._outline(whole)
            return None
        seen = self._grown(here, EDGE_PX)
        return seen, self._outline(seen)

    def _outline(self, part: Slices) -> npt.NDArray[np.uint8]:
        """Outline of the result in a part of the window."""
        seen = self._grown(part, EDGE_PX)
        row, col = self.offset_rc
        rows, cols = seen
        in_image = (
            slice(rows.start + row, rows.stop + row),
            slice(cols.start + col, cols.stop + col),
        )
        mask = inside = self._result(in_image, self.covered[seen])
        for _ in range(EDGE_PX):
            inside = _eroded(inside)
        edge = (mask & ~inside).astype(np.uint8)
        inner = tuple(
            slice(a.start - b.start, a.stop - b.start) for a, b in zip(part, seen, strict=True)
        )
        return np.ascontiguousarray(edge[inner])

    def _holds(self, part: Slices) -> bool:
        return all(
            outer.start <= inner.start and inner.stop <= outer.stop
            for outer, inner in zip(self.window, part, strict=True)
        ) and bool(self.covered.size)

    def _enlarge(self, part: Slices) -> None:
        boxes = [_box(part)] if not self.covered.size else [_box(part), _box(self.window)]
        window = around(boxes, ROOM_PX, self._limits)
        rows, cols = window
        covered = np.zeros((rows.stop - rows.start, cols.stop - cols.start), dtype=bool)
        before, self.window = self.window, window
        if self.covered.size:
            covered[self._inner(before)] = self.covered
        self.covered = covered

    def _inner(self, part: Slices) -> Slices:
        row, col = self.offset_rc
        rows, cols = part
        return (
            slice(rows.start - row, rows.stop - row),
            slice(cols.start - col, cols.stop - col),
        )

    def _grown(self, part: Slices, by: int) -> Slices:
        rows, cols = (
            slice(max(span.start - by, 0), min(span.stop + by, size))
            for span, size in zip(part, self.covered.shape, strict=True)
        )
        return rows, cols


def _box(part: Slices) -> Box:
    rows, cols = part
    return rows.start, cols.start, rows.stop, cols.stop


def _eroded(mask: MaskArray) -> MaskArray:
    """Without its edge pixels; what lies outside the window is taken to be inside."""
    smaller = mask.copy()
    smaller[1:] &= mask[:-1]
    smaller[:-1] &= mask[1:]
    smaller[:, 1:] &= mask[:, :-1]
    smaller[:, :-1] &= mask[:, 1:]
    return smaller
