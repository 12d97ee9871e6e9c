"""Windows of an image that a model sees at native resolution.

SAM2 squashes whatever it is given into one square frame and decodes at a quarter of it, so a
large field of view loses its edges. A prompt is therefore answered in a window around it, no
larger than the frame unless the object is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segsem.core.types import BoxRC, ImageArray, LabelArray, MaskArray
from segsem.segmentation.prompts import Prompts

CONTEXT = 1.3
"""A window is at least this many times as large as what was prompted."""


GROWTH_MARGIN = 16
"""Part of a doubled window beyond the side on which the object has ended."""


@dataclass(frozen=True, slots=True)
class Window:
    """Half-open rectangle [row0, row1) x [col0, col1) of an image, in px."""

    row0: int
    col0: int
    row1: int
    col1: int

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w) in px."""
        return self.row1 - self.row0, self.col1 - self.col0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of this window into a (H, W) array."""
        return slice(self.row0, self.row1), slice(self.col0, self.col1)

    def crop(self, image: ImageArray | LabelArray | MaskArray) -> ImageArray:
        """Return the (h, w) part of a (H, W) image, as a view."""
        return image[self.slices]

    def overlap(self, other: Window) -> Window | None:
        """Return the part that another window shares with this one; None where there is none."""
        row0, col0 = max(self.row0, other.row0), max(self.col0, other.col0)
        row1, col1 = min(self.row1, other.row1), min(self.col1, other.col1)
        return Window(row0, col0, row1, col1) if row1 > row0 and col1 > col0 else None

    def within(self, outer: Window) -> Window:
        """Return this window in the frame of another one."""
        return self.moved(-outer.row0, -outer.col0)

    def moved(self, rows: int, cols: int) -> Window:
        """Return this window moved by so many px."""
        return Window(self.row0 + rows, self.col0 + cols, self.row1 + rows, self.col1 + cols)

    def union(self, other: Window) -> Window:
        """Return the smallest window around both."""
        return Window(
            min(self.row0, other.row0),
            min(self.col0, other.col0),
            max(self.row1, other.row1),
            max(self.col1, other.col1),
        )

    def holds(self, row: float, col: float) -> bool:
        """Whether a point lies in one of this window's pixels."""
        return self.row0 - 0.5 <= row < self.row1 - 0.5 and self.col0 - 0.5 <= col < self.col1 - 0.5

    def contains(self, prompts: Prompts, margin_px: float = 0.0) -> bool:
        """Whether all prompts lie inside, at least `margin_px` from its sides."""
        row0, col0, row1, col1 = _extent_rc(prompts)
        return (
            row0 >= self.row0 + margin_px
            and col0 >= self.col0 + margin_px
            and row1 <= self.row1 - 1 - margin_px
            and col1 <= self.col1 - 1 - margin_px
        )

    def cuts(self, mask: MaskArray, shape: tuple[int, ...]) -> bool:
        """Whether a mask reaches a side of the window that is not the image's own border.

        Parameters
        ----------
        mask : (h, w) bool
            In this window.
        shape : (int, int)
            (H, W) of the image.
        """
        sides = (
            (self.row0 > 0, mask[0]),
            (self.row1 < shape[0], mask[-1]),
            (self.col0 > 0, mask[:, 0]),
            (self.col1 < shape[1], mask[:, -1]),
        )
        return any(open_side and bool(line.any()) for open_side, line in sides)

    def doubled(self, shape: tuple[int, ...], about: MaskArray | None = None) -> Window:
        """Window twice as large, moved and cut to fit the image.

        Parameters
        ----------
        shape : (int, int)
            (H, W) of the image.
        about : (h, w) bool, optional
            Mask in this window. The new one, which holds all of this one, has it in the middle;
            where the mask goes on beyond one side only, most of the growth is on that side. By
            default the centre stays where it is.
        """
        mask = np.zeros(self.shape, dtype=bool) if about is None else about
        rows = _grow(self.row0, self.row1, shape[0], np.flatnonzero(mask.any(axis=1)))
        cols = _grow(self.col0, self.col1, shape[1], np.flatnonzero(mask.any(axis=0)))
        return Window(rows[0], cols[0], rows[1], cols[1])

    def to_window(self, prompts: Prompts) -> Prompts:
        """Move prompts from the image's frame into this window's; a box is clipped to it."""
        points = tuple((row - self.row0, col - self.col0) for row, col in prompts.points_rc)
        box: BoxRC | None = None
        if prompts.box_rc is not None:
            row0, col0, row1, col1 = prompts.box_rc
            height, width = self.shape
            box = (
                max(row0 - self.row0, 0.0),
                max(col0 - self.col0, 0.0),
                min(row1 - self.row0, height - 1.0),
                min(col1 - self.col0, width - 1.0),
            )
        return Prompts(points, tuple(prompts.point_labels), box, prompts.mask_input)


def window_for_prompts(prompts: Prompts, shape: tuple[int, int], frame_px: int) -> Window:
    """Choose the window in which to answer prompts.

    Parameters
    ----------
    prompts : Prompts
        In the image's frame.
    shape : (int, int)
        (H, W) of the image (without the data bar) in px.
    frame_px : int
        Side of the model's frame: windows of at most that size keep their resolution.

    Returns
    -------
    Window
        Inside the image, on a grid of a quarter frame so that neighbouring clicks share it.
    """
    row0, col0, row1, col1 = _extent_rc(prompts)
    extent = max(row1 - row0, col1 - col0)
    side = max(frame_px, math.ceil(CONTEXT * extent))
    grid = max(frame_px // 4, 1)
    rows = _span((row0 + row1) / 2, side, shape[0], grid)
    cols = _span((col0 + col1) / 2, side, shape[1], grid)
    return Window(rows[0], cols[0], rows[1], cols[1])


def window_around(centre_rc: tuple[float, float], shape: tuple[int, int], frame_px: int) -> Window:
    """Native window about a point, inside the image and on the grid of `window_for_prompts`."""
    grid = max(frame_px // 4, 1)
    rows = _span(centre_rc[0], frame_px, shape[0], grid)
    cols = _span(centre_rc[1], frame_px, shape[1], grid)
    return Window(rows[0], cols[0], rows[1], cols[1])


def tiles(shape: tuple[int, int], side_px: int, halo_px: int) -> Iterator[tuple[Window, Window]]:
    """Cover an image with overlapping windows and the cores that partition it.

    Parameters
    ----------
    shape : (int, int)
        (H, W) in px.
    side_px : int
        Side of a window.
    halo_px : int
        Overlap on each side: a window's result counts only in its core.

    Yields
    ------
    (Window, Window)
        The window to look at, and its core.

    Raises
    ------
    ValueError
        If the halo leaves no core.
    """
    if side_px <= 2 * halo_px:
        msg = f"Expected `side_px` > 2 * `halo_px`, but got {side_px} and {halo_px}"
        raise ValueError(msg)
    for row_span, row_core in _tile_axis(shape[0], side_px, halo_px):
        for col_span, col_core in _tile_axis(shape[1], side_px, halo_px):
            yield (
                Window(row_span[0], col_span[0], row_span[1], col_span[1]),
                Window(row_core[0], col_core[0], row_core[1], col_core[1]),
            )


def lattice(shape: tuple[int, int], side_px: int, halo_px: int) -> Iterator[tuple[Window, Window]]:
    """Cover an image like `tiles`, but in fixed steps from its upper left corner.

    The windows of two objects are the same ones where they lie together; all are alike in size.

    Yields
    ------
    (Window, Window)
        The window to look at, and its core.
    """
    for row_span, row_core in _lattice_axis(shape[0], side_px, halo_px):
        for col_span, col_core in _lattice_axis(shape[1], side_px, halo_px):
            yield (
                Window(row_span[0], col_span[0], row_span[1], col_span[1]),
                Window(row_core[0], col_core[0], row_core[1], col_core[1]),
            )


def _extent_rc(prompts: Prompts) -> tuple[float, float, float, float]:
    points = [np.asarray(prompts.points_rc, dtype=float).reshape(-1, 2)]
    if prompts.box_rc is not None:
        points.append(np.asarray(prompts.box_rc, dtype=float).reshape(2, 2))
    stacked = np.concatenate(points)
    if len(stacked) == 0:
        msg = "Expected a point or a box to place a window on, but got only a mask"
        raise ValueError(msg)
    (row0, col0), (row1, col1) = stacked.min(axis=0), stacked.max(axis=0)
    return float(row0), float(col0), float(row1), float(col1)


def _span(centre: float, side: int, size: int, grid: int) -> tuple[int, int]:
    if side >= size:
        return 0, size
    start = round((centre - side / 2) / grid) * grid
    start = min(max(start, 0), size - side)
    return start, start + side


def _grow(start: int, stop: int, size: int, filled: npt.NDArray[np.intp]) -> tuple[int, int]:
    """Double a span; `filled` are the places in it where the object is."""
    length = min(2 * (stop - start), size)
    new = (start + stop - length) // 2
    if len(filled):
        first, last = start + int(filled[0]), start + int(filled[-1]) + 1
        new = (first + last - length) // 2
        goes_on = first == start and start > 0, last == stop and stop < size
        if goes_on == (False, True):
            new = first - length // GROWTH_MARGIN
        elif goes_on == (True, False):
            new = last + length // GROWTH_MARGIN - length
        new = min(max(new, stop - length), start)
    new = min(max(new, 0), size - length)
    return new, new + length


_Spans = list[tuple[tuple[int, int], tuple[int, int]]]


def _tile_axis(size: int, side: int, halo: int) -> _Spans:
    if side >= size:
        return [((0, size), (0, size))]
    core = side - 2 * halo
    count = math.ceil((size - 2 * halo) / core)
    return _spans_of(np.linspace(0, size - side, count).round().astype(int), size, side)


def _lattice_axis(size: int, side: int, halo: int) -> _Spans:
    if side >= size:
        return [((0, size), (0, size))]
    starts = np.arange(0, size - 2 * halo, side - 2 * halo)
    return _spans_of(np.minimum(starts, size - side), size, side)


def _spans_of(starts: npt.NDArray[np.intp], size: int, side: int) -> _Spans:
    cuts = [0, *((starts[1:] + starts[:-1] + side) // 2), size]
    return [
        ((int(start), int(start) + side), (int(cuts[i]), int(cuts[i + 1])))
        for i, start in enumerate(starts)
    ]
