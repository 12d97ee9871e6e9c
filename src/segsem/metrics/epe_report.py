"""Bias, sigma and percentiles of the edge placement error, over one image or many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segsem.metrics.epe import EPESamples

RATEABLE_PX = 32.0
"""With less truth than this nothing is said about an image or a region."""


@dataclass(frozen=True, slots=True)
class EPEReport:
    """Figures of one image or of several.

    Attributes
    ----------
    bias_px : float
        Mean signed error, positive outwards; NaN where nothing matched, as all below.
    sigma_px : float
        Standard deviation about the mean of each image.
    median_px : float
        Median signed error.
    p95_px, max_px : float
        95th percentile and maximum of the absolute error.
    p95_centred_px : float
        95th percentile of the absolute error after the median of each image is taken off.
    truth_length_px, missing_length_px, extra_length_px, duplicate_length_px : float
        See :class:`EPESamples`.
    border_length_px, reversed_length_px : float
        See :class:`EPESamples`.
    n : int
        Number of points.
    """

    bias_px: float
    sigma_px: float
    median_px: float
    p95_px: float
    max_px: float
    p95_centred_px: float
    truth_length_px: float
    missing_length_px: float
    extra_length_px: float
    duplicate_length_px: float
    border_length_px: float
    reversed_length_px: float
    n: int

    @property
    def rateable(self) -> bool:
        """Whether there is truth enough to say anything."""
        return self.truth_length_px >= RATEABLE_PX

    @property
    def complete(self) -> bool:
        """Whether every edge was found, once, the right way round, and nothing else."""
        return (
            self.missing_length_px
            + self.extra_length_px
            + self.duplicate_length_px
            + self.border_length_px
            + self.reversed_length_px
        ) == 0


class EPEMetric:
    """Collects images and reports on all of them together.

    `sigma_px` and `p95_centred_px` take one mean or median off each image, since an offset is
    calibrated; every point counts alike.
    """

    def __init__(self) -> None:
        self._images: list[EPESamples] = []

    def update(self, samples: EPESamples) -> None:
        """Add one image."""
        self._images.append(samples)

    def compute(self) -> EPEReport:
        """Report on all images added so far.

        Returns
        -------
        EPEReport
            The figures; errors are NaN where nothing matched, the lengths always count.
        """
        images = self._images
        errors = [image.epe_px for image in images if image.epe_px.size]
        lengths = {
            name: float(sum(getattr(image, name) for image in images))
            for name in (
                "truth_length_px",
                "missing_length_px",
                "extra_length_px",
                "duplicate_length_px",
                "border_length_px",
                "reversed_length_px",
            )
        }
        if not errors:
            nan = float("nan")
            return EPEReport(nan, nan, nan, nan, nan, nan, **lengths, n=0)
        pooled = np.concatenate(errors)
        about_mean = np.concatenate([e - e.mean() for e in errors])
        about_median = np.concatenate([e - np.median(e) for e in errors])
        return EPEReport(
            bias_px=float(pooled.mean()),
            sigma_px=float(np.sqrt(np.mean(about_mean**2))),
            median_px=float(np.median(pooled)),
            p95_px=float(np.percentile(np.abs(pooled), 95)),
            max_px=float(np.abs(pooled).max()),
            p95_centred_px=float(np.percentile(np.abs(about_median), 95)),
            **lengths,
            n=len(pooled),
        )


def epe_report(samples: EPESamples) -> EPEReport:
    """Report on one image."""
    metric = EPEMetric()
    metric.update(samples)
    return metric.compute()


def fraction_within(samples: EPESamples, limit_px: float, offset_px: float = 0.0) -> float:
    """Share of the edge that lies within a limit, what is missing or extra counting as outside.

    Parameters
    ----------
    samples : EPESamples
        Comparison of one image or region.
    limit_px : float
        Greatest absolute error, of at most `match_px`.
    offset_px : float
        Calibrated offset, taken off first.

    Returns
    -------
    float
        0 to 1; NaN where there is neither truth that counts nor a contour.
    """
    good = samples.length_px[np.abs(samples.epe_px - offset_px) <= limit_px].sum()
    total = samples.length_px.sum() + samples.missing_length_px + samples.extra_length_px
    return float(good / total) if total > 0 else float("nan")
