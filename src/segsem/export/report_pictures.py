"""A region on its image as inline SVG, outlined in the colours and line styles of the viewer."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from segsem.core.appearance import NEEDS_HUMAN_STYLE, SOURCE_STYLES, LineStyle
from segsem.core.contour import Contour, Region, ReviewStatus
from segsem.core.coordinates import rc_to_xy_px
from segsem.core.exceptions import InputError
from segsem.core.extraction import Extraction
from segsem.core.types import PointsXY
from segsem.export.legend import scale_bar
from segsem.export.overlay import stretches
from segsem.export.selection import is_undecided
from segsem.imaging.normalise import normalise
from segsem.imaging.read import read_image

GreyImage = npt.NDArray[np.uint8]

MARGIN_PX = 12
MOST_PX = 320
"""Of a longer region the least sure stretch is shown."""

LEAST_PX = 48
LINE_WIDTH = 1.6


@dataclass(frozen=True, slots=True)
class Picture:
    """One region.

    Attributes
    ----------
    image_id : str
    region_id : int
    svg : str
        Whole `<svg>` element; needs nothing from elsewhere.
    source, status, reason : str
        In words.
    confidence : float
    is_part : bool
        Whether only a part of the region is shown.
    """

    image_id: str
    region_id: int
    svg: str
    source: str
    status: str
    reason: str
    confidence: float
    is_part: bool


def read_grey(extraction: Extraction, images: Path | None = None) -> GreyImage:
    """Read the image of an extraction, and make sure that it is the one.

    Raises
    ------
    InputError
        If it is not where it was, or is another one now.
    """
    named = extraction.provenance.get("image_path")
    if not named:
        msg = "the results name no file"
        raise InputError(msg)
    path = Path(str(named))
    if images is not None:
        path = images / path.name
    image = read_image(path)
    wanted = extraction.provenance.get("image_sha256")
    if image.shape != extraction.shape or (wanted and image.sha256 != wanted):
        msg = f"{path} is another image than the one that was extracted"
        raise InputError(msg)
    return normalise(image)


def draw_region(
    extraction: Extraction, region: Region, grey: GreyImage | None, reason: str = ""
) -> Picture:
    """Draw a region with what lies around it.

    Parameters
    ----------
    extraction : Extraction
        The image's result; neighbours are drawn thinner.
    region : Region
        The one that is shown.
    grey : (H, W) uint8 or None
        The image; a plain ground without it.
    reason : str
        Why a look is asked for.
    """
    box, is_part = _window(extraction, region)
    row0, col0, row1, col1 = box
    height, width = row1 - row0, col1 - col0
    view = f"{col0 - 0.5} {row0 - 0.5} {width} {height}"
    parts = [
        f'<svg class="picture" viewBox="{view}" role="img" '
        f'aria-label="region {region.region_id} of {escape(extraction.image_id, quote=True)}">',
        _ground(grey, box),
    ]
    if is_undecided(region):
        for contour in region.contours:
            line = _closed(contour, rc_to_xy_px(contour.vertices_rc))
            parts.append(_polyline(line, NEEDS_HUMAN_STYLE, 5 * LINE_WIDTH, 0.55))
    for other in extraction.regions:
        if other is not region and _meets(other, box):
            parts += _outline(other, 0.6 * LINE_WIDTH, 0.6)
    parts += _outline(region, LINE_WIDTH, 1.0)
    parts += [_bar(extraction, box), "</svg>"]
    return Picture(
        extraction.image_id,
        region.region_id,
        "".join(parts),
        SOURCE_STYLES[region.source].label,
        "open" if region.status is ReviewStatus.PENDING else region.status.value,
        reason,
        float(region.confidence),
        is_part,
    )


def _window(extraction: Extraction, region: Region) -> tuple[tuple[int, int, int, int], bool]:
    row0, col0, row1, col1 = region.bbox_rc
    centre = np.array([(row0 + row1) / 2, (col0 + col1) / 2])
    size = np.array([row1 - row0, col1 - col0]) + 2 * MARGIN_PX
    is_part = bool(size.max() > MOST_PX)
    points = [c for c in region.contours if len(c)]
    if is_part and points:
        vertices = np.concatenate([c.vertices_rc for c in points])
        confidence = np.concatenate([c.confidence for c in points])
        # NaN counts as sure: it says nothing about this stretch.
        worst = int(np.argmin(np.where(np.isnan(confidence), 2.0, confidence)))
        centre = vertices[worst]
    side = int(np.clip(size.max(), LEAST_PX, MOST_PX))
    shape = np.array([extraction.valid_rows[1], extraction.shape[1]])
    extent = np.minimum(side, shape)
    start = np.clip(np.rint(centre - extent / 2).astype(int), 0, shape - extent)
    stop = start + extent
    return (int(start[0]), int(start[1]), int(stop[0]), int(stop[1])), is_part


def _ground(grey: GreyImage | None, box: tuple[int, int, int, int]) -> str:
    row0, col0, row1, col1 = box
    place = f'x="{col0 - 0.5}" y="{row0 - 0.5}" width="{col1 - col0}" height="{row1 - row0}"'
    if grey is None:
        return f'<rect {place} fill="#3a3a3a"/>'
    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(grey[row0:row1, col0:col1])).save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<image {place} preserveAspectRatio="none" href="data:image/png;base64,{data}"/>'


def _outline(region: Region, width: float, opacity: float) -> list[str]:
    return [
        _polyline(line, SOURCE_STYLES[source], width, opacity)
        for contour in region.contours
        for source, line in stretches(contour, _closed(contour, rc_to_xy_px(contour.vertices_rc)))
    ]


def _closed(contour: Contour, line_xy: PointsXY) -> PointsXY:
    return np.vstack([line_xy, line_xy[:1]]) if contour.closed else line_xy


def _polyline(line_xy: PointsXY, style: LineStyle, width: float, opacity: float) -> str:
    points = " ".join(f"{x:.2f},{y:.2f}" for x, y in line_xy.tolist())
    dashes = ""
    if style.dashes:
        lengths = " ".join(f"{max(length * width, 0.1):g}" for length in style.dashes)
        dashes = f' stroke-dasharray="{lengths}"'
    # Lines are as wide on paper whatever the window is.
    return (
        f'<polyline points="{points}" fill="none" stroke="{style.color}" '
        f'stroke-width="{width:g}" stroke-opacity="{opacity:g}" '
        f'vector-effect="non-scaling-stroke"{dashes}/>'
    )


def _bar(extraction: Extraction, box: tuple[int, int, int, int]) -> str:
    row0, col0, row1, col1 = box
    length, label = scale_bar(extraction.pixel_size_nm, col1 - col0, 1)
    if not length:
        return ""
    left, bottom, height = col0 + 0.04 * (col1 - col0), row1 - 0.04 * (row1 - row0), row1 - row0
    thick, text = 0.014 * height, 0.06 * height
    return (
        f'<rect x="{left:g}" y="{bottom - thick:g}" width="{length}" height="{thick:g}" '
        'fill="#fff" stroke="#000" stroke-width="0.5" vector-effect="non-scaling-stroke"/>'
        f'<text x="{left:g}" y="{bottom - 1.8 * thick:g}" font-size="{text:g}" fill="#fff" '
        f'stroke="#000" stroke-width="{0.18 * text:g}" paint-order="stroke">{escape(label)}</text>'
    )


def _meets(region: Region, box: tuple[int, int, int, int]) -> bool:
    row0, col0, row1, col1 = region.bbox_rc
    return row0 < box[2] and box[0] < row1 and col0 < box[3] and box[1] < col1
