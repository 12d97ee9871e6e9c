"""`MeasuredImage`: the contours of one image that may be measured, and where they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segsem.core.contour import Contour, Region, ReviewStatus
from segsem.core.coordinates import nm_per_px_along
from segsem.core.exceptions import CalibrationError
from segsem.core.extraction import Extraction
from segsem.core.types import FloatArray, LabelArray, PixelSize, PointsRC
from segsem.metrics.normal_epe import Cuts, Segments, cut_rays, segments_of
from segsem.metrics.polyline import IntArray, Polyline


@dataclass(frozen=True, slots=True)
class MeasuredImage:
    """What of an extraction is measured.

    Regions that a person rejected, or that still need one, are left out.

    Attributes
    ----------
    extraction : Extraction
        The image's result.
    pixel_size_nm : (float, float)
        (y, x).
    regions : tuple of Region
        What is measured.
    contours : tuple of Contour
        Their contours of two points and more.
    region_of : (C,) int array
        Index into `regions` of each contour.
    segments : Segments
        Of all contours; `segments.line` counts as `contours` does.
    left_out : int
        Regions that are not measured.
    """

    extraction: Extraction
    pixel_size_nm: PixelSize
    regions: tuple[Region, ...]
    contours: tuple[Contour, ...]
    region_of: IntArray
    segments: Segments
    left_out: int

    @classmethod
    def of(cls, extraction: Extraction) -> MeasuredImage:
        """Take what may be measured.

        Raises
        ------
        CalibrationError
            If the pixel size is unknown.
        """
        if extraction.pixel_size_nm is None:
            msg = (
                f"{extraction.image_id}: expected a pixel size to measure in nm, but none is known:"
                " extract the image again with --pixel-size NM"
            )
            raise CalibrationError(msg)
        regions = tuple(region for region in extraction.regions if _counts(region))
        pairs = [
            (number, contour)
            for number, region in enumerate(regions)
            for contour in region.contours
            if len(contour) >= 2
        ]
        contours = tuple(contour for _, contour in pairs)
        return cls(
            extraction,
            extraction.pixel_size_nm,
            regions,
            contours,
            np.array([number for number, _ in pairs], dtype=np.int64),
            segments_of([Polyline.from_contour(contour) for contour in contours]),
            len(extraction.regions) - len(regions),
        )

    def cuts(self, start_rc: PointsRC, end_rc: PointsRC, normals_rc: PointsRC) -> Cuts:
        """Cuts of rays with edges whose normal goes along with the one given."""
        return cut_rays(start_rc, end_rc, self.segments, normals_rc)

    def sigma_nm(self, segment: IntArray) -> FloatArray:
        """Standard error along the normal at segments; NaN where the image did not place it."""
        sigma = np.full(len(segment), np.nan)
        for number in np.unique(self.segments.line[segment]).tolist():
            own = self.segments.line[segment] == number
            contour = self.contours[number]
            vertex = self.segments.vertex[segment[own]]
            scale = nm_per_px_along(contour.normals_rc[vertex], self.pixel_size_nm)
            sigma[own] = contour.sigma_px[vertex] * scale
        return sigma

    def labels(self) -> LabelArray:
        """Label image of what is measured, by region id."""
        labels = np.zeros(self.extraction.shape, dtype=np.int32)
        for region in self.regions:
            row0, col0, row1, col1 = region.bbox_rc
            labels[row0:row1, col0:col1][region.mask] = region.region_id
        return labels

    def edge_definition(self) -> dict[str, str]:
        """Return how edges were placed, as the result says it."""
        params = self.extraction.provenance.get("params")
        edge = params.get("edge") if isinstance(params, dict) else None
        edge = edge if isinstance(edge, dict) else {}
        return {name: str(edge.get(name, "unknown")) for name in ("edge_method", "edge_side")}


def _counts(region: Region) -> bool:
    if region.status is ReviewStatus.REJECTED:
        return False
    return not region.needs_human or region.status is not ReviewStatus.PENDING
