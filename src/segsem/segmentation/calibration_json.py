"""A calibration as plain JSON values, and back."""

from __future__ import annotations

from typing import Any

from segsem.core.contour import Source
from segsem.segmentation.confidence import Calibration, LogisticModel
from segsem.segmentation.outlier import BINS, Familiar

FORMAT_VERSION = 1


def to_json(calibration: Calibration) -> dict[str, Any]:
    """Plain JSON values of a calibration.

    Parameters
    ----------
    calibration : Calibration
        A fitted one.

    Returns
    -------
    dict
    """
    familiar = calibration.familiar
    return {
        "format_version": FORMAT_VERSION,
        "origin": calibration.origin,
        "threshold": calibration.threshold,
        "part_threshold": calibration.part_threshold,
        "parts": {s.value: _model_to_json(m) for s, m in calibration.models.items()},
        "regions": {s.value: _model_to_json(m) for s, m in calibration.regions.items()},
        "familiar": None
        if familiar is None
        else {
            "ranges": {name: list(limits) for name, limits in familiar.ranges.items()},
            "histogram_limit": familiar.histogram_limit,
            "histograms": [list(one) for one in familiar.histograms],
        },
    }


def from_json(data: dict[str, Any]) -> Calibration:
    """Make a calibration of JSON values.

    Raises
    ------
    ValueError
        If they are of another format, incomplete, or no numbers; says what is wrong.
    """
    version = data.get("format_version")
    if version != FORMAT_VERSION:
        msg = f"format version {version}, expected {FORMAT_VERSION}: update segsem"
        raise ValueError(msg)
    try:
        return Calibration(
            {Source(name): _model_of_json(one) for name, one in data["parts"].items()},
            _share(data["threshold"]),
            calibrated=True,
            regions={Source(name): _model_of_json(one) for name, one in data["regions"].items()},
            part_threshold=_share(data["part_threshold"]),
            familiar=_familiar_of_json(data["familiar"]),
            origin=dict(data["origin"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        msg = f"it is incomplete ({error!r})"
        raise ValueError(msg) from error


def _model_to_json(model: LogisticModel) -> dict[str, Any]:
    return {
        "intercept": round(model.intercept, 6),
        "weights": {name: round(value, 6) for name, value in model.weights.items()},
        "usual": {name: round(value, 4) for name, value in model.usual.items()},
        "spreads": model.spreads,
    }


def _model_of_json(data: dict[str, Any]) -> LogisticModel:
    return LogisticModel(
        float(data["intercept"]),
        {str(name): float(value) for name, value in data["weights"].items()},
        bool(data["spreads"]),
        {str(name): float(value) for name, value in data["usual"].items()},
    )


def _share(value: Any) -> float:
    share = float(value)
    if not 0.0 <= share <= 1.0:
        msg = f"a threshold of {share} is none"
        raise ValueError(msg)
    return share


def _familiar_of_json(data: dict[str, Any] | None) -> Familiar | None:
    if data is None:
        return None
    histograms = tuple(tuple(float(v) for v in one) for one in data["histograms"])
    if any(len(one) != BINS for one in histograms):
        msg = f"histograms have not {BINS} bins"
        raise ValueError(msg)
    ranges = {str(name): (float(low), float(high)) for name, (low, high) in data["ranges"].items()}
    return Familiar(ranges, histograms, float(data["histogram_limit"]))
