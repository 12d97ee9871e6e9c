"""One image as the polygons and paths of one layout cell, in whole database units."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segsem.core.contour import SOURCE_CODES, Contour, Region, Source
from segsem.core.coordinates import box_outline_rc, rc_to_nm
from segsem.core.exceptions import ExportError
from segsem.core.extraction import Extraction
from segsem.core.types import PixelSize, PointsRC
from segsem.export.layer_map import (
    FIELD_OF_VIEW,
    NEEDS_HUMAN,
    SAUVOLA_STRETCH,
    VALID_REGION,
    LayerDatatype,
    LayerMap,
    contour_name,
)
from segsem.export.selection import check_pixel_size, is_undecided
from segsem.layout.registration import Place

PointsDbu = npt.NDArray[np.int64]
"""(N, 2) points as (x, y) in database units, y up."""

_HIGHEST_COORDINATE = 2**31 - 1
_NAME_LENGTH = 32
_HASH_LENGTH = 8
_SAUVOLA_CODE = SOURCE_CODES.index(Source.SAUVOLA)


@dataclass(frozen=True, slots=True)
class Shape:
    """A polygon (first vertex not repeated) or an open path of no width."""

    layer: LayerDatatype
    points: PointsDbu
    is_path: bool


@dataclass(frozen=True, slots=True)
class CellGeometry:
    """All shapes of one image.

    Attributes
    ----------
    name : str
        Cell name.
    image_id : str
        The image.
    shapes : tuple of Shape
        In a fixed order.
    """

    name: str
    image_id: str
    shapes: tuple[Shape, ...]

    @property
    def n_vertices(self) -> int:
        """Number of vertices of all shapes."""
        return sum(len(shape.points) for shape in self.shapes)


def cell_name(image_id: str) -> str:
    """Make a cell name of at most 32 characters that every GDSII reader accepts.

    The hash keeps ids apart that differ only in what had to be replaced or cut.
    """
    legal = re.sub(r"[^A-Za-z0-9_$]", "_", image_id)[: _NAME_LENGTH - _HASH_LENGTH - 1]
    digest = hashlib.sha256(image_id.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{legal}_{digest[:_HASH_LENGTH]}"


def build_cell(
    extraction: Extraction, layer_map: LayerMap, dbu_nm: float, place: Place | None = None
) -> CellGeometry:
    """Turn an extraction into a cell.

    Parameters
    ----------
    extraction : Extraction
        With a known pixel size; all of its regions are taken.
    layer_map : LayerMap
        Layers and datatypes.
    dbu_nm : float
        Database unit in nm.
    place : Place, optional
        Where in a design the image lies: the cell is in the design's coordinates then.

    Returns
    -------
    CellGeometry
        The field of view, the valid region, then region by region its contours.

    Raises
    ------
    CalibrationError
        If the pixel size is unknown.
    ExportError
        If a contour does not fit into 32-bit coordinates, or is too small for the database unit.
    """
    pixel_size_nm = check_pixel_size(extraction.image_id, extraction.pixel_size_nm)
    builder = _CellBuilder(extraction, pixel_size_nm, layer_map, dbu_nm, place)
    return CellGeometry(cell_name(extraction.image_id), extraction.image_id, builder.shapes())


class _CellBuilder:
    def __init__(
        self,
        extraction: Extraction,
        pixel_size_nm: PixelSize,
        layer_map: LayerMap,
        dbu_nm: float,
        place: Place | None,
    ) -> None:
        self._extraction = extraction
        self._pixel_size_nm = pixel_size_nm
        self._layers = layer_map
        self._dbu_nm = dbu_nm
        self._place = place

    def shapes(self) -> tuple[Shape, ...]:
        height, width = self._extraction.shape
        top, bottom = self._extraction.valid_rows
        field = box_outline_rc((0, 0, height, width))
        valid = box_outline_rc((top, 0, bottom, width))
        shapes = [
            Shape(self._layers[FIELD_OF_VIEW], self._to_dbu(field, True), False),
            Shape(self._layers[VALID_REGION], self._to_dbu(valid, True), False),
        ]
        for region in self._extraction.regions:
            for contour in region.contours:
                shapes += self._contour_shapes(region, contour)
        return tuple(shapes)

    def _contour_shapes(self, region: Region, contour: Contour) -> list[Shape]:
        least = 3 if contour.closed else 2
        if len(contour) < least:
            return []
        points = self._to_dbu(contour.vertices_rc, contour.closed)
        if len(points) < least:
            msg = (
                f"Contour {contour.contour_id} of {self._extraction.image_id} collapses at a "
                f"database unit of {self._dbu_nm:g} nm: choose a smaller one"
            )
            raise ExportError(msg)
        source = contour_source(contour)
        kind = "open" if not contour.closed else "hole" if contour.is_hole else "outer"
        layers = [self._layers[contour_name(kind, source)]]
        if is_undecided(region):
            layers.append(self._layers[NEEDS_HUMAN])
        shapes = [Shape(layer, points, not contour.closed) for layer in layers]
        if source is Source.MIXED:
            layer = self._layers[SAUVOLA_STRETCH]
            for stretch in sauvola_stretches(contour):
                path = self._to_dbu(stretch, closed=False)
                if len(path) >= 2:
                    shapes.append(Shape(layer, path, True))
        return shapes

    def _to_dbu(self, points_rc: PointsRC, closed: bool) -> PointsDbu:
        extraction = self._extraction
        points_nm = rc_to_nm(points_rc, extraction.shape[0], self._pixel_size_nm)
        if self._place is not None:
            points_nm = self._place.to_design(points_nm)
        scaled = np.rint(points_nm / self._dbu_nm)
        # Written so that NaN is refused too.
        if not np.all(np.abs(scaled) <= _HIGHEST_COORDINATE):
            msg = (
                f"Expected coordinates of {extraction.image_id} within 2^31-1 database units of "
                f"{self._dbu_nm:g} nm, but they are beyond (or not numbers): choose a larger "
                "database unit, and check the pixel size"
            )
            raise ExportError(msg)
        return _without_repeats(scaled.astype(np.int64), closed)


def contour_source(contour: Contour) -> Source:
    """Which method a contour stands on: `mixed` where its points differ."""
    codes = np.unique(contour.source_code)
    return SOURCE_CODES[int(codes[0])] if len(codes) == 1 else Source.MIXED


def sauvola_stretches(contour: Contour) -> list[PointsRC]:
    """Find the parts of a contour that stand on Sauvola.

    A segment belongs to a part if one of its ends does, so that a single point shows too.

    Returns
    -------
    list of (K, 2) arrays
        Open polylines, K >= 2; round the whole contour, the first vertex is repeated.
    """
    is_sauvola = contour.source_code == _SAUVOLA_CODE
    n_points = len(contour)
    n_segments = n_points if contour.closed else n_points - 1
    index = np.arange(n_segments)
    touched = is_sauvola[index] | is_sauvola[(index + 1) % n_points]
    if n_segments < 1 or not touched.any():
        return []
    first = 0
    if contour.closed and not touched.all():
        # Begin in a gap, so that no part is cut by the array's end.
        first = int(np.flatnonzero(~touched)[0])
    order = (index + first) % n_segments
    edges = np.diff(np.concatenate([[0], touched[order].astype(np.int8), [0]]))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [
        contour.vertices_rc[(np.arange(start, stop + 1) + first) % n_points]
        for start, stop in zip(starts, stops, strict=True)
    ]


def _without_repeats(points: PointsDbu, closed: bool) -> PointsDbu:
    keep = np.ones(len(points), dtype=bool)
    keep[1:] = np.any(points[1:] != points[:-1], axis=1)
    points = points[keep]
    if closed and len(points) > 1 and np.array_equal(points[0], points[-1]):
        points = points[:-1]
    return points
