"""`Registration`: where in a design an image lies, with what tells how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from segsem.core.coordinates import (
    nm_to_rc,
    normal_nm_to_rc,
    normal_rc_to_nm,
    rc_to_nm,
)
from segsem.core.types import FloatArray, PixelSize, PointsRC, PointsXY


class Verdict(StrEnum):
    """How far a registration may be trusted."""

    GOOD = "good"
    AMBIGUOUS = "ambiguous"
    """Another position fits nearly as well: the pattern repeats."""
    UNDETERMINED = "undetermined"
    """Nothing tells the position along one direction: only parallel edges are in view."""
    POOR = "poor"
    """Image and design have too little in common."""


@dataclass(frozen=True, slots=True)
class Place:
    """A similarity from the image's nm frame to the design's.

    ``design = scale * R(rotation) (image - centre) + position``, R turning counter-clockwise.

    Attributes
    ----------
    centre_nm : (float, float)
        Centre of the valid field in the image's nm frame.
    position_nm : (float, float)
        Where that centre lies in the design.
    rotation_deg : float
        By how much the image is turned counter-clockwise to lie on the design.
    scale : float
        By how much it is enlarged; 1 unless a scale was asked for.
    """

    centre_nm: tuple[float, float]
    position_nm: tuple[float, float]
    rotation_deg: float = 0.0
    scale: float = 1.0

    def matrix(self) -> FloatArray:
        """Rotation (2, 2), for points as columns."""
        angle = np.radians(self.rotation_deg)
        return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def to_design(self, points_nm: PointsXY) -> PointsXY:
        """Image nm to design nm, (..., 2)."""
        moved = np.asarray(points_nm, dtype=np.float64) - self.centre_nm
        turned: PointsXY = self.scale * (moved @ self.matrix().T) + self.position_nm
        return turned

    def to_image(self, points_nm: PointsXY) -> PointsXY:
        """Design nm to image nm: the inverse of `to_design`."""
        moved = np.asarray(points_nm, dtype=np.float64) - self.position_nm
        turned: PointsXY = (moved @ self.matrix()) / self.scale + self.centre_nm
        return turned


@dataclass(frozen=True, slots=True)
class Registration:
    """Result of registering one image to a design.

    Attributes
    ----------
    shape : (int, int)
        Stored (H, W) of the image, data bar included.
    pixel_size_nm : (float, float)
        (y, x).
    place : Place
        The similarity.
    verdict : Verdict
        Whether it may be trusted.
    score : float
        Normalised cross-correlation of label image and design at the coarse position.
    second_score : float
        Of the best other position; NaN where there is none.
    second_position_nm : (float, float) or None
        Where that is.
    undetermined_xy : (float, float) or None
        Unit direction in the design along which nothing tells the position.
    residual_rms_nm, residual_rms_px : float
        Of contour points about the design, mean taken off, over the points that were used; NaN
        where nothing was fitted.
    mean_epe_nm : float
        That mean, positive outwards: the fit leaves it free, so that a wafer's bias moves nothing.
    points : int
        Contour points used.
    matched : float
        Share of the design's edge in the field, corners left out, that a contour was found for.
    scale_fitted : bool
        Whether the scale was fitted.
    design_width_nm : float
        Median width of the design's features in the field; NaN where it shows none.
    """

    shape: tuple[int, int]
    pixel_size_nm: PixelSize
    place: Place
    verdict: Verdict
    score: float
    second_score: float
    second_position_nm: tuple[float, float] | None
    undetermined_xy: tuple[float, float] | None
    residual_rms_nm: float
    residual_rms_px: float
    mean_epe_nm: float
    points: int
    matched: float
    scale_fitted: bool
    design_width_nm: float

    @property
    def absorbed_cd_nm(self) -> float:
        """What the fitted scale adds to the CD of a feature of the design's median width."""
        return (self.place.scale - 1.0) * self.design_width_nm

    @property
    def shift_nm(self) -> tuple[float, float]:
        """Position of the field's centre in the design minus that in the image's own frame."""
        (x, y), (x0, y0) = self.place.position_nm, self.place.centre_nm
        return x - x0, y - y0

    def rc_to_design_nm(self, points_rc: PointsRC) -> PointsXY:
        """Image points (row, column) in px to (x, y) in the design, nm."""
        return self.place.to_design(rc_to_nm(points_rc, self.shape[0], self.pixel_size_nm))

    def design_nm_to_rc(self, points_nm: PointsXY) -> PointsRC:
        """Design points (x, y) in nm to (row, column) in px."""
        return nm_to_rc(self.place.to_image(points_nm), self.shape[0], self.pixel_size_nm)

    def normals_to_design(self, normals_rc: PointsRC) -> PointsXY:
        """Unit normals (row, column) of the image to unit normals (x, y) of the design."""
        turned: PointsXY = normal_rc_to_nm(normals_rc, self.pixel_size_nm) @ self.place.matrix().T
        return turned

    def normals_to_rc(self, normals_xy: PointsXY) -> PointsRC:
        """Unit normals (x, y) of the design to unit normals (row, column) of the image."""
        turned = np.asarray(normals_xy, dtype=np.float64) @ self.place.matrix()
        return normal_nm_to_rc(turned, self.pixel_size_nm)
