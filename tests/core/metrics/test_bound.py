from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erf

from segsem.metrics.bound import efficiency, means_along, row_bound_px

STEP = 0.05
AT = np.arange(-12, 12, STEP)


def edge(height: float, sigma: float) -> np.ndarray:
    return height * 0.5 * (1 + erf(AT / (sigma * np.sqrt(2))))


@pytest.mark.parametrize(("height", "sigma", "noise"), [(100, 1.2, 10.0), (60, 2.2, 20.0)])
def test_a_gaussian_edge_in_closed_form(height: float, sigma: float, noise: float) -> None:
    # g' is a Gaussian, and the integral of its square is height² / (2 sqrt(pi) sigma).
    expected = noise / height * np.sqrt(2 * np.sqrt(np.pi) * sigma)
    found = row_bound_px(edge(height, sigma), np.full(len(AT), noise), STEP)
    assert found == pytest.approx(expected, rel=1e-3)


def test_noise_where_the_edge_is_steep_is_what_counts() -> None:
    profile = edge(100, 1.5)
    flat = np.full(len(AT), 10.0)
    far = np.where(np.abs(AT) > 8, 1000.0, 10.0)
    near = np.where(np.abs(AT) < 1, 1000.0, 10.0)
    bound = row_bound_px(profile, flat, STEP)
    assert row_bound_px(profile, far, STEP) == pytest.approx(bound, rel=1e-6)
    assert row_bound_px(profile, near, STEP) > 1.3 * bound


def test_least_squares_reaches_the_bound() -> None:
    """The position fitted to many noisy rows, with all else known, against the bound."""
    rng = np.random.default_rng(3)
    sigma, height, noise = 1.5, 100.0, 8.0
    columns = np.arange(-10, 11)
    slope = height / (sigma * np.sqrt(2 * np.pi)) * np.exp(-0.5 * (columns / sigma) ** 2)
    rows = noise * rng.standard_normal((4000, len(columns)))
    # y = g(x) - x0 g'(x) + n: least squares for x0 about x0 = 0.
    shift = -(rows @ slope) / np.sum(slope**2)
    bound = row_bound_px(edge(height, sigma), np.full(len(AT), noise), STEP)
    assert shift.std() == pytest.approx(bound, rel=0.05)


def test_limits() -> None:
    assert row_bound_px(np.ones(5), np.ones(5), 0.1) == np.inf
    assert row_bound_px(edge(10, 1), np.zeros(len(AT)), STEP) == 0.0


@pytest.mark.parametrize(
    ("profile", "noise", "step"),
    [
        (np.ones(5), np.ones(4), 0.1),
        (np.ones(2), np.ones(2), 0.1),
        (np.ones((3, 3)), np.ones((3, 3)), 0.1),
        (np.ones(5), -np.ones(5), 0.1),
        (np.ones(5), np.ones(5), 0.0),
    ],
)
def test_wrong_arguments(profile: np.ndarray, noise: np.ndarray, step: float) -> None:
    with pytest.raises(ValueError, match="Expected"):
        row_bound_px(profile, noise, step)


def test_means_of_whole_pieces_only() -> None:
    arc = np.arange(0.25, 100, 0.5)
    error = np.where(arc < 32, 1.0, np.where(arc < 64.2, 2.0, 3.0))
    assert means_along(error, arc) == pytest.approx([1.0, 2.0, 3.0], abs=0.02)
    error[70] = np.nan
    assert means_along(error, arc) == pytest.approx([1.0, 3.0], abs=0.02)
    assert len(means_along(np.empty(0), np.empty(0))) == 0
    assert len(means_along(error[:40], arc[:40])) == 0


@pytest.mark.parametrize("waste", [1.0, 2.5])
def test_efficiency_is_one_at_the_bound_and_falls_with_the_variance(waste: float) -> None:
    rng = np.random.default_rng(8)
    bound = 0.4
    rows = bound * np.sqrt(waste) * rng.standard_normal((6000, 32)) + 0.7
    means = np.concatenate([means_along(row, np.arange(32.0)) for row in rows])
    assert len(means) == 6000
    assert efficiency(bound, means) == pytest.approx(1 / waste, rel=0.06)


def test_too_few_pieces_say_nothing() -> None:
    assert np.isnan(efficiency(0.3, np.zeros(7)))
    assert efficiency(0.3, np.zeros(8)) == np.inf
