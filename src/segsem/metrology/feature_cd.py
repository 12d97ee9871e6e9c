"""Widths of features and of the spaces between them where nobody gave a cut line.

From every contour point a cut runs along the normal to the edge that faces it. Cuts are sorted by
the two directions that the region's own edges have, so that length and width of a line are not
mixed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segsem.core.contour import PointFlag
from segsem.core.coordinates import (
    normal_rc_to_nm,
    rc_to_nm,
)
from segsem.core.types import FloatArray, MaskArray, PointsRC
from segsem.metrology.design_epe import inside_field
from segsem.metrology.measured import MeasuredImage
from segsem.metrology.statistics import Stats

REACH_PX = 512.0
"""What is wider has no CD here: give a cut line."""

FACING = 0.94
"""Cosine of 20 degrees: so far the facing edge, and the direction of a cut, may be off."""

LEAST_CUTS = 8
MARGIN_PX = 4.0


@dataclass(frozen=True, slots=True)
class FeatureCD:
    """Width of one region, or of the spaces beside it, along one direction.

    Attributes
    ----------
    region_id : int
        The region.
    of : str
        `feature` or `space`.
    axis_deg : float
        Direction of the cuts, counter-clockwise from x, from -45 to 135.
    stats : Stats
        Of the widths in nm.
    """

    region_id: int
    of: str
    axis_deg: float
    stats: Stats


def measure_features(image: MeasuredImage) -> list[FeatureCD]:
    """Measure all regions of an image.

    Returns
    -------
    list of FeatureCD
        By region; features before spaces. Directions with fewer than 8 cuts are left out.
    """
    points, normals, contour = _starts(image)
    if not len(points):
        return []
    region = image.region_of[contour]
    widths = {
        "feature": _facing(image, points, -normals, 1.0),
        "space": _facing(image, points, normals, -1.0),
    }
    angle = np.arctan2(*normal_rc_to_nm(normals, image.pixel_size_nm).T[::-1])
    found = []
    for number, item in enumerate(image.regions):
        own = region == number
        if not own.any():
            continue
        first = _main_axis(angle[own])
        for of, width in widths.items():
            for axis in (first, first + 90.0):
                along = np.abs(np.cos(angle - np.radians(axis))) >= FACING
                stats = Stats.of(width[own & along])
                if stats.n >= LEAST_CUTS:
                    found.append(FeatureCD(item.region_id, of, axis, stats))
    return found


def _starts(
    image: MeasuredImage,
) -> tuple[PointsRC, PointsRC, np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
    """Points where a cut begins: those that the image placed, away from border and corners."""
    points, normals, owner = [np.empty((0, 2))], [np.empty((0, 2))], [np.empty(0, dtype=np.int64)]
    bad = np.uint8(PointFlag.BORDER | PointFlag.OUTLIER | PointFlag.LOW_SLOPE)
    for number, contour in enumerate(image.contours):
        kept = ((contour.flags & bad) == 0) & inside_field(image, contour.vertices_rc, MARGIN_PX)
        points.append(contour.vertices_rc[kept])
        normals.append(contour.normals_rc[kept])
        owner.append(np.full(int(kept.sum()), number, dtype=np.int64))
    return np.concatenate(points), np.concatenate(normals), np.concatenate(owner)


def _facing(
    image: MeasuredImage, points: PointsRC, direction_rc: PointsRC, outwards: float
) -> FloatArray:
    """Distance in nm to the edge that faces each point; NaN where none does within reach.

    `outwards` is 1 where the cut leaves a feature at that edge, -1 where it enters one.
    """
    # The shortest way in nm is along the nm normal, which is another one with oblong pixels.
    px_y, px_x = image.pixel_size_nm
    along_xy = normal_rc_to_nm(direction_rc, image.pixel_size_nm)
    step_rc = np.column_stack([-along_xy[:, 1] / px_y, along_xy[:, 0] / px_x])
    reach_nm = REACH_PX * float(np.sqrt(px_y * px_x))
    # Half a pixel on, so that the edge that the cut begins on is not met itself.
    start = points + 0.5 * direction_rc
    end = start + reach_nm * step_rc
    cuts = image.cuts(start, end, outwards * direction_rc)
    first = cuts.nearest_to(0.0, len(points))
    # Where an edge was not found the cut runs on into the next feature: no width there.
    others = image.cuts(start, end, -outwards * direction_rc)
    before = others.nearest_to(0.0, len(points))
    both = (first >= 0) & (before >= 0)
    blocked = np.zeros(len(points), dtype=bool)
    blocked[both] = others.along[before[both]] < cuts.along[first[both]]
    first[blocked] = -1
    width = np.full(len(points), np.nan)
    hit = np.flatnonzero(first >= 0)
    edge_rc = start[hit] + cuts.along[first[hit]][:, None] * (end - start)[hit]
    height = image.extraction.shape[0]
    ends = rc_to_nm(edge_rc, height, image.pixel_size_nm)
    begins = rc_to_nm(points[hit], height, image.pixel_size_nm)
    faces = _faces(image, cuts.segment[first[hit]], outwards * along_xy[hit])
    width[hit[faces]] = np.linalg.norm(ends - begins, axis=1)[faces]
    return width


def _faces(
    image: MeasuredImage,
    segment: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    along_xy: PointsRC,
) -> MaskArray:
    """Tell where the contour's own normal at the far edge goes along with a direction."""
    normals = np.empty((len(segment), 2))
    line, vertex = image.segments.line[segment], image.segments.vertex[segment]
    for number in np.unique(line).tolist():
        own = line == number
        normals[own] = image.contours[number].normals_rc[vertex[own]]
    far = normal_rc_to_nm(normals, image.pixel_size_nm)
    return np.asarray(np.sum(far * along_xy, axis=1) >= FACING)


def _main_axis(angle_rad: FloatArray) -> float:
    """Direction that most normals have, up to quarter turns; 0 for round features."""
    mean = np.mean(np.exp(4j * angle_rad))
    return float(np.degrees(np.angle(mean)) / 4) if abs(mean) > 0.2 else 0.0
