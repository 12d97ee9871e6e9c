"""Confidence: a calibrated probability that an edge is right, from cheap evidence.

One logistic model for each source. The figures below were set by hand and are *not* calibrated
(`CALIBRATED` says so in every output) until a model brings its own `calibration.json`.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segsem.core.contour import Source
from segsem.core.exceptions import ModelError
from segsem.segmentation.evidence import Evidence

FORMAT_VERSION = 1
DEFAULT_THRESHOLD = 0.85


@dataclass(frozen=True, slots=True)
class LogisticModel:
    """``1 / (1 + exp(-(intercept + sum weight_i * evidence_i)))``."""

    intercept: float
    weights: dict[str, float]

    def probability(self, evidence: Evidence) -> float:
        """Probability in [0, 1] that the edge is right."""
        values = evidence.as_dict()
        score = self.intercept + sum(w * values[name] for name, w in self.weights.items())
        return 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, score))))


@dataclass(frozen=True, slots=True)
class Calibration:
    """One logistic model for each source, and the threshold below which SAM2 does not stand.

    Attributes
    ----------
    models : dict
        By source.
    threshold : float
        Smallest confidence with which SAM2 stands.
    calibrated : bool
        Whether it was fitted on held-out images of the weights it belongs to.
    """

    models: dict[Source, LogisticModel]
    threshold: float = DEFAULT_THRESHOLD
    calibrated: bool = False

    def confidence(self, source: Source, evidence: Evidence) -> float:
        """Confidence in [0, 1] of a mask of the given source."""
        return self.models[source].probability(evidence)


UNCALIBRATED = Calibration(
    {
        # An edge on 97 % of the boundary and agreement on 95 % give 0.9; 90 % each give 0.6.
        Source.SAM2: LogisticModel(
            -26.0,
            {"edge": 12.0, "agreement": 14.0, "stability": 2.0, "iou_pred": 1.0, "decided": 1.0},
        ),
        Source.SAUVOLA: LogisticModel(-14.0, {"edge": 17.0}),
    }
)


def load_calibration(folder: Path) -> Calibration:
    """Load `calibration.json` from a model's folder; without one, the uncalibrated default.

    Raises
    ------
    ModelError
        If the file is damaged or of an unknown version.
    """
    path = folder / "calibration.json"
    if not path.is_file():
        return UNCALIBRATED
    try:
        return _parse(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        msg = f"Cannot use {path}: {error}. Delete it to work uncalibrated."
        raise ModelError(msg) from error


def _parse(value: dict[str, Any]) -> Calibration:
    if value["format_version"] != FORMAT_VERSION:
        msg = f"expected format_version {FORMAT_VERSION}, but got {value['format_version']}"
        raise ValueError(msg)
    models = {
        Source(name): LogisticModel(
            float(entry["intercept"]), {k: float(v) for k, v in entry["weights"].items()}
        )
        for name, entry in value["models"].items()
    }
    return Calibration(models, float(value["threshold"]), bool(value["calibrated"]))
