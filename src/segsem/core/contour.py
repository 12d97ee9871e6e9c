"""`Contour` and `Region`: what an image's features are, where they come from, how sure we are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntFlag, StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from segsem.core.types import FloatArray, MaskArray, PointsRC


class Source(StrEnum):
    """Which method a region or a contour point stands on."""

    SAM2 = "sam2"
    SAUVOLA = "sauvola"
    MANUAL = "manual"
    MIXED = "mixed"


SOURCE_CODES: tuple[Source, ...] = (Source.SAM2, Source.SAUVOLA, Source.MANUAL, Source.MIXED)
"""The position of a source in this tuple is its code in `Contour.source_code`, in the GDS
datatype and in every file."""


PACKED_FROM_PX = 1 << 20
"""Masks of that many pixels are kept as bits."""


class ReviewStatus(StrEnum):
    """What a person decided about a region."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    CORRECTED = "corrected"
    REJECTED = "rejected"


def against_design(flags: Sequence[str]) -> str:
    """Say what is wrong with a region against its design; empty where nothing is."""
    return f"{', '.join(flags)} against the design" if flags else ""


class PointFlag(IntFlag):
    """What is special about one contour point."""

    NONE = 0
    BORDER = 1
    CORNER = 2
    LOW_SLOPE = 4
    OUTLIER = 8


@dataclass(frozen=True, slots=True)
class Contour:
    """One edge of a region, with its evidence point by point.

    Vertices run so that the feature lies on the left as seen in the layout frame (y up): outer
    contours counter-clockwise, holes clockwise. A closed contour does not repeat its first
    vertex. A contour is open where the field of view cuts it, never closed along the border.

    Attributes
    ----------
    contour_id : int
        Unique in the image.
    vertices_rc : (K, 2) float64
        Placed vertices, (row, column) in px.
    raw_vertices_rc : (K, 2) float64
        The same vertices before the image placed them.
    normals_rc : (K, 2) float64
        Unit normals from feature to background, (row, column).
    closed, is_hole : bool
        Whether the contour is closed; whether it bounds a hole.
    sigma_px : (K,) float64
        Standard error of the placement along the normal; NaN where the image did not place it.
    slope : (K,) float64
        Edge slope along the normal at the edge, grey levels of the normalised image (0-255)
        per px, positive where the feature is the brighter side.
    contrast : (K,) float64
        Rim peak (or plateau) minus background along the normal, grey levels (0-255).
    confidence : (K,) float64
        Calibrated probability in [0, 1] that the edge is right here.
    source_code : (K,) uint8
        Index into `SOURCE_CODES`.
    flags : (K,) uint8
        `PointFlag` bits.
    unsmoothed_px : (K,) float64, optional
        Where the image puts the edge of each profile alone, along the normal from the vertex:
        what roughness is measured from. NaN where it shows none; None where the edge method
        keeps it not.
    offset_nm : (K,) float64, optional
        By how much a calibrated offset moved the vertices along the normal, outwards positive;
        None where none was applied.

    Raises
    ------
    ValueError
        If an array has not the shape above.
    """

    contour_id: int
    vertices_rc: PointsRC
    raw_vertices_rc: PointsRC
    normals_rc: PointsRC
    closed: bool
    is_hole: bool
    sigma_px: FloatArray
    slope: FloatArray
    contrast: FloatArray
    confidence: FloatArray
    source_code: npt.NDArray[np.uint8]
    flags: npt.NDArray[np.uint8]
    unsmoothed_px: FloatArray | None = None
    offset_nm: FloatArray | None = None

    def __post_init__(self) -> None:
        n_points = len(self.vertices_rc)
        for name in ("unsmoothed_px", "offset_nm"):
            if getattr(self, name) is not None:
                _check_shape(name, getattr(self, name), (n_points,))
        for name in ("vertices_rc", "raw_vertices_rc", "normals_rc"):
            _check_shape(name, getattr(self, name), (n_points, 2))
        for name in ("sigma_px", "slope", "contrast", "confidence", "source_code", "flags"):
            _check_shape(name, getattr(self, name), (n_points,))

    def __len__(self) -> int:
        return len(self.vertices_rc)


@dataclass(frozen=True)
class Region:
    """One object of an image.

    Attributes
    ----------
    region_id : int
        Its label in `labels.tif`, from 1.
    offset_rc : (int, int)
        Row and column of `mask[0, 0]` in the image.
    mask : (h, w) bool
        The object, cropped to its bounding box; to be read only.
    contours : tuple of Contour
        Outer contours first, then holes.
    source : Source
        `mixed` where some stretches stand on another method than the rest.
    confidence : float
        Probability in [0, 1] that the region's edge is right (DESIGN: 95 % of its points within
        1.5 px of the truth).
    fallback_reason : str or None
        Why SAM2 does not stand here (wholly or in part); None where it does.
    needs_human : bool
        Neither method was good enough: blocks export until a person decides.
    status : ReviewStatus
        The person's decision.
    evidence : dict
        The figures that the confidence was built from, by name.
    prompts : dict
        What SAM2 was asked with, as plain JSON values.
    flags : tuple of str
        What is wrong with it against the design: `extra`, `bridged`, `broken`.
    """

    region_id: int
    offset_rc: tuple[int, int]
    mask: MaskArray
    contours: tuple[Contour, ...]
    source: Source
    confidence: float
    fallback_reason: str | None = None
    needs_human: bool = False
    status: ReviewStatus = ReviewStatus.PENDING
    evidence: dict[str, float] = field(default_factory=dict)
    prompts: dict[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        mask = self.mask
        if mask.ndim != 2 or mask.dtype != np.bool_:
            msg = (
                f"Expected `mask` to be a (h, w) bool array, but got "
                f"shape {mask.shape}, dtype {mask.dtype}"
            )
            raise ValueError(msg)

    @property
    def area_px(self) -> int:
        """Number of pixels of the mask."""
        return int(np.count_nonzero(self.mask))

    @property
    def bbox_rc(self) -> tuple[int, int, int, int]:
        """Half-open bounding box (r0, c0, r1, c1) of the stored mask."""
        row, col = self.offset_rc
        kept = vars(self)["_mask"]
        height, width = kept.shape if isinstance(kept, np.ndarray) else kept[0]
        return row, col, row + height, col + width


class _MaskField:
    """A field that keeps large masks as bits: that of a slanted line is mostly empty.

    The array is made anew each time it is read then; what is written into it is lost.
    """

    def __get__(self, region: Region | None, owner: type[Region] | None = None) -> MaskArray:
        if region is None:
            msg = "`mask` belongs to a region, not to the class"
            raise AttributeError(msg)
        kept = vars(region)["_mask"]
        if isinstance(kept, np.ndarray):
            return kept
        shape, bits = kept
        return np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape).view(np.bool_)

    def __set__(self, region: Region, mask: MaskArray) -> None:
        if mask.dtype == np.bool_ and mask.ndim == 2 and mask.size >= PACKED_FROM_PX:
            vars(region)["_mask"] = (mask.shape, np.packbits(mask))
        else:
            vars(region)["_mask"] = mask


# Set afterwards, a descriptor is no default of the field.
setattr(Region, "mask", _MaskField())  # noqa: B010


def _check_shape(name: str, array: npt.NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        msg = f"Expected `{name}` to have shape {shape}, but got {array.shape}"
        raise ValueError(msg)
