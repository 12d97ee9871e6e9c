"""`overlay.png`: the image with its contours, told apart by source, and a legend."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from segsem.core.appearance import NEEDS_HUMAN_STYLE, SOURCE_STYLES
from segsem.core.contour import SOURCE_CODES, Contour, Source
from segsem.core.coordinates import rc_to_enlarged_rc, rc_to_xy_px
from segsem.core.extraction import Extraction
from segsem.core.files import atomic_path
from segsem.core.types import PointsXY
from segsem.export.dashes import split_into_dashes
from segsem.export.legend import draw_legend
from segsem.export.lines import RGBImage, draw_lines
from segsem.export.selection import is_exported, is_undecided

BAND_WIDTHS = 4
"""Width of the band under an undecided contour, in line widths."""

SMALL_IMAGE_PX = 1100
"""Images whose longer side is shorter than this are drawn twice as large."""


def draw_overlay(extraction: Extraction, image: npt.NDArray[np.uint8]) -> RGBImage:
    """Draw an extraction's contours over its image.

    Mixed contours change their style where the method changes; regions that wait for a decision
    have a broad band under their contour; rejected regions are not drawn.

    Parameters
    ----------
    extraction : Extraction
        What was found.
    image : (H, W) uint8 array
        The grey image, normalised for display, of the extraction's shape.

    Returns
    -------
    (H', W', 3) uint8 array
        Image, enlarged if it is small, with a legend strip below.

    Raises
    ------
    ValueError
        If the image has not the extraction's shape, or is not uint8.
    """
    if image.shape != extraction.shape or image.dtype != np.uint8:
        msg = (
            f"Expected a uint8 image of shape {extraction.shape}, "
            f"but got {image.dtype} of shape {image.shape}"
        )
        raise ValueError(msg)
    scale = 2 if max(image.shape) < SMALL_IMAGE_PX else 1
    canvas = _enlarged(image, scale)
    # Thinner lines drown in the noise, and vanish where a large picture is shown reduced.
    width = max(2, round(max(canvas.shape[:2]) / 1000))
    regions = [region for region in extraction.regions if is_exported(region)]
    for region in filter(is_undecided, regions):
        for contour in region.contours:
            points = _to_canvas(contour, scale)
            draw_lines(canvas, [points], NEEDS_HUMAN_STYLE.rgb, BAND_WIDTHS * width)
    for region in regions:
        for contour in region.contours:
            for source, line in stretches(contour, _to_canvas(contour, scale)):
                style = SOURCE_STYLES[source]
                draw_lines(canvas, split_into_dashes(line, style.dashes, width), style.rgb, width)
    legend = draw_legend(extraction, regions, canvas.shape[1], scale)
    return np.vstack([canvas, legend])


def write_overlay(path: Path | str, extraction: Extraction, image: npt.NDArray[np.uint8]) -> None:
    """Write :func:`draw_overlay` as a PNG.

    Raises
    ------
    ExportError
        If the file cannot be written.
    """
    drawn = Image.fromarray(draw_overlay(extraction, image))
    with atomic_path(path) as temporary:
        drawn.save(temporary, format="PNG")


def _enlarged(image: npt.NDArray[np.uint8], scale: int) -> RGBImage:
    rgb = np.repeat(image[..., None], 3, axis=2)
    return np.ascontiguousarray(rgb.repeat(scale, axis=0).repeat(scale, axis=1))


def _to_canvas(contour: Contour, scale: int) -> PointsXY:
    points = rc_to_xy_px(rc_to_enlarged_rc(contour.vertices_rc, scale))
    return np.vstack([points, points[:1]]) if contour.closed else points


def stretches(contour: Contour, line_xy: PointsXY) -> list[tuple[Source, PointsXY]]:
    """Cut a contour where the method changes that it stands on.

    Parameters
    ----------
    contour : Contour
    line_xy : (K or K + 1, 2) array
        Its points in any frame, the first repeated where it is closed.

    Returns
    -------
    list of (Source, (M, 2) array)
        In order; neighbours share a point.
    """
    codes = contour.source_code
    if len(codes) < 2:
        return []
    # A segment takes the source of its first point.
    segment_codes = codes[: len(line_xy) - 1]
    cuts = np.flatnonzero(np.diff(segment_codes.astype(np.int16))) + 1
    starts = [0, *cuts.tolist()]
    stops = [*cuts.tolist(), len(segment_codes)]
    return [
        (SOURCE_CODES[int(segment_codes[start])], line_xy[start : stop + 1])
        for start, stop in zip(starts, stops, strict=True)
    ]
