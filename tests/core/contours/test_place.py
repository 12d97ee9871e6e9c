"""Placement against edges known in closed form (error functions: a step under a Gaussian)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erf

from segsem.contours.place import place
from segsem.contours.profiles import estimate_noise, prepare
from segsem.contours.trace import Polyline, trace
from segsem.core.contour import PointFlag
from segsem.core.params import EdgeMethod, EdgeParams, EdgeSide

BLUR = 1.6


def step(distance_px: np.ndarray, blur: float = BLUR) -> np.ndarray:
    """0 outside (negative distance), 1 inside, under a Gaussian of sigma `blur`."""
    return 0.5 * (1 + erf(distance_px / (np.sqrt(2) * blur)))


def distance_to_tilted_line(shape: tuple[int, int], offset: float, angle_deg: float) -> np.ndarray:
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    angle = np.deg2rad(angle_deg)
    return cols * np.cos(angle) + rows * np.sin(angle) - offset


def signed_error(line, offset: float, angle_deg: float) -> np.ndarray:
    angle = np.deg2rad(angle_deg)
    vertices = line.vertices_rc
    return vertices[:, 1] * np.cos(angle) + vertices[:, 0] * np.sin(angle) - offset


def inner(line) -> np.ndarray:
    return (line.flags & np.uint8(PointFlag.BORDER)) == 0


@pytest.mark.parametrize("angle_deg", [0.0, 7.0, 45.0])
@pytest.mark.parametrize("method", list(EdgeMethod))
def test_noise_free_edges_at_33_phases_have_no_staircase(angle_deg, method):
    # Large enough that the ends (docs/extraction.md, limits) do not decide the mean.
    errors = []
    for phase in np.linspace(0.0, 1.0, 33):
        offset = 90.0 + phase
        distance = distance_to_tilted_line((120, 180), offset, angle_deg)
        image = prepare((50 + 150 * step(distance)).astype(np.float32))
        # Segmentation is a pixel and a half off, on purpose.
        (traced,) = trace((distance + 1.5).astype(np.float32))
        line = place(image, traced, bright=True, params=EdgeParams(edge_method=method))
        errors.append(np.mean(signed_error(line, offset, angle_deg)[inner(line)]))
    assert np.ptp(errors) < 0.01
    assert np.max(np.abs(errors)) < 0.03


def test_dark_feature_is_placed_on_the_same_edge():
    distance = distance_to_tilted_line((60, 90), 40.3, 12.0)
    image = prepare((200 - 150 * step(distance)).astype(np.float32))
    (traced,) = trace((distance - 1.0).astype(np.float32))
    line = place(image, traced, bright=False, params=EdgeParams())
    assert np.abs(signed_error(line, 40.3, 12.0)[inner(line)]).max() < 0.03


@pytest.mark.parametrize(
    ("side", "expected"), [(EdgeSide.OUTER, 40.0), (EdgeSide.INNER, 46.0), (EdgeSide.MIDDLE, 43.0)]
)
def test_sides_of_the_rim(side, expected):
    distance = distance_to_tilted_line((60, 100), 40.0, 0.0)
    # A plateau of 100 with a rim of 200 that is 6 px wide, on a floor of 20.
    grey = 20 + 180 * step(distance, 0.8) - 100 * step(distance - 6.0, 0.8)
    (traced,) = trace(distance.astype(np.float32))
    line = place(
        prepare(grey.astype(np.float32)), traced, bright=True, params=EdgeParams(edge_side=side)
    )
    position = np.mean(line.vertices_rc[inner(line), 1])
    assert position == pytest.approx(expected, abs=0.15)


def test_random_error_and_sigma_agree_with_repeats():
    rng = np.random.default_rng(7)
    distance = distance_to_tilted_line((200, 90), 40.4, 9.0)
    clean = 60 + 120 * step(distance)
    deviations, sigmas = [], []
    for _ in range(12):
        image = prepare((clean + rng.normal(0, 20, clean.shape)).astype(np.float32))
        (traced, *_) = trace((distance + rng.normal(0, 0.3, clean.shape)).astype(np.float32))
        line = place(image, traced, bright=True, params=EdgeParams())
        error = signed_error(line, 40.4, 9.0)[inner(line)]
        deviations.append(np.std(error))
        sigmas.append(np.nanmedian(line.sigma_px))
    assert np.mean(deviations) < 0.30
    assert np.mean(sigmas) == pytest.approx(np.mean(deviations), rel=0.35)


def test_disc_radius():
    rows, cols = np.mgrid[:120, :120]
    radius = 30.25
    distance = radius - np.hypot(rows - 60.2, cols - 59.7)
    image = prepare((40 + 160 * step(distance)).astype(np.float32))
    (traced,) = trace((distance + 2.0).astype(np.float32))
    line = place(image, traced, bright=True, params=EdgeParams())
    radii = np.hypot(*(line.vertices_rc - (60.2, 59.7)).T)
    # A blurred disc is smaller by about blur² / (2 R), smoothing along the arc adds as much.
    assert np.mean(radii) == pytest.approx(radius, abs=0.15)
    assert np.std(radii) < 0.02


def test_no_edge_gives_no_sigma_and_says_so():
    rng = np.random.default_rng(3)
    image = prepare((100 + rng.normal(0, 10, (80, 80))).astype(np.float32))
    square = np.array([[20.0, 20.0], [60.0, 20.0], [60.0, 60.0], [20.0, 60.0]])
    line = place(image, Polyline(square, closed=True), bright=True, params=EdgeParams())
    lost = (line.flags & np.uint8(PointFlag.LOW_SLOPE)) > 0
    assert lost.mean() > 0.9
    assert np.isnan(line.sigma_px[lost]).all()


def test_points_near_the_border_are_flagged():
    distance = distance_to_tilted_line((60, 90), 40.0, 0.0)
    image = prepare((50 + 150 * step(distance)).astype(np.float32))
    (traced,) = trace(distance.astype(np.float32))
    line = place(image, traced, bright=True, params=EdgeParams())
    flagged = (line.flags & np.uint8(PointFlag.BORDER)) > 0
    rows = line.vertices_rc[:, 0]
    np.testing.assert_array_equal(flagged, (rows < 3.5) | (rows > 55.5))


@pytest.mark.parametrize("sigma", [2.0, 15.0])
def test_noise_estimate_ignores_edges(sigma):
    rng = np.random.default_rng(1)
    grey = np.where(np.arange(200) // 20 % 2, 180.0, 60.0)[None, :] + rng.normal(
        0, sigma, (200, 200)
    )
    assert estimate_noise(grey.astype(np.float32)) == pytest.approx(sigma, rel=0.15)
