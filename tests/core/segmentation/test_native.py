"""Answers at native resolution, whatever the size of the object: geometry and bookkeeping.

The predictor of these tests knows the truth within a window, at the resolution at which a model
decodes, so that what is wrong with an answer is the fault of how windows are chosen and joined.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy import ndimage as ndi

from segsem.segmentation import large_object, native
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.window import Window

BACKGROUND, FOREGROUND = 0, 1


def serpentine(shape=(400, 420), width=12, pitch=60) -> np.ndarray:
    """One line that runs to and fro over the whole image."""
    points, row = [], 30
    while row < shape[0] - 20:
        ends = [(25, row), (shape[1] - 26, row)]
        points += ends if len(points) % 4 == 0 else ends[::-1]
        row += pitch
    image = np.zeros(shape, dtype=np.uint8)
    cv2.polylines(image, [np.array(points)], False, 1, thickness=width)
    return image


def disc(shape, centre, radius, inner=0) -> np.ndarray:
    row, col = np.indices(shape)
    distance = np.hypot(row - centre[0], col - centre[1])
    return ((distance <= radius) & (distance >= inner)).astype(np.uint8)


def click(*points, labels=None) -> Prompts:
    return Prompts(points, labels or [FOREGROUND] * len(points))


def ask(oracle, prompts, **options):
    return native.answer(oracle, oracle.window, prompts, oracle.image.shape, **options)


def whole_mask(answer, shape) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    row, col = answer.offset_rc
    height, width = answer.logits.shape[1:]
    mask[row : row + height, col : col + width] = answer.logits[0] > 0
    return mask


def worst_distance(mask, truth) -> float:
    """Largest distance of the boundary of either mask from that of the other."""
    edges = [m & ~ndi.binary_erosion(m, border_value=1) for m in (mask, truth)]
    assert all(edge.any() for edge in edges)
    return max(
        float(ndi.distance_transform_edt(~other)[edge].max())
        for edge, other in (edges, edges[::-1])
    )


def assert_is(answer, truth, tolerance_px=2.5) -> None:
    """The mask is the object: no seams, no pieces, no pinholes, at the image's pixels."""
    truth = truth.astype(bool)
    mask = whole_mask(answer, truth.shape)
    assert worst_distance(mask, truth) <= tolerance_px
    for phase in (mask, ~mask):
        assert ndi.label(phase)[1] == ndi.label(truth if phase is mask else ~truth)[1]


def test_an_object_in_its_window_is_answered_as_the_model_answers(Oracle):
    image = disc((200, 200), (100, 100), 15)
    oracle = Oracle(image)
    answer = ask(oracle, click((100, 100)))
    (window,) = oracle.windows
    assert window.shape == (64, 64)
    assert (answer.windows, answer.complete) == (1, True)
    assert answer.offset_rc == (window.row0, window.col0)
    expected = oracle.decode(oracle.window(window), window.to_window(click((100, 100))))
    np.testing.assert_array_equal(answer.logits, expected.logits)
    np.testing.assert_array_equal(answer.iou_pred, expected.iou_pred)


@pytest.mark.parametrize("guess_px", [0, 3])
@pytest.mark.parametrize("point", [(30, 60), (150, 200), (331, 390)])
def test_a_long_line_is_followed_to_its_ends(Oracle, guess_px, point):
    image = serpentine()
    oracle = Oracle(image, guess_px=guess_px)
    answer = ask(oracle, click(point), max_windows=200)
    assert answer.complete
    assert all(window.shape == (64, 64) for window in oracle.windows)
    assert_is(answer, image)


@pytest.mark.parametrize("angle", [0, 17, 45, 73, 90])
def test_slanted_lines_across_the_image(Oracle, angle):
    image = np.zeros((500, 500), dtype=np.uint8)
    step = 600 * np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])
    ends = [tuple(int(v) for v in np.array([250, 250]) + s * step) for s in (-1, 1)]
    cv2.line(image, ends[0], ends[1], 1, thickness=15)
    oracle = Oracle(image, guess_px=2)
    answer = ask(oracle, click((250, 250)))
    assert answer.complete
    assert answer.windows <= 20
    assert_is(answer, image)


def test_a_broad_object_is_seen_as_a_whole_and_then_natively_along_its_outline(Oracle):
    image = disc((600, 600), (310, 290), 90)
    oracle = Oracle(image)
    answer = ask(oracle, click((300, 300)), max_windows=40)
    assert answer.complete
    assert_is(answer, image)
    native_windows = [w for w in oracle.windows if w.shape == (64, 64)]
    assert len(oracle.windows) - len(native_windows) in (1, 2)
    # The inside of the object needs no window, apart from the first.
    inner = disc(image.shape, (310, 290), 35).astype(bool)
    assert sum(bool(inner[w.slices].all()) for w in native_windows[1:]) == 0


def test_rings_and_broad_objects_with_holes(Oracle):
    image = disc((500, 500), (250, 250), 95, inner=40)
    oracle = Oracle(image)
    answer = ask(oracle, click((250, 182)), max_windows=60)
    assert_is(answer, image)


def test_a_box_larger_than_the_frame_is_answered_at_the_images_pixels(Oracle):
    image = disc((400, 400), (200, 190), 80)
    image[100:110, 20:60] = 2
    oracle = Oracle(image)
    answer = ask(oracle, Prompts(box_rc=(120, 110, 280, 270)), max_windows=40)
    assert answer.complete
    assert_is(answer, image == 1)


def test_a_box_that_fits_takes_one_window(Oracle):
    oracle = Oracle(disc((400, 400), (200, 190), 20))
    answer = ask(oracle, Prompts(box_rc=(180, 170, 220, 210)))
    assert (answer.windows, answer.complete) == (1, True)


def test_the_number_of_windows_is_bounded_and_the_rest_is_said_to_be_missing(Oracle):
    image = serpentine()
    oracle = Oracle(image)
    answer = ask(oracle, click((30, 60)), max_windows=5)
    assert not answer.complete
    assert answer.windows == len(oracle.windows) == 5
    mask = whole_mask(answer, image.shape)
    assert np.count_nonzero(mask & (image == 0)) < 0.03 * np.count_nonzero(mask)
    assert mask[30, 25:230].all()


def test_a_broad_object_beyond_the_bound_keeps_its_coarse_outline(Oracle):
    image = disc((600, 600), (310, 290), 110)
    oracle = Oracle(image)
    answer = ask(oracle, click((300, 300)), max_windows=6)
    assert not answer.complete
    assert answer.windows == 6
    assert worst_distance(whole_mask(answer, image.shape), image > 0) <= 4 * 4


def test_an_object_larger_than_all_growth_is_said_to_be_incomplete(Oracle):
    image = np.ones((2000, 300), dtype=np.uint8)
    answer = ask(Oracle(image), click((1000, 150)), max_windows=12)
    assert not answer.complete


def test_a_window_that_contradicts_its_neighbour_is_not_believed(Oracle):
    image = np.zeros((64, 400), dtype=np.uint8)
    image[24:40] = 1
    oracle = Oracle(image)
    oracle.spoil = lambda count, mask: ~mask if count == 3 else mask
    answer = ask(oracle, click((32, 200)))
    assert not answer.complete
    mask = whole_mask(answer, image.shape)
    assert not mask[:20].any()
    assert not mask[44:].any()


def test_what_is_not_connected_is_left_out_beyond_the_first_window(Oracle):
    image = np.zeros((64, 500), dtype=np.uint8)
    image[24:40] = 1
    oracle = Oracle(image)

    def with_a_speck(count, mask):
        mask = mask.copy()
        if count > 1:
            mask[2:8, 28:36] = True
        return mask

    oracle.spoil = with_a_speck
    answer = ask(oracle, click((32, 100)))
    assert_is(answer, image)


@pytest.mark.parametrize("guess_px", [0, 1])
def test_a_branch_that_returns_to_an_earlier_window_is_followed_there(Oracle, guess_px):
    # A hairpin: both legs run through all windows, and meet in the last one only.
    image = np.zeros((64, 300), dtype=np.uint8)
    cv2.polylines(image, [np.array([(20, 20), (270, 20), (270, 44), (20, 44)])], False, 1, 8)
    oracle = Oracle(image, guess_px=guess_px)
    answer = ask(oracle, click((20, 30)), max_windows=30)
    assert_is(answer, image)
    assert answer.complete
    assert max(oracle.windows.count(window) for window in oracle.windows) <= 2


def test_other_objects_in_the_first_window_are_not_followed(Oracle):
    image = np.zeros((64, 300), dtype=np.uint8)
    image[8:20] = 1
    image[40:52] = 2
    oracle = Oracle(image)
    oracle.spoil = lambda count, mask: mask | (np.indices(mask.shape)[0] >= 46) * (count == 1)
    answer = ask(oracle, click((14, 30)))
    assert_is(answer, image == 1)


def test_asking_can_be_stopped_between_windows(Oracle):
    oracle = Oracle(serpentine())

    def encode(window: Window):
        if len(oracle.windows) == 3:
            raise InterruptedError
        return oracle.window(window)

    with pytest.raises(InterruptedError):
        native.answer(oracle, encode, click((30, 60)), oracle.image.shape)
    assert len(oracle.windows) == 3


def test_the_next_window_is_told_what_the_last_one_saw(Oracle):
    image = np.zeros((64, 300), dtype=np.uint8)
    image[20:44] = 1
    oracle = Oracle(image)
    ask(oracle, click((32, 32)))
    first, second = oracle.windows[:2]
    shared = first.overlap(second).within(second)
    prompts = oracle.asked[1]
    prior = prompts.mask_input
    truth = image[second.slices] > 0
    cells = truth.reshape(16, 4, 16, 4).mean(axis=(1, 3)) * 2 - 1
    known = prior != 0
    assert known.any()
    # Known is part of the shared strip, with the right sign; the rest is told as unknown.
    assert np.nonzero(known)[1].max() * 4 + 3 < shared.col1
    np.testing.assert_array_equal(np.sign(prior[known]), np.sign(cells[known]))
    assert 1 <= len(prompts.points_rc) <= 3
    assert set(prompts.point_labels) == {FOREGROUND}
    for row, col in prompts.points_rc:
        assert truth[round(row), round(col)]
        assert prior[round(row) // 4, round(col) // 4] > 0


def test_clicks_reach_the_windows_they_lie_in(Oracle):
    image = np.zeros((64, 500), dtype=np.uint8)
    image[20:44] = 1
    oracle = Oracle(image)
    ask(oracle, click((32, 32), (50, 300), labels=[FOREGROUND, BACKGROUND]))
    told = [
        window
        for window, prompts in zip(oracle.windows, oracle.asked, strict=True)
        if BACKGROUND in prompts.point_labels
    ]
    assert told == [window for window in oracle.windows if window.holds(50, 300)]
    assert told


def test_clicks_on_two_objects_far_apart_give_both(Oracle):
    image = disc((300, 700), (150, 100), 20) + disc((300, 700), (150, 600), 20)
    oracle = Oracle(image)
    answer = ask(oracle, click((150, 100), (150, 600)))
    assert_is(answer, image)
    assert len(oracle.windows) == 2


def test_clicks_on_one_long_object_ask_no_window_twice(Oracle):
    image = np.zeros((200, 500), dtype=np.uint8)
    image[90:110, 20:480] = 1
    oracle = Oracle(image)
    answer = ask(oracle, click((100, 40), (100, 460)))
    assert_is(answer, image)
    assert len(set(oracle.windows)) == len(oracle.windows)


def test_the_other_candidates_stay_in_the_first_window(Oracle):
    image = serpentine()
    oracle = Oracle(image)
    answer = ask(oracle, click((30, 60)), max_windows=9)
    first = oracle.windows[0]
    expected = oracle.decode(oracle.window(first), first.to_window(click((30, 60))))
    assert answer.logits.shape[0] == len(answer.iou_pred) == 2
    row, col = answer.offset_rc
    here = first.moved(-row, -col)
    np.testing.assert_array_equal(answer.logits[1][here.slices], expected.logits[1])
    rest = answer.logits[1].copy()
    rest[here.slices] = -1
    assert (rest < 0).all()


def test_very_large_answers_hold_the_best_mask_only(Oracle, monkeypatch):
    monkeypatch.setattr(large_object, "MOST_PIXELS", 1000)
    image = serpentine()
    answer = ask(Oracle(image), click((30, 60)), max_windows=200)
    assert answer.logits.shape[0] == len(answer.iou_pred) == 1
    assert_is(answer, image)


def test_the_first_window_is_shown_before_the_rest(Oracle):
    oracle = Oracle(serpentine())
    steps = native.answers(oracle, oracle.window, click((30, 60)), oracle.image.shape)
    first = next(steps)
    assert (first.windows, len(oracle.windows)) == (1, 1)
    *_, last = steps
    assert last.windows > 5


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize(
    "shape", [(24, 700), (700, 24), (300, 301), (64, 65), (20, 500), (130, 70)]
)
def test_any_aspect(Oracle, shape, fixed):
    image = np.zeros(shape, dtype=np.uint8)
    if shape[0] <= shape[1]:
        image[shape[0] // 3 : shape[0] // 3 + max(shape[0] // 3, 4)] = 1
    else:
        image[:, shape[1] // 3 : 2 * shape[1] // 3] = 1
    inside = np.argwhere(ndi.binary_erosion(image, iterations=1, border_value=1))
    oracle = Oracle(image, fixed=fixed)
    answer = ask(oracle, click(tuple(map(float, inside[len(inside) // 2]))), max_windows=60)
    assert answer.complete
    mask = whole_mask(answer, shape)
    assert np.count_nonzero(mask != (image > 0)) < 0.25 * np.count_nonzero(image)
    assert ndi.label(mask)[1] == 1


def test_points_are_corrections_of_the_answer_before(Oracle):
    oracle = Oracle(disc((64, 64), (30, 30), 12))
    points = [(30, 30), (30, 34), (28, 30)]
    ask(oracle, click(*points))
    first, second, third = oracle.asked
    assert [len(prompts.points_rc) for prompts in oracle.asked] == [1, 2, 3]
    assert first.mask_input is None
    for earlier, later in ((first, second), (second, third)):
        answer = oracle.decode(oracle.window(oracle.windows[0]), earlier)
        np.testing.assert_array_equal(later.mask_input, answer.low_res_logits[0])
    assert len(set(oracle.windows)) == 1


def test_a_box_comes_before_its_corrections_and_old_points_come_together(Oracle):
    oracle = Oracle(disc((64, 64), (30, 30), 12))
    points = tuple((28.0 + i, 30.0) for i in range(6))
    ask(oracle, Prompts(points[:1], (FOREGROUND,), (18, 18, 42, 42)))
    assert [(len(p.points_rc), p.box_rc is None) for p in oracle.asked] == [(0, False), (1, False)]
    oracle.asked.clear()
    ask(oracle, click(*points))
    assert [len(prompts.points_rc) for prompts in oracle.asked] == [2, 3, 4, 5, 6]
