"""Spectra of edges: periodogram, the Palasantzas model with a noise floor, and its fit.

Convention, everywhere here: two-sided PSD over the frequency f in cycles per nm (not angular), in
nm² per (1/nm) = nm³, of which only f > 0 is listed; its integral over all f, positive and
negative, is sigma².

References
----------
G. Palasantzas, Phys. Rev. B 48, 14472 (1993): the model.
C. A. Mack, J. Micro/Nanolith. MEMS MOEMS 12(3), 033016 (2013): windows and leakage.
V. Constantoudis et al., J. Vac. Sci. Technol. B 22, 1974 (2004): noise floor and finite length.
P. Whittle, Ark. Mat. 2, 423 (1953): the likelihood.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import lgamma, log, pi

import numpy as np
from scipy.optimize import minimize

from segsem.core.types import FloatArray

HURST_RANGE = (0.2, 1.0)
ALIASES = 8
"""Frequencies beyond Nyquist come back folded; this many folds are counted."""

FIRST_BIN = 2
"""Below it, taking a straight line off has taken power away and the window spreads it."""

PLATEAU = 0.25
"""The noise floor shows in this highest part of the frequencies, if it shows."""

_HANN_INFLATION = 35.0 / 18.0
"""Variance of averages over frequency with a Hann window against without one."""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Mean periodogram of several edges of one length.

    Attributes
    ----------
    frequency : (F,) array
        In 1/nm, above 0, up to Nyquist.
    psd : (F,) array
        Two-sided, nm³.
    edges : int
        How many were averaged.
    step_nm : float
        Distance of the points along the edge.
    length_nm : float
        Length of an edge.
    """

    frequency: FloatArray
    psd: FloatArray
    edges: int
    step_nm: float
    length_nm: float

    @property
    def plateau(self) -> float:
        """Mean PSD of the highest quarter of the frequencies: the noise floor, or more."""
        return float(np.mean(self.psd[-max(1, int(PLATEAU * len(self.psd))) :]))


def mean_spectrum(edges: Sequence[FloatArray], step_nm: float) -> Spectrum:
    """Average the Hann-windowed periodograms of edges, straight lines taken off.

    Parameters
    ----------
    edges : sequence of (N,) arrays
        Deviations in nm at even steps; longer ones are cut to the shortest.
    step_nm : float
        Distance of the points.

    Raises
    ------
    ValueError
        If there is no edge, or fewer than 16 points.
    """
    count = min((len(edge) for edge in edges), default=0)
    if count < 16:
        msg = f"Expected edges of at least 16 points, but got {count}"
        raise ValueError(msg)
    window = 0.5 - 0.5 * np.cos(2 * pi * (np.arange(count) + 0.5) / count)
    power = np.mean(
        [np.abs(np.fft.rfft(window * detrended(edge[:count]))) ** 2 for edge in edges], axis=0
    )
    psd = np.asarray(power * step_nm / np.sum(window**2), dtype=np.float64)
    frequency = np.asarray(np.fft.rfftfreq(count, step_nm), dtype=np.float64)
    return Spectrum(frequency[1:], psd[1:], len(edges), step_nm, count * step_nm)


def detrended(edge: FloatArray) -> FloatArray:
    """Take the best straight line off."""
    at = np.linspace(-1.0, 1.0, len(edge))
    line = np.column_stack([np.ones(len(edge)), at])
    return np.asarray(edge - line @ np.linalg.lstsq(line, edge, rcond=None)[0])


def palasantzas(frequency: FloatArray, sigma: float, xi: float, hurst: float) -> FloatArray:
    """Two-sided PSD whose integral over all frequencies is sigma²."""
    norm = 2.0 * np.sqrt(pi) * xi * np.exp(lgamma(hurst + 0.5) - lgamma(hurst))
    bend = 1.0 + (2.0 * pi * np.asarray(frequency) * xi) ** 2
    return np.asarray(sigma**2 * norm / bend ** (hurst + 0.5))


def sampled_palasantzas(
    frequency: FloatArray, step: float, sigma: float, xi: float, hurst: float
) -> FloatArray:
    """Return the same as points `step` apart show it, with what is folded back from above."""
    total = palasantzas(frequency, sigma, xi, hurst)
    for fold in range(1, ALIASES + 1):
        for sign in (-1.0, 1.0):
            total = total + palasantzas(frequency + sign * fold / step, sigma, xi, hurst)
    # The folds beyond are a power law: their sum is its integral, nearly.
    last = (ALIASES + 0.5) / step
    beyond = palasantzas(np.array([last]), sigma, xi, hurst) * last * step / hurst
    return np.asarray(total + beyond)


@dataclass(frozen=True, slots=True)
class RoughnessFit:
    """Model of a spectrum; standard errors from the curvature of the likelihood.

    Attributes
    ----------
    sigma_nm, sigma_error_nm : float
        Roughness of an endless edge (1 sigma).
    xi_nm, xi_error_nm : float
        Correlation length.
    hurst, hurst_error : float
        Hurst exponent, 0.2 to 1.
    floor : float
        PSD of the noise, nm³.
    floor_error : float
        Its standard error.
    """

    sigma_nm: float
    sigma_error_nm: float
    xi_nm: float
    xi_error_nm: float
    hurst: float
    hurst_error: float
    floor: float
    floor_error: float

    def psd(self, frequency: FloatArray, step_nm: float) -> FloatArray:
        """Model with its floor at frequencies."""
        rough = sampled_palasantzas(frequency, step_nm, self.sigma_nm, self.xi_nm, self.hurst)
        return np.asarray(rough + self.floor)


def fit_spectrum(spectrum: Spectrum) -> RoughnessFit | None:
    """Fit roughness and noise floor by Whittle's likelihood.

    Returns
    -------
    RoughnessFit or None
        None where fewer than 16 frequencies are left or nothing varies.
    """
    frequency, psd = spectrum.frequency[FIRST_BIN - 1 :], spectrum.psd[FIRST_BIN - 1 :]
    if len(psd) < 16 or not np.all(psd > 0):
        return None
    step = spectrum.step_nm
    variance = 2.0 * float(np.sum(psd)) / spectrum.length_nm
    scale = max(variance, 1e-30)

    def model(values: FloatArray) -> FloatArray:
        sigma, xi, floor = np.exp(values[[0, 1, 3]])
        rough = sampled_palasantzas(frequency, step, sigma, xi, float(values[2]))
        return np.asarray(rough + floor)

    def cost(values: FloatArray) -> float:
        expected = model(values)
        return float(np.mean(np.log(expected) + psd / expected))

    shortest, longest = 0.3 * step, spectrum.length_nm
    bounds = [
        (0.5 * log(scale) - 8, 0.5 * log(scale) + 3),
        (log(shortest), log(longest)),
        HURST_RANGE,
        (log(scale * step) - 16, log(scale * step) + 2),
    ]
    best = None
    for xi in np.geomspace(2 * step, spectrum.length_nm / 20, 4):
        floor = max(0.5 * spectrum.plateau, 1e-6 * scale * step)
        start = np.array([0.5 * log(scale), log(xi), 0.6, log(floor)])
        start = np.clip(start, [low for low, _ in bounds], [high for _, high in bounds])
        found = minimize(cost, start, method="L-BFGS-B", bounds=bounds)
        if best is None or found.fun < best.fun:
            best = found
    if best is None or not np.isfinite(best.fun):
        return None
    values = np.asarray(best.x, dtype=np.float64)
    errors = _errors(values, model, spectrum.edges)
    sigma, xi, floor = np.exp(values[[0, 1, 3]]).tolist()
    return RoughnessFit(
        sigma, sigma * errors[0], xi, xi * errors[1], float(values[2]), errors[2],
        floor, floor * errors[3],
    )  # fmt: skip


def _errors(
    values: FloatArray, model: Callable[[FloatArray], FloatArray], edges: int
) -> list[float]:
    """Standard errors of the parameters from the Fisher information."""
    expected = model(values)
    columns = []
    for number in range(len(values)):
        moved = values.copy()
        moved[number] += 1e-4
        columns.append((model(moved) / expected - 1.0) / 1e-4)
    slopes = np.column_stack(columns)
    information = edges / _HANN_INFLATION * slopes.T @ slopes
    variance = np.diag(np.linalg.pinv(information, rcond=1e-10, hermitian=True))
    return [float(v) for v in np.sqrt(np.maximum(variance, 0.0))]
