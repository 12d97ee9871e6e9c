"""What to ask a model for where the design is known: a box and points for each feature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from segsem.core.coordinates import box_outline_rc
from segsem.core.types import BoxRC
from segsem.layout.design import Design
from segsem.layout.registration import Registration


@dataclass(frozen=True, slots=True)
class DesignPrompt:
    """One feature of the design as it should lie in the image.

    Attributes
    ----------
    feature : int
        Its number in `Design.polygons`, from 1: the value in `design_labels` as well.
    box_rc : (r0, c0, r1, c1)
        Around what lies in the field, in px.
    points_rc : tuple of (row, column)
        Inside it, far from its edges.
    cut : bool
        Whether the field cuts the feature.
    """

    feature: int
    box_rc: BoxRC
    points_rc: tuple[tuple[float, float], ...]
    cut: bool


def design_prompts(
    design: Design,
    registration: Registration,
    *,
    valid_rows: tuple[int, int] | None = None,
    least_area_px: float = 16.0,
) -> list[DesignPrompt]:
    """Box and points for each feature of the design that lies in the image's field.

    Parameters
    ----------
    design : Design
        The design.
    registration : Registration
        Where the image lies in it.
    valid_rows : (int, int), optional
        Half-open range of rows above the data bar.
    least_area_px : float
        Features of which less lies in the field are left out.

    Returns
    -------
    list of DesignPrompt
        In the order of the design. A feature that the field cuts into pieces gets one for each.
    """
    height, width = registration.shape
    top, bottom = valid_rows or (0, height)
    outline = box_outline_rc((top, 0, bottom, width))
    field = shapely.polygons(outline)
    found: list[DesignPrompt] = []
    for number, part in enumerate(design.polygons, start=1):
        here = shapely.transform(part, registration.design_nm_to_rc)
        if not shapely.intersects(here, field):
            continue
        cut = not bool(shapely.contains_properly(field, here))
        for piece in shapely.get_parts(shapely.intersection(here, field)):
            if piece.geom_type == "Polygon" and piece.area >= least_area_px:
                found.append(_prompt(number, piece, cut))
    return found


def _prompt(number: int, piece: Any, cut: bool) -> DesignPrompt:
    low_r, low_c, high_r, high_c = shapely.bounds(piece).tolist()
    return DesignPrompt(number, (low_r, low_c, high_r, high_c), _inner_points(piece), cut)


def _inner_points(piece: Any) -> tuple[tuple[float, float], ...]:
    """Up to three points: the middle of the widest place, and of the halves beside it."""
    box = shapely.bounds(piece)
    long_axis = int(box[3] - box[1] > box[2] - box[0])
    length = float(box[2 + long_axis] - box[long_axis])
    centre = _widest(piece)
    short = float(box[3 - long_axis] - box[1 - long_axis])
    if length < 2.5 * short:
        return (centre,)
    points = [centre]
    for share in (0.2, 0.8):
        low, high = np.array(box[:2]), np.array(box[2:])
        low[long_axis] = box[long_axis] + (share - 0.1) * length
        high[long_axis] = box[long_axis] + (share + 0.1) * length
        parts = shapely.get_parts(shapely.intersection(piece, shapely.box(*low, *high)))
        areas = [part for part in parts if part.geom_type == "Polygon" and part.area > 0]
        if areas:
            points.append(_widest(max(areas, key=lambda part: part.area)))
    return tuple(points)


def _widest(piece: Any) -> tuple[float, float]:
    """Centre of the largest circle within."""
    circle = shapely.maximum_inscribed_circle(piece, tolerance=0.25)
    row, col = shapely.get_coordinates(circle)[0].tolist()
    return row, col
