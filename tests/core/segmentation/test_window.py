"""Windows around prompts, and tiles that partition an image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segsem.segmentation.prompts import Prompts
from segsem.segmentation.window import Window, tiles, window_for_prompts

SIZES = st.integers(min_value=16, max_value=900)


@given(SIZES, SIZES, st.sampled_from([64, 128, 256]))
def test_cores_partition_the_image_and_lie_in_their_windows(height, width, side):
    covered = np.zeros((height, width), dtype=int)
    for window, core in tiles((height, width), side, side // 8):
        covered[core.slices] += 1
        assert window.row0 <= core.row0 < core.row1 <= window.row1
        assert window.col0 <= core.col0 < core.col1 <= window.col1
        assert max(window.shape) <= side
    assert np.all(covered == 1)


@given(SIZES, SIZES, st.data())
def test_a_click_is_inside_its_window_and_the_window_inside_the_image(height, width, data):
    row = data.draw(st.floats(0, height - 1))
    col = data.draw(st.floats(0, width - 1))
    prompts = Prompts([(row, col)], [1])
    window = window_for_prompts(prompts, (height, width), 128)
    assert window.contains(prompts)
    assert 0 <= window.row0 < window.row1 <= height
    assert 0 <= window.col0 < window.col1 <= width
    assert window.shape == (min(128, height), min(128, width))


def test_a_large_box_gets_a_larger_window():
    prompts = Prompts(box_rc=(100, 100, 500, 180))
    window = window_for_prompts(prompts, (1000, 1000), 256)
    assert window.shape == (520, 520)
    assert window.contains(prompts, margin_px=10)


def test_prompts_move_into_the_window_and_boxes_are_clipped():
    window = Window(100, 200, 228, 328)
    moved = window.to_window(Prompts([(150, 250)], [0], (90, 210, 300, 300)))
    assert moved.points_rc == ((50, 50),)
    assert moved.point_labels == (0,)
    assert moved.box_rc == (0.0, 10.0, 127.0, 100.0)


def test_a_halo_that_leaves_no_core_is_refused():
    with pytest.raises(ValueError, match="halo_px"):
        list(tiles((100, 100), 64, 32))


def test_a_mask_alone_has_no_place():
    prompts = Prompts(mask_input=np.zeros((64, 64), dtype=np.float32))
    with pytest.raises(ValueError, match="point or a box"):
        window_for_prompts(prompts, (100, 100), 64)


def test_a_mask_that_leaves_the_window_is_cut_but_not_by_the_image_border():
    window = Window(0, 100, 128, 228)
    mask = np.zeros((128, 128), dtype=bool)
    mask[0, 50] = True  # on the image's own border
    assert not window.cuts(mask, (400, 600))
    mask[60, 127] = True
    assert window.cuts(mask, (400, 600))


def test_doubled_windows_keep_their_centre_and_stay_in_the_image():
    assert Window(100, 200, 228, 328).doubled((1000, 1000)) == Window(36, 136, 292, 392)
    assert Window(0, 480, 128, 608).doubled((200, 620)) == Window(0, 364, 200, 620)
