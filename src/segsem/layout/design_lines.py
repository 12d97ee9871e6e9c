"""A registered design as lines in its image, for whoever draws them."""

from __future__ import annotations

import shapely

from segsem.core.coordinates import box_outline_rc
from segsem.core.types import PointsRC
from segsem.layout.design import Design
from segsem.layout.registration import Registration


def design_lines(design: Design, registration: Registration) -> list[PointsRC]:
    """Outlines of the features in the image's field, cut where they leave it.

    Parameters
    ----------
    design : Design
        The features.
    registration : Registration
        Where the image lies.

    Returns
    -------
    list of (K, 2) arrays
        (row, column) in px; closed outlines repeat their first point.
    """
    height, width = registration.shape
    outline = box_outline_rc((0, 0, height, width))
    corners = registration.rc_to_design_nm(outline)
    low, high = corners.min(axis=0), corners.max(axis=0)
    near = design.near((float(low[0]), float(low[1]), float(high[0]), float(high[1])))
    if near is None:
        return []
    edges = shapely.transform(near.area.boundary, registration.design_nm_to_rc)
    inside = shapely.line_merge(shapely.intersection(edges, shapely.polygons(outline)))
    parts = shapely.get_parts(inside)
    return [shapely.get_coordinates(part) for part in parts if part.geom_type == "LineString"]
