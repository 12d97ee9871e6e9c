"""Which features of the design are missing, broken or bridged, and what is there besides."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from segsem.core.types import LabelArray, PointsXY
from segsem.layout.design import Design
from segsem.layout.raster import design_labels
from segsem.layout.registration import Registration
from segsem.metrics.topology import TopologyReport, match_regions
from segsem.metrology.measured import MeasuredImage


class Fault(StrEnum):
    """What is wrong."""

    MISSING = "missing"
    EXTRA = "extra"
    BROKEN = "broken"
    BRIDGED = "bridged"


@dataclass(frozen=True, slots=True)
class TopologyFault:
    """One fault.

    Attributes
    ----------
    fault : Fault
        `missing` and `broken` name a feature of the design, `extra` and `bridged` a region of
        the image.
    number : int
        Feature (from 1, in the design's order) or region id.
    centre_nm : (float, float)
        In the design's frame.
    area_nm2 : float
        Of the feature in the field, or of the region.
    """

    fault: Fault
    number: int
    centre_nm: tuple[float, float]
    area_nm2: float


def check_topology(
    image: MeasuredImage, registration: Registration, design: Design, least_area_px: int
) -> list[TopologyFault]:
    """Compare the regions of an image with the features of its registered design.

    Parameters
    ----------
    image : MeasuredImage
        The regions.
    registration : Registration
        Where the image lies.
    design : Design
        The features.
    least_area_px : int
        Features of which less lies in the field may be found or not.
    """
    top, bottom = image.extraction.valid_rows
    drawn = design_labels(design, registration)
    drawn[:top] = drawn[bottom:] = 0
    found = image.labels()
    report = match_regions(found, drawn, min_area_px=least_area_px)
    return _faults(report, found, drawn, registration)


def _faults(
    report: TopologyReport, found: LabelArray, drawn: LabelArray, registration: Registration
) -> list[TopologyFault]:
    listed = (
        (Fault.MISSING, report.missing, drawn),
        (Fault.BROKEN, report.split, drawn),
        (Fault.BRIDGED, report.merged, found),
        (Fault.EXTRA, report.extra, found),
    )
    pixel_y, pixel_x = registration.pixel_size_nm
    faults = []
    for fault, numbers, labels in listed:
        for number in numbers:
            rows, cols = np.nonzero(labels == number)
            middle = np.array([[rows.mean(), cols.mean()]])
            centre: PointsXY = registration.rc_to_design_nm(middle)
            place = (float(centre[0, 0]), float(centre[0, 1]))
            area = len(rows) * pixel_y * pixel_x * registration.place.scale**2
            faults.append(TopologyFault(fault, number, place, area))
    return faults
