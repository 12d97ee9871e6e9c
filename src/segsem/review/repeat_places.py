"""Where a region of one image lies in a repeat of it, and which region of the repeat it is there.

Two images that lie on the same design are laid on each other through it. Without that the same
row and column is taken, stage errors included; which of the two was used is always told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from segsem.core.types import LabelArray, MaskArray, PointsRC
from segsem.layout.registration import Registration

LEAST_SHARE = 0.25
"""A region that shares less than this of the smaller of both areas is another feature."""

LEAST_INSIDE = 0.5
"""Where less of the region would lie in the repeat's field, it is not missing but out of sight."""


class Way(StrEnum):
    """How a place was found again; the value is what a reviewer reads."""

    DESIGN = "by the design"
    POSITION = "by image position"


class Presence(StrEnum):
    """Whether the region is in a repeat; the value is what a reviewer reads."""

    FOUND = "found"
    MISSING = "missing here"
    OUTSIDE = "outside this image"


@dataclass(frozen=True, slots=True)
class DesignPlace:
    """Where an image lies in a design.

    Attributes
    ----------
    design : tuple of str
        Tells the design: hash of the file, cell and layer.
    registration : Registration
        One that is to be relied on.
    """

    design: tuple[str, ...]
    registration: Registration


@dataclass(frozen=True, slots=True)
class PlaceMap:
    """From one image to another.

    Attributes
    ----------
    way : Way
        How they are laid on each other.
    shown, other : Registration or None
        Of both images to one design; None where the same row and column is taken.
    """

    way: Way
    shown: Registration | None = None
    other: Registration | None = None

    def to_other(self, points_rc: PointsRC) -> PointsRC:
        """Points (..., 2) of the shown image, (row, column) in px, to those of the other."""
        if self.shown is None or self.other is None:
            return np.array(points_rc, dtype=np.float64)
        return self.other.design_nm_to_rc(self.shown.rc_to_design_nm(points_rc))


BY_POSITION = PlaceMap(Way.POSITION)


def map_places(shown: Sequence[DesignPlace], other: Sequence[DesignPlace]) -> PlaceMap:
    """Lay two images on each other.

    Parameters
    ----------
    shown, other : sequence of DesignPlace
        Where each lies in designs, the one to be preferred first; empty where in none.
    """
    for one in shown:
        for two in other:
            if one.design == two.design:
                return PlaceMap(Way.DESIGN, one.registration, two.registration)
    return BY_POSITION


@dataclass(frozen=True, slots=True)
class RegionMatch:
    """A region found again.

    Attributes
    ----------
    presence : Presence
    region_id : int or None
        The region of the repeat; None where it has none there.
    overlap : float
        Area that both share over the area of both together (IoU), in [0, 1].
    centre_rc : (float, float)
        Where the middle of the region's box lies in the repeat, px.
    """

    presence: Presence
    region_id: int | None
    overlap: float
    centre_rc: tuple[float, float]


def match_region(
    offset_rc: tuple[int, int],
    mask: MaskArray,
    place_map: PlaceMap,
    labels: LabelArray,
    valid_rows: tuple[int, int],
) -> RegionMatch:
    """Find a region again in a repeat: the region there that overlaps it best.

    Parameters
    ----------
    offset_rc : (int, int)
        Row and column of ``mask[0, 0]`` in the shown image.
    mask : (h, w) bool array
        The region.
    place_map : PlaceMap
        From the shown image to the repeat.
    labels : (H, W) int32 array
        Region ids of the repeat, 0 being background.
    valid_rows : (int, int)
        Half-open range of the repeat's rows that are image and not data bar.
    """
    offset = np.asarray(offset_rc, dtype=np.float64)
    middle = offset + (np.array(mask.shape) - 1) / 2
    centre = place_map.to_other(middle)
    centre_rc = float(centre[0]), float(centre[1])
    pixels_rc = np.rint(place_map.to_other(np.argwhere(mask) + offset)).astype(np.int64)
    rows, cols = pixels_rc.T
    inside = (rows >= valid_rows[0]) & (rows < valid_rows[1])
    inside &= (cols >= 0) & (cols < labels.shape[1])
    under = labels[rows[inside], cols[inside]]
    found, shared = np.unique(under[under > 0], return_counts=True)
    best, overlap = None, 0.0
    for region_id, common in zip(found.tolist(), shared.tolist(), strict=True):
        area = int(np.count_nonzero(labels == region_id))
        iou = common / (len(under) + area - common)
        if common >= LEAST_SHARE * min(len(under), area) and iou > overlap:
            best, overlap = region_id, iou
    if best is not None:
        return RegionMatch(Presence.FOUND, best, overlap, centre_rc)
    is_seen = len(under) >= LEAST_INSIDE * max(1, len(rows))
    return RegionMatch(Presence.MISSING if is_seen else Presence.OUTSIDE, None, 0.0, centre_rc)
