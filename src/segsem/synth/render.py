"""From curves to the noise-free image: yield, PSF, integration over the pixel.

Nothing here rounds an edge to a grid. The yield is averaged over each subsample in closed form
(the mean of the profile over the subsample's width around its signed distance) instead of being
sampled, so that an edge may lie anywhere in a subsample; the PSF is applied to those means, and
the pixel is the mean of its subsamples.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from segsem.core.types import FloatArray
from segsem.synth.curves import Curve
from segsem.synth.distance import CurveDistance
from segsem.synth.edge_response import EdgeResponse

SUBSAMPLES = 4
"""Per pixel and axis."""

_EXACT_BAND_PX = 2.0
_TABLE_STEP_PX = 1 / 256
_TILTS = 32


@dataclass(frozen=True, slots=True)
class Beam:
    """The point-spread function: a Gaussian, elliptic where the beam is astigmatic.

    Attributes
    ----------
    sigma_px : float
        Standard deviation along the longer axis.
    ratio : float
        Shorter over longer axis, in (0, 1].
    angle_rad : float
        Of the longer axis against the rows' direction (the column axis).
    """

    sigma_px: float
    ratio: float = 1.0
    angle_rad: float = 0.0

    @property
    def reach_px(self) -> int:
        """Pixels beyond which the kernel is cut."""
        return int(np.ceil(4.5 * self.sigma_px)) + 1

    def kernel(self) -> FloatArray:
        """The kernel on the subsample grid, sum 1."""
        reach = self.reach_px * SUBSAMPLES
        col, row = np.meshgrid(*[np.arange(-reach, reach + 1) / SUBSAMPLES] * 2)
        cos, sin = np.cos(self.angle_rad), np.sin(self.angle_rad)
        long = (col * cos + row * sin) / self.sigma_px
        short = (row * cos - col * sin) / (self.sigma_px * self.ratio)
        weight = np.exp(-0.5 * (long**2 + short**2))
        return np.asarray(weight / weight.sum())


def signed_distance(curves: list[Curve], shape: tuple[int, int]) -> FloatArray:
    """Signed distance (H, W) in px at the pixel centres, positive inside the features."""
    rows, cols = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    points = np.stack([rows.ravel(), cols.ravel()], axis=1)
    return CurveDistance(curves)(points).reshape(shape)


def render_yield(
    curves: list[Curve],
    shape: tuple[int, int],
    response: EdgeResponse,
    beam: Beam,
    *,
    feature_is_material: bool = True,
    texture: FloatArray | None = None,
    jitter_px: FloatArray | None = None,
) -> FloatArray:
    """Mean electron yield of every pixel.

    Parameters
    ----------
    curves : list of Curve
        Closed, oriented; they should reach beyond the image by the response's and beam's reach.
    shape : (int, int)
        Image (H, W).
    response : EdgeResponse
        Yield against the distance to the edge, rim on the material's side.
    beam : Beam
        Its sigma should be 0.4 px or more: below, four subsamples do not resolve it.
    feature_is_material : bool
        False where the features are holes or trenches in the material.
    texture : (H, W) array, optional
        Factor on the yield, slowly varying.
    jitter_px : (H,) array, optional
        Displacement along the row of each scan line. It is noise: the truth does not follow it.

    Returns
    -------
    (H, W) float64 array
        In units of one electron yield.
    """
    pad = beam.reach_px
    distance = _subsampled_distance(curves, shape, pad)
    fine = _mean_yield(response, distance, 1.0 if feature_is_material else -1.0)
    if texture is not None:
        padded = np.pad(texture, pad, mode="edge")
        size = (fine.shape[1], fine.shape[0])
        fine *= cv2.resize(padded, size, interpolation=cv2.INTER_LINEAR)
    blurred = cv2.filter2D(fine, -1, beam.kernel(), borderType=cv2.BORDER_REPLICATE)
    if jitter_px is not None:
        blurred = _jittered(blurred, np.pad(jitter_px, pad))
    rows, cols = shape
    cells = blurred.reshape(rows + 2 * pad, SUBSAMPLES, cols + 2 * pad, SUBSAMPLES)
    pixels = cells.mean(axis=(1, 3))
    return np.asarray(pixels[pad:-pad, pad:-pad], dtype=np.float64)


def blurred_profile(response: EdgeResponse, sigma_px: float, distance_px: FloatArray) -> FloatArray:
    """Yield across one straight edge after PSF and pixel, at signed distances (N,)."""
    step = 0.02
    reach = float(np.abs(distance_px).max()) + 6 * sigma_px + 2
    fine_d = np.arange(-reach, reach, step)
    profile = response.mean_over(fine_d, 1.0)
    taps = np.arange(-round(6 * sigma_px / step), round(6 * sigma_px / step) + 1) * step
    weight = np.exp(-0.5 * (taps / sigma_px) ** 2)
    smooth = np.convolve(profile, weight / weight.sum(), mode="same")
    return np.interp(distance_px, fine_d, smooth)


def _subsampled_distance(curves: list[Curve], shape: tuple[int, int], pad: int) -> FloatArray:
    """Signed distance at subsample centres: exact near edges, bilinear away from them."""
    measure = CurveDistance(curves)
    n_rows, n_cols = shape[0] + 2 * pad, shape[1] + 2 * pad
    rows, cols = np.mgrid[:n_rows, :n_cols].astype(np.float64)
    centres = np.stack([rows.ravel() - pad, cols.ravel() - pad], axis=1)
    coarse = measure(centres).reshape(n_rows, n_cols)
    size = (n_cols * SUBSAMPLES, n_rows * SUBSAMPLES)
    fine: FloatArray = np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR))
    near = np.abs(fine) < _EXACT_BAND_PX
    at = np.argwhere(near)
    fine[near] = measure((at + 0.5) / SUBSAMPLES - 0.5 - pad)
    return fine


def _mean_yield(response: EdgeResponse, distance_px: FloatArray, sign: float) -> FloatArray:
    """Mean yield of every subsample; `sign` turns the features' distance into the material's."""
    reach = min(float(np.abs(distance_px).max()), response.reach_px) + 1
    at = np.arange(-reach, reach, _TABLE_STEP_PX)
    mean = np.interp(sign * distance_px, at, response.mean_over(at, 1 / SUBSAMPLES))
    near = np.abs(distance_px) < _EXACT_BAND_PX
    slope_row = np.abs(np.gradient(distance_px, axis=0)[near])
    slope_col = np.abs(np.gradient(distance_px, axis=1)[near])
    tilt = np.arctan2(np.minimum(slope_row, slope_col), np.maximum(slope_row, slope_col))
    mean[near] = _tilted_mean(response, sign * distance_px[near], tilt)
    return mean


def _tilted_mean(response: EdgeResponse, distance_px: FloatArray, tilt: FloatArray) -> FloatArray:
    """Mean over a square subsample by distance and the normal's angle to the grid (0 to pi/4).

    The square's projection on the normal is a trapezoid: two boxes convolved, the wider one in
    closed form. A box of fixed width instead would beat with the grid on a diagonal edge, which
    meets all its subsamples in the same phase (0.02 px).
    """
    side = 1 / SUBSAMPLES
    at = np.arange(-_EXACT_BAND_PX - side, _EXACT_BAND_PX + side, _TABLE_STEP_PX)
    quadrature = (np.arange(16) + 0.5) / 16 - 0.5
    bins = np.rint(tilt / (np.pi / 4) * _TILTS).astype(np.intp)
    mean = np.empty_like(distance_px)
    for index in range(_TILTS + 1):
        angle = index / _TILTS * np.pi / 4
        wide, narrow = side * np.cos(angle), side * np.sin(angle)
        table = response.mean_over(at[:, None] + quadrature * narrow, wide).mean(axis=1)
        chosen = bins == index
        mean[chosen] = np.interp(distance_px[chosen], at, table)
    return mean


def _jittered(image: FloatArray, jitter_px: FloatArray) -> FloatArray:
    rows, cols = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    shift = np.repeat(jitter_px, SUBSAMPLES) * SUBSAMPLES
    at = (cols + shift[:, None]).astype(np.float32)
    moved = cv2.remap(image, at, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved)
