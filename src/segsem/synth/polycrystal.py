"""Polycrystalline metal with sloped walls, many sites: a process that `segsem-nano` never saw.

It exists to measure what a handful of images teach a model (`tools/measure_fewshot.py`), so it
lies outside of what the crops that nano was trained on (`segsem.synth.training`) can show, in four
ways, each of which is ordinary in a fab. The ranges here were set before anything was fine-tuned
on them, and nothing is tuned on images of the reported seed.

1. *Edge physics.* A sloped wall is dark at its foot and grows bright towards its top, as it does
   where a trench shadows the foot: `TaperedWall`, 5 to 6.5 px wide. The edge that is asked for is
   the foot (the bottom CD). In training an edge signal is highest at the edge and falls off
   inwards; a wall there adds a second line of 0.3 to 1.3 of the first one. Here the step at the
   edge is a twentieth of the line at the wall's top.
2. *Material contrast.* Grains: pieces of constant grey, 14 to 22 px, that differ by more than
   metal and background do, so that dark grains are as dark as the background. Training has smooth
   texture of 0.02 to 0.12 of the edge signal and up to 8 px.
3. *Layout.* Traces with 45 degree jogs and octagonal pads (`families.octilinear`). Training wires
   along two axes, or along wandering curves of constant width.
4. *Noise.* Correlated along the scan line over a sigma of 1.6 to 2.2 px, as a slow detector makes
   it; training correlates by at most 1 px.

Sites of one wafer share the process. Each has its own dose, focus, gain, grain size, and local
layout (width and density); its images differ by pattern, grains and noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from segsem.core.types import FloatArray
from segsem.synth.curves import Curve
from segsem.synth.detector import DoseNoise
from segsem.synth.edge_response import EdgeResponse
from segsem.synth.process import Process
from segsem.synth.render import Beam, render_yield, signed_distance

_BLACK, _WHITE = 20.0, 235.0
_SITE_STREAM = 2**31 + 1


@dataclass(frozen=True, slots=True)
class TaperedWall(EdgeResponse):
    """Yield that rises from a wall's foot at d = 0 to its top at `wall_px`, where the rim lies.

    ``0 < d < wall_px``: ``background + foot + (top - foot) * d / wall_px``, with
    ``top = material - background + rim``. Beyond: ``material + rim * exp(-(d - wall_px) /
    rim_px)``. The other side is that of `EdgeResponse`; glow, onset and flat top are not used.

    Attributes
    ----------
    wall_px : float
        Width of the wall as seen from above.
    foot : float
        Step of the yield at the edge.
    """

    wall_px: float = 8.0
    foot: float = 0.05

    def at(self, distance_px: FloatArray) -> FloatArray:
        """Yield at signed distances (any shape)."""
        inside = np.maximum(distance_px, 0.0)
        rise = (self._top - self.foot) / self.wall_px
        wall = self.background + self.foot + rise * np.minimum(inside, self.wall_px)
        beyond = np.maximum(inside - self.wall_px, 0.0)
        plateau = self.material + self.rim * np.exp(-beyond / self.rim_px)
        material = np.where(inside < self.wall_px, wall, plateau)
        return np.where(distance_px > 0, material, EdgeResponse.at(self, distance_px))

    def integral(self, distance_px: FloatArray) -> FloatArray:
        """Integral of the yield from 0 to each distance, in closed form (any shape)."""
        inside = np.maximum(distance_px, 0.0)
        on_wall = np.minimum(inside, self.wall_px)
        beyond = np.maximum(inside - self.wall_px, 0.0)
        rise = (self._top - self.foot) / self.wall_px
        wall = (self.background + self.foot) * on_wall + 0.5 * rise * on_wall**2
        plateau = self.material * beyond - self.rim * self.rim_px * np.expm1(-beyond / self.rim_px)
        return np.where(distance_px > 0, wall + plateau, EdgeResponse.integral(self, distance_px))

    @property
    def reach_px(self) -> float:
        """Distance beyond which the yield is its plateau within 0.1 %."""
        heights = [
            (self.rim, self.rim_px),
            (self.shadow, self.shadow_px),
            (self.deep, self.deep_px),
        ]
        tails = [length * np.log(abs(high) / 1e-3) for high, length in heights if abs(high) > 1e-3]
        return float(max(tails, default=0.0)) + self.wall_px + 1.0

    @property
    def _top(self) -> float:
        return self.material - self.background + self.rim


@dataclass(frozen=True, slots=True)
class Grains:
    """Channelling contrast of a polycrystal.

    Attributes
    ----------
    size_px : float
        Square root of the mean area of a grain.
    height : float
        Largest departure of a grain's yield from the mean, as share of the material's yield.
    """

    size_px: float
    height: float

    def factor(self, rng: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
        """Draw the factor (H, W) on the yield: a Voronoi pattern of constant pieces, mean 1."""
        margin = 3 * self.size_px
        area = (shape[0] + 2 * margin) * (shape[1] + 2 * margin)
        count = max(int(area / self.size_px**2), 4)
        high = np.array(shape) + margin
        centres = rng.uniform(-margin, high, (count, 2))
        height = rng.uniform(-self.height, self.height, count)
        rows, cols = np.mgrid[: shape[0], : shape[1]]
        _, nearest = cKDTree(centres).query(np.column_stack([rows.ravel(), cols.ravel()]))
        return np.asarray(1 + height[nearest].reshape(shape), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class SiteLook:
    """What the images of one site share.

    Attributes
    ----------
    process : Process
        With the site's scale, response and beam.
    grains : Grains
    noise_px : float
        Sigma of the noise's correlation along a scan line.
    shown : (float, float)
        Grey levels that darkest background and brightest rim are shown with.
    """

    process: Process
    grains: Grains
    noise_px: float
    shown: tuple[float, float]

    def photograph(
        self, rng: np.random.Generator, curves: list[Curve], shape: tuple[int, int]
    ) -> npt.NDArray[np.uint8]:
        """Take one image (H, W) of curves whose features are metal."""
        process = self.process
        wall_px = getattr(process.response, "wall_px", 1.0)
        on_top = np.clip(signed_distance(curves, shape) / wall_px, 0.0, 1.0)
        grain = 1 + (self.grains.factor(rng, shape) - 1) * on_top
        jitter = process.jitter_px * rng.standard_normal(shape[0])
        mean = render_yield(
            curves, shape, process.response, process.beam, texture=grain, jitter_px=jitter
        )
        return self._detected(rng, mean * _tilt(rng, process.gradient, shape))

    def _detected(self, rng: np.random.Generator, mean: FloatArray) -> npt.NDArray[np.uint8]:
        response = self.process.response
        low, high = response.background, response.material + response.rim
        gain = (self.shown[1] - self.shown[0]) / (high - low)
        # Shot noise, its power as a white one's, but spread along the line.
        noise = gaussian_filter1d(rng.standard_normal(mean.shape), self.noise_px, axis=1)
        noise *= np.sqrt(np.maximum(mean, 0.05) / (0.5 * (low + high))) / noise.std()
        signal = (high - low) / self.process.edge_snr
        grey = self.shown[0] + gain * (mean - low + signal * noise)
        return np.asarray(np.clip(np.rint(grey), 0, 255), dtype=np.uint8)


def site_look(seed: int, site: int, process: Process) -> SiteLook:
    """Make a site's look out of the process that all sites share.

    Parameters
    ----------
    seed : int
        Of the set.
    site : int
        From 0.
    process : Process
        The same one for all sites of a set.
    """
    rng = np.random.default_rng([seed, _SITE_STREAM])
    response = TaperedWall(
        material=0.92,
        background=0.62,
        rim=float(rng.uniform(0.42, 0.52)),
        rim_px=float(rng.uniform(1.6, 2.2)),
        shadow=float(rng.uniform(0.03, 0.06)),
        shadow_px=float(rng.uniform(3.0, 5.0)),
        wall_px=float(rng.uniform(5.0, 6.5)),
        foot=float(rng.uniform(0.02, 0.045)),
    )
    grain_px, grain_height = rng.uniform(16.0, 20.0), rng.uniform(0.24, 0.30)
    noise_px = float(rng.uniform(1.6, 2.2))
    local = np.random.default_rng([seed, _SITE_STREAM, site])
    beam = Beam(
        process.beam.sigma_px * float(local.uniform(0.85, 1.25)),
        process.beam.ratio,
        float(local.uniform(0, np.pi)),
    )
    at_site = replace(
        process,
        feature_px=process.feature_px * float(local.uniform(0.9, 1.12)),
        space_ratio=process.space_ratio * float(local.uniform(0.92, 1.2)),
        response=replace(response, wall_px=response.wall_px * float(local.uniform(0.94, 1.06))),
        beam=beam,
        edge_snr=process.edge_snr * float(local.uniform(0.8, 1.2)),
        detector=replace(process.detector, noise=DoseNoise.NONE),
    )
    grains = Grains(float(grain_px * local.uniform(0.88, 1.12)), float(grain_height))
    shown = (_BLACK + float(local.uniform(0, 25)), _WHITE - float(local.uniform(0, 40)))
    return SiteLook(at_site, grains, noise_px, shown)


def _tilt(rng: np.random.Generator, gradient: float, shape: tuple[int, int]) -> FloatArray:
    row, col = np.meshgrid(*[np.linspace(-1, 1, size) for size in shape], indexing="ij")
    slope = rng.uniform(-1, 1, 2)
    return np.asarray(1 + gradient * (slope[0] * row + slope[1] * col) / 2, dtype=np.float64)
