"""Evidence of regions that came out, and what becomes of it."""

from __future__ import annotations

import numpy as np
import pytest

from segsem.core.contour import Source
from segsem.core.params import ExtractParams, Routing, Tone
from segsem.core.progress import run_to_completion
from segsem.pipeline import extract
from segsem.segmentation.confidence import (
    UNCALIBRATED,
    UNFAMILIAR_CONFIDENCE,
    Calibration,
    LogisticModel,
)
from segsem.segmentation.outlier import familiar_of
from segsem.segmentation.rating import decide
from segsem.segmentation.region_evidence import REGION_EVIDENCE
from segsem.segmentation.segment import look, see, segment_steps

USED = ("edge", "same_piece", "explained")
MODEL = LogisticModel(-4.0, dict.fromkeys(USED, 1.0), True, dict.fromkeys(USED, 3.9))
MODELS = (Source.SAM2, Source.SAUVOLA)
CALIBRATION = Calibration(
    UNCALIBRATED.models,
    0.9,
    True,
    {Source.SAM2: MODEL, Source.SAUVOLA: MODEL},
    part_threshold=0.7,
)


def rated(scenes, predictor, routing=Routing.SAM2_ONLY, grey=None, calibration=CALIBRATION):
    image = scenes.image(scenes.noisy(scenes.lines(shape=(120, 160)) if grey is None else grey))
    seen = see(image, Tone.BRIGHT)
    params = ExtractParams(routing=routing, tone=Tone.BRIGHT)
    return run_to_completion(segment_steps(seen, predictor, params, calibration)).regions


def test_good_regions_have_good_evidence(scenes, threshold_predictor):
    regions = rated(scenes, threshold_predictor())
    assert len(regions) == 4
    for region in regions:
        assert set(REGION_EVIDENCE) <= set(region.evidence)
        assert all(0 <= region.evidence[name] <= 1 for name in REGION_EVIDENCE)
        for name in ("edge", "edge_run", "agreement", "agreement_run", "same_piece", "explained"):
            assert region.evidence[name] > 0.95
        assert region.confidence > 0.95
        assert not region.needs_human
        assert region.fallback_reason is None


def test_a_part_that_the_model_missed_shows(scenes, threshold_predictor):
    def half(mask, _):
        kept = mask.copy()
        kept[60:] = False
        return kept

    for region in rated(scenes, threshold_predictor(half)):
        assert region.evidence["same_piece"] < 0.5
        assert region.evidence["explained"] < 0.3
        assert region.needs_human
        said = region.fallback_reason
        assert "that no contour follows" in said or "the threshold sees another piece" in said
        assert "below 0.90" in region.fallback_reason


def test_an_outline_beside_the_edge_shows(scenes, threshold_predictor):
    def shifted(mask, _):
        return np.roll(mask, 5, axis=1)

    for region in rated(scenes, threshold_predictor(shifted)):
        # Where placement does not find the edge, nothing moved but nothing is placed either.
        assert min(region.evidence["steady"], region.evidence["edge_run"]) < 0.3


def test_with_a_fallback_the_same_failures_do_not_come_out(scenes, threshold_predictor):
    def half(mask, _):
        kept = mask.copy()
        kept[60:] = False
        return kept

    regions = rated(scenes, threshold_predictor(half), Routing.HYBRID)
    assert all(not region.needs_human for region in regions)
    assert all(region.source is not Source.SAM2 for region in regions)


def test_without_models_of_regions_nothing_changes(scenes, threshold_predictor):
    image = scenes.image(scenes.noisy(scenes.lines(shape=(120, 160))))
    extraction = extract(image, threshold_predictor())
    assert extraction.provenance["confidence_calibrated"] is False
    assert not any(set(REGION_EVIDENCE) & set(region.evidence) for region in extraction.regions)
    assert decide(extraction.regions, UNCALIBRATED, 0.9, True) == list(extraction.regions)


def test_the_calibration_of_a_predictor_is_used_and_told(scenes, threshold_predictor):
    predictor = threshold_predictor()
    predictor.calibration = CALIBRATION
    image = scenes.image(scenes.noisy(scenes.lines(shape=(120, 160))))
    provenance = extract(image, predictor).provenance
    assert provenance["confidence_calibrated"] is True
    assert (provenance["threshold"], provenance["part_threshold"]) == (0.9, 0.7)
    stricter = extract(image, predictor, ExtractParams(threshold=1.0))
    assert all(region.needs_human for region in stricter.regions)


def test_a_calibration_that_is_not_used_is_told(scenes, threshold_predictor):
    predictor = threshold_predictor()
    predictor.calibration_note = "calibration.json is not used: it belongs to other weights"
    image = scenes.image(scenes.noisy(scenes.lines(shape=(120, 160))))
    extraction = extract(image, predictor)
    assert predictor.calibration_note in extraction.warnings
    assert extraction.provenance["confidence_calibrated"] is False


@pytest.fixture
def sharp_images_only(scenes):
    seen = [
        see(
            scenes.image(scenes.noisy(scenes.lines(shape=(120, 160)), sigma=2.0, seed=seed)),
            Tone.BRIGHT,
        )
        for seed in range(3)
    ]
    return familiar_of([look(one) for one in seen])


@pytest.mark.parametrize(("wanted", "doubtful"), [(None, True), (0.5, False)])
def test_in_an_unfamiliar_image_the_usual_threshold_is_not_enough(
    scenes, threshold_predictor, sharp_images_only, wanted, doubtful
):
    always = LogisticModel(float(np.log(0.7 / 0.3)), {})  # sure to 0.7 of each region
    predictor = threshold_predictor()
    predictor.calibration = Calibration(
        CALIBRATION.models, 0.5, True, dict.fromkeys(MODELS, always), 0.7, sharp_images_only
    )
    for sigma, unfamiliar in ((2.0, False), (25.0, True)):
        image = scenes.image(scenes.noisy(scenes.lines(shape=(120, 160)), sigma=sigma))
        extraction = extract(image, predictor, ExtractParams(threshold=wanted))
        assert bool(extraction.provenance["ood"]) is unfamiliar
        waits = unfamiliar and doubtful
        assert extraction.provenance["threshold"] == (0.8 if waits else 0.5)
        assert len(extraction.regions) == 4
        assert {region.needs_human for region in extraction.regions} == {waits}
        assert {round(region.confidence, 6) for region in extraction.regions} == {0.7}


def test_an_unfamiliar_image_is_told_and_confidence_is_held_down(
    scenes, threshold_predictor, sharp_images_only
):
    predictor = threshold_predictor()
    predictor.calibration = Calibration(
        CALIBRATION.models, 0.9, True, CALIBRATION.regions, 0.7, sharp_images_only
    )
    image = scenes.image(scenes.noisy(scenes.lines(shape=(120, 160)), sigma=25.0))
    extraction = extract(image, predictor)
    assert any("noisier" in said for said in extraction.provenance["ood"])
    assert any("unlike those" in warning for warning in extraction.warnings)
    assert all(region.confidence <= UNFAMILIAR_CONFIDENCE for region in extraction.regions)
    # What was sure enough before it was held down stands.
    assert not any(region.needs_human for region in extraction.regions)
    familiar = extract(
        scenes.image(scenes.noisy(scenes.lines(shape=(120, 160)), sigma=2.0)), predictor
    )
    assert familiar.provenance["ood"] == []
    assert all(region.confidence > UNFAMILIAR_CONFIDENCE for region in familiar.regions)
