"""Edits of a label image: exact, small, and taken back without a trace."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segsem.core.contour import Source
from segsem.project.edit_codec import edit_from_json, edit_to_json
from segsem.project.label_edit import LabelObject, PixelChange
from segsem.project.labelled_image import LabelledImage


def painted(image: LabelledImage, box: tuple[int, int, int, int], value: int, **made) -> None:
    row0, col0, row1, col1 = box
    after = np.full((row1 - row0, col1 - col0), value, dtype=np.int32)
    edit = image.edit("paint", (row0, col0), after, **made)
    if edit is not None:
        image.apply(edit)


def assert_objects_fit(image: LabelledImage) -> None:
    """Every object's area and box are those of its pixels, and every value has its object."""
    assert set(np.unique(image.labels).tolist()) - {0} == set(image.objects)
    for object_id, known in image.objects.items():
        rows, cols = np.nonzero(image.labels == object_id)
        assert known.area_px == len(rows)
        assert known.bbox == (rows.min(), cols.min(), rows.max() + 1, cols.max() + 1)


EDITS = st.lists(
    st.tuples(
        st.integers(0, 11), st.integers(0, 14), st.integers(1, 9), st.integers(1, 9),
        st.integers(0, 4), st.integers(0, 2**16),
    ),
    max_size=12,
)  # fmt: skip


@given(EDITS)
def test_objects_fit_and_undo_leaves_no_trace(edits):
    image = LabelledImage((12, 15))
    done, states = [], [(image.labels.copy(), image.objects)]
    for row, col, height, width, value, seed in edits:
        part = image.labels[row : row + height, col : col + width]
        some = np.random.default_rng(seed).random(part.shape) < 0.7
        edit = image.edit("edit", (row, col), np.where(some, value, part).astype(np.int32))
        if edit is None:
            continue
        image.apply(edit)
        assert_objects_fit(image)
        done.append(edit)
        states.append((image.labels.copy(), image.objects))
    for step, (labels, objects) in reversed(list(zip(done, states[:-1], strict=True))):
        image.revert(step)
        np.testing.assert_array_equal(image.labels, labels)
        assert image.objects == objects
    for step, (labels, objects) in zip(done, states[1:], strict=True):
        image.apply(step)
        np.testing.assert_array_equal(image.labels, labels)
        assert image.objects == objects


def test_an_edit_is_small() -> None:
    image = LabelledImage((2048, 2048))
    painted(image, (0, 0, 2048, 2048), 7)
    after = image.labels[100:1100, 200:1200].copy()
    after[:500] = 0
    edit = image.edit("half", (100, 200), after)
    assert edit is not None
    assert edit.pixels.box == (100, 200, 600, 1200)
    assert edit.pixels.nbytes == 500 * 1000 / 8 + 4 + 4


def test_what_is_the_same_is_no_edit() -> None:
    image = LabelledImage((8, 8))
    assert image.edit("nothing", (2, 2), np.zeros((3, 3), np.int32)) is None
    assert PixelChange.between(image.labels, image.labels, (0, 0)).is_empty


@pytest.mark.parametrize(
    ("source", "expected"), [(Source.SAM2, Source.MIXED), (Source.MANUAL, Source.MANUAL)]
)
def test_a_brush_makes_a_models_mask_mixed(source, expected) -> None:
    image = LabelledImage((9, 9))
    painted(image, (1, 1, 4, 4), 1, made={1: LabelObject(1, 0, (0, 0, 0, 0), source, 0.9)})
    painted(image, (3, 3, 6, 6), 1)
    assert image.objects[1].source is expected
    assert image.objects[1].iou_pred == 0.9


def test_an_object_that_is_cut_by_another_keeps_its_source() -> None:
    image = LabelledImage((9, 9))
    painted(image, (1, 1, 5, 5), 1, made={1: LabelObject(1, 0, (0, 0, 0, 0), Source.SAM2)})
    painted(image, (3, 3, 6, 6), 2)
    assert image.objects[1].source is Source.SAM2
    assert image.objects[2].source is Source.MANUAL
    assert_objects_fit(image)


def test_what_is_known_of_an_object_changes_without_a_pixel() -> None:
    image = LabelledImage((9, 9))
    painted(image, (1, 1, 5, 5), 1)
    before, known = image.labels.copy(), image.objects[1]
    wanted = LabelObject(1, 0, (0, 0, 0, 0), Source.MANUAL, prompts={"offset": {"px": 0.25}})
    edit = image.edit_objects("growth", {1: wanted, 5: wanted})
    assert edit is not None
    image.apply(edit)
    np.testing.assert_array_equal(image.labels, before)
    assert image.objects[1].prompts == {"offset": {"px": 0.25}}
    assert_objects_fit(image)
    assert image.edit_objects("growth", {1: wanted}) is None
    image.revert(edit)
    assert image.objects == {1: known}
    read = edit_from_json(json.loads(json.dumps(edit_to_json(edit))), image.labels.shape)
    image.apply(read)
    assert image.objects[1].prompts == {"offset": {"px": 0.25}}
