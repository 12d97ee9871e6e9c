"""Which part of the image a box means: interleaved combs, over several windows."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from scipy import ndimage as ndi

from segsem.segmentation.box_parts import box_fit, part_of_box
from segsem.segmentation.division import DIVISION_PX, FrameDivision
from segsem.segmentation.predictor import ImageEmbedding
from segsem.segmentation.window import Window

SIDE, FRAME = 320, 128


def combs(side: int = SIDE) -> np.ndarray:
    """Two combs whose teeth interleave: 1 from the top, 2 from the bottom."""
    labels = np.zeros((side, side), dtype=np.int32)
    labels[20:32, 20:-20] = 1
    labels[-32:-20, 20:-20] = 2
    for number, col in enumerate(range(24, side - 40, 24)):
        if number % 2 == 0:
            labels[20:-44, col : col + 10] = 1
        else:
            labels[44:-20, col : col + 10] = 2
    return labels


class Dividing:
    """Divides by the true labels; which class is positive changes from window to window."""

    def __init__(self, labels: np.ndarray, *, classes: bool, edges: bool) -> None:
        self.labels, self.classes, self.edges = labels, classes, edges
        self.encoded: list[Window] = []

    def encode(self, window: Window) -> ImageEmbedding:
        self.encoded.append(window)
        return ImageEmbedding(window.shape, window.shape, window, "test")

    def divide(self, embedding: ImageEmbedding) -> FrameDivision:
        window = embedding.features
        cells = self.labels[window.slices][::DIVISION_PX, ::DIVISION_PX]
        sign = 1.0 if zlib.crc32(repr(window).encode()) % 2 else -1.0
        logits = np.where(cells > 0, 4.0, -4.0) * sign if self.classes else np.zeros(cells.shape)
        noise = np.random.default_rng(1).normal(0, 0.01, cells.shape)
        high, low = ndi.maximum_filter(cells, 3), ndi.minimum_filter(cells, 3)
        edge = np.where(high != low, 0.9, 0.05) if self.edges else np.full(cells.shape, 0.05)
        return FrameDivision(logits.astype(np.float32), (edge + noise).astype(np.float32))


def box_of(mask: np.ndarray) -> tuple[float, float, float, float]:
    rows, cols = np.nonzero(mask)
    return float(rows.min()), float(cols.min()), float(rows.max()), float(cols.max())


@pytest.mark.parametrize(("classes", "edges"), [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("wanted", [1, 2])
def test_the_part_is_the_one_whose_extent_is_the_boxs(wanted, classes, edges):
    labels = combs()
    model = Dividing(labels, classes=classes, edges=edges)
    found = part_of_box(model, model.encode, FRAME, box_of(labels == wanted), labels.shape)
    assert found is not None
    assert found.fit > 0.95
    row, col = found.point_rc
    depth = ndi.distance_transform_edt(labels == wanted)
    assert depth[round(row), round(col)] >= 0.8 * depth.max()
    assert len(model.encoded) > 4


def test_a_small_box_is_answered_by_the_windows_about_it():
    labels = np.zeros((SIDE, SIDE), dtype=np.int32)
    labels[150:171, 60:81] = 1
    model = Dividing(labels, classes=True, edges=True)
    found = part_of_box(model, model.encode, FRAME, box_of(labels == 1), labels.shape)
    assert found is not None
    assert found.point_rc == pytest.approx((160, 70), abs=1.5)
    assert len(model.encoded) <= 4


def test_a_box_that_nothing_fits_means_no_part():
    labels = combs()
    model = Dividing(labels, classes=True, edges=True)
    assert part_of_box(model, model.encode, FRAME, (100.0, 100.0, 160.0, 170.0), (SIDE, SIDE)) is (
        None
    )


def test_a_model_without_divisions_means_no_part():
    class Whole(Dividing):
        def divide(self, embedding):
            return None

    model = Whole(combs(), classes=True, edges=True)
    assert part_of_box(model, model.encode, FRAME, (20.0, 20.0, 200.0, 200.0), (SIDE, SIDE)) is None


def test_fit_of_boxes():
    assert box_fit((0, 0, 10, 10), (0, 0, 10, 10)) == 1.0
    assert box_fit((0, 0, 10, 10), (0, 5, 10, 15)) == pytest.approx(50 / 150)
    assert box_fit((0, 0, 1, 1), (2, 2, 3, 3)) == 0.0
    assert box_fit((0, 0, 0, 0), (0, 0, 0, 0)) == 0.0
