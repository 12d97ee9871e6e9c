"""The model of an edge: two plateaus, a rim, a shadow, one blur.

Distances run as profiles do: material at the left (negative), background at the right, the edge
at 0. Before the blur the grey value is ``material + rim * exp(d / rim_px)`` left of the edge and
``background - shadow * exp(-d / shadow_px)`` right of it, after C. Mack and B. Bunday, "Analytical
linescan model for SEM metrology", Proc. SPIE 9424 (2015); the blur is a Gaussian, under which all
parts keep a closed form. How far the rim reaches in from the edge and how much the beam blurs it
are told apart, so that the edge stays where the material ends however blurred the image is. A
percentage of the local extremes does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import erf, erfcx

from segsem.core.types import FloatArray

LN_2 = float(np.log(2.0))

MIN_RIM_SHARE = 0.1
"""A rim lower than this share of the contrast is none: inner and outer flank are one."""


@dataclass(frozen=True, slots=True)
class EdgeModel:
    """One edge.

    Attributes
    ----------
    blur_px : float
        Sigma of the Gaussian, pixel included.
    rim_px, shadow_px : float
        Decay lengths.
    heights : (3,) array
        Grey levels of the parts that `parts` returns: background, material, rim and shadow
        together. The last is 1 where the edge looks as the rim's and shadow's grey levels say.
    rim, shadow : float
        Grey levels at the edge, before the blur.
    """

    blur_px: float
    rim_px: float
    shadow_px: float
    heights: FloatArray
    rim: float
    shadow: float

    def parts(self, distance_px: FloatArray) -> FloatArray:
        """Background, material, and rim with shadow, blurred.

        Parameters
        ----------
        distance_px : (T,) array
            From the edge, positive on the background.

        Returns
        -------
        (T, 3) array
        """
        step, rim, shadow = shapes(distance_px, self.blur_px, self.rim_px, self.shadow_px)
        return np.stack([1 - step, step, self.rim * rim - self.shadow * shadow], axis=1)

    def profile(self, distance_px: FloatArray) -> FloatArray:
        """Grey values (T,) at distances (T,)."""
        return np.asarray(self.parts(distance_px) @ self.heights)

    def parts_slope(self, distance_px: FloatArray) -> FloatArray:
        """Derivative of `parts` after the distance, (T, 3)."""
        d = distance_px
        _, rim, shadow = shapes(d, self.blur_px, self.rim_px, self.shadow_px)
        bell = np.exp(-0.5 * (d / self.blur_px) ** 2) / (np.sqrt(2 * np.pi) * self.blur_px)
        of_rim = rim / self.rim_px - bell
        of_shadow = bell - shadow / self.shadow_px
        return np.stack([bell, -bell, self.rim * of_rim - self.shadow * of_shadow], axis=1)

    @property
    def has_rim(self) -> bool:
        """Whether the rim stands out of the contrast of the whole edge."""
        across = np.linspace(-20.0, 20.0, 161)
        return bool(self.rim > MIN_RIM_SHARE * max(float(np.ptp(self.profile(across))), 1e-9))

    @property
    def inner_px(self) -> float:
        """Where the rim has fallen to half of its height above the material, at or below 0."""
        return -LN_2 * self.rim_px if self.has_rim else 0.0


def shapes(
    distance_px: FloatArray, blur_px: float, rim_px: float, shadow_px: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Blurred step (1 on the material), rim and shadow, each of height 1 before the blur."""
    step = 0.5 * (1 - erf(distance_px / (np.sqrt(2.0) * blur_px)))
    rim = _blurred_decay(-distance_px, blur_px, rim_px)
    return step, rim, _blurred_decay(distance_px, blur_px, shadow_px)


def _blurred_decay(distance_px: FloatArray, blur_px: float, length_px: float) -> FloatArray:
    """``exp(-d / length)`` for d > 0 and 0 before it, under a Gaussian."""
    z = (blur_px / length_px - distance_px / blur_px) / np.sqrt(2.0)
    # erfcx holds where the exponential of the textbook form would overflow, and only there.
    ahead = erfcx(np.maximum(z, 0.0)) * np.exp(-0.5 * (distance_px / blur_px) ** 2)
    exponent = np.minimum(0.5 * (blur_px / length_px) ** 2 - distance_px / length_px, 50.0)
    behind = np.exp(exponent) * (1 + erf(-z))
    return np.asarray(0.5 * np.where(z > 0, ahead, behind))
