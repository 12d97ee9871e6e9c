"""Confidence: a calibrated probability that an edge is right, from cheap evidence.

One logistic model for each source. The figures below were set by hand and are *not*
calibrated; `confidence_calibrated` in every output says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from segsem.core.contour import Source
from segsem.segmentation.evidence import Evidence

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
        # An edge on 97 % of the boundary and agreement on 95 % give 0.9; 90 % each give 0.7.
        Source.SAM2: LogisticModel(
            -26.0,
            {"edge": 12.0, "agreement": 14.0, "stability": 2.0, "iou_pred": 1.0, "decided": 1.0},
        ),
        Source.SAUVOLA: LogisticModel(-14.0, {"edge": 17.0}),
    }
)
