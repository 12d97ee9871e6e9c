"""`register`: an image's features onto a design, first by correlation, then by least squares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from scipy.spatial import cKDTree
from skimage.measure import find_contours

from segsem.core.contour import Contour, PointFlag
from segsem.core.coordinates import box_outline_rc, normal_rc_to_nm, rc_to_nm, unit
from segsem.core.exceptions import InputError
from segsem.core.types import FloatArray, MaskArray, PixelSize, PointsRC, PointsXY
from segsem.layout.coarse_registration import Coarse, Field, find_coarse, turns
from segsem.layout.design import Design, DesignEdges, sample_edges, typical_width_nm
from segsem.layout.fine_registration import EdgePoints, Fine, fit_fine
from segsem.layout.registration import Place, Registration, Verdict

GOOD_ENOUGH = 0.8
"""At this score no small turns are tried at first: the fit finds them."""

RIVAL = 0.9
"""A second position with this share of the best one's score makes it ambiguous."""

POOR_SCORE = 0.4
POOR_MATCH = 0.5
CORNER_PX = 8.0
SPARSE_POINTS = 4000
BORDER_PX = 4.0


@dataclass(frozen=True, slots=True)
class RegisterOptions:
    """How to register.

    Attributes
    ----------
    quarter_turns : bool
        Try 90, 180 and 270 degrees as well.
    fit_scale : bool
        Fit one scale; what it does to a CD is reported.
    near_nm : (float, float) or None
        Where in the design the image's centre is expected, for patterns that repeat; the middle
        of the design otherwise.
    span_deg, step_deg : float
        Small turns that are tried where none gives a poor score.
    """

    quarter_turns: bool = False
    fit_scale: bool = False
    near_nm: tuple[float, float] | None = None
    span_deg: float = 3.0
    step_deg: float = 0.5


def register(
    design: Design,
    mask: MaskArray,
    pixel_size_nm: PixelSize | None,
    *,
    contours: Sequence[Contour] | None = None,
    valid_rows: tuple[int, int] | None = None,
    options: RegisterOptions | None = None,
) -> Registration:
    """Find where in a design an image lies.

    Parameters
    ----------
    design : Design
        Merged polygons of one layer.
    mask : (H, W) bool
        Features of the image (labels above 0).
    pixel_size_nm : (float, float) or None
        (y, x).
    contours : sequence of Contour, optional
        Placed contours; without them the outlines of the mask are fitted, to half a pixel.
    valid_rows : (int, int), optional
        Half-open range of rows above the data bar.
    options : RegisterOptions, optional
        What to try.

    Returns
    -------
    Registration
        With a verdict; it may be poor.

    Raises
    ------
    InputError
        If the pixel size is unknown, or the image or the design shows no edge at all.
    """
    if pixel_size_nm is None:
        msg = "Expected a pixel size to lay the image on a design: extract it with --pixel-size NM"
        raise InputError(msg)
    options = options or RegisterOptions()
    top, bottom = valid_rows or (0, mask.shape[0])
    pixel = float(np.sqrt(pixel_size_nm[0] * pixel_size_nm[1]))
    field = Field(mask[top:bottom], pixel_size_nm)
    sparse = max(pixel, float(shapely.length(design.area)) / SPARSE_POINTS)
    width = typical_width_nm(design, sample_edges(design, sparse, 0.0), max(field.size_nm))
    coarse = _coarse(design, field, width if np.isfinite(width) else min(field.size_nm), options)
    if coarse is None:
        msg = (
            "Expected an image that lies on the design, but one of them shows none or too few "
            "edges to tell: check --cell, --layer and the pixel size, or the extraction"
        )
        raise InputError(msg)
    outline = box_outline_rc((top, 0, bottom, mask.shape[1]))
    centre = rc_to_nm(outline, mask.shape[0], pixel_size_nm).mean(axis=0)
    start = Place((float(centre[0]), float(centre[1])), coarse.best.position_nm,
                  coarse.best.rotation_deg)  # fmt: skip
    points = _edge_points(mask, contours, pixel_size_nm, (top, bottom))
    edges = sample_edges(_around(design, field, start), pixel, CORNER_PX * pixel)
    reach = max(4 * pixel, min(0.5 * width, 40 * pixel) if np.isfinite(width) else 20 * pixel)
    fine = fit_fine(
        edges,
        points,
        start,
        reach_nm=reach,
        least_reach_nm=2 * pixel,
        fit_scale=options.fit_scale,
    )
    fine = _normalised(fine)
    area = _Area.of(outline, mask.shape[0], pixel_size_nm)
    matched, explained = _matched(edges, points, fine, area, max(reach / 3, 4 * pixel))
    rival = coarse.second
    registration = Registration(
        shape=(int(mask.shape[0]), int(mask.shape[1])),
        pixel_size_nm=pixel_size_nm,
        place=fine.place,
        verdict=_verdict(coarse, fine, min(matched, explained)),
        score=coarse.best.score,
        second_score=float("nan") if rival is None else rival.score,
        second_position_nm=None if rival is None else rival.position_nm,
        undetermined_xy=fine.undetermined_xy,
        residual_rms_nm=fine.rms_nm,
        residual_rms_px=fine.rms_nm / pixel,
        mean_epe_nm=fine.mean_nm,
        points=len(fine.residual_nm),
        matched=matched,
        scale_fitted=options.fit_scale,
        design_width_nm=width,
    )
    return registration


def _coarse(
    design: Design, field: Field, width_nm: float, options: RegisterOptions
) -> Coarse | None:
    upright = turns(options.quarter_turns, 0.0, 1.0)
    first = find_coarse(design, field, list(upright), width_nm, near_nm=options.near_nm)
    if first is None or first.best.score >= GOOD_ENOUGH or options.span_deg <= 0:
        return first
    angles = list(turns(options.quarter_turns, options.span_deg, options.step_deg))
    return find_coarse(design, field, angles, width_nm, near_nm=options.near_nm)


def _around(design: Design, field: Field, place: Place) -> Design:
    """Return the features that may lie in the field, wherever the fit will move it."""
    radius = 0.6 * float(np.hypot(*field.size_nm))
    x, y = place.position_nm
    return design.near((x - radius, y - radius, x + radius, y + radius)) or design


def _edge_points(
    mask: MaskArray,
    contours: Sequence[Contour] | None,
    pixel_size_nm: PixelSize,
    valid_rows: tuple[int, int],
) -> EdgePoints:
    if contours is None:
        points, normals = _outline_of(mask[valid_rows[0] : valid_rows[1]])
        points = points + np.array([valid_rows[0], 0.0])
    else:
        points = np.concatenate([c.vertices_rc for c in contours] or [np.empty((0, 2))])
        normals = np.concatenate([c.normals_rc for c in contours] or [np.empty((0, 2))])
        flags = np.concatenate([c.flags for c in contours] or [np.empty(0, dtype=np.uint8)])
        kept = (flags & np.uint8(PointFlag.BORDER | PointFlag.OUTLIER)) == 0
        points, normals = points[kept], normals[kept]
    inner = _depth(points, (valid_rows[0], valid_rows[1], mask.shape[1])) >= BORDER_PX
    return EdgePoints(
        rc_to_nm(points[inner], mask.shape[0], pixel_size_nm),
        normal_rc_to_nm(normals[inner], pixel_size_nm),
    )


def _outline_of(mask: MaskArray) -> tuple[PointsRC, PointsRC]:
    """Points half-way between the pixels of a mask, with normals from a chord of a few pixels."""
    points, normals = [], []
    for line in find_contours(mask.astype(np.float64), 0.5):
        if len(line) < 8:
            continue
        closed = bool(np.array_equal(line[0], line[-1]))
        path = line[:-1] if closed else line
        reach = min(6, len(path) // 4)
        if closed:
            chord = np.roll(path, -reach, axis=0) - np.roll(path, reach, axis=0)
        else:
            at = np.arange(len(path))
            chord = path[np.minimum(at + reach, len(path) - 1)] - path[np.maximum(at - reach, 0)]
        points.append(path)
        # find_contours keeps the higher values on the left as seen with rows running down.
        normals.append(unit(np.column_stack([-chord[:, 1], chord[:, 0]])))
    none = [np.empty((0, 2))]
    return np.concatenate(points or none), np.concatenate(normals or none)


def _depth(points_rc: PointsRC, area: tuple[int, int, int]) -> FloatArray:
    top, bottom, width = area
    low, high = np.array([top - 0.5, -0.5]), np.array([bottom - 0.5, width - 0.5])
    return np.asarray(np.minimum(points_rc - low, high - points_rc).min(axis=1, initial=np.inf))


def _matched(
    edges: DesignEdges, points: EdgePoints, fine: Fine, area: _Area, reach_nm: float
) -> tuple[float, float]:
    """Share of the design's edge in the field that has a contour beside it, and the reverse.

    A contour counts where it lies within `reach_nm` and runs the same way, about.
    """
    if not len(fine.residual_nm):
        return 0.0, 0.0
    here = fine.place.to_image(edges.points_nm)
    turned = edges.normals_xy @ fine.place.matrix()
    inside = area.contains(here) & ~edges.corner
    if not inside.any():
        return 0.0, 0.0
    # Opposite normals are twice the reach apart, so that one query asks for both.
    of_design = np.column_stack([here, reach_nm * turned])
    of_contour = np.column_stack([points.points_nm, reach_nm * points.normals_xy])
    found, _ = cKDTree(of_contour).query(of_design[inside], distance_upper_bound=reach_nm)
    drawn, _ = cKDTree(of_design).query(of_contour, distance_upper_bound=reach_nm)
    low, high = here.min(axis=0) - reach_nm, here.max(axis=0) + reach_nm
    asked = np.all((points.points_nm >= low) & (points.points_nm <= high), axis=1)
    share = float(np.mean(np.isfinite(drawn[asked]))) if asked.any() else 0.0
    return float(np.mean(np.isfinite(found))), share


@dataclass(frozen=True, slots=True)
class _Area:
    """The field in image nm, a margin taken off."""

    low: PointsXY
    high: PointsXY

    @classmethod
    def of(cls, outline_rc: PointsRC, height: int, pixel_size_nm: PixelSize) -> _Area:
        corners = rc_to_nm(outline_rc, height, pixel_size_nm)
        margin = BORDER_PX * np.array([pixel_size_nm[1], pixel_size_nm[0]])
        return cls(corners.min(axis=0) + margin, corners.max(axis=0) - margin)

    def contains(self, points_nm: PointsXY) -> MaskArray:
        return np.asarray(np.all((points_nm >= self.low) & (points_nm <= self.high), axis=1))


def _verdict(coarse: Coarse, fine: Fine, matched: float) -> Verdict:
    if coarse.best.score < POOR_SCORE or matched < POOR_MATCH:
        return Verdict.POOR
    if fine.undetermined_xy is not None:
        return Verdict.UNDETERMINED
    if coarse.second is not None and coarse.second.score >= RIVAL * coarse.best.score:
        return Verdict.AMBIGUOUS
    return Verdict.GOOD


def _normalised(fine: Fine) -> Fine:
    """Angles from -180 to 180 degrees."""
    turn = (fine.place.rotation_deg + 180.0) % 360.0 - 180.0
    place = Place(fine.place.centre_nm, fine.place.position_nm, turn, fine.place.scale)
    return Fine(place, fine.residual_nm, fine.mean_nm, fine.undetermined_xy)
