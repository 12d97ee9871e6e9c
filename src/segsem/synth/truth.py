"""What is known exactly of an image: contours cut at its border, labels, regions."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from segsem.core.coordinates import signed_area_rc
from segsem.core.types import FloatArray, LabelArray, PointsRC
from segsem.synth.curves import Curve, clip_to_image, outward_normals


@dataclass(frozen=True, slots=True)
class TruthContour:
    """One edge as it is in the image.

    Attributes
    ----------
    contour_id, region_id : int
        From 1; `region_id` is the label in the label image.
    vertices_rc : (K, 2) float64
        (row, column) in px; the feature lies on the left in the layout frame (y up). Closed
        contours do not repeat the first vertex; open ones begin and end on the image border.
    closed : bool
        False where the field of view cuts the edge.
    is_hole : bool
        Whether the curve bounds a hole of its feature.
    """

    contour_id: int
    region_id: int
    vertices_rc: PointsRC
    closed: bool
    is_hole: bool


def truth_of(
    curves: list[Curve], distance: FloatArray
) -> tuple[tuple[TruthContour, ...], LabelArray]:
    """Contours and labels of an image.

    Parameters
    ----------
    curves : list of Curve
        The scene's edges.
    distance : (H, W) array
        Signed distance at pixel centres, positive inside features.

    Returns
    -------
    tuple of TruthContour
        By region, outer before holes; what shows no pixel centre of its feature is left out.
    (H, W) int32 array
        A pixel belongs to a region where its centre lies inside the exact curve; regions are
        8-connected, so that a feature which the border cuts in two counts as two. A speck at
        the border that no contour lies beside is background.
    """
    shape = (distance.shape[0], distance.shape[1])
    inside = (distance > 0).astype(np.uint8)
    _, labels = cv2.connectedComponents(inside, connectivity=8, ltype=cv2.CV_32S)
    found: list[tuple[int, bool, PointsRC, bool]] = []
    for curve in curves:
        for vertices, closed in clip_to_image(curve.vertices_rc, shape):
            region = _region_beside(vertices, labels, closed)
            if region > 0:  # else a sliver at the border without one pixel centre: no region
                found.append((region, curve.is_hole, vertices, closed))
    if found:  # else the image shows no edge: all feature, or none
        new_id, labels = _renumbered(labels, {region for region, *_ in found})
        found = [(new_id[region], hole, path, closed) for region, hole, path, closed in found]
    found.sort(key=lambda item: (item[0], item[1], -abs(signed_area_rc(item[2]))))
    contours = tuple(
        TruthContour(number, region, vertices, closed, is_hole)
        for number, (region, is_hole, vertices, closed) in enumerate(found, start=1)
    )
    return contours, np.asarray(labels, dtype=np.int32)


def _renumbered(labels: LabelArray, named: set[int]) -> tuple[dict[int, int], LabelArray]:
    """Keep the named labels alone and count them from 1."""
    new_id = {old: number for number, old in enumerate(sorted(named), start=1)}
    table = np.zeros(int(labels.max()) + 1, dtype=np.int32)
    table[list(new_id)] = list(new_id.values())
    return new_id, table[labels]


def _region_beside(vertices_rc: PointsRC, labels: LabelArray, closed: bool) -> int:
    """Label most often met a pixel inside the contour; 0 where there is none."""
    normals = outward_normals(vertices_rc)
    if not closed:  # the neighbours of the two ends are not on the curve
        vertices_rc, normals = vertices_rc[1:-1], normals[1:-1]
    probe = np.rint(vertices_rc - 0.8 * normals).astype(np.intp)
    limit = np.array(labels.shape) - 1
    met = labels[tuple(np.clip(probe, 0, limit).T)]
    counts = np.bincount(met[met > 0]) if np.any(met > 0) else np.zeros(1, dtype=np.intp)
    return int(np.argmax(counts))
