"""Confidence: the probability that an edge is right, from cheap evidence.

Two questions, each with one logistic model for each source. Of a *part* of a candidate in a tile:
does this mask lead to the right edge? That decides which method stands. Of a *region* that came
out: is its contour right? That is what is reported. Models are fitted for the weights they belong
to (`segsem.segmentation.calibrate`) and kept beside them; the figures below were set by hand and
are *not* calibrated; `confidence_calibrated` in every output says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from segsem.core.contour import Source
from segsem.segmentation.evidence import Evidence
from segsem.segmentation.outlier import Familiar

DEFAULT_THRESHOLD = 0.85

POOR = 0.5
"""What is less likely right than wrong needs a person, whatever the threshold."""

UNFAMILIAR_CONFIDENCE = 0.8
"""Greatest confidence in an image unlike those that confidence was calibrated on, where nobody has
counted: set by hand, below what a right region usually has. What does not reach it there is
doubtful, unless a person has named another threshold."""

SPREAD_FLOOR = 0.02
"""Shares of 0 and 1 are as far out as 2 in 100: a few px can say no more."""


def spread(share: float) -> float:
    """Log odds of a share in [0, 1], finite at its ends: 0.98 and 0.99 differ, 0.5 and 0.51 not."""
    share = min(max(share, 0.0), 1.0)
    return math.log((share + SPREAD_FLOOR) / (1.0 - share + SPREAD_FLOOR))


@dataclass(frozen=True, slots=True)
class LogisticModel:
    """``1 / (1 + exp(-(intercept + sum weight_i * evidence_i)))``.

    Attributes
    ----------
    intercept : float
    weights : dict
        By name of the evidence, each in [0, 1].
    spreads : bool
        Whether evidence is taken as log odds (`spread`) rather than as it is.
    usual : dict
        What the evidence of right ones is on average, as it is weighted.
    """

    intercept: float
    weights: dict[str, float]
    spreads: bool = False
    usual: dict[str, float] = field(default_factory=dict)

    def probability(self, evidence: Mapping[str, float]) -> float:
        """Probability in [0, 1] that the edge is right."""
        score = self.intercept
        for name, weight in self.weights.items():
            score += weight * self._taken(evidence[name])
        return 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, score))))

    def losses(self, evidence: Mapping[str, float]) -> dict[str, float]:
        """By how much each figure lowers the score against that of usual right ones."""
        return {
            name: self.weights[name] * (usual - self._taken(evidence[name]))
            for name, usual in self.usual.items()
        }

    def _taken(self, value: float) -> float:
        return spread(value) if self.spreads else value


@dataclass(frozen=True, slots=True)
class Calibration:
    """Models of parts and of regions, and the thresholds below which they are doubtful.

    Attributes
    ----------
    models : dict
        Of parts, by source: who stands.
    threshold : float
        Of regions: what is below it is doubtful.
    calibrated : bool
        Whether it was fitted on held-out images of the weights it belongs to.
    regions : dict
        Of regions, by source; empty where only parts have a model.
    part_threshold : float or None
        Smallest confidence with which SAM2 stands; None: the same as `threshold`.
    familiar : Familiar or None
        What images it was fitted on look like.
    origin : dict
        Where it comes from, as plain JSON values: weights, images, seeds, counts, versions.
    """

    models: dict[Source, LogisticModel]
    threshold: float = DEFAULT_THRESHOLD
    calibrated: bool = False
    regions: dict[Source, LogisticModel] = field(default_factory=dict)
    part_threshold: float | None = None
    familiar: Familiar | None = None
    origin: dict[str, Any] = field(default_factory=dict)

    def confidence(self, source: Source, evidence: Evidence) -> float:
        """Confidence in [0, 1] of a part's mask of the given source."""
        return self.models[source].probability(evidence.as_dict())

    def stands_from(self, wanted: float | None) -> float:
        """Confidence from which SAM2 stands, where a person has or has not named a threshold."""
        if wanted is not None:
            return wanted
        return self.threshold if self.part_threshold is None else self.part_threshold

    def doubtful_below(self, wanted: float | None, unfamiliar: bool = False) -> float:
        """Confidence below which a region is doubtful.

        Parameters
        ----------
        wanted : float or None
            What a person has named; it holds in any image.
        unfamiliar : bool
            The image is unlike the calibration's, whose threshold does not hold there.
        """
        if wanted is not None:
            return wanted
        return max(self.threshold, UNFAMILIAR_CONFIDENCE) if unfamiliar else self.threshold


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
