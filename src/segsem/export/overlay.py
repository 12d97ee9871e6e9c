"""`overlay.png`: the image with its contours, told apart by source, and a legend."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from segsem.core.appearance import NEEDS_HUMAN_STYLE, SOURCE_STYLES, LineStyle
from segsem.core.contour import SOURCE_CODES, Contour, Region, Source
from segsem.core.coordinates import rc_to_enlarged_rc, rc_to_xy_px
from segsem.core.extraction import Extraction
from segsem.core.files import atomic_path
from segsem.core.types import FloatArray, PixelSize, PointsXY
from segsem.export.dashes import split_into_dashes
from segsem.export.selection import is_exported, is_undecided

RGBImage = npt.NDArray[np.uint8]
"""(H, W, 3) uint8, red, green, blue."""

SMALL_IMAGE_PX = 1100
"""Images whose longer side is shorter than this are drawn twice as large."""

_SUB_PIXEL_BITS = 6
_LEGEND_BACKGROUND = (24, 24, 24)
_LEGEND_TEXT = (235, 235, 235)
_ROUND_LENGTHS = (1.0, 2.0, 5.0)


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
    width = max(1, round(max(canvas.shape[:2]) / 1500))
    regions = [region for region in extraction.regions if is_exported(region)]
    for region in filter(is_undecided, regions):
        for contour in region.contours:
            points = _to_canvas(contour, scale)
            _draw(canvas, [points], NEEDS_HUMAN_STYLE.rgb, 5 * width)
    for region in regions:
        for contour in region.contours:
            for source, line in _stretches(contour, _to_canvas(contour, scale)):
                style = SOURCE_STYLES[source]
                _draw(canvas, split_into_dashes(line, style.dashes, width), style.rgb, width)
    return np.vstack([canvas, _legend(extraction, regions, canvas.shape[1], scale)])


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


def _stretches(contour: Contour, line_xy: PointsXY) -> list[tuple[Source, PointsXY]]:
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


def _draw(canvas: RGBImage, lines: list[PointsXY], color: tuple[int, int, int], width: int) -> None:
    fixed = [np.rint(line * 2**_SUB_PIXEL_BITS).astype(np.int32) for line in lines]
    # OpenCV draws in place; the canvas is RGB, so that the colour needs no swap either.
    cv2.polylines(canvas, fixed, False, color, width, cv2.LINE_AA, _SUB_PIXEL_BITS)


def _legend(extraction: Extraction, regions: list[Region], width_px: int, scale: int) -> RGBImage:
    counts = Counter(region.source for region in regions)
    waiting = sum(is_undecided(region) for region in regions)
    entries = [
        (style, f"{style.label} {counts[source]}") for source, style in SOURCE_STYLES.items()
    ]
    entries.append((NEEDS_HUMAN_STYLE, f"{NEEDS_HUMAN_STYLE.label} {waiting}"))
    text_px = int(np.clip(width_px / 60, 10, 22))
    font = ImageFont.load_default(size=text_px)
    swatch_px, gap_px, row_px = 3 * text_px, text_px, round(1.8 * text_px)
    places, n_rows = _flow(
        [swatch_px + gap_px // 2 + int(font.getlength(text)) for _, text in entries],
        width_px,
        gap_px,
    )
    bar = _scale_bar(extraction.pixel_size_nm, width_px, scale)
    strip = Image.new("RGB", (width_px, row_px * (n_rows + 1)), _LEGEND_BACKGROUND)
    draw = ImageDraw.Draw(strip)
    swatches: list[tuple[LineStyle, int, int]] = []
    for (style, text), (left, row) in zip(entries, places, strict=True):
        middle = row_px * row + row_px // 2
        draw.text((left + swatch_px + gap_px // 2, middle), text, _LEGEND_TEXT, font, "lm")
        swatches.append((style, left, middle))
    middle = row_px * n_rows + row_px // 2
    bar_px, bar_text = bar
    if bar_px:
        draw.line([(gap_px, middle), (gap_px + bar_px, middle)], _LEGEND_TEXT, max(2, text_px // 5))
    text_left = gap_px + (bar_px + gap_px // 2 if bar_px else 0)
    title = f"{bar_text}    {len(regions)} regions    {extraction.image_id}"
    draw.text((text_left, middle), title, _LEGEND_TEXT, font, "lm")
    pixels: RGBImage = np.array(strip)
    for style, left, middle in swatches:
        line: FloatArray = np.array([[left, middle], [left + swatch_px, middle]], dtype=np.float64)
        thick = 5 if style is NEEDS_HUMAN_STYLE else 2
        _draw(pixels, split_into_dashes(line, style.dashes, 1), style.rgb, thick)
    return pixels


def _flow(widths: list[int], width_px: int, gap_px: int) -> tuple[list[tuple[int, int]], int]:
    places = []
    left, row = gap_px, 0
    for width in widths:
        if left + width > width_px and left > gap_px:
            left, row = gap_px, row + 1
        places.append((left, row))
        left += width + 2 * gap_px
    return places, row + 1


def _scale_bar(pixel_size_nm: PixelSize | None, width_px: int, scale: int) -> tuple[int, str]:
    if pixel_size_nm is None:
        return 0, "pixel size unknown"
    nm_per_canvas_px = pixel_size_nm[1] / scale
    longest_nm = nm_per_canvas_px * width_px / 5
    decade = 10.0 ** np.floor(np.log10(longest_nm))
    length_nm = max(decade * step for step in _ROUND_LENGTHS if decade * step <= longest_nm)
    label = f"{length_nm:g} nm" if length_nm < 1000 else f"{length_nm / 1000:g} µm"
    return round(length_nm / nm_per_canvas_px), label
