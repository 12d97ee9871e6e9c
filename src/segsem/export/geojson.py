"""Regions as GeoJSON: polygons with their holes, open contours as lines, in nm with y up."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from segsem.core.contour import Contour, Region
from segsem.core.coordinates import rc_to_nm
from segsem.core.extraction import Extraction
from segsem.core.files import atomic_path
from segsem.core.types import PointsXY
from segsem.export.selection import check_pixel_size
from segsem.layout.registration import Place

_DECIMALS = 4


def write_geojson(
    path: Path, extractions: Iterable[Extraction], places: Mapping[str, Place]
) -> None:
    """Write all regions as features of one collection.

    A region of several pieces is several features with one `region_id`. Coordinates are nm, not
    degrees, which `crs_note` says: the format has no word for them.

    Raises
    ------
    CalibrationError
        If a pixel size is unknown.
    ExportError
        If the file cannot be written.
    """
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as out:
        out.write('{"type":"FeatureCollection","crs_note":"x, y in nm, y up","features":[')
        separator = "\n"
        for feature in _features(extractions, places):
            out.write(separator + json.dumps(feature, separators=(",", ":"), ensure_ascii=False))
            separator = ",\n"
        out.write("\n]}\n")


def _features(
    extractions: Iterable[Extraction], places: Mapping[str, Place]
) -> Iterator[dict[str, Any]]:
    for extraction in extractions:
        check_pixel_size(extraction.image_id, extraction.pixel_size_nm)
        place = places.get(extraction.image_id)
        for region in extraction.regions:
            properties = _properties(extraction, region, place)
            for geometry in _geometries(extraction, region, place):
                yield {"type": "Feature", "properties": properties, "geometry": geometry}


def _properties(extraction: Extraction, region: Region, place: Place | None) -> dict[str, Any]:
    confidence = float(region.confidence)
    return {
        "image_id": extraction.image_id,
        "region_id": region.region_id,
        "source": region.source.value,
        "confidence": round(confidence, 4) if np.isfinite(confidence) else None,
        "status": region.status.value,
        "frame": "image" if place is None else "design",
    }


def _geometries(
    extraction: Extraction, region: Region, place: Place | None
) -> Iterator[dict[str, Any]]:
    rings = [c for c in region.contours if c.closed and len(c) >= 3]
    holes = [c for c in rings if c.is_hole]
    outers = [c for c in rings if not c.is_hole]
    taken: set[int] = set()
    for outer in outers:
        area = shapely.polygons(outer.vertices_rc)
        own = [
            hole
            for hole in holes
            if hole.contour_id not in taken and area.covers(shapely.points(hole.vertices_rc[0]))
        ]
        taken |= {hole.contour_id for hole in own}
        coordinates = [_ring(extraction, contour, place) for contour in (outer, *own)]
        yield {"type": "Polygon", "coordinates": coordinates}
    # The border cuts an outline into lines; a hole in it has no polygon to lie in.
    lines = [c for c in region.contours if not c.closed and len(c) >= 2]
    if lines:
        coordinates = [_points(extraction, line, place).tolist() for line in lines]
        yield {"type": "MultiLineString", "coordinates": coordinates}
    for hole in holes:
        if hole.contour_id not in taken:
            ring = _ring(extraction, hole, place)
            yield {"type": "MultiLineString", "coordinates": [ring]}


def _ring(extraction: Extraction, contour: Contour, place: Place | None) -> list[list[float]]:
    points: list[list[float]] = _points(extraction, contour, place).tolist()
    return [*points, points[0]]


def _points(extraction: Extraction, contour: Contour, place: Place | None) -> PointsXY:
    size = check_pixel_size(extraction.image_id, extraction.pixel_size_nm)
    points = rc_to_nm(contour.vertices_rc, extraction.shape[0], size)
    if place is not None:
        points = place.to_design(points)
    rounded: PointsXY = np.round(points, _DECIMALS) + 0.0
    return rounded
