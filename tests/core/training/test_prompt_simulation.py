from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segsem.training.prompt_simulation import (
    PromptPlan,
    bounding_box,
    correction_click,
    draw_plans,
    jitter_box,
    simulate,
)

SIDE = 64


def disc(row: int, col: int, radius: int) -> np.ndarray:
    rows, cols = np.ogrid[:SIDE, :SIDE]
    return np.asarray((rows - row) ** 2 + (cols - col) ** 2 <= radius**2)


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    row=st.integers(0, SIDE - 1),
    col=st.integers(0, SIDE - 1),
    radius=st.integers(1, 40),
    n_positive=st.integers(0, 3),
    n_negative=st.integers(0, 2),
)
def test_points_lie_where_their_label_says(
    seed: int, row: int, col: int, radius: int, n_positive: int, n_negative: int
) -> None:
    mask = disc(row, col, radius)
    plan = PromptPlan(True, n_positive, n_negative)
    prompts = simulate(np.random.default_rng(seed), mask[None], ~mask[None], [plan])

    for (x, y), label in zip(prompts.points_xy[0], prompts.labels[0], strict=True):
        assert 0 <= x <= SIDE - 1
        assert 0 <= y <= SIDE - 1
        if label in (0, 1):
            assert mask[int(y), int(x)] == bool(label)
    assert list(prompts.labels[0][:2]) == [2, 3]
    corners = prompts.points_xy[0, :2]
    assert (corners[1] > corners[0]).all()


def test_tokens_that_nobody_uses_are_left_out() -> None:
    mask = disc(30, 30, 9)
    rng = np.random.default_rng(0)

    click = simulate(rng, mask[None], ~mask[None], [PromptPlan(False, 1, 0)])
    box = simulate(rng, mask[None], ~mask[None], [PromptPlan(True, 0, 0)])

    assert click.labels.tolist() == [[1]]
    assert box.labels.tolist() == [[2, 3]]


def test_a_box_names_the_outermost_pixel_centres() -> None:
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[5:9, 20:31] = True

    assert bounding_box(mask) == (20, 5, 30, 8)


def test_a_jittered_box_stays_in_the_frame_and_keeps_a_size() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        x0, y0, x1, y1 = jitter_box(rng, (0, 60, 0, 63), SIDE)
        assert 0 <= x0 < x1 <= SIDE - 1
        assert 0 <= y0 < y1 <= SIDE - 1


@pytest.mark.parametrize("positive", [True, False])
def test_a_correction_goes_into_the_deeper_error(positive: bool) -> None:
    truth, more = disc(20, 20, 6), disc(20, 20, 6) | disc(45, 45, 12)
    target, predicted = (more, truth) if positive else (truth, more)
    for seed in range(20):
        x, y, label = correction_click(np.random.default_rng(seed), predicted, target)
        assert label == int(positive)
        assert disc(45, 45, 12)[int(y), int(x)]


def test_a_perfect_answer_is_confirmed_with_a_click_inside() -> None:
    mask = disc(20, 20, 6)
    x, y, label = correction_click(np.random.default_rng(0), mask, mask)

    assert label == 1
    assert mask[int(y), int(x)]


def test_plans_mix_boxes_and_clicks_in_the_share_asked_for() -> None:
    rng = np.random.default_rng(0)
    plans = [plan for _ in range(2000) for plan in draw_plans(rng, 0.6, 10)]

    assert np.mean([plan.box for plan in plans]) == pytest.approx(0.6, abs=0.06)
    assert all(plan.box or plan.n_positive > 0 for plan in plans)
