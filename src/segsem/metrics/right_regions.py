"""Which regions are right: what a confidence is the probability of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from segsem.core.contour import Contour, PointFlag, Region
from segsem.core.types import FloatArray, LabelArray
from segsem.metrics.epe_report import RATEABLE_PX
from segsem.metrics.normal_epe import epe_along_normals
from segsem.metrics.polyline import IntArray, Polyline, sample
from segsem.metrics.topology import match_regions

RIGHT_WITHIN_PX = 1.5
RIGHT_SHARE = 0.95
"""A region is right where it matches one feature and that share of its edge lies so near."""

MAX_OFFSET_PX = 1.5
"""An edge definition's offset is at most this; more is an error."""

_SAMPLE_PX = 0.25


@dataclass(frozen=True, slots=True)
class RegionTruth:
    """True edges of one image.

    Attributes
    ----------
    contours : list of Polyline
        All of them.
    region : (C,) int array
        Label that each of them bounds.
    labels : (H, W) int32
        Regions at pixel centres, 0 background.
    """

    contours: list[Polyline]
    region: IntArray
    labels: LabelArray


def right_regions(
    regions: Sequence[Region],
    found: LabelArray,
    truth: RegionTruth,
    valid_rows: tuple[int, int] | None = None,
) -> dict[int, bool]:
    """Tell for each region whether its edge is right.

    A region is right where it matches exactly one true region, 95 % of that region's edge has a
    contour within 1.5 px along its normal, and 95 % of the region's own contour points lie within
    1.5 px of a true edge, all after the image's median error has been taken off. Only what lies
    4 px or more inside the image counts.

    Parameters
    ----------
    regions : sequence of Region
        Of one image.
    found : (H, W) int array
        Their labels (`Extraction.labels`).
    truth : RegionTruth
        What is there.
    valid_rows : (int, int), optional
        Half-open range of rows above the data bar; all rows by default.

    Returns
    -------
    dict
        By region id. Regions with less than 32 px of edge to rate are left out.
    """
    rows = slice(*(valid_rows or (0, len(found))))
    matched = dict(match_regions(found[rows], truth.labels[rows]).matched)
    contours = [c for region in regions for c in region.contours if len(c) > 1]
    lines = [Polyline.from_contour(contour) for contour in contours]
    errors = epe_along_normals(lines, truth.contours, found.shape, valid_rows=valid_rows)
    known = errors.epe_px[errors.found]
    offset = float(np.clip(np.median(known), -MAX_OFFSET_PX, MAX_OFFSET_PX)) if len(known) else 0.0
    label = truth.region[errors.truth]
    size = int(truth.labels.max()) + 1
    length = np.bincount(label, errors.step_px, size)
    # What was not found is NaN, which compares as False.
    near = np.bincount(
        label, errors.step_px * (np.abs(errors.epe_px - offset) <= RIGHT_WITHIN_PX), size
    )
    points = sample(truth.contours, _SAMPLE_PX).points_rc
    tree = cKDTree(points) if len(points) else None
    verdict: dict[int, bool] = {}
    for region in regions:
        true = matched.get(region.region_id)
        own, own_length = _own_share(region.contours, tree, offset)
        rateable = own_length if true is None else length[true]
        if rateable < RATEABLE_PX:
            continue
        verdict[region.region_id] = bool(
            true is not None and own >= RIGHT_SHARE and near[true] >= RIGHT_SHARE * length[true]
        )
    return verdict


def _own_share(
    contours: Sequence[Contour], tree: cKDTree | None, offset_px: float
) -> tuple[float, float]:
    """Share of a region's own contour points near a true edge, and their length."""
    near = total = 0.0
    for contour in contours:
        inner = (contour.flags & np.uint8(PointFlag.BORDER)) == 0
        if len(contour) < 2 or not inner.any():
            continue
        steps = np.linalg.norm(np.diff(contour.vertices_rc, axis=0), axis=1)
        step = float(steps.mean())
        total += step * np.count_nonzero(inner)
        points: FloatArray = contour.vertices_rc - offset_px * contour.normals_rc
        if tree is not None:
            distance, _ = tree.query(points[inner], distance_upper_bound=2 * RIGHT_WITHIN_PX)
            near += step * np.count_nonzero(distance <= RIGHT_WITHIN_PX)
    return (near / total if total else 0.0), total
