"""Figures of calibration against cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from segsem.metrics.calibration import (
    area_under_risk_coverage,
    bootstrap,
    brier_score,
    brier_skill,
    expected_calibration_error,
    kept_at,
    reliability,
    risk_coverage,
)

LEVELS = np.repeat([0.1, 0.3, 0.5, 0.7, 0.9], 1000)
EXACT = np.concatenate([np.arange(1000) < 1000 * p for p in (0.1, 0.3, 0.5, 0.7, 0.9)]).astype(
    float
)
"""Of 1,000 examples at each level exactly that share is right."""


def test_perfectly_calibrated_confidence_has_no_error():
    assert expected_calibration_error(LEVELS, EXACT) == pytest.approx(0.0, abs=1e-12)
    # Brier: mean of p (1 - p); base: 0.5 * 0.5.
    expected = np.mean([0.09, 0.21, 0.25, 0.21, 0.09])
    assert brier_score(LEVELS, EXACT) == pytest.approx(expected)
    assert brier_skill(LEVELS, EXACT) == pytest.approx(1 - expected / 0.25)


def test_overconfidence_shows_by_how_much():
    confidence = np.full(1000, 0.95)
    right = (np.arange(1000) < 700).astype(float)
    assert expected_calibration_error(confidence, right) == pytest.approx(0.25)
    assert brier_skill(confidence, right) < 0


def test_errors_of_opposite_sign_do_not_cancel():
    confidence = np.repeat([0.2, 0.8], 500)
    right = np.full(1000, 0.0)
    right[:250] = right[500:750] = 1.0
    assert expected_calibration_error(confidence, right) == pytest.approx(0.3)


def test_the_base_rate_is_calibrated_and_has_no_skill():
    right = (np.arange(1000) < 800).astype(float)
    constant = np.full(1000, 0.8)
    assert expected_calibration_error(constant, right) == pytest.approx(0.0)
    assert brier_skill(constant, right) == pytest.approx(0.0)
    coverage, risk = risk_coverage(constant, right)
    assert coverage.tolist() == [1.0]
    assert risk == pytest.approx([0.2])


def test_a_perfect_verdict_has_full_skill_and_keeps_no_risk():
    right = (np.arange(100) % 4 != 0).astype(float)
    assert brier_skill(right, right) == 1.0
    # Everything right is kept first: risk only from coverage 0.75 on.
    assert area_under_risk_coverage(right, right) == pytest.approx(0.25 * 0.25)


def test_risk_coverage_by_hand():
    confidence = np.array([0.9, 0.8, 0.7, 0.6])
    right = np.array([1.0, 0.0, 1.0, 0.0])
    coverage, risk = risk_coverage(confidence, right)
    np.testing.assert_allclose(coverage, [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(risk, [0.0, 0.5, 1 / 3, 0.5])
    assert area_under_risk_coverage(confidence, right) == pytest.approx(np.mean(risk))


def test_where_all_are_right_there_is_no_skill_to_speak_of():
    assert np.isnan(brier_skill(np.full(5, 0.9), np.ones(5)))
    assert np.isnan(expected_calibration_error(np.empty(0), np.empty(0)))
    assert np.isnan(kept_at(0.5, np.full(5, 0.9), np.ones(5), np.arange(5)).flagged.value)


def test_a_threshold_by_hand():
    confidence = np.array([0.9, 0.9, 0.9, 0.4, 0.4])
    right = np.array([1.0, 1.0, 0.0, 0.0, 1.0])
    kept = kept_at(0.85, confidence, right, np.arange(5))
    assert kept.coverage.value == pytest.approx(0.6)
    assert kept.right.value == pytest.approx(2 / 3)
    assert kept.flagged.value == pytest.approx(0.5)


def test_the_reliability_table_has_all_examples_once():
    image = np.random.default_rng(0).integers(50, size=len(LEVELS))
    rows = reliability(LEVELS, EXACT, image, bins=5)
    assert [row.count for row in rows] == [1000] * 5
    for row in rows:
        assert row.right.value == pytest.approx(row.confidence)
        assert row.right.low < row.confidence < row.right.high


def test_regions_of_one_image_do_not_count_as_many():
    # 10 images of 100 regions that are right or wrong together.
    right = np.repeat((np.arange(10) < 8).astype(float), 100)
    confidence = np.full(1000, 0.8)

    def mean(_, verdicts):
        return float(np.mean(verdicts))

    together = bootstrap(mean, confidence, right, np.repeat(np.arange(10), 100))
    apart = bootstrap(mean, confidence, right, np.arange(1000))
    assert together.value == apart.value == pytest.approx(0.8)
    assert together.high - together.low > 5 * (apart.high - apart.low)


def test_confidence_is_checked():
    with pytest.raises(ValueError, match="one shape"):
        brier_score(np.zeros(3), np.zeros(2))
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        brier_score(np.array([1.2]), np.array([1.0]))
