from __future__ import annotations

import numpy as np
import pytest
import torch

from segsem.training.corrections import DEPTH_PX, correction_clicks

SIDE = 64


def disc(row: int, col: int, radius: int) -> np.ndarray:
    rows, cols = np.ogrid[:SIDE, :SIDE]
    return np.asarray((rows - row) ** 2 + (cols - col) ** 2 <= radius**2)


def click(predicted: np.ndarray, target: np.ndarray, seed: int) -> tuple[int, int, int]:
    generator = torch.Generator().manual_seed(seed)
    points, labels = correction_clicks(
        torch.from_numpy(predicted[None]), torch.from_numpy(target[None]), generator
    )
    x, y = points[0].int().tolist()
    return x, y, int(labels[0])


@pytest.mark.parametrize("positive", [True, False])
def test_a_correction_goes_into_the_deeper_error(positive: bool) -> None:
    truth, more = disc(20, 20, 4), disc(20, 20, 4) | disc(45, 45, 7)
    target, predicted = (more, truth) if positive else (truth, more)
    seen = set()
    for seed in range(20):
        x, y, label = click(predicted, target, seed)
        assert label == int(positive)
        assert disc(45, 45, 7)[y, x]
        seen.add((x, y))
    assert len(seen) > 5


def test_of_two_errors_the_deeper_one_decides_the_sign() -> None:
    target, predicted = disc(20, 20, 6), disc(45, 45, 3)
    assert all(click(predicted, target, seed)[2] == 1 for seed in range(10))
    target, predicted = disc(20, 20, 3), disc(45, 45, 6)
    assert all(click(predicted, target, seed)[2] == 0 for seed in range(10))


def test_a_perfect_answer_is_confirmed_with_a_click_inside() -> None:
    mask = disc(20, 20, 6)
    for seed in range(10):
        x, y, label = click(mask, mask, seed)
        assert label == 1
        assert mask[y, x]


def test_half_of_the_clicks_are_at_the_deepest_place() -> None:
    # A square: exactly the pixels at the chessboard depth of 5 are deepest.
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[10:19, 30:39] = True
    assert DEPTH_PX > 5
    deepest = sum(click(~mask & False, mask, seed)[:2] == (34, 14) for seed in range(60))
    assert 15 < deepest < 55


def test_the_border_counts_as_outside() -> None:
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[:7, :7] = True
    points = {click(~mask & False, mask, seed)[:2] for seed in range(40)}
    assert (0, 0) not in points
