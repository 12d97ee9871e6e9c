"""Parts of an image as small pictures, with outlines in the colours and lines of their sources."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from PIL import Image

from segsem.core.appearance import LineStyle
from segsem.core.coordinates import rc_to_xy_px, resampled_rc
from segsem.export.dashes import split_into_dashes
from segsem.export.lines import draw_lines
from segsem.review.facts import BoxRC
from segsem.review.outline import Outline

Grey = npt.NDArray[np.uint8]
Picture = npt.NDArray[np.uint8]
"""(side, side, 3) uint8, red, green, blue."""

_FINER = 2
_LINE_PX = 3
_MARK_PX = 7


def draw_part(
    grey: Grey,
    window_rc: BoxRC,
    side_px: int,
    outlines: Iterable[tuple[Outline, LineStyle]],
    marked: Outline = (),
) -> Picture:
    """Draw a part of an image as a square picture.

    Parameters
    ----------
    grey : (H, W) uint8 array
        The image.
    window_rc : (int, int, int, int)
        Half-open part of it; it may reach over the border. A part that is not square in px is
        drawn square: it is one in nm.
    side_px : int
        Of the picture.
    outlines : iterable of (Outline, LineStyle)
        What is drawn, in the image's px.
    marked : Outline
        Drawn with a white band under its line.

    Returns
    -------
    (side_px, side_px, 3) uint8 array
        Black where the part reaches over the image's border.
    """
    fine = _FINER * side_px
    row0, col0, row1, col1 = window_rc
    part = _part(grey, window_rc, fine)
    canvas = np.ascontiguousarray(np.repeat(part[..., None], 3, axis=2))
    scale = fine / (row1 - row0), fine / (col1 - col0)
    start = np.array([row0, col0])

    def draw(outline: Outline, style: LineStyle, width: int) -> None:
        for line in outline:
            points = np.asarray(line.points_rc, np.float64)
            points = np.vstack([points, points[:1]]) if line.closed else points
            line_xy = rc_to_xy_px(resampled_rc(points - start, scale))
            draw_lines(canvas, split_into_dashes(line_xy, style.dashes, width), style.rgb, width)

    draw(marked, LineStyle("", "#FFFFFF"), _MARK_PX)
    for outline, style in outlines:
        draw(outline, style, _LINE_PX)
    return np.asarray(Image.fromarray(canvas).reduce(_FINER))


def _part(grey: Grey, window_rc: BoxRC, wanted: int) -> Grey:
    row0, col0, row1, col1 = window_rc
    rows, inside_rows = _places(row0, row1, grey.shape[0], wanted)
    cols, inside_cols = _places(col0, col1, grey.shape[1], wanted)
    part = np.zeros((len(rows), len(cols)), np.uint8)
    part[np.ix_(inside_rows, inside_cols)] = grey[np.ix_(rows[inside_rows], cols[inside_cols])]
    made = Image.fromarray(part).resize((wanted, wanted), Image.Resampling.BILINEAR)
    return np.asarray(made)


def _places(
    first: int, last: int, size: int, wanted: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    # What is shown a few pixels high need not be read in full.
    step = max(1, (last - first) // (4 * wanted))
    at = first + step * np.arange(-(-(last - first) // step), dtype=np.intp)
    return at, np.asarray((at >= 0) & (at < size))
