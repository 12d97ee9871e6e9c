from __future__ import annotations

import math

import pytest
import torch

from segsem.training.losses import (
    dice_loss,
    edge_cells,
    focal_loss,
    mask_iou,
    prompt_loss,
    two_class_loss,
)

BIG = 30.0


def halves() -> torch.Tensor:
    target = torch.zeros(1, 8, 8)
    target[:, :, :4] = 1.0
    return target


def test_focal_loss_of_an_undecided_answer() -> None:
    # p = 1/2 everywhere: alpha * log 2 * (1/2)^2, half with alpha 1/4 and half with 3/4.
    loss = focal_loss(torch.zeros(1, 8, 8), halves())

    assert float(loss) == pytest.approx(0.5 * math.log(2.0) * 0.25)


def test_right_answers_cost_nothing_and_wrong_ones_do() -> None:
    target = halves()
    right, wrong = (2 * target - 1) * BIG, (1 - 2 * target) * BIG

    assert float(focal_loss(right, target)) == pytest.approx(0.0, abs=1e-6)
    assert float(dice_loss(right, target)) == pytest.approx(0.0, abs=1e-6)
    assert float(focal_loss(wrong, target)) > 10.0
    assert float(dice_loss(wrong, target)) == pytest.approx(1.0 - 1.0 / 65.0, abs=1e-4)


def test_iou_counts_cells() -> None:
    target = halves()[0]
    logits = torch.full((8, 8), -1.0)
    logits[:, 2:6] = 1.0

    assert float(mask_iou(logits, target)) == pytest.approx(16 / 48)
    assert float(mask_iou(logits * 0 - 1, target * 0)) == 1.0


def answers(target: torch.Tensor) -> torch.Tensor:
    """Single mask wrong, masks 1 and 2 wrong, mask 3 nearly right."""
    logits = torch.full((1, 4, 8, 8), -2.0)
    logits[:, 3] = (2 * target - 1) * 2.0
    return logits.requires_grad_()


def test_only_the_best_of_three_learns_from_an_ambiguous_prompt() -> None:
    target = halves()
    logits = answers(target)
    parts = prompt_loss(
        logits, torch.full((1, 4), 0.5), torch.zeros(1, 1), target, torch.zeros(1), 0.0
    )
    parts.total.backward()

    assert logits.grad is not None
    touched = logits.grad.abs().sum(dim=(-2, -1))[0] > 0
    assert touched.tolist() == [False, False, False, True]
    assert float(parts.best_iou) == 1.0


def test_all_masks_learn_from_a_clear_prompt_and_all_scores_always() -> None:
    target = halves()
    logits = answers(target)
    iou_pred = torch.full((1, 4), 0.5, requires_grad=True)
    prompt_loss(logits, iou_pred, torch.zeros(1, 1), target, torch.ones(1)).total.backward()

    assert logits.grad is not None
    assert iou_pred.grad is not None
    assert bool((logits.grad.abs().sum(dim=(-2, -1)) > 0).all())
    assert iou_pred.grad[0].sign().tolist() == [1.0, 1.0, 1.0, -1.0]


def test_ranked_iou_follows_the_models_own_ranking() -> None:
    target = halves()
    ranks_first_wrong = torch.tensor([[0.0, 0.9, 0.1, 0.2]])
    parts = prompt_loss(
        answers(target), ranks_first_wrong, torch.zeros(1, 1), target, torch.zeros(1)
    )

    assert float(parts.ranked_iou) == 0.0


@pytest.mark.parametrize("first", [4, 5])
def test_an_edge_takes_the_cells_that_it_passes_or_touches(first: int) -> None:
    labels = torch.zeros(1, 16, 16, dtype=torch.uint8)
    labels[:, :, first:] = 3
    cells = edge_cells(labels, 8)

    # Cells of 2 px with a margin of one: that of the edge's pixels, on both sides.
    wanted = {4: {1, 2}, 5: {2}}[first]
    assert set(torch.nonzero(cells[0, 0])[:, 0].tolist()) == wanted
    assert bool((cells == cells[:, :1]).all())


def test_two_classes_may_change_names_from_frame_to_frame() -> None:
    share = torch.cat([halves(), halves()])
    logits = (2 * share - 1) * BIG
    logits[1] *= -1

    assert float(two_class_loss(logits, share)) == pytest.approx(0.0, abs=1e-6)
    # Half right in one frame is wrong whatever the names.
    mixed = logits[:1].clone()
    mixed[:, :4] *= -1
    assert float(two_class_loss(mixed, share[:1])) > 10.0
