"""The data bar: the strip of text and scale marks that SEM software writes below the scan.

What tells it from the sample: its paper is one exact grey level, drawn and not scanned; it
begins from one row to the next over the full width, below rows that hold noise; and it carries
text, sharp as no beam is. All of it is asked for, since a cut too many costs image rows: the
flat space below the last line of a grating is no data bar.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segsem.core.types import ImageArray

_MIN_ROWS = 12
_MAX_PART = 0.3
_ROWS_ABOVE = 32
# Zeiss draws its bar as an overlay that ends one row above the image's lower edge.
_MAX_ROWS_BELOW = 2

# JPEG moves the paper by a few of 255 levels, and neighbours on it by one.
_PAPER_TOLERANCE = 6 / 255
_SAME_LEVEL = 1
_MIN_LEVELS = 64

_TEXT_ROW_PAPER = 0.5
_EMPTY_ROW_PAPER = 0.9
_DRAWN_ROWS = 0.95
_FULL_WIDTH_STEP = 0.3
_DRAWN_NEIGHBOURS = 0.95
_SCANNED_NEIGHBOURS = 0.85

_MIN_INK = 0.4
# A blur of 1 px keeps the step between neighbours below 0.4 of an edge's height.
_SHARP_STEP = 0.5
_STEPS_IN_TEXT_ROW = 6
_MIN_TEXT_ROWS = 5
# Strokes of letters stand over each other from row to row (0.6 to 0.75 of their steps do so in
# bars of five vendors), noise does not.
_UPRIGHT = 0.45


def find_data_bar(data: ImageArray, scan_height_px: int | None = None) -> int | None:
    """Find the first row of the data bar.

    Parameters
    ----------
    data : (H, W) array
        The image as stored.
    scan_height_px : int or None
        Rows of the scan as the vendor's metadata states it; stands without a look at the
        pixels.

    Returns
    -------
    int or None
        None where there is no data bar.
    """
    n_rows = len(data)
    if scan_height_px is not None:
        return scan_height_px if 0 < scan_height_px < n_rows else None
    max_height = int(n_rows * _MAX_PART)
    start = max(0, n_rows - max_height - _ROWS_ABOVE)
    lowest = data[start:]
    for below in range(_MAX_ROWS_BELOW + 1):
        strip = _measure(lowest[: len(lowest) - below])
        top = strip.find_top(max_height)
        if top is not None:
            return start + top
    return None


def _measure(rows: ImageArray) -> _Strip:
    grey = rows.astype(np.float32)
    span = float(np.ptp(grey))
    # One level is little only where there are many: 16-bit and float files are never JPEG.
    same_level = _SAME_LEVEL if rows.dtype == np.uint8 and span >= _MIN_LEVELS else 0
    steps = np.abs(np.diff(grey, axis=1))
    bar = grey[-_MIN_ROWS:]
    tolerance = _PAPER_TOLERANCE * span
    level = np.median(grey, axis=1, keepdims=True)
    return _Strip(
        grey=grey,
        steps=steps,
        paper=np.mean(np.abs(grey - np.median(bar)) <= tolerance, axis=1),
        flat=np.mean(np.abs(grey - level) <= tolerance, axis=1),
        same=np.mean(steps <= same_level, axis=1),
    )


@dataclass(frozen=True, slots=True)
class _Strip:
    """Lowest rows of an image, row by row.

    `paper` is the share of pixels at the paper's level, `flat` that at the row's own median,
    `same` the share of neighbours that are equal.
    """

    grey: npt.NDArray[np.float32]
    steps: npt.NDArray[np.float32]
    paper: npt.NDArray[np.float64]
    flat: npt.NDArray[np.float64]
    same: npt.NDArray[np.float64]

    def find_top(self, max_height: int) -> int | None:
        n_rows = len(self.grey)
        # Frame lines and rules are drawn in another level than the paper.
        is_line = (self.flat >= _DRAWN_NEIGHBOURS) & (self.same >= _DRAWN_NEIGHBOURS)
        is_drawn = (self.paper >= _TEXT_ROW_PAPER) | is_line
        is_empty = (self.paper >= _EMPTY_ROW_PAPER) & (self.same >= _DRAWN_NEIGHBOURS) | is_line
        drawn_share = np.where(is_line, self.flat, self.paper)
        drawn_below = np.cumsum(is_drawn[::-1])[::-1]
        for top in range(max(1, n_rows - max_height), n_rows - _MIN_ROWS + 1):
            begins_here = (
                bool(is_empty[top] and is_empty[top + 1])
                and not is_line[top - 1]
                and drawn_share[top] - self.paper[top - 1] >= _FULL_WIDTH_STEP
            )
            is_drawn_to_the_end = drawn_below[top] >= _DRAWN_ROWS * (n_rows - top)
            if begins_here and is_drawn_to_the_end and self._is_scanned(top) and self._is_text(top):
                return top
        return None

    def _is_scanned(self, top: int) -> bool:
        """Whether the rows above hold noise, as a drawn or noise-free picture does not."""
        above = self.same[max(0, top - _ROWS_ABOVE) : top]
        return bool(np.median(above) <= _SCANNED_NEIGHBOURS)

    def _is_text(self, top: int) -> bool:
        ink = float(np.ptp(self.grey[top:]))
        if ink == 0 or ink < _MIN_INK * float(np.ptp(self.grey)):
            return False
        sharp = self.steps[top:] >= _SHARP_STEP * ink
        n_text_rows = np.count_nonzero(sharp.sum(axis=1) >= _STEPS_IN_TEXT_ROW)
        n_repeated = np.count_nonzero(sharp[:-1] & sharp[1:])
        is_upright = n_repeated >= _UPRIGHT * np.count_nonzero(sharp)
        return bool(n_text_rows >= _MIN_TEXT_ROWS and is_upright)
