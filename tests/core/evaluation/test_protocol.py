from __future__ import annotations

import numpy as np
import pytest

from segsem.evaluation.engine_session import Answer
from segsem.evaluation.protocol import (
    KINDS,
    ask_for,
    correction_of,
    deepest_point,
    exact_box,
    jittered_box,
    measure,
    oracle,
    random_inner_point,
)
from segsem.segmentation.prompts import Prompts


def disc(radius: float = 20.0, centre: tuple[float, float] = (40.0, 50.0)) -> np.ndarray:
    row, col = np.mgrid[:96, :112]
    return np.hypot(row - centre[0], col - centre[1]) <= radius


def test_clicks_and_boxes_lie_in_and_around_the_object() -> None:
    mask, rng = disc(), np.random.default_rng(0)

    assert deepest_point(mask) == pytest.approx((40, 50), abs=1)
    for _ in range(20):
        row, col = random_inner_point(rng, mask)
        assert np.hypot(row - 40, col - 50) <= 11
    assert exact_box(mask) == (20.0, 30.0, 60.0, 70.0)
    moved = np.array([jittered_box(rng, mask) for _ in range(200)]) - exact_box(mask)
    assert np.abs(moved).max() <= 0.03 * 40
    assert np.abs(moved).max(axis=0).min() > 0.9


def test_boxes_stay_in_the_image() -> None:
    mask = np.zeros((40, 60), dtype=bool)
    mask[:, :30] = True
    for seed in range(20):
        row0, col0, row1, col1 = jittered_box(np.random.default_rng(seed), mask)
        assert 0 <= row0 < row1 <= 39
        assert 0 <= col0 < col1 <= 59


def test_the_border_cuts_without_being_an_edge() -> None:
    mask = np.zeros((40, 60), dtype=bool)
    mask[10:30, :30] = True
    longer = mask.copy()
    longer[:, :1] = mask[:, :1]
    score = measure(Answer(np.stack([longer])), mask)
    assert (score.iou, score.boundary_f1) == (1.0, 1.0)


def test_a_correction_is_the_deepest_error_with_its_sign() -> None:
    mask = disc()
    assert correction_of(mask, mask) is None

    missing = mask.copy()
    missing[:, 50:] = False
    point, label = correction_of(missing, mask) or ((0.0, 0.0), -1)
    assert (mask & ~missing)[int(point[0]), int(point[1])]
    assert label == 1

    extra = mask.copy()
    extra[70:90, 5:25] = True
    point, label = correction_of(extra, mask) or ((0.0, 0.0), -1)
    assert (extra & ~mask)[int(point[0]), int(point[1])]
    assert label == 0


def test_the_first_mask_counts_and_the_best_is_told() -> None:
    mask = disc()
    half = mask.copy()
    half[40:] = False
    score = measure(Answer(np.stack([half, mask, ~mask])), mask)
    assert score.iou == pytest.approx(0.5, abs=0.03)
    assert score.best_iou == 1.0
    assert score.boundary_f1 < 0.8


def test_every_kind_is_asked_and_corrections_follow_on_the_click() -> None:
    mask = disc()
    asked: list[Prompts] = []

    def ask(prompts: Prompts) -> Answer:
        """Answer with half the disc at first, and all of it from the second click on."""
        asked.append(prompts)
        found = mask.copy()
        if len(prompts.points_rc) == 1:
            found[:, 50:] = False
        return Answer(found[None])

    scores = ask_for(ask, mask, np.random.default_rng(0))

    assert tuple(scores) == KINDS
    assert scores["click"].iou == pytest.approx(0.5, abs=0.05)
    assert scores["click+1"].iou == scores["click+2"].iou == 1.0
    # The click, one correction after which nothing is wrong, the inner click, and two boxes.
    assert [len(prompts.points_rc) for prompts in asked] == [1, 2, 1, 0, 0]
    assert asked[1].points_rc[0] == asked[0].points_rc[0]
    assert list(asked[1].point_labels) == [1, 1]


def test_a_quarter_of_the_resolution_costs_small_objects_most() -> None:
    small, middle, large = (oracle(disc(radius, (41.3, 50.6))).iou for radius in (4, 12, 30))
    assert 0.6 < small < middle < large < 1.0
    assert middle > 0.95
    assert large > 0.98
