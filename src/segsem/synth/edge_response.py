"""Secondary-electron yield across an edge: the Mack-Bunday form, with material contrast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segsem.core.types import FloatArray


@dataclass(frozen=True, slots=True)
class EdgeResponse:
    """Yield as a function of the signed distance d to the edge, d > 0 inside the material.

    ``d > 0``: ``material + rim * r(d) + glow * exp(-d / glow_px) - onset * exp(-d / onset_px)``
    with ``r(d) = 1`` up to `sidewall_px` and ``exp(-(d - sidewall_px) / rim_px)`` after it.
    ``d <= 0``: ``background - shadow * exp(d / shadow_px) - deep * exp(d / deep_px)``.

    The rim (steep side) and the glow (what remains of it far inside) lie on the material's side,
    the shadows on the other, whichever of the two is the *feature*. Lengths are in px, heights in
    units of the dose (1 = one electron yield). The edge is the point d = 0, where the yield jumps.

    Attributes
    ----------
    material, background : float
        Plateaus far from the edge.
    rim, rim_px, sidewall_px : float
        Height, decay length and flat top of the rim (the flat top is a slanted sidewall).
    glow, glow_px : float
        Long tail inside the material.
    onset, onset_px : float
        Loss within the first fraction of a nm, where electrons escape through the top edge.
    shadow, shadow_px, deep, deep_px : float
        Short shadow at the wall's foot and the long one of a deep trench.

    References
    ----------
    C. Mack, B. Bunday, "Analytical linescan model for SEM metrology", Proc. SPIE 9424 (2015).
    """

    material: float = 1.0
    background: float = 0.6
    rim: float = 1.2
    rim_px: float = 2.5
    sidewall_px: float = 0.0
    glow: float = 0.0
    glow_px: float = 30.0
    onset: float = 0.0
    onset_px: float = 0.26
    shadow: float = 0.15
    shadow_px: float = 2.0
    deep: float = 0.0
    deep_px: float = 20.0

    def at(self, distance_px: FloatArray) -> FloatArray:
        """Yield at signed distances (any shape)."""
        inside = np.maximum(distance_px, 0.0)
        outside = np.minimum(distance_px, 0.0)
        beyond = np.maximum(inside - self.sidewall_px, 0.0)
        material = (
            self.material
            + self.rim * np.exp(-beyond / self.rim_px)
            + self.glow * np.exp(-inside / self.glow_px)
            - self.onset * np.exp(-inside / self.onset_px)
        )
        background = (
            self.background
            - self.shadow * np.exp(outside / self.shadow_px)
            - self.deep * np.exp(outside / self.deep_px)
        )
        return np.where(distance_px > 0, material, background)

    def integral(self, distance_px: FloatArray) -> FloatArray:
        """Integral of the yield from 0 to each distance, in closed form (any shape)."""
        inside = np.maximum(distance_px, 0.0)
        outside = np.minimum(distance_px, 0.0)
        beyond = np.maximum(inside - self.sidewall_px, 0.0)
        flat = np.minimum(inside, self.sidewall_px)
        material = (
            self.material * inside
            + self.rim * (flat - self.rim_px * np.expm1(-beyond / self.rim_px))
            - self.glow * self.glow_px * np.expm1(-inside / self.glow_px)
            + self.onset * self.onset_px * np.expm1(-inside / self.onset_px)
        )
        background = (
            self.background * outside
            - self.shadow * self.shadow_px * np.expm1(outside / self.shadow_px)
            - self.deep * self.deep_px * np.expm1(outside / self.deep_px)
        )
        return np.where(distance_px > 0, material, background)

    def mean_over(self, distance_px: FloatArray, width_px: float) -> FloatArray:
        """Mean yield over an interval of `width_px` centred on each distance, exact."""
        half = width_px / 2
        return (self.integral(distance_px + half) - self.integral(distance_px - half)) / width_px

    @property
    def reach_px(self) -> float:
        """Distance beyond which the yield is its plateau within 0.1 %."""
        lengths = [(self.rim, self.rim_px), (self.glow, self.glow_px)]
        lengths += [(self.shadow, self.shadow_px), (self.deep, self.deep_px)]
        tails = [
            length * np.log(abs(height) / 1e-3) for height, length in lengths if abs(height) > 1e-3
        ]
        return float(max(tails, default=0.0)) + self.sidewall_px + 1.0
