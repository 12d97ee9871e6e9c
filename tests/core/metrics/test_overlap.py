from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from segsem.metrics.overlap import OverlapMetric, dice, iou


def box(row0: int, col0: int, row1: int, col1: int) -> np.ndarray:
    mask = np.zeros((64, 64), dtype=bool)
    mask[row0:row1, col0:col1] = True
    return mask


@pytest.mark.parametrize("width", [16, 32])
@pytest.mark.parametrize("bias", [1, 2])
def test_a_line_that_is_too_wide(width: int, bias: int) -> None:
    # Closed form: w / (w + 2 b).
    line, wide = box(0, 20, 64, 20 + width), box(0, 20 - bias, 64, 20 + width + bias)
    assert iou(wide, line) == pytest.approx(width / (width + 2 * bias))
    assert dice(wide, line) == pytest.approx(2 * width / (2 * width + 2 * bias))


def test_empty_policy() -> None:
    empty, full = box(0, 0, 0, 0), box(0, 0, 8, 8)
    assert iou(empty, empty) == dice(empty, empty) == 1.0
    assert iou(empty, full) == iou(full, empty) == dice(empty, full) == 0.0


@settings(max_examples=50, deadline=None)
@given(arrays(bool, (6, 7)), arrays(bool, (6, 7)))
def test_against_sets(preds: np.ndarray, target: np.ndarray) -> None:
    a = {tuple(p) for p in np.argwhere(preds).tolist()}
    b = {tuple(p) for p in np.argwhere(target).tolist()}
    assert iou(preds, target) == (len(a & b) / len(a | b) if a | b else 1.0)
    assert dice(preds, target) == (2 * len(a & b) / (len(a) + len(b)) if a or b else 1.0)


def test_micro_and_macro() -> None:
    metric = OverlapMetric()
    assert np.isnan(metric.compute()["iou_micro"])
    metric.update(box(0, 0, 10, 10), box(0, 0, 10, 20))  # 100 of 200
    metric.update(box(0, 0, 10, 10), box(0, 0, 10, 10))  # 100 of 100
    assert metric.compute() == pytest.approx(
        {
            "iou_micro": 200 / 300,
            "iou_macro": 0.75,
            "dice_micro": 400 / 500,
            "dice_macro": (200 / 300 + 1) / 2,
        }
    )


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="Expected `preds` to be a"):
        iou(np.zeros((3, 3)), box(0, 0, 1, 1))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"Expected `preds` of shape \(64, 64\)"):
        iou(np.zeros((3, 3), dtype=bool), box(0, 0, 1, 1))
