"""Outlines of large regions: hole by hole, as if traced at once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage as ndi

from segsem.contours.trace import trace
from segsem.segmentation.outlines import outlines


def one_piece(seed: int, shape=(90, 110), sigma=1.6, share=0.35) -> tuple[np.ndarray, np.ndarray]:
    """The largest piece of a random field, and that field with all others taken out."""
    noise = np.random.default_rng(seed).standard_normal(shape)
    field = ndi.gaussian_filter(noise, sigma).astype(np.float32)
    field -= np.float32(np.quantile(field, share))
    pieces, _ = ndi.label(field > 0)
    inside = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
    return np.where(inside, field, -np.abs(field) - np.float32(1e-3)), inside


@pytest.mark.parametrize("seed", range(12))
def test_hole_by_hole_gives_the_lines_of_the_whole(seed):
    field, inside = one_piece(seed, sigma=(1.0, 1.6, 3.0)[seed % 3])
    expected = trace(field, (7, 3))
    found = outlines(field, inside, (7, 3), large_px=0)
    assert len(expected) > 3
    assert sum(line.is_hole for line in expected) > 1
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.closed == other.closed
        np.testing.assert_allclose(one.vertices_rc, other.vertices_rc, rtol=0, atol=1e-12)


def test_holes_that_meet_at_a_corner_are_one():
    field = np.full((40, 40), 1.0, dtype=np.float32)
    field[10:20, 10:20] = field[20:30, 20:30] = -1.0
    inside = field > 0
    found = outlines(field, inside, (0, 0), large_px=0)
    expected = trace(field)
    assert len(found) == len(expected) == 1
    np.testing.assert_array_equal(found[0].vertices_rc, expected[0].vertices_rc)
