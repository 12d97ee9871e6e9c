"""Scores of many images as figures of a group, with intervals by bootstrap over images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from segsem.core.contour import SOURCE_CODES
from segsem.core.types import FloatArray
from segsem.evaluation.contour_protocol import ImageScore
from segsem.evaluation.contour_score import Placement
from segsem.evaluation.statistics import Mean

DRAWS = 1000
_SEED = 20_261_123
_BIN_PX = 0.005
_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class PlacementFigures:
    """Placement over the images of a group, in px unless it says otherwise.

    Attributes
    ----------
    images : int
        With at least one point.
    bias, bias_spread : float
        Mean and standard deviation of the images' biases.
    sigma, p95 : Mean
        Of the error about the mean of each image, every point counting alike.
    max : float
        Greatest error about the mean of its image.
    p95_penalised : float
        Mean over images of `p95_penalised_px`.
    feature_spread : float
        Standard deviation of the mean errors of an image's features, pooled over images.
    z_sigma : float
        RMS over images of the error over the sigma claimed.
    completeness, duplicates, extra : float
        Shares of the truth's length; NaN where a group holds parts of images.
    wrong_way, along_border : float
        Length in px of contours that run backwards, or along the image's border.
    cd_bias, cd_sigma : float
        Mean over images of the CD's bias; RMS of its standard deviation between features.
    """

    images: int
    bias: float
    bias_spread: float
    sigma: Mean
    p95: Mean
    max: float
    p95_penalised: float
    feature_spread: float
    z_sigma: float
    completeness: float
    duplicates: float
    extra: float
    wrong_way: float
    along_border: float
    cd_bias: float
    cd_sigma: float


def placement_figures(placements: Sequence[Placement]) -> PlacementFigures:
    """Summarise the placement of a group's images."""
    seen = [p for p in placements if len(p.centred_px)]
    length = sum(p.truth_length_px for p in placements)
    spreads = [p.feature_means_px for p in seen if len(p.feature_means_px) > 1]
    biases = np.array([p.bias_px for p in seen])

    def share(of: Callable[[Placement], float]) -> float:
        return sum(of(p) for p in placements) / length if length > 0 else _NAN

    return PlacementFigures(
        images=len(seen),
        bias=_mean(biases),
        bias_spread=float(biases.std(ddof=1)) if len(biases) > 1 else _NAN,
        sigma=_sigma(seen),
        p95=_p95(seen),
        max=max((p.max_px for p in seen), default=_NAN),
        p95_penalised=_mean(np.array([p.p95_penalised_px for p in placements])),
        feature_spread=_rms(np.concatenate([_about_mean(s) for s in spreads] or [np.empty(0)])),
        z_sigma=_rms(np.array([p.z_sigma for p in seen])),
        completeness=share(
            lambda p: p.completeness * p.truth_length_px if p.truth_length_px else 0
        ),
        duplicates=share(lambda p: p.duplicate_length_px),
        extra=share(lambda p: p.extra_length_px),
        wrong_way=sum(p.reversed_length_px for p in placements),
        along_border=sum(p.border_length_px for p in placements),
        cd_bias=_mean(np.array([p.cd_bias_px for p in seen])),
        cd_sigma=_rms(np.array([p.cd_sigma_px for p in seen])),
    )


def of_sources(scores: Sequence[ImageScore]) -> dict[str, list[Placement]]:
    """Placed errors parted by the source that each point stands on, as placements of their own.

    Errors stay about the mean of the whole image. What is missing or extra belongs to no source.
    """
    parts: dict[str, list[Placement]] = {}
    for score in scores:
        whole = score.placed
        for code in np.unique(whole.source_code):
            own = whole.centred_px[whole.source_code == code]
            part = replace(
                whole,
                centred_px=own,
                source_code=whole.source_code[whole.source_code == code],
                feature_means_px=np.empty(0),
                bias_px=whole.bias_px + float(own.mean()),
                max_px=float(np.abs(own).max()),
                p95_penalised_px=_NAN,
                z_sigma=_NAN,
                completeness=_NAN,
                truth_length_px=0.0,
                extra_length_px=0.0,
                duplicate_length_px=0.0,
                border_length_px=0.0,
                reversed_length_px=0.0,
                cd_bias_px=_NAN,
                cd_sigma_px=_NAN,
            )
            parts.setdefault(SOURCE_CODES[int(code)].value, []).append(part)
    return parts


def paired_difference(first: Sequence[float], second: Sequence[float]) -> Mean:
    """Mean of first minus second over the same images, with its 95 % interval.

    Raises
    ------
    ValueError
        If they differ in number or there is none.
    """
    if len(first) != len(second) or not first:
        msg = f"Expected pairs, but got {len(first)} and {len(second)} values"
        raise ValueError(msg)
    difference = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    drawn = _draws(len(difference)) @ difference / len(difference)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Mean(float(difference.mean()), float(low), float(high))


def _sigma(seen: Sequence[Placement]) -> Mean:
    squares = np.array([np.sum(p.centred_px**2) for p in seen])
    counts = np.array([len(p.centred_px) for p in seen])
    if not len(seen):
        return Mean(_NAN, _NAN, _NAN)
    drawn = _draws(len(seen))
    low, high = np.percentile(np.sqrt((drawn @ squares) / (drawn @ counts)), [2.5, 97.5])
    return Mean(float(np.sqrt(squares.sum() / counts.sum())), float(low), float(high))


def _p95(seen: Sequence[Placement]) -> Mean:
    if not len(seen):
        return Mean(_NAN, _NAN, _NAN)
    absolute = [np.abs(p.centred_px) for p in seen]
    value = float(np.percentile(np.concatenate(absolute), 95))
    bins = int(max(a.max() for a in absolute) / _BIN_PX) + 1
    histograms = np.array(
        [np.bincount((a / _BIN_PX).astype(np.intp), minlength=bins) for a in absolute]
    )
    # The distribution of the pooled errors, for each draw of images.
    below = np.cumsum(_draws(len(seen)) @ histograms, axis=1)
    at = np.argmax(below >= 0.95 * below[:, -1:], axis=1) * _BIN_PX + _BIN_PX / 2
    low, high = np.percentile(at, [2.5, 97.5])
    return Mean(value, float(low), float(high))


def _draws(count: int) -> FloatArray:
    """How often each image is drawn, `DRAWS` times with replacement."""
    rng = np.random.default_rng([_SEED, count])
    return rng.multinomial(count, np.full(count, 1 / count), DRAWS).astype(np.float64)


def _about_mean(values: FloatArray) -> FloatArray:
    # An unbiased variance once they are squared and averaged.
    return np.asarray((values - values.mean()) * np.sqrt(len(values) / (len(values) - 1)))


def _mean(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else _NAN


def _rms(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(known**2))) if len(known) else _NAN
