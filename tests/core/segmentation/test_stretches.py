"""Stretches on which the methods differ, and whom the image sides with."""

from __future__ import annotations

import numpy as np
import pytest

from segsem.core.contour import SOURCE_CODES, Source
from segsem.core.params import ExtractParams, Routing
from segsem.pipeline import extract
from segsem.segmentation.auto_prompts import Part
from segsem.segmentation.evidence import edge_field
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.stretches import stretches
from segsem.segmentation.window import Window

SHAPE = (100, 120)
WINDOW = Window(0, 0, *SHAPE)


def box(row0, col0, row1, col1):
    mask = np.zeros(SHAPE, dtype=bool)
    mask[row0:row1, col0:col1] = True
    return mask


TRUE = box(30, 20, 60, 100)


def found(sauvola, sam2, true=TRUE):
    grey = np.where(true, 180, 60).astype(np.float32)
    edges = edge_field(grey, 1.0, 2.0, 120.0, bright=True).crop(WINDOW.slices)
    part = Part(1, WINDOW, WINDOW, sauvola, Prompts(((45.0, 60.0),), (1,)))
    return stretches(part, sam2, edges)


def test_masks_that_agree_within_a_few_pixels_have_none():
    assert found(TRUE, TRUE) == []
    assert found(TRUE, box(31, 21, 60, 100)) == []


def test_the_image_sides_with_the_threshold_where_the_model_goes_astray():
    (lump,) = found(TRUE, TRUE | box(60, 50, 75, 70))
    assert lump.sauvola_stands
    assert lump.where[67, 60]
    assert not lump.where[40, 60]


def test_a_missing_part_is_a_stretch_too():
    (missing,) = found(TRUE, TRUE & ~box(30, 85, 60, 100))
    assert missing.sauvola_stands


def test_a_hole_that_the_model_filled_is_seen():
    hole = box(38, 50, 52, 64)
    (filled,) = found(TRUE & ~hole, TRUE, true=TRUE & ~hole)
    assert filled.sam2_edge is None
    assert filled.sauvola_stands


def test_the_model_stands_where_it_has_the_edge():
    (lump,) = found(TRUE | box(60, 50, 75, 70), TRUE)
    assert not lump.sauvola_stands
    assert not lump.doubtful


def test_where_neither_has_an_edge_it_is_doubtful():
    (both,) = found(TRUE | box(60, 50, 80, 70), TRUE | box(60, 40, 70, 90))[:1]
    assert both.doubtful
    assert not both.sauvola_stands


def test_masks_that_differ_about_most_of_a_part_are_decided_as_a_whole():
    assert found(TRUE, box(60, 20, 95, 100)) == []


@pytest.fixture
def extraction(scenes, threshold_predictor):
    # Each line bulges to the right by 8 px in 14 rows of the first tile.
    def bulging(mask, embedding):
        if embedding.signature != "test-1":
            return mask
        bulged = mask.copy()
        for step in range(1, 9):
            bulged[40:54, step:] |= mask[40:54, :-step]
        return bulged

    image = scenes.image(scenes.noisy(scenes.lines(shape=(120, 120))))
    return extract(image, threshold_predictor(bulging), ExtractParams(routing=Routing.HYBRID))


def test_one_bad_stretch_does_not_cost_the_rest_of_a_line(extraction):
    assert len(extraction.regions) == 3
    sauvola = SOURCE_CODES.index(Source.SAUVOLA)
    for region in extraction.regions:
        assert region.source is Source.MIXED
        assert "stretch" in region.fallback_reason
        rows = np.concatenate([c.vertices_rc[c.source_code == sauvola, 0] for c in region.contours])
        assert 30 < rows.min() < rows.max() < 64
        left, right = sorted(np.median(c.vertices_rc[:, 1]) for c in region.contours)
        assert right - left == pytest.approx(18.0, abs=0.3)
        for contour in region.contours:
            assert np.ptp(contour.vertices_rc[:, 1]) < 1.5
