"""Pictures of an image's EPE: a map over the field, and a histogram."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from segsem.core.files import atomic_path
from segsem.core.types import FloatArray
from segsem.metrology.design_epe import DesignEPE
from segsem.metrology.design_topology import Fault, TopologyFault
from segsem.metrology.measure import ImageMeasures, Measures
from segsem.metrology.statistics import Stats

FOLDER = "figures"
MAP_PX = 1400
"""Longer side of a map."""

HISTOGRAM_PX = (760, 420)
MOST_BINS = 60

_PAPER, _INK, _FIELD, _FEATURE = (255, 255, 255), (40, 40, 40), (236, 236, 236), (206, 206, 206)
_INWARD, _MIDDLE, _OUTWARD = (0, 72, 178), (120, 120, 120), (200, 40, 0)
_MISSING = (0, 0, 0)
_FAULT = {
    Fault.EXTRA: (204, 0, 122),
    Fault.MISSING: (0, 0, 0),
    Fault.BRIDGED: (0, 110, 80),
    Fault.BROKEN: (130, 60, 0),
}
_ROUND = (1.0, 2.0, 5.0)

_RGB = tuple[int, int, int]


def write_figures(out: Path, measures: Measures) -> list[Path]:
    """Write `figures/<image>_epe_map.png` and `_epe_histogram.png` of images with a design.

    Parameters
    ----------
    out : Path
        Folder of the tables.
    measures : Measures
        What was measured.

    Returns
    -------
    list of Path
    """
    written = []
    for one in measures.images:
        if one.epe is None:
            continue
        folder = out / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        figures = {"epe_map": draw_map(one, one.epe), "epe_histogram": draw_histogram(one, one.epe)}
        for name, picture in figures.items():
            path = folder / f"{one.image_id}_{name}.png"
            with atomic_path(path) as temporary:
                # 48 colours serve: files of a tenth of the size.
                picture.quantize(48, dither=Image.Dither.NONE).save(
                    temporary, format="PNG", optimize=True
                )
            written.append(path)
    return written


def draw_map(one: ImageMeasures, epe: DesignEPE) -> Image.Image:
    """Draw the design's edge, coloured by EPE; black where no contour was found.

    Parameters
    ----------
    one : ImageMeasures
        Regions and faults.
    epe : DesignEPE
        Errors of the same image.
    """
    height, width = one.image.extraction.shape
    scale = min(MAP_PX / max(height, width), 3.0)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    labels = Image.fromarray((one.image.labels() > 0).astype(np.uint8) * 255)
    inside = labels.resize(size, Image.Resampling.NEAREST)
    text_px = max(12, size[0] // 60)
    canvas = Image.new("RGB", (size[0], size[1] + 5 * text_px), _PAPER)
    canvas.paste(_FIELD, (0, 0, *size))
    canvas.paste(_FEATURE, (0, 0), inside)
    draw = ImageDraw.Draw(canvas)
    limit = colour_limit_nm(epe.straight())
    radius = float(np.clip(1.6 * scale, 1.6, 3.0))
    for index in np.flatnonzero(epe.inside).tolist():
        row, col = (epe.points_rc[index] + 0.5) * scale
        if not (0 <= row < size[1]):
            continue
        value = float(epe.epe_nm[index])
        colour = colour_of(value, limit) if np.isfinite(value) else _MISSING
        draw.ellipse((col - radius, row - radius, col + radius, row + radius), fill=colour)
    font = ImageFont.load_default(size=text_px)
    for fault in one.faults:
        _mark(draw, fault, scale, font, size)
    _legend(draw, one, epe, limit, size, text_px)
    return canvas


def _mark(
    draw: ImageDraw.ImageDraw,
    fault: TopologyFault,
    scale: float,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    size: tuple[int, int],
) -> None:
    row, col = ((value + 0.5) * scale for value in fault.centre_rc)
    if not (np.isfinite(row) and np.isfinite(col)):
        return
    colour, radius = _FAULT[fault.fault], size[0] / 55
    draw.ellipse((col - radius, row - radius, col + radius, row + radius), outline=colour, width=3)
    text = fault.fault.value
    left = col + radius + 3
    if left + font.getlength(text) > size[0]:
        left = col - radius - 3 - font.getlength(text)
    high = font.getbbox(text)[3]
    top = float(np.clip(row, high, size[1] - high))
    draw.text((left, top), text, colour, font, "lm", stroke_width=2, stroke_fill=_PAPER)


def _legend(
    draw: ImageDraw.ImageDraw,
    one: ImageMeasures,
    epe: DesignEPE,
    limit_nm: float,
    size: tuple[int, int],
    text_px: int,
) -> None:
    font = ImageFont.load_default(size=text_px)
    top = size[1] + text_px
    draw.text((text_px, top), summary_text(one, epe), _INK, font, "lm")
    left, bar, row = 12 * text_px, 16 * text_px, size[1] + 3 * text_px
    for step in range(bar):
        value = limit_nm * (2 * step / (bar - 1) - 1)
        draw.line((left + step, row - text_px // 2, left + step, row + text_px // 2),
                  fill=colour_of(value, limit_nm))  # fmt: skip
    draw.text((left - 6, row), f"inward {-limit_nm:g} nm", _INK, font, "rm")
    draw.text((left + bar + 6, row), f"{limit_nm:g} nm outward", _INK, font, "lm")
    draw.text((left + bar + 13 * text_px, row), "black: edge not found", _INK, font, "lm")


def draw_histogram(one: ImageMeasures, epe: DesignEPE) -> Image.Image:
    """Draw how often which EPE occurs away from corners, with mean and 3 sigma."""
    width, height = HISTOGRAM_PX
    canvas = Image.new("RGB", HISTOGRAM_PX, _PAPER)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=14)
    draw.text((width / 2, 18), summary_text(one, epe), _INK, font, "mm")
    values = epe.straight()
    if not len(values):
        draw.text((width / 2, height / 2), "no edge found", _INK, font, "mm")
        return canvas
    limit = colour_limit_nm(values)
    edges = bin_edges_nm(limit)
    counts, _ = np.histogram(np.clip(values, -limit, limit), edges)
    share = 100 * counts / len(values)
    left, right, base, top = 60, width - 20, height - 50, 60
    high = nice_above(float(share.max()))

    def x_of(value: float) -> float:
        return left + (right - left) * (value + limit) / (2 * limit)

    def y_of(percent: float) -> float:
        return base - (base - top) * percent / high

    for low, up, percent in zip(edges[:-1], edges[1:], share, strict=True):
        if percent > 0:
            box = (x_of(float(low)) + 0.5, y_of(float(percent)), x_of(float(up)) - 0.5, base)
            draw.rectangle(box, fill=colour_of(float(low + up) / 2, limit))
    stats = Stats.of(values)
    for value, text in (
        (stats.mean, "mean"),
        (stats.mean - stats.three_sigma, "-3 sigma"),
        (stats.mean + stats.three_sigma, "+3 sigma"),
    ):
        if abs(value) <= limit:
            draw.line((x_of(value), top, x_of(value), base), fill=_INK, width=1)
            draw.text((x_of(value), top - 2), text, _INK, font, "mb")
    draw.line((left, base, right, base), fill=_INK)
    draw.line((left, top, left, base), fill=_INK)
    for value in np.linspace(-limit, limit, 9):
        draw.text((x_of(float(value)), base + 14), f"{value:g}", _INK, font, "mm")
    for percent in np.linspace(0, high, 5):
        draw.text((left - 6, y_of(float(percent))), f"{percent:g} %", _INK, font, "rm")
    draw.text((width / 2, height - 16), "EPE in nm, outward positive; the last bins hold the rest",
              _INK, font, "mm")  # fmt: skip
    return canvas


def summary_text(one: ImageMeasures, epe: DesignEPE) -> str:
    """Say what a picture shows, with its figures, in one line."""
    stats = Stats.of(epe.straight())
    missing = 100 * epe.missing_share()
    return (
        f"{one.image_id}: EPE {stats.mean:+.2f} nm, 3 sigma {stats.three_sigma:.2f} nm, "
        f"n {stats.n}, {missing:.1f} % of the edge missing"
    )


def colour_limit_nm(values: FloatArray) -> float:
    """EPE of the strongest colour: a round number that 99 % of the points do not exceed."""
    if not len(values):
        return 1.0
    return nice_above(float(np.percentile(np.abs(values), 99)))


def nice_above(value: float) -> float:
    """Smallest of 1, 2, 5 times a power of ten that is not below a value."""
    if not (np.isfinite(value) and value > 0):
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    steps: Sequence[float] = [*(factor * power for factor in _ROUND), 10 * power]
    return float(next(step for step in steps if step >= value * (1 - 1e-12)))


def bin_edges_nm(limit_nm: float) -> FloatArray:
    """Edges of the histogram's bins from -limit to limit."""
    return np.linspace(-limit_nm, limit_nm, 2 * (MOST_BINS // 3) + 1)


def colour_of(value_nm: float, limit_nm: float) -> _RGB:
    """Blue inward, grey at 0, red outward."""
    share = float(np.clip(value_nm / limit_nm, -1.0, 1.0))
    end = np.array(_OUTWARD if share > 0 else _INWARD, dtype=float)
    mixed: npt.NDArray[np.float64] = np.array(_MIDDLE) + abs(share) * (end - np.array(_MIDDLE))
    red, green, blue = (round(channel) for channel in mixed.tolist())
    return red, green, blue
