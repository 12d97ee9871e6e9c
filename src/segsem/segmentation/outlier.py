"""Whether an image looks like those that confidence was calibrated on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from segsem.core.types import FloatArray, FloatImage
from segsem.imaging.image import SEMImage
from segsem.imaging.quality import image_quality

BINS = 16
"""Of the histogram of normalised grey values."""

MOST_HISTOGRAMS = 64
"""So many calibration images stand for all."""

SLACK = 0.15
"""A range reaches this share of its ends further than the images went."""

HISTOGRAM_SLACK = 1.25
"""A histogram may lie this many times as far off as calibration images lie off each other."""

LEAST_HISTOGRAM_LIMIT = 0.1
"""However alike the calibration's images are."""

_WORDS = {
    "snr": ("noisier", "less noisy", "SNR"),
    "blur_px": ("sharper", "more blurred", "blur"),
    "saturated_fraction": ("less saturated", "more saturated", "saturated share"),
}


@dataclass(frozen=True, slots=True)
class Look:
    """What an image looks like as a whole.

    Attributes
    ----------
    snr, blur_px : float or None
        See `image_quality`; None where no edge is clear enough to tell.
    saturated_fraction : float
    histogram : tuple of float
        Shares of the normalised grey values in equal bins.
    """

    snr: float | None
    blur_px: float | None
    saturated_fraction: float
    histogram: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Familiar:
    """What the calibration's images look like.

    Attributes
    ----------
    ranges : dict
        Lowest and highest value by name.
    histograms : tuple of tuple of float
        Of some of the images.
    histogram_limit : float
        Greatest distance of an image's histogram from the nearest of them: the share of pixels
        that would have to change their bin.
    """

    ranges: dict[str, tuple[float, float]]
    histograms: tuple[tuple[float, ...], ...]
    histogram_limit: float

    def unfamiliar(self, look: Look) -> list[str]:
        """In which ways an image is unlike the calibration's, in words; empty where it is not."""
        found = []
        values = asdict(look)
        for name, (low, high) in self.ranges.items():
            value = values[name]
            less, more, called = _WORDS[name]
            if value is None:
                found.append(f"{called} cannot be measured")
            elif not low <= value <= high:
                word = less if value < low else more
                found.append(f"{word} ({called} {value:.3g}, calibrated {low:.3g} to {high:.3g})")
        distance = self.histogram_distance(look)
        if distance > self.histogram_limit:
            found.append(
                f"other grey levels (histogram {distance:.2f} off, calibrated up to "
                f"{self.histogram_limit:.2f})"
            )
        return found

    def histogram_distance(self, look: Look) -> float:
        """Share of pixels that would have to change their bin for the nearest known histogram."""
        if not self.histograms:
            return 0.0
        known = np.asarray(self.histograms)
        return float(0.5 * np.abs(known - np.asarray(look.histogram)).sum(axis=1).min())


def look_of(image: SEMImage, grey: FloatImage) -> Look:
    """Look at an image.

    Parameters
    ----------
    image : SEMImage
        As stored.
    grey : (h, W) float32
        Its normalised grey values (0-255), data bar cut off.
    """
    quality = image_quality(image)
    counts, _ = np.histogram(grey, bins=BINS, range=(0.0, 255.0))
    shares = counts / max(int(counts.sum()), 1)
    return Look(
        quality.snr,
        quality.blur_px,
        quality.saturated_fraction,
        tuple(round(float(share), 4) for share in shares),
    )


def familiar_of(looks: Sequence[Look]) -> Familiar:
    """Remember what images look like.

    Parameters
    ----------
    looks : sequence of Look
        Of the calibration's images.

    Raises
    ------
    ValueError
        If there are none.
    """
    if not looks:
        msg = "Expected at least one image to remember, but got none"
        raise ValueError(msg)
    ranges = {}
    for name in ("snr", "blur_px", "saturated_fraction"):
        values = [value for look in looks if (value := getattr(look, name)) is not None]
        if values:
            low, high = min(values), max(values)
            ranges[name] = (round((1 - SLACK) * low, 4), round((1 + SLACK) * high, 4))
    # Nearly no saturation in the calibration says nothing against a little of it.
    low, high = ranges["saturated_fraction"]
    ranges["saturated_fraction"] = (low, max(high, 0.02))
    histograms = np.array([look.histogram for look in looks])
    step = -(-len(histograms) // MOST_HISTOGRAMS)
    limit = max(HISTOGRAM_SLACK * _usual_distance(histograms, step), LEAST_HISTOGRAM_LIMIT)
    chosen = histograms[::step]
    return Familiar(ranges, tuple(map(tuple, chosen.tolist())), round(limit, 4))


def _usual_distance(histograms: FloatArray, step: int) -> float:
    """How far an image of the kind lies at most off the nearest *other* one that is remembered."""
    distance = 0.5 * np.abs(histograms[:, None] - histograms[None, ::step]).sum(axis=2)
    own = np.arange(0, len(histograms), step)
    distance[own, np.arange(len(own))] = np.inf
    nearest = distance.min(axis=1)
    known = nearest[np.isfinite(nearest)]
    return float(known.max()) if len(known) else 0.0
