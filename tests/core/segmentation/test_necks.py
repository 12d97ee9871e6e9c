from __future__ import annotations

import numpy as np
import pytest

from segsem.segmentation.necks import find_neck


def two_squares(bridge_px: int, side: int = 30, gap: int = 12) -> np.ndarray:
    mask = np.zeros((side + 8, 2 * side + gap + 8), bool)
    mask[4:-4, 4 : 4 + side] = mask[4:-4, -4 - side : -4] = True
    mask[15 : 15 + bridge_px, 4:-4] = True
    return mask


@pytest.mark.parametrize("bridge_px", [1, 2, 3])
def test_a_thread_between_two_wide_parts_is_found_where_it_is(bridge_px: int) -> None:
    neck = find_neck(two_squares(bridge_px))
    assert neck is not None
    assert neck.width_px == max(bridge_px, 2)
    row, col = neck.place_rc
    assert 14 <= row <= 15 + bridge_px
    assert 34 <= col < 46


@pytest.mark.parametrize(
    "mask",
    [
        two_squares(12),
        np.ones((40, 6), bool),
        np.ones((3, 60), bool),
        np.zeros((5, 5), bool),
        np.zeros((0, 0), bool),
    ],
    ids=["broad bridge", "line", "thread alone", "nothing", "no pixels"],
)
def test_what_is_no_neck(mask: np.ndarray) -> None:
    assert find_neck(mask) is None


def test_a_spur_is_no_neck_and_a_pinched_line_is_one() -> None:
    line = np.zeros((24, 120), bool)
    line[4:20] = True
    spur = line.copy()
    spur[20:24, 60:62] = True
    assert find_neck(spur) is None
    # It pinches to 2 px, and goes on at both ends of the image.
    line[4:11, 58:62] = line[13:20, 58:62] = False
    neck = find_neck(line)
    assert neck is not None
    assert neck.width_px == 2
    assert 58 <= neck.place_rc[1] < 62
