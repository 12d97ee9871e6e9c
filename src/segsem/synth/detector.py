"""What detector and scan add: dose noise, read noise, charging, banding, grey levels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

from segsem.core.types import FloatArray


class DoseNoise(StrEnum):
    """Distribution of the electron count of a pixel."""

    NONE = "none"
    POISSON = "poisson"
    GAMMA = "gamma"


@dataclass(frozen=True, slots=True)
class Detector:
    """Settings from the yield to grey values.

    Attributes
    ----------
    electrons : float
        Dose: electrons per pixel at a yield of 1.
    noise : DoseNoise
        Poisson, or Gamma of the same mean and variance (averaged frames); none for a clean image.
    gain, offset : float
        Grey levels per unit of yield, and at yield 0.
    read_noise : float
        Standard deviation in grey levels, Gaussian.
    charging, charging_px : float
        Height (share of the local yield step) and decay length of the trail that bright and dark
        areas leave along the fast scan direction, to the right.
    banding, banding_rows : float
        Standard deviation in grey levels and correlation length in rows of the rows' offsets.
    """

    electrons: float = 200.0
    noise: DoseNoise = DoseNoise.POISSON
    gain: float = 100.0
    offset: float = 10.0
    read_noise: float = 1.0
    charging: float = 0.0
    charging_px: float = 20.0
    banding: float = 0.0
    banding_rows: float = 15.0

    def grey_noise(self, yield_: float) -> float:
        """Standard deviation in grey levels at a mean yield, before 8-bit rounding."""
        if self.noise is DoseNoise.NONE:
            return self.read_noise
        shot = self.gain**2 * max(yield_, 0.0) / self.electrons
        return float(np.sqrt(shot + self.read_noise**2))


def detect(
    rng: np.random.Generator, detector: Detector, yield_: FloatArray
) -> npt.NDArray[np.uint8]:
    """Turn mean yields into an 8-bit image.

    The order is: gain and offset with the dose noise of the electrons, read noise, row effects
    (charging trail, banding), clip, 8 bit. Image noise is never filtered or resampled.

    Parameters
    ----------
    rng : numpy.random.Generator
    detector : Detector
    yield_ : (H, W) array
        Noise-free yields.

    Returns
    -------
    (H, W) uint8 array
    """
    mean = np.maximum(yield_, 0.0)
    grey = detector.offset + detector.gain * _counted(rng, detector, mean)
    grey += detector.read_noise * rng.standard_normal(mean.shape)
    grey += detector.gain * _trail(detector, mean)
    if detector.banding > 0:
        rows = gaussian_filter1d(rng.standard_normal(len(mean)), detector.banding_rows / 2)
        grey += (detector.banding * rows / max(float(rows.std()), 1e-9))[:, None]
    return np.asarray(np.clip(np.rint(grey), 0, 255), dtype=np.uint8)


def _counted(rng: np.random.Generator, detector: Detector, mean: FloatArray) -> FloatArray:
    expected = mean * detector.electrons
    if detector.noise is DoseNoise.POISSON:
        return np.asarray(rng.poisson(expected) / detector.electrons, dtype=np.float64)
    if detector.noise is DoseNoise.GAMMA:
        return np.asarray(rng.gamma(np.maximum(expected, 1e-6)) / detector.electrons)
    return mean.copy()


def _trail(detector: Detector, mean: FloatArray) -> FloatArray:
    """Exponential memory of the yield along the row, drawn from the mean, not from the noise."""
    if detector.charging == 0:
        return np.zeros_like(mean)
    keep = float(np.exp(-1.0 / detector.charging_px))
    memory = lfilter([0.0, 1 - keep], [1, -keep], mean - np.median(mean), axis=1)
    return np.asarray(detector.charging * memory, dtype=np.float64)
