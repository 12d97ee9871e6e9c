"""Masks as small values."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from segsem.core.exceptions import InputError
from segsem.core.mask_patch import MaskPatch

MASKS = arrays.arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20)))


@given(MASKS, st.integers(-3, 9), st.integers(-3, 9))
def test_a_mask_comes_back_where_it_was(mask: np.ndarray, row: int, col: int) -> None:
    patch = MaskPatch.of(mask, (row, col))
    image = np.zeros((40, 40), dtype=bool)
    image[row + 5 : row + 5 + mask.shape[0], col + 5 : col + 5 + mask.shape[1]] = mask
    np.testing.assert_array_equal(patch.within(-5, -5, (40, 40)), image)
    assert patch.is_empty == (not mask.any())
    assert MaskPatch.from_json(json.loads(json.dumps(patch.as_json()))) == patch


def test_it_is_cut_to_what_is_set_and_hashable() -> None:
    mask = np.zeros((10, 12), dtype=bool)
    mask[3:5, 4:9] = True
    patch = MaskPatch.of(mask, (100, 200))
    assert (patch.offset_rc, patch.shape) == ((103, 204), (2, 5))
    assert patch.box_rc == (103.0, 204.0, 104.0, 208.0)
    assert {patch: 1}[MaskPatch.of(np.ones((2, 5), dtype=bool), (103, 204))] == 1
    assert patch.moved(1, -4).offset_rc == (104, 200)


def test_a_part_beside_it_is_empty() -> None:
    patch = MaskPatch.of(np.ones((4, 4), dtype=bool), (10, 10))
    assert not patch.within(20, 20, (5, 5)).any()
    assert patch.within(12, 12, (5, 5)).sum() == 4


@pytest.mark.parametrize(
    "damage",
    [
        {"shape": [4, 5]},
        {"shape": [-4, 4]},
        {"shape": [1 << 20, 1 << 20]},
        {"bits": "?"},
        {"bits": "AAAA"},
        {"offset_rc": [1]},
        {"bits": None},
    ],
)
def test_damaged_json_is_refused(damage: dict[str, object]) -> None:
    good = MaskPatch.of(np.ones((8, 8), dtype=bool)).as_json()
    with pytest.raises(InputError, match="Expected a mask"):
        MaskPatch.from_json({**good, **damage})
