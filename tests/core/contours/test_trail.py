"""The trail of charging and varying grey levels, both known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from shapely.geometry import Point, Polygon, box

from segsem.contours.edges import fit_edges
from segsem.contours.inverse import LEVEL_SPREAD
from segsem.contours.place import place_all
from segsem.contours.profiles import prepare
from segsem.contours.trace import trace
from segsem.contours.trail import Trail, find_trail, laid
from segsem.core.params import EdgeMethod, EdgeParams
from segsem.synth.curves import Curve, curves_of
from segsem.synth.detector import Detector, DoseNoise, detect
from segsem.synth.distance import CurveDistance
from segsem.synth.edge_response import EdgeResponse
from segsem.synth.render import Beam, render_yield, signed_distance

INVERSE = EdgeParams(edge_method=EdgeMethod.INVERSE)
SHAPE = (240, 260)


def discs(radius: float = 13.0) -> list[Polygon]:
    centres = [(x, y) for x in range(-20, 300, 46) for y in range(-20, 300, 46)]
    return [Point(x + 0.3, y + 0.1).buffer(radius, quad_segs=64) for x, y in centres]


def bars(turn: float) -> list[Polygon]:
    """Lines that lean by `turn` px a row."""
    return [
        Polygon([(x, -9), (x + 24, -9), (x + 24 + 260 * turn, 251), (x + 260 * turn, 251)])
        for x in range(-300, 520, 52)
    ]


def photographed(
    polygons: list[Polygon], share: float = 0.0, length_px: float = 10.0, noise: float = 2.0
) -> tuple[np.ndarray, list[Curve]]:
    curves = curves_of(polygons)
    mean = render_yield(curves, SHAPE, EdgeResponse(), Beam(1.5), feature_is_material=False)
    detector = Detector(
        noise=DoseNoise.NONE, gain=70.0, read_noise=noise, charging=share, charging_px=length_px
    )
    return detect(np.random.default_rng(3), detector, mean).astype(np.float32), curves


def traced(curves: list[Curve]):
    return trace((signed_distance(curves, SHAPE) + 0.6).astype(np.float32))


def difference_of_flanks(grey: np.ndarray, curves: list[Curve]) -> float:
    """How far left edges lie from right ones, beyond the truth, along the rows."""
    image, lines = prepare(grey), traced(curves)
    model = fit_edges(image, lines, False, INVERSE)
    exact = CurveDistance(curves)
    error, normal = [], []
    for line in place_all(image, lines, False, INVERSE, model):
        inner = np.all((line.vertices_rc > 12) & (line.vertices_rc < np.array(SHAPE) - 13), axis=1)
        error.append(-exact(line.vertices_rc[inner]))
        normal.append(line.normals_rc[inner, 1])
    away, facing = np.concatenate(error), np.concatenate(normal)
    return float(away[facing > 0.7].mean() - away[facing < -0.7].mean())


def test_taking_a_trail_out_is_the_inverse_of_laying_it():
    rng = np.random.default_rng(0)
    before = rng.uniform(0, 200, (20, 90)).astype(np.float32)
    usual = np.median(before[::3, ::3])
    seen = before + 0.15 * laid(before - usual, 9.0)
    # The median of what is seen stands for that of what was there.
    usual_seen = np.median(seen[::3, ::3])
    after = Trail(0.15, 9.0).removed_from(prepare(seen)).grey
    const = 0.15 * (usual_seen - usual)
    assert np.abs(after - before).max() < abs(const) + 1e-3


@pytest.mark.parametrize(("share", "length_px"), [(0.1, 9.0), (-0.1, 12.0), (0.08, 25.0)])
def test_a_trail_is_found(share, length_px):
    grey, curves = photographed(discs(), share, length_px)
    found = find_trail(prepare(grey), traced(curves))
    assert found is not None
    # Share and length make up for one another; what is left right behind an edge does not.
    at = np.array([4.0, 8.0, 12.0])
    wanted = share * (1 - np.exp(-at / length_px))
    got = found.share * (1 - np.exp(-at / found.length_px))
    np.testing.assert_allclose(got, wanted, atol=0.25 * abs(share))


def test_a_trail_no_longer_moves_flanks_apart(monkeypatch):
    grey, curves = photographed(discs(), 0.2, 10.0)
    assert abs(difference_of_flanks(grey, curves)) < 0.05
    monkeypatch.setattr("segsem.contours.edges.find_trail", lambda image, lines: None)
    assert abs(difference_of_flanks(grey, curves)) > 0.1


@pytest.mark.parametrize("polygons", [discs(), bars(0.1), bars(0.6), bars(3.0)])
@pytest.mark.parametrize("noise", [0.0, 6.0])
def test_no_trail_is_found_where_there_is_none(polygons, noise):
    grey, curves = photographed(polygons, noise=noise)
    assert find_trail(prepare(grey), traced(curves)) is None


def test_edges_along_the_rows_tell_no_trail():
    grey, curves = photographed([box(-50, y, 350, y + 25) for y in range(-40, 300, 55)], 0.1)
    assert find_trail(prepare(grey), traced(curves)) is None


def test_how_much_levels_may_vary_is_read_from_the_image():
    grey, curves = photographed(bars(0.1), noise=1.0)
    lines = traced(curves)
    calm = fit_edges(prepare(grey), lines, False, INVERSE)
    rows = np.arange(SHAPE[0])[:, None]
    # Spaces whose brightness goes up and down along them by a fifth.
    inside = signed_distance(curves, SHAPE) > 0
    waved = grey + np.where(inside, 8.0 * np.sin(rows / 11.0), 0.0).astype(np.float32)
    restless = fit_edges(prepare(waved), lines, False, INVERSE)
    assert calm is not None
    assert restless is not None
    assert np.all(calm.spread < LEVEL_SPREAD)
    assert restless.spread[0] > 1.5 * LEVEL_SPREAD
    assert restless.spread[0] > 3 * calm.spread[0]
