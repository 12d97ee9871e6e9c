from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist, directed_hausdorff

from segsem.metrics.boundary import boundary_f1, boundary_pixels, hausdorff, hd95


def box(row0: int, col0: int, row1: int, col1: int) -> np.ndarray:
    mask = np.zeros((64, 64), dtype=bool)
    mask[row0:row1, col0:col1] = True
    return mask


def test_boundary_pixels_of_a_box() -> None:
    edge = boundary_pixels(box(10, 10, 20, 30))
    assert edge.sum() == 2 * 10 + 2 * 20 - 4
    assert not edge[11:19, 11:29].any()


def test_the_image_border_is_no_boundary() -> None:
    edge = boundary_pixels(box(0, 10, 64, 30))
    assert edge.sum() == 2 * 64
    assert boundary_pixels(np.ones((5, 5), dtype=bool)).sum() == 0


@pytest.mark.parametrize("shift", [0, 1, 3])
def test_a_shifted_line(shift: int) -> None:
    line, moved = box(0, 20, 64, 40), box(0, 20 + shift, 64, 40 + shift)
    assert hausdorff(moved, line) == shift
    assert hd95(moved, line) == shift
    assert boundary_f1(moved, line, tolerance_px=2) == (1.0 if shift <= 2 else 0.0)


def test_a_speck_far_away_moves_hausdorff_but_not_hd95() -> None:
    line = box(0, 5, 64, 20)
    speck = line | box(30, 50, 31, 51)
    assert hausdorff(speck, line) == 31
    assert hd95(speck, line) == 0
    assert boundary_f1(speck, line) == pytest.approx(2 * (128 / 129) / (128 / 129 + 1))


def test_empty_policy() -> None:
    empty, some = box(0, 0, 0, 0), box(5, 5, 9, 9)
    assert (boundary_f1(empty, empty), hausdorff(empty, empty)) == (1.0, 0.0)
    for a, b in ((empty, some), (some, empty)):
        assert boundary_f1(a, b) == 0.0
        assert hausdorff(a, b) == hd95(a, b) == np.inf


@settings(max_examples=60, deadline=None)
@given(arrays(bool, (9, 8)), arrays(bool, (9, 8)), st.sampled_from([0.0, 1.0, 1.5]))
def test_against_brute_force(preds: np.ndarray, target: np.ndarray, tolerance: float) -> None:
    a = np.argwhere(boundary_pixels(preds)).astype(float)
    b = np.argwhere(boundary_pixels(target)).astype(float)
    if not len(a) or not len(b):
        return
    expected = max(directed_hausdorff(a, b)[0], directed_hausdorff(b, a)[0])
    assert hausdorff(preds, target) == pytest.approx(expected)
    distances = cdist(a, b)
    to_b, to_a = distances.min(axis=1), distances.min(axis=0)
    expected_95 = max(np.percentile(to_b, 95), np.percentile(to_a, 95))
    assert hd95(preds, target) == pytest.approx(expected_95)
    p, r = np.mean(to_b <= tolerance), np.mean(to_a <= tolerance)
    f1 = 2 * p * r / (p + r) if p + r else 0.0
    assert boundary_f1(preds, target, tolerance) == pytest.approx(f1)


def test_wrong_arguments() -> None:
    some = box(1, 1, 5, 5)
    with pytest.raises(ValueError, match="tolerance_px"):
        boundary_f1(some, some, -1)
    with pytest.raises(ValueError, match="percentile"):
        hausdorff(some, some, 101)
    with pytest.raises(ValueError, match="shape"):
        hausdorff(some, some[:5])
