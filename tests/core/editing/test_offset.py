"""Steps of a fraction of a pixel against areas known in closed form."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segsem.editing.errors import EditError
from segsem.editing.offset import KEY, MOST_PX, Offset, move_outline, offset_window
from segsem.editing.window import box_of


def disc(radius: float, centre: tuple[float, float], size: int) -> np.ndarray:
    rows, cols = np.mgrid[:size, :size]
    return ((rows - centre[0]) ** 2 + (cols - centre[1]) ** 2 <= radius**2).astype(np.int32)


class Stepper:
    """Steps on one object of a whole image, as the viewer makes them."""

    def __init__(self, labels: np.ndarray, object_id: int = 1) -> None:
        self.labels, self.object_id, self.prompts = labels.copy(), object_id, {}

    def step(self, amount_px: float) -> None:
        box = box_of(self.labels == self.object_id)
        limits = (0, 0, *self.labels.shape)
        window = offset_window(box, self.prompts, amount_px, limits)
        moved = move_outline(self.labels[window], window, self.object_id, amount_px, self.prompts)
        self.labels[window] = moved.labels
        # As if it had been written and read back.
        self.prompts = json.loads(json.dumps(moved.prompts))

    @property
    def area(self) -> int:
        return int(np.count_nonzero(self.labels == self.object_id))


@pytest.mark.parametrize("radius", [8.0, 12.5, 30.0])
@pytest.mark.parametrize("amount", [-1.0, -0.5, 0.5, 1.0, 2.0])
def test_discs_change_by_the_area_of_the_ring(radius, amount):
    # The mean over positions: one disc's area is rounded to whole pixels.
    shift = np.random.default_rng(3).uniform(-0.5, 0.5, (8, 2))
    errors_px = []
    for by in shift:
        stepper = Stepper(disc(radius, tuple(by + 40), 80))
        before = stepper.area
        stepper.step(amount)
        expected = np.pi * ((radius + amount) ** 2 - radius**2)
        errors_px.append((stepper.area - before - expected) / (2 * np.pi * radius))
    assert abs(np.mean(errors_px)) < 0.12


def test_rectangles_grow_by_whole_steps_and_round_their_corners():
    labels = np.zeros((60, 80), np.int32)
    labels[20:40, 20:60] = 1
    stepper = Stepper(labels)
    stepper.step(4.0)
    rows, cols = np.mgrid[:60, :80]
    beyond = np.hypot(
        np.maximum(np.abs(rows - 29.5) - 10.0, 0), np.maximum(np.abs(cols - 39.5) - 20.0, 0)
    )
    # No point of an outline is smoothed by more than half a pixel, and straight edges by nothing.
    assert (stepper.labels[beyond <= 3.5] == 1).all()
    assert (stepper.labels[beyond > 4.0] == 0).all()
    np.testing.assert_array_equal(stepper.labels[:, 30:50] == 1, beyond[:, 30:50] <= 4.0)
    steiner = 20 * 40 + 2 * (20 + 40) * 4 + np.pi * 16
    assert steiner - 24 < stepper.area <= steiner


def test_a_straight_edge_moves_when_half_a_pixel_is_reached_and_not_before():
    labels = np.zeros((40, 30), np.int32)
    labels[10:20] = 1
    stepper = Stepper(labels)
    rows = []
    for _ in range(8):
        stepper.step(0.25)
        rows.append(stepper.area // 30)
    # Exactly at half a pixel the edge lies on pixel centres: they belong to the line.
    assert rows == [10, 12, 12, 12, 12, 14, 14, 14]
    back = [rows[-1]]
    for _ in range(8):
        stepper.step(-0.25)
        back.append(stepper.area // 30)
    assert back[1:] == [*rows[-2::-1], 10]


def test_a_line_cut_by_the_image_is_not_moved_in_from_the_border():
    labels = np.zeros((40, 30), np.int32)
    labels[10:20] = 1
    stepper = Stepper(labels)
    stepper.step(-2.0)
    assert (stepper.labels[12:18] == 1).all()
    assert stepper.area == 6 * 30


@pytest.mark.parametrize("labels", [disc(9.3, (20.2, 19.6), 40), disc(3.0, (20.0, 20.0), 40)])
def test_four_quarters_are_one_and_as_much_back_is_where_it_was(labels):
    slow, fast = Stepper(labels), Stepper(labels)
    for _ in range(4):
        slow.step(0.25)
    fast.step(1.0)
    np.testing.assert_array_equal(slow.labels, fast.labels)
    for _ in range(4):
        slow.step(-0.25)
    np.testing.assert_array_equal(slow.labels, labels)
    assert KEY not in slow.prompts


def test_growing_stops_at_neighbours_and_leaves_them_alone():
    labels = disc(8.0, (20.0, 20.0), 40)
    labels[:, 29:] = 2
    stepper = Stepper(labels)
    stepper.step(6.0)
    np.testing.assert_array_equal(stepper.labels == 2, labels == 2)
    assert (stepper.labels[20, 7:29] == 1).all()
    # The part that the neighbour kept is not forgotten, nor is it taken later.
    stepper.step(-6.0)
    np.testing.assert_array_equal(stepper.labels, labels)


def test_after_another_correction_steps_start_from_what_is_there():
    stepper = Stepper(disc(8.0, (20.0, 20.0), 40))
    stepper.step(0.75)
    stepper.labels[:20] = 0
    changed = stepper.labels.copy()
    stepper.step(0.25)
    assert Offset.from_json(stepper.prompts[KEY]).amount_px == 0.25
    stepper.step(-0.25)
    np.testing.assert_array_equal(stepper.labels, changed)


def test_nothing_left_and_too_far_are_refused():
    with pytest.raises(EditError, match="delete it"):
        Stepper(disc(3.0, (20.0, 20.0), 40)).step(-5.0)
    with pytest.raises(EditError, match="brush"):
        Stepper(disc(3.0, (20.0, 20.0), 40)).step(MOST_PX + 1)


MASKS = hnp.arrays(np.int32, (14, 16), elements=st.integers(0, 2)).filter(
    lambda labels: (labels == 1).any()
)


@settings(deadline=None, max_examples=60)
@given(MASKS, st.lists(st.sampled_from([0.25, 0.5, 1.0]), min_size=1, max_size=3))
def test_growing_never_loses_a_pixel_nor_takes_one_of_another(labels, amounts):
    stepper = Stepper(labels)
    for amount in amounts:
        stepper.step(amount)
    assert (stepper.labels[labels == 1] == 1).all()
    np.testing.assert_array_equal(stepper.labels == 2, labels == 2)
    for amount in amounts:
        stepper.step(-amount)
    np.testing.assert_array_equal(stepper.labels, labels)


@settings(deadline=None, max_examples=60)
@given(hnp.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))), st.integers(0, 99))
def test_an_offset_is_read_back_as_it_was(base, row):
    offset = Offset(0.75, (row, 3, row + base.shape[0], 3 + base.shape[1]), base, 7)
    found = Offset.from_json(json.loads(json.dumps(offset.as_json())))
    assert (found.amount_px, found.box, found.result_crc) == (0.75, offset.box, 7)
    np.testing.assert_array_equal(found.base, base)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
FIELDS = st.fixed_dictionaries(
    {
        "px": JSON | st.just(0.25),
        "box": JSON | st.lists(st.integers(-3, 2**40), min_size=4, max_size=4),
        "bits": JSON | st.just("eJxjAAAAAQAB"),
        "crc": JSON,
    }
)


@given(JSON | FIELDS)
def test_what_is_no_offset_is_none(value):
    found = Offset.from_json(value)
    assert found is None or found.base.shape == (
        found.box[2] - found.box[0],
        found.box[3] - found.box[1],
    )
