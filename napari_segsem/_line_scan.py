"""The line scan across the edge that is nearest to the mouse, with the edge that was placed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates
from scipy.spatial import KDTree

from napari_segsem._document import Document
from napari_segsem._review import Review
from segsem.core.contour import SOURCE_CODES, Source

Values = npt.NDArray[np.float64]

HALF_LENGTH_PX = 12.0
STEP_PX = 0.25
REACH_PX = 10.0
"""From further away than this no edge is meant."""


@dataclass(frozen=True, slots=True)
class LineScan:
    """Grey values along the normal of a contour point.

    Attributes
    ----------
    at_px : (N,) array
        Positions along the normal, from feature to background; the placed edge is at 0.
    grey : (N,) array
        Grey values of the normalised image (0-255); NaN outside the image.
    raw_px : float
        Where segmentation had the edge, before the image placed it.
    sigma_px : float
        Standard error of the placement; NaN where the image did not place it.
    confidence : float
    source : Source
    nm_per_px : float or None
        Along the normal; None where the pixel size is unknown.
    """

    at_px: Values
    grey: Values
    raw_px: float
    sigma_px: float
    confidence: float
    source: Source
    nm_per_px: float | None

    @property
    def text(self) -> str:
        """What was placed, how precisely, and how sure it is."""
        factor, unit = (1.0, "px") if self.nm_per_px is None else (self.nm_per_px, "nm")
        sigma = "not placed by the image"
        if np.isfinite(self.sigma_px):
            sigma = f"sigma {self.sigma_px * factor:.2f} {unit}"
        return f"Edge: {sigma}, confidence {self.confidence:.2f}, {self.source.value}"


class ScanFinder:
    """Finds the contour point next to a position of an image under review."""

    def __init__(self) -> None:
        self._made_for: tuple[Review, int] | None = None
        self._tree: KDTree | None = None

    def at(self, document: Document, review: Review, position_rc: npt.ArrayLike) -> LineScan | None:
        """Give the line scan through the nearest contour point; None where none is near.

        Parameters
        ----------
        document : Document
            The image.
        review : Review
            Of the same image.
        position_rc : (2,) array
            (row, column) in px.
        """
        if self._made_for != (review, review.lot.version):
            self._collect(review)
        if self._tree is None:
            return None
        distance, index = self._tree.query(np.asarray(position_rc, float))
        if not distance <= REACH_PX:
            return None
        point, normal = self._points[index], self._normals[index]
        at_px = np.arange(-HALF_LENGTH_PX, HALF_LENGTH_PX + STEP_PX / 2, STEP_PX)
        places = point[:, None] + normal[:, None] * at_px
        grey = map_coordinates(
            document.grey, places, output=np.float64, order=1, cval=np.nan, mode="constant"
        )
        size = document.image.pixel_size_nm
        return LineScan(
            at_px=at_px,
            grey=grey,
            raw_px=float((self._raw[index] - point) @ normal),
            sigma_px=float(self._sigma[index]),
            confidence=float(self._confidence[index]),
            source=SOURCE_CODES[int(self._codes[index])],
            nm_per_px=None if size is None else float(np.hypot(*(normal * np.asarray(size)))),
        )

    def _collect(self, review: Review) -> None:
        self._made_for = (review, review.lot.version)
        contours = [c for region in review.extraction.regions for c in region.contours if len(c)]
        if not contours:
            self._tree = None
            return
        self._points = np.concatenate([c.vertices_rc for c in contours])
        self._raw = np.concatenate([c.raw_vertices_rc for c in contours])
        self._normals = np.concatenate([c.normals_rc for c in contours])
        self._sigma = np.concatenate([c.sigma_px for c in contours])
        self._confidence = np.concatenate([c.confidence for c in contours])
        self._codes = np.concatenate([c.source_code for c in contours])
        self._tree = KDTree(self._points)
