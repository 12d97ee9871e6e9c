"""How well the contours of one image agree with its exact truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from segsem.core.contour import Contour
from segsem.core.extraction import Extraction
from segsem.core.types import FloatArray
from segsem.evaluation.truth_set import Truth
from segsem.metrics.cd_error import cd_errors_px
from segsem.metrics.epe import EPEParams, compare_contours
from segsem.metrics.epe_report import RATEABLE_PX
from segsem.metrics.normal_epe import NormalEPE, epe_along_normals
from segsem.metrics.polyline import IntArray, Polyline

_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Placement:
    """Errors of one image's contours, all in px; NaN where nothing was found.

    Attributes
    ----------
    centred_px : (N,) array
        Signed errors along the truth's normals, outwards positive, less the image's mean.
    source_code : (N,) array
        Source of the contour at each of them, see `SOURCE_CODES`.
    feature_means_px : (F,) array
        Mean error of each truth contour with 32 px or more found, less the image's mean.
    bias_px, max_px : float
        The mean taken off; greatest absolute error about it.
    p95_penalised_px : float
        95th percentile of the absolute error about the mean, what is missing or extra counting
        with the full reach.
    z_sigma : float
        RMS of the error about the mean over the sigma that the contour claims.
    completeness : float
        Share of the truth that has a contour.
    truth_length_px, extra_length_px, duplicate_length_px, border_length_px : float
    reversed_length_px : float
        See `EPESamples`.
    cd_bias_px, cd_sigma_px : float
        Mean CD error, and standard deviation of the features' mean CD errors.
    cd_cuts : int
        Number of cuts.
    """

    centred_px: FloatArray
    source_code: IntArray
    feature_means_px: FloatArray
    bias_px: float
    max_px: float
    p95_penalised_px: float
    z_sigma: float
    completeness: float
    truth_length_px: float
    extra_length_px: float
    duplicate_length_px: float
    border_length_px: float
    reversed_length_px: float
    cd_bias_px: float
    cd_sigma_px: float
    cd_cuts: int

    @property
    def sigma_px(self) -> float:
        """Standard deviation of the error."""
        return _rms(self.centred_px)

    @property
    def p95_px(self) -> float:
        """95th percentile of the absolute error about the mean."""
        return float(np.percentile(np.abs(self.centred_px), 95)) if len(self.centred_px) else _NAN

    @property
    def feature_spread_px(self) -> float:
        """Standard deviation of the features' mean errors; NaN with fewer than two."""
        return _std(self.feature_means_px)


def placement(
    extraction: Extraction, truth: Truth, *, raw: bool = False, params: EPEParams | None = None
) -> tuple[Placement, NormalEPE]:
    """Compare an image's contours with its truth.

    Parameters
    ----------
    extraction : Extraction
        What was found.
    truth : Truth
        What is there.
    raw : bool
        Compare the contours as they were before the image placed them.
    params : EPEParams, optional
        Margin, reach and step.

    Returns
    -------
    Placement
        The figures.
    NormalEPE
        The errors point by point.
    """
    contours = [contour for region in extraction.regions for contour in region.contours]
    contours = [contour for contour in contours if len(contour) > 1]
    lines = [_polyline(contour, raw) for contour in contours]
    shape, rows = extraction.shape, extraction.valid_rows
    errors = epe_along_normals(lines, truth.contours, shape, valid_rows=rows, params=params)
    lengths = compare_contours(lines, truth.contours, shape, valid_rows=rows, params=params)
    found = errors.found
    epe = errors.epe_px[found]
    bias = float(epe.mean()) if len(epe) else _NAN
    centred = epe - bias
    shifted = replace(errors, epe_px=errors.epe_px - bias)
    penalised = shifted.penalised_px(lengths.extra_length_px)
    widths, feature = cd_errors_px(errors, lines, truth.contours)
    made = Placement(
        centred_px=centred,
        source_code=_at_cut(contours, errors, "source_code").astype(np.int64),
        feature_means_px=shifted.feature_means_px(RATEABLE_PX),
        bias_px=bias,
        max_px=float(np.abs(centred).max()) if len(epe) else _NAN,
        p95_penalised_px=float(np.percentile(penalised, 95)) if len(penalised) else _NAN,
        z_sigma=_standardised(centred, _at_cut(contours, errors, "sigma_px")),
        completeness=errors.completeness,
        truth_length_px=float(errors.step_px.sum()),
        extra_length_px=lengths.extra_length_px,
        duplicate_length_px=lengths.duplicate_length_px,
        border_length_px=lengths.border_length_px,
        reversed_length_px=lengths.reversed_length_px,
        cd_bias_px=float(widths.mean()) if len(widths) else _NAN,
        cd_sigma_px=_std(_means_by(widths, feature)),
        cd_cuts=len(widths),
    )
    return made, shifted


def _polyline(contour: Contour, raw: bool) -> Polyline:
    return Polyline(contour.raw_vertices_rc if raw else contour.vertices_rc, contour.closed)


def _at_cut(contours: Sequence[Contour], errors: NormalEPE, name: str) -> FloatArray:
    """Value of a contour's field at the vertex before each cut, for the points that were found."""
    lengths = np.array([len(contour) for contour in contours], dtype=np.int64)
    if not errors.found.any():
        return np.empty(0)
    start = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    values = np.concatenate([np.asarray(getattr(contour, name), float) for contour in contours])
    return np.asarray(values[start[errors.contour[errors.found]] + errors.vertex[errors.found]])


def _standardised(centred_px: FloatArray, sigma_px: FloatArray) -> float:
    known = np.isfinite(sigma_px) & (sigma_px > 0)
    return _rms(centred_px[known] / sigma_px[known])


def _means_by(values: FloatArray, group: IntArray) -> FloatArray:
    if not len(values):
        return np.empty(0)
    _, index, counts = np.unique(group, return_inverse=True, return_counts=True)
    return np.asarray(np.bincount(index, values) / counts)


def _rms(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(values**2))) if len(values) else _NAN


def _std(values: FloatArray) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else _NAN
