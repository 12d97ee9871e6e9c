"""The inverse line scan where the two sides of lines do not look alike."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage as ndi
from shapely.geometry import Point, box

from segsem.contours.edges import fit_edges
from segsem.contours.model_fit import fit_model
from segsem.contours.place import PlacedLine, place_all
from segsem.contours.profiles import prepare
from segsem.contours.sides import opposite_sides, side_of
from segsem.contours.trace import Polyline, trace
from segsem.core.params import EdgeMethod, EdgeParams
from segsem.synth.curves import curves_of
from segsem.synth.detector import Detector, DoseNoise, detect
from segsem.synth.distance import CurveDistance
from segsem.synth.edge_response import EdgeResponse
from segsem.synth.render import Beam, render_yield, signed_distance

TALL = EdgeResponse(material=1.3, background=0.8, rim=1.2, rim_px=3.0)
INVERSE = EdgeParams(edge_method=EdgeMethod.INVERSE)
SHAPE = (420, 360)
FINE = 4
UPPER = np.arange(40.0, 420.0, 120.0)
LOWER = UPPER + 68.0
"""Rows of the edges of three lines and a half."""


def footed(foot: float, noise: float, gains: tuple[float, ...] = (1.0, 0.9, 1.1, 1.0)):
    """Lines with a sharp upper edge, and a foot of 13 px behind the lower one."""
    row = (np.arange(SHAPE[0] * FINE) + 0.5) / FINE - 0.5
    grey = np.full(len(row), 35.0)
    for upper, lower, gain in zip(UPPER, LOWER, gains, strict=True):
        inside = (row >= upper) & (row < lower)
        rims = 150 * np.exp(-(row - upper) / 4.5) + 120 * np.exp(-(lower - row) / 3.6)
        grey[inside] = 35 + gain * (70 + rims[inside])
        behind = (row >= lower) & (row < lower + 13)
        grey[behind] = 35 + gain * foot * (1 - (row[behind] - lower) / 13)
    blurred = ndi.gaussian_filter1d(grey, 1.8 * FINE, mode="nearest")
    rows = blurred.reshape(-1, FINE).mean(axis=1)
    image = rows[:, None] + noise * np.random.default_rng(2).standard_normal(SHAPE)
    return image.astype(np.float32)


def placed(grey: np.ndarray) -> list[PlacedLine]:
    """Place edges traced 1 px outside the lines, wobbling."""
    rows = np.arange(SHAPE[0], dtype=np.float64)[:, None]
    inside = [np.minimum(rows - u, d - rows) for u, d in zip(UPPER, LOWER, strict=True)]
    wobble = 4 * ndi.gaussian_filter(np.random.default_rng(1).standard_normal(SHAPE), 4.0)
    lines = trace((np.max(inside, axis=0) + 1.0 + wobble).astype(np.float32))
    lines = [line for line in lines if len(line.vertices_rc) > 100]
    image = prepare(grey)
    return place_all(image, lines, True, INVERSE, fit_edges(image, lines, True, INVERSE))


def heights(lines: list[PlacedLine], edges: np.ndarray) -> np.ndarray:
    """Mean distance below each true edge of the contour that is nearest to it."""
    means = np.array([line.vertices_rc[10:-10, 0].mean() for line in lines])
    return np.array([means[np.argmin(np.abs(means - edge))] - edge for edge in edges])


@pytest.mark.parametrize("foot", [65.0, 95.0])
def test_a_foot_on_one_side_neither_loses_its_edge_nor_moves_the_other(foot):
    lines = placed(footed(foot, noise=14.0))
    assert all(np.isfinite(line.sigma_px).mean() > 0.99 for line in lines)
    upper, lower = heights(lines, UPPER), heights(lines, LOWER[:3])
    assert np.abs(upper).max() < 0.2
    assert np.ptp(lower) < 0.25  # a definition of its own, but one
    alone = heights(placed(footed(0.0, noise=14.0)), UPPER)
    assert np.abs(upper - alone).max() < 0.1


def test_sides_that_look_alike_share_one_look():
    curves = curves_of([box(x - 15, -300, x + 15, 700) for x in np.arange(-100, 500, 60)])
    grey = 10 + 80 * render_yield(curves, SHAPE, EdgeResponse(), Beam(1.5))
    grey = (grey + 12 * np.random.default_rng(0).standard_normal(SHAPE)).astype(np.float32)
    columns = np.arange(SHAPE[1], dtype=np.float64)[None, :] + np.zeros(SHAPE)
    lines = trace((15.5 - np.abs((columns - 20.0 + 30.0) % 60.0 - 30.0)).astype(np.float32))
    model = fit_edges(prepare(grey), lines, True, INVERSE)
    assert model is not None
    assert not model.sides
    footed_lines = placed(footed(65.0, noise=14.0))
    traced = [Polyline(line.vertices_rc, line.closed) for line in footed_lines]
    other = fit_edges(prepare(footed(65.0, noise=14.0)), traced, True, INVERSE)
    assert other is not None
    assert set(other.sides) == {1, -1}


def test_side_of_goes_by_the_way_an_edge_runs():
    across = np.array([[10.0, x] for x in range(0, 700, 10)])
    lines = [Polyline(across, False), Polyline(np.add(across[::-1], (30.0, 0.0)), False)]
    normal = opposite_sides(lines)
    assert normal is not None
    assert np.abs(normal) == pytest.approx([1.0, 0.0], abs=1e-9)
    assert {side_of(line, normal) for line in lines} == {1, -1}
    down = Polyline(across[:, ::-1], False)
    assert side_of(down, normal) == 0
    assert side_of(Polyline(across[:4], True), normal) == 0
    assert opposite_sides(lines[:1]) is None
    assert opposite_sides([]) is None


def test_charging_moves_the_two_sides_of_holes_apart_by_little():
    centres = [(row, col) for row in (50, 110, 170) for col in (50, 110, 170)]
    curves = curves_of([Point(col, row).buffer(12, quad_segs=64) for row, col in centres])
    shape = (220, 220)
    mean = render_yield(curves, shape, TALL, Beam(2.2), feature_is_material=False)
    detector = Detector(noise=DoseNoise.NONE, gain=50.0, read_noise=3.0, charging=0.15)
    grey = detect(np.random.default_rng(0), detector, mean).astype(np.float32)
    lines = trace((signed_distance(curves, shape) + 0.8).astype(np.float32))
    image = prepare(grey)
    found = place_all(image, lines, False, INVERSE, fit_edges(image, lines, False, INVERSE))
    vertices = np.concatenate([line.vertices_rc for line in found])
    error = -CurveDistance(curves)(vertices)
    right = np.concatenate([line.normals_rc[:, 1] for line in found])
    # Without a ramp beside the edge in the fit they come out 0.24 px apart.
    assert error[right > 0.8].mean() - error[right < -0.8].mean() < 0.16


def test_no_rim_is_darker_than_its_material():
    at = np.arange(-10.0, 10.5, 0.5)
    grey = (
        60
        + 70 * (1 - ndi.gaussian_filter1d((at > 0).astype(float), 5.0))
        - 8 * np.exp(-((at + 3) ** 2) / 8)
    )
    fitted = fit_model(grey, at, np.full(len(at), 0.5))
    assert fitted.model.rim >= 0.0
