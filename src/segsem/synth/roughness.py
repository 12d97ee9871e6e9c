"""Line-edge roughness with a Palasantzas spectrum, along closed curves."""

from __future__ import annotations

from dataclasses import dataclass
from math import gamma, pi, sqrt

import numpy as np
from scipy.ndimage import gaussian_filter1d, minimum_filter1d

from segsem.core.coordinates import arc_length_px
from segsem.core.types import FloatArray
from segsem.synth.curves import Curve, outward_normals, turning_radius_px


@dataclass(frozen=True, slots=True)
class Roughness:
    """Spectrum of the edge displacement along its normal.

    Convention: two-sided PSD over the frequency f in cycles per px (not angular), in px² per
    (1/px), whose integral over all f is sigma²:
    ``PSD(f) = sigma² 2 sqrt(pi) xi G(a + 1/2) / G(a) / (1 + (2 pi f xi)²)^(a + 1/2)``.

    Attributes
    ----------
    sigma_px : float
        Standard deviation (1 sigma) over all frequencies.
    xi_px : float
        Correlation length.
    alpha : float
        Roughness (Hurst) exponent, 0 to 1.

    References
    ----------
    G. Palasantzas, Phys. Rev. B 48, 14472 (1993).
    """

    sigma_px: float
    xi_px: float
    alpha: float = 0.6

    def psd(self, frequency: FloatArray) -> FloatArray:
        """Two-sided PSD in px³ at frequencies in 1/px (any shape)."""
        norm = 2 * sqrt(pi) * self.xi_px * gamma(self.alpha + 0.5) / gamma(self.alpha)
        bend = 1 + (2 * pi * np.asarray(frequency) * self.xi_px) ** 2
        return np.asarray(self.sigma_px**2 * norm / bend ** (self.alpha + 0.5))


def periodic_noise(
    rng: np.random.Generator, count: int, step_px: float, roughness: Roughness
) -> FloatArray:
    """Displacements (count,) in px, periodic, with the given PSD and zero mean.

    The mean is left at zero so that roughness changes no CD; frequencies above Nyquist are lost.
    """
    frequency = np.asarray(np.fft.rfftfreq(count, step_px), dtype=np.float64)
    power = roughness.psd(frequency) * count / step_px
    white = rng.standard_normal((len(frequency), 2))
    spectrum = np.sqrt(power / 2) * (white[:, 0] + 1j * white[:, 1])
    spectrum[0] = 0.0
    if count % 2 == 0:
        spectrum[-1] = np.sqrt(power[-1]) * white[-1, 0]
    return np.asarray(np.fft.irfft(spectrum, count))


def roughen(rng: np.random.Generator, curve: Curve, roughness: Roughness) -> Curve:
    """Displace an evenly sampled closed curve along its normals.

    Where the curve turns within a radius below 4 sigma the displacement is scaled by
    ``radius / (4 sigma)``, there and within 4 sigma beside it, with smooth transitions, so that
    a corner cannot fold over itself.
    """
    if roughness.sigma_px <= 0:
        return curve
    vertices = curve.vertices_rc
    ring = np.vstack([vertices, vertices[:1]])
    step = float(arc_length_px(ring)[-1]) / len(vertices)
    noise = periodic_noise(rng, len(vertices), step, roughness)
    tight = turning_radius_px(vertices) / (4 * roughness.sigma_px)
    reach = max(1, round(4 * roughness.sigma_px / step))
    around = minimum_filter1d(np.minimum(tight, 1.0), 2 * reach + 1, mode="wrap")
    damping = gaussian_filter1d(around, reach / 2, mode="wrap")
    shift = (noise * damping)[:, None] * outward_normals(vertices)
    return Curve(vertices + shift, curve.is_hole)
