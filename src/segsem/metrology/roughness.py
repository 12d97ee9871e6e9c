"""Line edge and line width roughness of an image, biased and unbiased.

What is measured is roughness plus the noise of finding each point. The noise is white along an
edge, so that its PSD is a floor; its share of the variance, floor / step, is taken off (unbiased
roughness: Lorusso, Rutigliani, Van Roey and Mack, Microelectron. Eng. 190, 33 (2018); Mack and
Bunday, Proc. SPIE 10585 (2018)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from segsem.core.types import FloatArray
from segsem.metrology.line_edges import LineEdge, facing_pairs, find_line_edges
from segsem.metrology.measured import MeasuredImage
from segsem.metrology.spectrum import (
    HURST_RANGE,
    RoughnessFit,
    Spectrum,
    detrended,
    fit_spectrum,
    mean_spectrum,
)

FINE_STEP = 0.2
"""Points farther apart than this share of the correlation length hide the floor (Mack)."""

LONG_EDGE = 20.0
"""Edges shorter than this many correlation lengths lose roughness to their mean and tilt."""

MOST_NOISE = 0.5
"""Share of the variance that may be noise."""

LEAST_SNR = 2.0
UNSURE = 0.5
"""A parameter whose standard error is a larger share of it is not told."""


@dataclass(frozen=True, slots=True)
class EdgeRoughness:
    """One edge, or one line's width: 1 sigma; 3 sigma is three times that.

    Attributes
    ----------
    region_id, contour_id : int
        Whose edge; for widths the contour of the first edge.
    points : int
        How many.
    length_nm : float
        Length.
    mean_nm : float
        Widths: the mean CD. Edges: 0.
    biased_nm, unbiased_nm : float
        With and without the noise; NaN where the noise is not known, 0 where all is noise.
    """

    region_id: int
    contour_id: int
    points: int
    length_nm: float
    mean_nm: float
    biased_nm: float
    unbiased_nm: float


@dataclass(frozen=True, slots=True)
class Roughness:
    """All edges (`LER`) or all widths (`LWR`) of an image together.

    Attributes
    ----------
    kind : str
        `LER` or `LWR`.
    edges : tuple of EdgeRoughness
        One by one.
    spectrum : Spectrum
        Mean over the longer edges, each cut to one length.
    fit : RoughnessFit or None
        Model of it.
    biased_nm, unbiased_nm : float
        Root mean square over the same edges (1 sigma).
    unbiased_error_nm : float
        Standard error of the unbiased one, from the finite length of all edges.
    noise_nm : float
        Standard deviation of the noise of one point, from the floor.
    warnings : tuple of str
        Why not to trust it.
    """

    kind: str
    edges: tuple[EdgeRoughness, ...]
    spectrum: Spectrum
    fit: RoughnessFit | None
    biased_nm: float
    unbiased_nm: float
    unbiased_error_nm: float
    noise_nm: float
    warnings: tuple[str, ...] = field(default=())

    @property
    def xi_nm(self) -> float:
        """Correlation length; NaN where the data do not tell it."""
        known = self.fit is not None and self.fit.xi_error_nm <= UNSURE * self.fit.xi_nm
        return self.fit.xi_nm if self.fit is not None and known else float("nan")

    @property
    def hurst(self) -> float:
        """Hurst exponent; NaN where the data do not tell it, or the fit ran into its limits."""
        if self.fit is None or self.fit.hurst_error > UNSURE * self.fit.hurst:
            return float("nan")
        low, high = HURST_RANGE
        return self.fit.hurst if low + 0.01 < self.fit.hurst < high - 0.01 else float("nan")


def measure_roughness(image: MeasuredImage) -> list[Roughness]:
    """Roughness of all straight edges of an image and of the widths between them.

    Returns
    -------
    list of Roughness
        LER, and LWR where lines have both edges; nothing where the image has no straight edge.
    """
    edges = find_line_edges(image)
    if not edges:
        return []
    raw_warnings = _image_warnings(image)
    found = [
        roughness_of(
            "LER",
            [edge.deviation_nm for edge in edges],
            float(np.median([edge.step_nm for edge in edges])),
            names=[_names(image, edge) for edge in edges],
            warnings=raw_warnings,
        )
    ]
    pairs = facing_pairs(edges)
    if pairs:
        found.append(
            roughness_of(
                "LWR",
                [width for _, _, width in pairs],
                float(np.median([edges[i].step_nm for i, _, _ in pairs])),
                names=[_names(image, edges[i]) for i, _, _ in pairs],
                warnings=raw_warnings,
            )
        )
    return found


def roughness_of(
    kind: str,
    series: Sequence[FloatArray],
    step_nm: float,
    *,
    names: Sequence[tuple[int, int]] | None = None,
    warnings: Sequence[str] = (),
) -> Roughness:
    """Roughness of deviations or widths at even steps.

    Parameters
    ----------
    kind : str
        `LER` or `LWR`.
    series : sequence of (N,) arrays
        In nm, raw: not smoothed along the edge, at least 16 points each.
    step_nm : float
        Distance of the points.
    names : sequence of (int, int), optional
        Region and contour id of each.
    warnings : sequence of str
        What is known to be wrong before.
    """
    least = _common_length([len(values) for values in series])
    long_enough = np.array([len(values) >= least for values in series])
    spectrum = mean_spectrum([v for v in series if len(v) >= least], step_nm)
    fit = fit_spectrum(spectrum)
    floor = spectrum.plateau if fit is None else fit.floor
    noise_variance = floor / step_nm
    names = names or [(0, number) for number in range(len(series))]
    edges = tuple(
        _edge(name, values, step_nm, noise_variance, kind == "LWR")
        for name, values in zip(names, series, strict=True)
    )
    squares = np.array([edge.biased_nm**2 for edge in edges])
    biased = float(np.sqrt(squares[long_enough].mean()))
    left = biased**2 - noise_variance
    unbiased = float(np.sqrt(max(left, 0.0)))
    error = _error(spectrum, fit, unbiased)
    found = Roughness(
        kind, edges, spectrum, fit, biased, unbiased, error, float(np.sqrt(noise_variance))
    )
    told = (*warnings, *_warnings(found, noise_variance / max(biased**2, 1e-30)))
    return Roughness(kind, edges, spectrum, fit, biased, unbiased, error, found.noise_nm, told)


def _edge(
    name: tuple[int, int], values: FloatArray, step_nm: float, noise_variance: float, width: bool
) -> EdgeRoughness:
    # Two degrees of freedom went into the straight line.
    variance = float(np.sum(detrended(values) ** 2) / max(len(values) - 2, 1))
    unbiased = float(np.sqrt(max(variance - noise_variance, 0.0)))
    mean = float(values.mean()) if width else 0.0
    biased = float(np.sqrt(variance))
    return EdgeRoughness(
        name[0], name[1], len(values), len(values) * step_nm, mean, biased, unbiased
    )


def _common_length(lengths: Sequence[int]) -> int:
    """Length to cut edges to so that most points are used; shorter edges are left out."""
    return max(lengths, key=lambda length: (length * sum(n >= length for n in lengths), length))


def _error(spectrum: Spectrum, fit: RoughnessFit | None, unbiased_nm: float) -> float:
    """Spread of the variance: each frequency of each edge is one draw from an exponential."""
    if unbiased_nm <= 0 or fit is None:
        return float("nan")
    shares = 2 * fit.psd(spectrum.frequency, spectrum.step_nm) / spectrum.length_nm
    of_sum = float(np.sqrt(np.sum(shares**2) / spectrum.edges))
    of_floor = fit.floor_error / spectrum.step_nm
    return float(np.hypot(of_sum, of_floor)) / (2 * unbiased_nm)


def _names(image: MeasuredImage, edge: LineEdge) -> tuple[int, int]:
    return image.regions[edge.region].region_id, image.contours[edge.contour].contour_id


def _image_warnings(image: MeasuredImage) -> list[str]:
    told = []
    provenance = image.extraction.provenance
    params = provenance.get("params")
    edge = params.get("edge", {}) if isinstance(params, dict) else {}
    smooth = edge.get("smooth_px") if isinstance(edge, dict) else None
    raw = any(contour.unsmoothed_px is not None for contour in image.contours)
    if not raw and isinstance(smooth, (int, float)) and smooth > 0:
        told.append(
            f"edges were smoothed by {smooth:g} px along the contour, which lowers roughness and "
            "hides the noise: extract with --edge-method inverse, which keeps raw edges"
        )
    snr = provenance.get("snr")
    if isinstance(snr, (int, float)) and snr < LEAST_SNR:
        told.append(f"SNR {snr:.1f} is below {LEAST_SNR:g}: the noise cannot be told reliably")
    return told


def _warnings(found: Roughness, noise_share: float) -> list[str]:
    told = []
    step, length = found.spectrum.step_nm, found.spectrum.length_nm
    xi = found.xi_nm
    if not np.isfinite(xi):
        told.append("the data do not tell the correlation length")
    else:
        if step > FINE_STEP * xi:
            told.append(
                f"points are {step:.2f} nm apart, more than a fifth of the correlation length "
                f"({xi:.1f} nm): roughness and noise are told apart by the model alone"
            )
        if length < LONG_EDGE * xi:
            told.append(
                f"edges of {length:.0f} nm are shorter than {LONG_EDGE:g} correlation lengths "
                f"({xi:.1f} nm): slow roughness is missing, sigma is too small"
            )
    if not np.isfinite(found.hurst):
        told.append("the data do not tell the Hurst exponent")
    if noise_share > MOST_NOISE:
        told.append(f"{100 * noise_share:.0f} % of the measured variance is noise")
    return told
