"""Fitting of confidence, and its file format."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from segsem.core.contour import Source
from segsem.segmentation.calibration_examples import Examples
from segsem.segmentation.calibration_fit import (
    fit_logistic,
    out_of_fold,
    probabilities,
    risk_bound,
    smallest_safe_threshold,
)
from segsem.segmentation.calibration_json import from_json, to_json
from segsem.segmentation.confidence import Calibration, LogisticModel, spread
from segsem.segmentation.outlier import Look, familiar_of


def drawn(count, seed, images=40):
    """Right with the probability that log odds of `edge` say; `noise` says nothing."""
    rng = np.random.default_rng(seed)
    found = Examples()
    for index in range(count):
        evidence = {"edge": rng.uniform(), "noise": rng.uniform()}
        chance = 1 / (1 + math.exp(-(0.5 + 1.5 * spread(evidence["edge"]))))
        found.add(evidence, bool(rng.random() < chance), f"image {index % images}")
    return found


def test_a_known_model_is_found_again():
    model = fit_logistic(drawn(20000, 1), ("edge", "noise"))
    assert model.intercept == pytest.approx(0.5, abs=0.1)
    assert model.weights["edge"] == pytest.approx(1.5, rel=0.05)
    assert model.weights["noise"] == pytest.approx(0.0, abs=0.05)
    assert model.spreads


def test_more_evidence_never_speaks_against():
    turned = drawn(2000, 2)
    wrong = Examples(turned.evidence, [not right for right in turned.right], turned.group)
    assert fit_logistic(wrong, ("edge", "noise")).weights["edge"] == 0.0


def test_the_reason_is_what_costs_most():
    model = fit_logistic(drawn(5000, 3), ("edge", "noise"))
    losses = model.losses({"edge": 0.1, "noise": 0.9})
    assert max(losses, key=losses.get) == "edge"
    assert losses["edge"] > 0


def test_evidence_that_never_varies_is_borne():
    examples = drawn(500, 4)
    for one in examples.evidence:
        one["noise"] = 0.5
    model = fit_logistic(examples, ("edge", "noise"))
    assert model.weights["noise"] == 0.0
    assert np.isfinite(probabilities(model, examples)).all()


def test_out_of_fold_confidence_does_not_know_its_own_image():
    # Each image is all right or all wrong, and evidence is the image's number: nothing to learn.
    rng = np.random.default_rng(5)
    verdicts = rng.random(60) < 0.5
    examples = Examples()
    for index, right in enumerate(verdicts):
        for _ in range(20):
            examples.add({"edge": (index + 1) / 62}, bool(right), f"image {index}")
    confidence = out_of_fold(examples, ("edge",))
    assert abs(np.corrcoef(confidence, examples.is_right)[0, 1]) < 0.3


def test_the_smallest_safe_threshold_keeps_its_promise():
    confidence = np.repeat(np.arange(0.5, 1.0, 0.05) + 0.01, 400)
    image = np.tile(np.arange(400), 10)
    wrong = np.random.default_rng(6).random(len(confidence)) < 0.5 * (1 - confidence)
    right = 1.0 - wrong
    threshold = smallest_safe_threshold(confidence, right, image)
    kept = confidence >= threshold
    assert risk_bound(1 - right[kept], image[kept]) <= 0.05
    looser = confidence >= threshold - 0.05
    assert risk_bound(1 - right[looser], image[looser]) > 0.05


def test_few_examples_prove_nothing():
    assert smallest_safe_threshold(np.full(20, 0.99), np.ones(20), np.arange(20)) is None
    # Clopper and Pearson: none wrong of 59 bounds the risk by 0.05.
    assert risk_bound(np.zeros(59), np.arange(59)) == pytest.approx(0.0495, abs=1e-3)


def test_images_that_err_together_count_as_few():
    wrong = np.repeat((np.arange(20) == 0).astype(float), 50)
    assert risk_bound(wrong, np.repeat(np.arange(20), 50)) > 0.1
    assert risk_bound(wrong, np.arange(1000)) < 0.07


@pytest.fixture
def calibration():
    models = {
        source: LogisticModel(-1.0, {"edge": 2.0}, True, {"edge": 1.5})
        for source in (Source.SAM2, Source.SAUVOLA)
    }
    familiar = familiar_of(
        [Look(5.0, 1.0, 0.0, (1 / 16,) * 16), Look(9.0, 2.0, 0.0, (1 / 16,) * 16)]
    )
    origin = {"weights_sha256": "a" * 64, "preset": "calibration", "seed": 7}
    return Calibration(models, 0.9, True, dict(models), 0.8, familiar, origin)


def test_a_calibration_is_read_as_it_was_written(calibration):
    assert from_json(json.loads(json.dumps(to_json(calibration)))) == calibration


def test_thresholds_are_the_calibrations_unless_a_person_names_one(calibration):
    assert calibration.stands_from(None) == 0.8
    assert calibration.doubtful_below(None) == 0.9
    assert calibration.stands_from(0.3) == calibration.doubtful_below(0.3) == 0.3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data.update(format_version=99), "format version 99"),
        (lambda data: data.pop("regions"), "incomplete"),
        (lambda data: data.update(threshold=3.0), "threshold of 3.0"),
        (lambda data: data["parts"].update(other=1), "other"),
        (lambda data: data["familiar"].update(histograms=[[1.0]]), "16 bins"),
        (lambda data: data["parts"]["sam2"].update(intercept="much"), "much"),
    ],
)
def test_a_damaged_calibration_says_what_is_wrong(calibration, change, said):
    data = json.loads(json.dumps(to_json(calibration)))
    change(data)
    with pytest.raises(ValueError, match=said):
        from_json(data)
