"""The confidence that is reported of regions: from the evidence of what came out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from segsem.core.contour import Region, Source
from segsem.core.extraction import NECK, UNCAPPED
from segsem.core.types import FloatImage, MaskArray
from segsem.segmentation.canvas import HybridResult
from segsem.segmentation.confidence import POOR, UNFAMILIAR_CONFIDENCE, Calibration
from segsem.segmentation.necks import find_neck
from segsem.segmentation.region_evidence import (
    PART_EVIDENCE,
    Surroundings,
    look_around,
    region_evidence,
)
from segsem.segmentation.stray_edges import StrayEdge, stray_edges

_WORDS = {
    "edge": "on part of its outline the image shows no clear edge",
    "edge_run": "a stretch of its outline has no clear edge",
    "contrast": "a stretch of its outline has much less contrast than other edges",
    "slope": "a stretch of its outline is much more blurred than other edges",
    "visible": "its edges hardly stand out from the noise",
    "steady": "its outline lies off the edge that the image shows",
    "sharp": "its edges are blurred",
    "room": "it is narrow for so much blur",
    "straight": "much of its outline is corners",
    "precise": "noise leaves the place of its edge open",
    "inside": "just inside its outline it is not clearly a feature",
    "outside": "just outside its outline it is not clearly a gap",
    "agreement": "its outline differs from the threshold's",
    "agreement_run": "a stretch of its outline differs from the threshold's",
    "same_piece": "the threshold sees another piece here: joined, cut, or with a hole",
    "explained": "there is an edge inside or beside it that no contour follows",
    "sam2_iou_pred": "the model itself doubts its mask",
    "sam2_stability": "its mask is unstable",
    "sam2_decided": "the model is undecided beside its edge",
    "sam2_agreement": "the model's outline differs from the threshold's",
    "sam2_edge": "the model's outline leaves the visible edge",
}


def rate(
    regions: Sequence[Region],
    routed: HybridResult,
    sauvola: MaskArray,
    grey: FloatImage,
    noise: float,
) -> tuple[list[Region], list[StrayEdge]]:
    """Put the evidence of what came out beside that of each region's parts.

    Parameters
    ----------
    regions : sequence of Region
        As `build_regions` made them.
    routed : HybridResult
        From the router.
    sauvola : (H, W) bool
        Sauvola's candidates.
    grey : (H, W) float32
        Normalised grey values, data bar cut off.
    noise : float
        Standard deviation of the pixel noise.

    Returns
    -------
    list of Region
    list of StrayEdge
        Edges that no contour follows.
    """
    around: Surroundings = look_around(regions, routed, sauvola, grey, noise)
    rated = [
        replace(region, evidence=region.evidence | region_evidence(region, around) | _neck(region))
        for region in regions
    ]
    return rated, stray_edges(around.unfollowed)


def _neck(region: Region) -> dict[str, float]:
    """What tells of a thin neck; nothing where there is none. No part of a confidence."""
    neck = find_neck(region.mask)
    if neck is None:
        return {}
    row, col = np.add(region.offset_rc, neck.place_rc).tolist()
    return dict(zip(NECK, (float(neck.width_px), float(row), float(col)), strict=True))


def evidence_for(region: Region) -> dict[str, float]:
    """Evidence that a region's model is given; what was not asked for counts as undecided."""
    return {**dict.fromkeys(PART_EVIDENCE, 0.5), **region.evidence}


def model_of(region: Region) -> Source:
    """Whose model judges a region: where any stretch is SAM2's, its model."""
    return Source.SAUVOLA if region.source is Source.SAUVOLA else Source.SAM2


def decide(
    regions: Sequence[Region], calibration: Calibration, doubtful_below: float, unfamiliar: bool
) -> list[Region]:
    """Give rated regions their confidence, and say who needs a person.

    Parameters
    ----------
    regions : sequence of Region
        From `rate`.
    calibration : Calibration
        Its region models; without any, regions stay as they are.
    doubtful_below : float
        Regions below it need a person; by what confidence was before it was capped.
    unfamiliar : bool
        The image is unlike the calibration's: confidence is capped.

    Returns
    -------
    list of Region
    """
    if not calibration.regions:
        return list(regions)
    return [_decided(region, calibration, doubtful_below, unfamiliar) for region in regions]


def _decided(
    region: Region, calibration: Calibration, doubtful_below: float, unfamiliar: bool
) -> Region:
    evidence = evidence_for(region)
    confidence = calibration.regions[model_of(region)].probability(evidence)
    doubtful = confidence < max(doubtful_below, POOR)
    reason = region.fallback_reason
    if doubtful:
        said = f"confidence {confidence:.2f} below {max(doubtful_below, POOR):.2f}: "
        said += _why(region, calibration, evidence)
        reason = said if reason is None else f"{said}; {reason}"
    evidence = region.evidence
    if unfamiliar and confidence > UNFAMILIAR_CONFIDENCE:
        # All would be alike, and nobody could tell which to look at first.
        evidence = {**evidence, UNCAPPED: round(confidence, 4)}
        confidence = UNFAMILIAR_CONFIDENCE
    return replace(
        region,
        confidence=confidence,
        fallback_reason=reason,
        needs_human=doubtful,
        evidence=evidence,
    )


def _why(region: Region, calibration: Calibration, evidence: dict[str, float]) -> str:
    """Name the figure that costs most against the calibration's usual region, in words."""
    lost = calibration.regions[model_of(region)].losses(evidence)
    named = {name: loss for name, loss in lost.items() if name in _WORDS}
    return _WORDS[max(named, key=lambda name: named[name])] if named else "its evidence is weak"
