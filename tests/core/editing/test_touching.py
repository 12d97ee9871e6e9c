"""Touching discs, whose neck is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from scipy import ndimage as ndi

from segsem.editing.errors import EditError
from segsem.editing.touching import divide_at_necks, divide_between


def discs(*circles: tuple[float, float, float]) -> np.ndarray:
    rows, cols = np.mgrid[:60, :120]
    mask = np.zeros((60, 120), bool)
    for row, col, radius in circles:
        mask |= (rows - row) ** 2 + (cols - col) ** 2 <= radius**2
    return mask


def test_two_equal_discs_part_on_the_line_between_them():
    mask = discs((30, 30, 18), (30, 61, 18))
    blobs = divide_at_necks(mask)
    assert blobs.max() == 2
    cols = np.arange(120)
    left = blobs == blobs[30, 30]
    # By symmetry the border is at column 45.5.
    assert (left & (cols > 45)).sum() == 0
    np.testing.assert_array_equal(blobs > 0, mask)
    assert (left & mask).sum() == (mask & (cols <= 45)).sum()


def test_three_in_a_row_and_sizes_number_them():
    blobs = divide_at_necks(discs((30, 20, 14), (30, 48, 16), (30, 75, 12)))
    assert [int(blobs[30, col]) for col in (48, 20, 75)] == [1, 2, 3]


@pytest.mark.parametrize(
    "mask",
    [
        discs((30, 40, 20)),
        discs((30, 40, 20), (30, 48, 20)),
        np.pad(np.ones((12, 70), bool), 8),
        np.ones((10, 10), bool),
    ],
    ids=["disc", "no neck", "line", "all"],
)
def test_what_has_no_neck_is_one(mask):
    assert divide_at_necks(mask).max() == 1


def test_two_points_part_at_the_neck_wherever_they_are_in_their_blobs():
    mask = discs((30, 30, 18), (30, 61, 18))
    parted = divide_between(mask, (30, 61), (30, 14))
    assert parted[30, 61] == 1
    assert (parted[:, 46:][mask[:, 46:]] == 1).all()
    assert (parted[:, :45][mask[:, :45]] == 2).all()


def test_without_a_neck_two_points_part_half_way():
    mask = np.zeros((20, 61), bool)
    mask[5:15] = True
    parted = divide_between(mask, (9, 10), (9, 50))
    assert abs(int((parted == 1).sum()) - int((parted == 2).sum())) <= 20
    assert (parted[5:15, :29] == 1).all()
    assert (parted[5:15, 32:] == 2).all()


def test_points_must_be_two_of_one_piece():
    mask = discs((30, 20, 10), (30, 60, 10))
    with pytest.raises(EditError, match="one connected object"):
        divide_between(mask, (30, 20), (30, 60))
    with pytest.raises(EditError, match="one connected object"):
        divide_between(mask, (0, 0), (30, 60))
    with pytest.raises(EditError, match="two places"):
        divide_between(mask, (30, 20), (30, 20))


@pytest.mark.parametrize("share", [0.5, 0.7, 0.85, 0.95])
def test_a_piece_that_touches_another_at_a_corner_is_not_lost(share):
    for seed in range(20):
        mask = np.random.default_rng(seed).random((9, 12)) < share
        np.testing.assert_array_equal(divide_at_necks(mask) > 0, mask)


@settings(deadline=None)
@given(hnp.arrays(bool, (9, 12)))
def test_every_pixel_belongs_to_one_blob_and_pieces_are_never_joined(mask):
    blobs = divide_at_necks(mask)
    np.testing.assert_array_equal(blobs > 0, mask)
    pieces, _ = ndi.label(mask)
    for blob in range(1, int(blobs.max()) + 1):
        assert len(np.unique(pieces[blobs == blob])) == 1
    assert (np.diff(np.bincount(blobs.ravel())[1:]) <= 0).all()
