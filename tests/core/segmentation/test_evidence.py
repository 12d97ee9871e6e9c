"""Evidence beside a mask's edge, against plain ways of working it out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage as ndi

from segsem.core.types import MaskArray
from segsem.segmentation.evidence import boundary_agreement, boundary_of


def blobs(shape: tuple[int, int], seed: int) -> MaskArray:
    grey = ndi.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 3.0)
    return np.asarray(grey > 0)


def test_the_border_of_the_image_is_no_boundary() -> None:
    mask = np.zeros((6, 7), dtype=bool)
    mask[:4, :5] = True
    expected = np.zeros_like(mask)
    expected[3, :5] = expected[:4, 4] = True
    np.testing.assert_array_equal(boundary_of(mask), expected)
    assert not boundary_of(np.ones((5, 5), dtype=bool)).any()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("tolerance_px", [1.5, 2.0, 3.0])
def test_agreement_is_the_share_within_a_euclidean_distance(seed: int, tolerance_px: float) -> None:
    mask = blobs((60, 71), seed)
    other = np.roll(mask, (seed + 2, 3), axis=(0, 1))
    counted = np.zeros(mask.shape, dtype=bool)
    counted[10:50, 5:60] = True
    first, second = boundary_of(mask), boundary_of(other)
    distances = np.concatenate(
        [
            ndi.distance_transform_edt(~second)[first & counted],
            ndi.distance_transform_edt(~first)[second & counted],
        ]
    )
    expected = float(np.mean(distances <= tolerance_px))
    assert 0.1 < expected < 0.99
    assert boundary_agreement(mask, other, counted, tolerance_px) == pytest.approx(expected, 1e-12)
