"""Which regions count as right."""

from __future__ import annotations

import numpy as np
import pytest

from segsem.core.contour import Contour, PointFlag, Region, Source
from segsem.metrics.polyline import Polyline
from segsem.metrics.right_regions import RegionTruth, right_regions

SHAPE = (120, 160)
ROWS, COLS = np.mgrid[: SHAPE[0], : SHAPE[1]]
CENTRES = ((40, 40), (40, 110))
RADIUS = 20.0


def circle(centre, radius, points=240):
    # Counter-clockwise with y up: the feature lies on the left.
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([centre[0] - radius * np.sin(angle), centre[1] + radius * np.cos(angle)], 1)


def disc(centre, radius):
    return np.hypot(ROWS - centre[0], COLS - centre[1]) <= radius


@pytest.fixture
def truth():
    labels = np.zeros(SHAPE, dtype=np.int32)
    for number, centre in enumerate(CENTRES, start=1):
        labels[disc(centre, RADIUS)] = number
    lines = [Polyline(circle(centre, RADIUS), True) for centre in CENTRES]
    return RegionTruth(lines, np.array([1, 2]), labels)


def region(number, mask, lines):
    contours = []
    for line in lines:
        ahead, behind = np.roll(line, -1, 0), np.roll(line, 1, 0)
        chord = ahead - behind
        normals = np.stack([chord[:, 1], -chord[:, 0]], 1)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        n = len(line)
        contours.append(
            Contour(
                len(contours) + 1,
                line,
                line,
                normals,
                True,
                False,
                np.full(n, 0.1),
                np.ones(n),
                np.ones(n),
                np.ones(n),
                np.zeros(n, dtype=np.uint8),
                np.zeros(n, dtype=np.uint8),
            )
        )
    return Region(number, (0, 0), mask, tuple(contours), Source.SAM2, 0.9)


def verdict(regions, truth):
    labels = np.zeros(SHAPE, dtype=np.int32)
    for one in regions:
        labels[one.mask] = one.region_id
    return right_regions(regions, labels, truth)


def simple(number, centre, radius):
    return region(number, disc(centre, radius), [circle(centre, radius)])


def test_exact_regions_are_right(truth):
    found = [simple(i, c, RADIUS) for i, c in enumerate(CENTRES, 1)]
    assert verdict(found, truth) == {1: True, 2: True}


def test_one_offset_of_all_edges_is_the_layers(truth):
    found = [simple(i, c, RADIUS + 1.4) for i, c in enumerate(CENTRES, 1)]
    assert verdict(found, truth) == {1: True, 2: True}


def test_an_offset_of_everything_beyond_reason_is_an_error(truth):
    found = [simple(i, c, RADIUS + 3.5) for i, c in enumerate(CENTRES, 1)]
    assert verdict(found, truth) == {1: False, 2: False}


def test_one_moved_region_is_wrong(truth):
    found = [simple(1, CENTRES[0], RADIUS), simple(2, (43, 110), RADIUS)]
    assert verdict(found, truth) == {1: True, 2: False}


def test_a_missing_region_costs_the_others_nothing_and_an_invented_one_is_wrong(truth):
    found = [simple(1, CENTRES[0], RADIUS), simple(2, (95, 75), 12.0)]
    assert verdict(found, truth) == {1: True, 2: False}


def test_an_invented_hole_is_wrong(truth):
    hole = circle(CENTRES[0], 4.0)[::-1]
    mask = disc(CENTRES[0], RADIUS) & ~disc(CENTRES[0], 4.0)
    found = [region(1, mask, [circle(CENTRES[0], RADIUS), hole]), simple(2, CENTRES[1], RADIUS)]
    assert verdict(found, truth) == {1: False, 2: True}


def test_two_features_as_one_region_are_wrong(truth):
    mask = disc(CENTRES[0], RADIUS) | disc(CENTRES[1], RADIUS)
    found = [region(1, mask, [circle(c, RADIUS) for c in CENTRES])]
    assert verdict(found, truth) == {1: False}


def test_what_shows_too_little_edge_is_not_rated(truth):
    small = simple(1, (95, 75), 4.0)
    border = simple(2, (95, 75), 12.0)
    for contour in border.contours:
        contour.flags[:] = np.uint8(PointFlag.BORDER)
    assert verdict([small], truth) == {}
    assert verdict([border], truth) == {}


def test_without_any_truth_everything_is_wrong():
    nothing = RegionTruth([], np.empty(0, dtype=np.int64), np.zeros(SHAPE, dtype=np.int32))
    assert verdict([simple(1, CENTRES[0], RADIUS)], nothing) == {1: False}
