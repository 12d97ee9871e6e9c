"""Signed edge placement error of an image's contours against its registered design.

Every point of the design's edge is asked: where along its normal does a contour of the same
direction lie? Outwards (the printed feature is larger than drawn) is positive, at holes as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segsem.core.coordinates import box_outline_rc
from segsem.core.exceptions import InputError
from segsem.core.types import FloatArray, MaskArray, PointsRC, PointsXY
from segsem.layout.design import DesignEdges
from segsem.layout.registration import Registration
from segsem.metrics.polyline import IntArray
from segsem.metrology.measured import MeasuredImage
from segsem.metrology.statistics import Stats

MARGIN_PX = 4.0


@dataclass(frozen=True, slots=True)
class DesignEPE:
    """Errors at the points of a design's edges, one entry for each point of `edges`.

    Attributes
    ----------
    edges : DesignEdges
        The design.
    inside : (N,) bool
        In the image's field, at least 4 px from its border.
    points_rc : (N, 2) array
        The design's points in the image.
    epe_nm : (N,) array
        Positive outwards; NaN where no contour of that direction is within reach.
    sigma_nm : (N,) array
        Standard error of the contour's placement there.
    contour : (N,) int array
        Index into `MeasuredImage.contours`, -1 where there is none.
    reach_nm : float
        Farthest distance that was looked at.
    """

    edges: DesignEdges
    inside: MaskArray
    points_rc: PointsRC
    epe_nm: FloatArray
    sigma_nm: FloatArray
    contour: IntArray
    reach_nm: float

    @property
    def found(self) -> MaskArray:
        """Which points have a contour."""
        return np.isfinite(self.epe_nm)

    def straight(self) -> FloatArray:
        """Errors found away from the design's corners, which print round."""
        return np.asarray(self.epe_nm[self.found & ~self.edges.corner])

    def missing_share(self) -> float:
        """Share of the design's edge in the field, corners left out, without a contour."""
        asked = self.inside & ~self.edges.corner
        return float(np.mean(~self.found[asked])) if asked.any() else float("nan")


def epe_of_design(
    image: MeasuredImage, registration: Registration, edges: DesignEdges, reach_nm: float
) -> DesignEPE:
    """Cut the normals of a design's edges with the contours of an image.

    Parameters
    ----------
    image : MeasuredImage
        The contours.
    registration : Registration
        Where the image lies in the design.
    edges : DesignEdges
        Points of the design.
    reach_nm : float
        How far to look to both sides.
    """
    points_rc = registration.design_nm_to_rc(edges.points_nm)
    normals_rc = registration.normals_to_rc(edges.normals_xy)
    inside = inside_field(image, points_rc, MARGIN_PX)
    own = np.flatnonzero(inside)
    ends_nm = reach_nm * edges.normals_xy[own]
    start = registration.design_nm_to_rc(edges.points_nm[own] - ends_nm)
    end = registration.design_nm_to_rc(edges.points_nm[own] + ends_nm)
    cuts = image.cuts(start, end, normals_rc[own])
    nearest = cuts.nearest_to(0.5, len(own))
    hit = nearest >= 0
    epe, sigma = np.full((2, len(points_rc)), np.nan)
    contour = np.full(len(points_rc), -1, dtype=np.int64)
    segment = cuts.segment[nearest[hit]]
    epe[own[hit]] = (cuts.along[nearest[hit]] - 0.5) * 2 * reach_nm
    sigma[own[hit]] = image.sigma_nm(segment)
    contour[own[hit]] = image.segments.line[segment]
    return DesignEPE(edges, inside, points_rc, epe, sigma, contour, reach_nm)


def inside_field(image: MeasuredImage, points_rc: PointsRC, margin_px: float) -> MaskArray:
    """Tell which points lie in the valid rows, `margin_px` from the border."""
    top, bottom = image.extraction.valid_rows
    outline = box_outline_rc((top, 0, bottom, image.extraction.shape[1]))
    low, high = outline.min(axis=0) + margin_px, outline.max(axis=0) - margin_px
    return np.asarray(np.all((points_rc >= low) & (points_rc <= high), axis=-1))


@dataclass(frozen=True, slots=True)
class RepeatMean:
    """Several images of one site, averaged point by point of the design.

    Attributes
    ----------
    edges : DesignEdges
        The design.
    epe_nm : (N,) array
        Mean over the images that found the point; NaN where too few did.
    sigma_nm : (N,) array
        Standard deviation over the images (n - 1 below), of one image; NaN where n < 2.
    n : (N,) int array
        Images that found the point.
    """

    edges: DesignEdges
    epe_nm: FloatArray
    sigma_nm: FloatArray
    n: IntArray

    @property
    def standard_error_nm(self) -> FloatArray:
        """Of the mean at each point."""
        error: FloatArray = np.full(len(self.n), np.nan)
        np.divide(self.sigma_nm, np.sqrt(self.n), out=error, where=self.n >= 2)
        return error

    def points_nm(self) -> PointsXY:
        """Points of the mean contour in the design's frame; NaN where it was not found."""
        mean: PointsXY = self.edges.points_nm + self.epe_nm[:, None] * self.edges.normals_xy
        return mean


def average_repeats(repeats: Sequence[DesignEPE], least: int = 1) -> RepeatMean:
    """Average images of one site: roughness that differs goes, what the mask prints stays.

    Parameters
    ----------
    repeats : sequence of DesignEPE
        Measured with the same `edges`.
    least : int
        Images that must have found a point.

    Raises
    ------
    InputError
        If there are none, or they were measured against different points.
    """
    if not repeats:
        msg = "Expected at least one image to average, but got none"
        raise InputError(msg)
    edges = repeats[0].edges
    if any(not np.array_equal(one.edges.points_nm, edges.points_nm) for one in repeats):
        msg = "Expected repeats measured against the same design, but their points differ"
        raise InputError(msg)
    values = np.stack([one.epe_nm for one in repeats])
    found = np.isfinite(values)
    n = found.sum(axis=0)
    filled = np.where(found, values, 0.0)
    mean: FloatArray = np.full(len(n), np.nan)
    np.divide(filled.sum(axis=0), n, out=mean, where=n >= max(1, least))
    squares = (np.where(found, values - np.nan_to_num(mean), 0.0) ** 2).sum(axis=0)
    variance: FloatArray = np.full(len(n), np.nan)
    np.divide(squares, n - 1, out=variance, where=(n >= 2) & np.isfinite(mean))
    return RepeatMean(edges, mean, np.sqrt(variance), n.astype(np.int64))


def summary_of(epe: DesignEPE) -> Stats:
    """Mean and 3 sigma of the errors away from corners."""
    return Stats.of(epe.straight())
