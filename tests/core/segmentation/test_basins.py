"""Basins between edges: filling them up equals scikit-image's reconstruction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage as ndi
from skimage.morphology import reconstruction

from segsem.core.types import FloatImage
from segsem.segmentation.basins import SMALL, basins, filled


def rough(shape: tuple[int, int], seed: int) -> FloatImage:
    heights = ndi.gaussian_filter(np.random.default_rng(seed).random(shape), 2.0)
    return ((heights - heights.min()) / np.ptp(heights)).astype(np.float32)


def winding(side: int) -> FloatImage:
    """One valley that runs to and fro, longer than what is filled by rounds."""
    heights = np.ones((side, side), dtype=np.float32)
    heights[1::4, 1:-1] = 0.1
    for turn, row in enumerate(range(1, side - 4, 4)):
        heights[row : row + 4, 1 if turn % 2 else side - 2] = 0.1
    heights[1, 1] = 0.0
    return heights


@pytest.mark.parametrize("depth", [0.1, 0.25])
@pytest.mark.parametrize(
    "heights",
    [rough((60, 80), 1), rough((128, 128), 2), rough((SMALL + 1, 30), 3), winding(61)],
    ids=["small", "frame", "large", "winding"],
)
def test_filling_equals_reconstruction(heights: FloatImage, depth: float) -> None:
    expected = reconstruction(heights + np.float32(depth), heights, method="erosion")
    np.testing.assert_array_equal(filled(heights, depth), expected)


def test_a_winding_valley_is_one_basin_of_two() -> None:
    (names,) = basins(winding(61), [0.25])
    assert len(np.unique(names[winding(61) < 0.5])) == 1


def test_a_flat_landscape_is_one_basin() -> None:
    (names,) = basins(np.zeros((20, 30), dtype=np.float32), [0.1])
    assert (names == 1).all()
