from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from segsem.engine.answers import OUTLINE_PX, Candidates, outline_of


def painted(mask: np.ndarray) -> np.ndarray:
    """Outline at its place in the window."""
    outline = outline_of(mask, (0, 0))
    full = np.zeros(mask.shape, np.uint8)
    row, col = outline.offset_rc
    full[row : row + outline.data.shape[0], col : col + outline.data.shape[1]] = outline.data
    return full


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20)))
def test_an_outline_is_what_erosion_takes(mask: np.ndarray) -> None:
    # Beyond the window's sides the object may go on, so that they are no edges.
    inside = ndimage.binary_erosion(mask, iterations=OUTLINE_PX, border_value=1)
    np.testing.assert_array_equal(painted(mask), mask & ~inside)


def test_an_outline_is_cut_to_what_is_seen() -> None:
    mask = np.zeros((100, 100), bool)
    mask[40:50, 60:75] = True
    outline = outline_of(mask, (1000, 2000))
    assert outline.offset_rc == (1039, 2059)
    assert outline.data.shape == (12, 17)
    assert outline.data.dtype == np.uint8


@pytest.mark.parametrize("mask", [np.zeros((5, 5), bool), np.ones((5, 5), bool)])
def test_nothing_and_everything_have_no_edge(mask: np.ndarray) -> None:
    assert not outline_of(mask, (0, 0)).data.any()


@given(st.integers(0, 2))
def test_an_outline_is_made_once(index: int) -> None:
    logits = np.full((3, 9, 9), -1.0, np.float32)
    logits[index, 2:7, 2:7] = 1.0
    candidates = Candidates((5, 6), logits, (0.9, 0.8, 0.7))
    outline = candidates.outline(index)
    assert candidates.outline(index) is outline
    assert outline.offset_rc == (6, 7)
    assert outline.data.sum() == 25 - 1
