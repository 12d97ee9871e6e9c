"""Which candidates are asked for with the design's shape, and what is believed of the answers."""

from __future__ import annotations

import numpy as np
import pytest

from segsem.segmentation.auto_prompts import parts_by_tile, prompts_for
from segsem.segmentation.design_answers import joined, sided
from segsem.segmentation.evidence import EdgeMap
from segsem.segmentation.expected import shapes_in, shapes_of
from segsem.segmentation.predictor import MaskPrediction


def mask(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = (64, 96)) -> np.ndarray:
    drawn = np.zeros(shape, dtype=bool)
    for row0, col0, row1, col1 in boxes:
        drawn[row0:row1, col0:col1] = True
    return drawn


LEFT, RIGHT = (20, 10, 40, 30), (20, 50, 40, 70)
DESIGN = np.where(mask(LEFT), 3, 0) + np.where(mask(RIGHT), 7, 0)


@pytest.mark.parametrize(
    ("piece", "others", "expected"),
    [
        (LEFT, (), [3]),
        ((22, 12, 38, 28), (), [3]),
        ((20, 10, 40, 70), (), [3, 7]),
        ((50, 10, 60, 30), (), []),
        # Half of a broken feature, the other half being there as well.
        ((20, 10, 33, 30), ((35, 10, 40, 30),), []),
        # Less than half of the shape.
        ((20, 10, 28, 30), (), []),
        # A flake that covers the shape and three times as much.
        ((10, 5, 50, 45), (), []),
    ],
)
def test_shapes_stand_for_candidates_only_where_they_correspond(
    piece: tuple[int, int, int, int], others: tuple[tuple[int, int, int, int], ...],
    expected: list[int],
) -> None:  # fmt: skip
    shapes = shapes_of(DESIGN.astype(np.int32))
    found = shapes_in(mask(piece), shapes, mask(piece, *others))
    assert [shape.feature for shape in found] == expected


def test_prompts_are_the_designs_for_one_shape_and_both_for_several() -> None:
    design = DESIGN.astype(np.int32)
    eaten = mask((26, 10, 40, 30))
    (tile,) = (t for t in parts_by_tile(eaten.astype(np.int32), 128, design) if t.parts)
    (part,) = tile.parts
    assert part.features == (3,)
    assert part.prompts == prompts_for(mask(LEFT), mask(LEFT, RIGHT))
    assert part.prompts.box_rc == (20.0, 10.0, 39.0, 29.0)
    bridge = mask((20, 10, 40, 70))
    (tile,) = (t for t in parts_by_tile(bridge.astype(np.int32), 128, design) if t.parts)
    (part,) = tile.parts
    assert part.features == (3, 7)
    assert part.prompts.box_rc == (20.0, 10.0, 39.0, 69.0)
    assert [one.box_rc for one in part.shapes] == [
        (20.0, 10.0, 39.0, 29.0),
        (20.0, 50.0, 39.0, 69.0),
    ]
    flake = mask((50, 10, 60, 30))
    (tile,) = (t for t in parts_by_tile(flake.astype(np.int32), 128, design) if t.parts)
    assert tile.parts[0].features == ()
    assert tile.parts[0].prompts == prompts_for(flake, flake)


def answer(drawn: np.ndarray) -> MaskPrediction:
    logits = np.where(drawn, 5.0, -5.0).astype(np.float32)[None]
    return MaskPrediction(logits, logits[:, ::4, ::4], np.float32([0.9]))


def edges_of(drawn: np.ndarray) -> EdgeMap:
    grey = 100.0 * drawn.astype(np.float32)
    grad_r, grad_c = np.gradient(grey)
    return EdgeMap(grad_r.astype(np.float32), grad_c.astype(np.float32), 5.0)


@pytest.mark.parametrize("is_bridge", [True, False])
@pytest.mark.parametrize("width", [4, 20])
def test_a_bridge_is_believed_where_the_image_shows_one(is_bridge: bool, width: int) -> None:
    """The threshold sees a bridge either way; the answers to the shapes never do."""
    whole = mask(LEFT, RIGHT, (30 - width // 2, 30, 30 + width // 2, 50))
    tiles = parts_by_tile(whole.astype(np.int32), 128, DESIGN.astype(np.int32))
    ((part,),) = ([*tile.parts] for tile in tiles if tile.parts)
    edges = edges_of(whole if is_bridge else mask(LEFT, RIGHT))
    apart = [answer(mask(LEFT)), answer(mask(RIGHT))]
    chosen = sided(answer(whole), apart, part, edges)
    assert bool(chosen.best_mask[30, 40]) is is_bridge


def test_answers_to_several_shapes_are_as_sure_as_the_least() -> None:
    one, other = answer(mask(LEFT)), answer(mask(RIGHT))
    other.iou_pred[:] = 0.4
    both = joined([one, other])
    assert np.array_equal(both.best_mask, mask(LEFT, RIGHT))
    assert both.iou_pred.tolist() == pytest.approx([0.4])
