"""The strip below an overlay: what the lines mean, how many regions, how long 100 nm are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from segsem.core.appearance import NEEDS_HUMAN_STYLE, SOURCE_STYLES, LineStyle
from segsem.core.contour import Region
from segsem.core.extraction import Extraction
from segsem.core.types import PixelSize
from segsem.export.dashes import split_into_dashes
from segsem.export.lines import RGBImage, draw_lines
from segsem.export.selection import is_undecided

_BACKGROUND = (24, 24, 24)
_TEXT = (235, 235, 235)
_LINE_WIDTH_PX = 2
_BAND_WIDTH_PX = 6
_ROUND_LENGTHS = (1.0, 2.0, 5.0)
_BAR_SHARE = 0.2


def draw_legend(
    extraction: Extraction, regions: Sequence[Region], width_px: int, scale: int
) -> RGBImage:
    """Draw the legend of an overlay.

    Parameters
    ----------
    extraction : Extraction
        Image id and pixel size.
    regions : sequence of Region
        The regions that are drawn.
    width_px : int
        Width of the strip.
    scale : int
        How many times as large as stored the image is drawn.

    Returns
    -------
    (h, W, 3) uint8 array
        The strip.
    """
    text_px = int(np.clip(width_px / 60, 10, 22))
    entries = _entries(regions)
    font = ImageFont.load_default(size=text_px)
    swatch_px, gap_px, row_px = 3 * text_px, text_px, round(1.8 * text_px)
    text_left = swatch_px + gap_px // 2
    widths = [text_left + int(font.getlength(text)) for _, text in entries]
    places, n_rows = _flow(widths, width_px, gap_px)
    strip = Image.new("RGB", (width_px, row_px * (n_rows + 1)), _BACKGROUND)
    draw = ImageDraw.Draw(strip)
    for (_, text), (left, row) in zip(entries, places, strict=True):
        draw.text((left + text_left, row_px * row + row_px // 2), text, _TEXT, font, "lm")
    middle = row_px * n_rows + row_px // 2
    bar_px, bar_text = scale_bar(extraction.pixel_size_nm, width_px, scale)
    draw.line([(gap_px, middle), (gap_px + bar_px, middle)], _TEXT, max(2, text_px // 5))
    title = f"{bar_text}    {_count(len(regions), 'region')}    {extraction.image_id}"
    title_left = gap_px + (bar_px + gap_px // 2 if bar_px else 0)
    draw.text((title_left, middle), title, _TEXT, font, "lm")
    pixels: RGBImage = np.array(strip)
    for (style, _), (left, row) in zip(entries, places, strict=True):
        _draw_swatch(pixels, style, left, row_px * row + row_px // 2, swatch_px)
    return pixels


def scale_bar(pixel_size_nm: PixelSize | None, width_px: int, scale: int) -> tuple[int, str]:
    """Choose a round length of at most a fifth of the picture.

    Returns
    -------
    (int, str)
        Its length in px of the picture and its label; length 0 where the pixel size is unknown.
    """
    if pixel_size_nm is None:
        return 0, "pixel size unknown"
    nm_per_px = pixel_size_nm[1] / scale
    longest_nm = nm_per_px * width_px * _BAR_SHARE
    decade = 10.0 ** np.floor(np.log10(longest_nm))
    length_nm = max(decade * step for step in _ROUND_LENGTHS if decade * step <= longest_nm)
    label = f"{length_nm:g} nm" if length_nm < 1000 else f"{length_nm / 1000:g} µm"
    return round(length_nm / nm_per_px), label


def _entries(regions: Sequence[Region]) -> list[tuple[LineStyle, str]]:
    counts = Counter(region.source for region in regions)
    waiting = sum(is_undecided(region) for region in regions)
    entries = [
        (style, f"{style.label}: {counts[source]}") for source, style in SOURCE_STYLES.items()
    ]
    return [*entries, (NEEDS_HUMAN_STYLE, f"{NEEDS_HUMAN_STYLE.label}: {waiting}")]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _flow(widths: Sequence[int], width_px: int, gap_px: int) -> tuple[list[tuple[int, int]], int]:
    places = []
    left, row = gap_px, 0
    for width in widths:
        if left + width > width_px and left > gap_px:
            left, row = gap_px, row + 1
        places.append((left, row))
        left += width + 2 * gap_px
    return places, row + 1


def _draw_swatch(
    pixels: RGBImage, style: LineStyle, left: int, middle: int, length_px: int
) -> None:
    line = np.array([[left, middle], [left + length_px, middle]], dtype=np.float64)
    width = _BAND_WIDTH_PX if style is NEEDS_HUMAN_STYLE else _LINE_WIDTH_PX
    draw_lines(pixels, split_into_dashes(line, style.dashes, _LINE_WIDTH_PX), style.rgb, width)
