"""Prompts for many objects as values: what is shown, settled, undone; without a window."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_segsem._annotation import Annotation
from napari_segsem._prompt_state import PromptState, RepeatSeed, polygon_mask
from napari_segsem._prompt_tools import STROKE_POINTS, points_along
from napari_segsem._proposals import Proposal, box_key, repeat_key
from segsem.core.mask_patch import MaskPatch
from segsem.segmentation.questions import ObjectAnswer

BOXES = [(10.0 * i, 5.0, 10.0 * i + 8, 15.0) for i in range(5)]
SEED = RepeatSeed(MaskPatch.of(np.ones((6, 6), bool), (70, 70)), "object 1")


def square(row: int, col: int, side: int = 6) -> MaskPatch:
    return MaskPatch.of(np.ones((side, side), dtype=bool), (row, col))


def answer(index: int, mask: MaskPatch, match: float | None = None) -> ObjectAnswer:
    return ObjectAnswer(index, (mask, mask), (0.9, 0.8), match=match)


def box_answers() -> list[Proposal]:
    return [Proposal(box_key(b), answer(i, square(10 * i + 1, 6))) for i, b in enumerate(BOXES)]


def repeat_answers() -> list[Proposal]:
    masks = [square(70, 10 * i) for i in range(6)]
    return [
        Proposal(repeat_key(m), answer(i, m, 0.9 - 0.1 * i), {"repeat_of": "object 1"})
        for i, m in enumerate(masks)
    ]


@pytest.fixture
def annotation() -> Annotation:
    made = Annotation((100, 100))
    for box in BOXES:
        made.add_box(box)
    return made


def test_answers_are_shown_while_their_boxes_stand(annotation: Annotation) -> None:
    assert annotation.proposals.open_boxes() == BOXES
    annotation.proposals.put(box_answers()[:3])
    assert annotation.proposals.open_boxes() == BOXES[3:]
    annotation.proposals.put(box_answers())
    assert len(annotation.proposals.shown) == 5
    annotation.history.undo()
    assert set(annotation.proposals.shown) == {box_key(box) for box in BOXES[:4]}
    annotation.history.redo()
    assert annotation.proposals.open_boxes() == []


def test_only_what_changed_is_told(annotation: Annotation) -> None:
    told: list[frozenset[str]] = []
    annotation.proposals.put(box_answers()[:2])
    annotation.proposals.changed.connect(told.append)
    annotation.proposals.put(box_answers()[2:3])
    annotation.reject_proposal(box_key(BOXES[0]))
    assert told == [{box_key(BOXES[2])}, {box_key(BOXES[0])}]


def test_the_threshold_hides_instances_and_no_boxes(annotation: Annotation) -> None:
    annotation.proposals.put(box_answers())
    annotation.repeat(SEED)
    assert annotation.proposals.wants_repeat
    annotation.proposals.put(repeat_answers(), 0.65)
    assert len(annotation.proposals.shown) == 5 + 3
    annotation.proposals.set_least_score(0.45)
    assert len(annotation.proposals.shown) == 5 + 5
    assert len(annotation.proposals.scores) == 6
    # What the user chose stays when more answers come.
    annotation.proposals.put(repeat_answers(), 0.65)
    assert annotation.proposals.least_score == 0.45


def test_another_object_to_repeat_forgets_what_was_found(annotation: Annotation) -> None:
    annotation.repeat(SEED)
    annotation.proposals.put(repeat_answers(), 0.65)
    annotation.repeat(RepeatSeed(square(20, 20), "object 2"))
    assert annotation.proposals.wants_repeat
    assert not annotation.proposals.shown


def test_what_two_proposals_share_belongs_to_the_better_one() -> None:
    annotation = Annotation((100, 100))
    annotation.repeat(SEED)
    worse, better = square(70, 0, 10), square(70, 8, 10)
    annotation.proposals.put(
        [
            Proposal(repeat_key(worse), answer(0, worse, 0.8)),
            Proposal(repeat_key(better), answer(1, better, 0.9)),
        ],
        0.5,
    )
    first, second = annotation.accept_proposals()
    assert annotation.objects[first].area_px == 100
    assert annotation.objects[second].area_px == 80
    assert annotation.objects[first].prompts == {"match": 0.9, "mask_from": "model"}


def test_an_accepted_outline_leaves_proposals_alone(annotation: Annotation) -> None:
    from segsem.engine.answers import Candidates

    annotation.proposals.put(box_answers())
    annotation.add_point((85.0, 85.0), 1)
    logits = np.full((1, 100, 100), -5, np.float32)
    logits[0, 80:90, 80:90] = 5
    annotation.set_candidates(Candidates((0, 0), logits, (0.9,)))
    annotation.add_box((80.0, 5.0, 88.0, 15.0))
    assert annotation.candidates is not None
    assert annotation.accept() == 1
    assert len(annotation.proposals.shown) == 5
    assert not annotation.state.asks


def test_states_are_values_and_their_provenance_is_json() -> None:
    corners = ((10.0, 10.0), (10.0, 20.0), (20.0, 15.0))
    state = PromptState(polygon_rc=corners, is_closed=True)
    assert state == PromptState(polygon_rc=corners, is_closed=True)
    assert hash(state) == hash(PromptState(polygon_rc=corners, is_closed=True))
    assert json.loads(json.dumps(state.as_json()))["polygon_rc"] == [list(c) for c in corners]
    question = state.question()
    assert question.known == polygon_mask(corners)
    assert question.prompts.box_rc == question.known.box_rc
    with_mask = PromptState(mask=SEED.mask, refines=1)
    assert MaskPatch.from_json(json.loads(json.dumps(with_mask.as_json()))["mask"]) == SEED.mask
    assert PromptState(polygon_rc=corners).as_json() == {}
    assert not PromptState(polygon_rc=corners).asks


def test_a_polygon_without_area_does_not_close() -> None:
    annotation = Annotation((100, 100))
    for corner in ((10.2, 10.0), (10.2, 20.0), (10.2, 30.0)):
        annotation.add_corner(corner)
    assert not annotation.close_polygon()


@pytest.mark.parametrize(
    ("length", "count"), [(0.0, 1), (5.0, 1), (25.0, 3), (900.0, STROKE_POINTS)]
)
def test_a_stroke_is_a_few_points_at_even_distances(length: float, count: int) -> None:
    points = points_along([(0.0, 0.0), (0.0, length / 3), (0.0, length)], 10.0)
    assert len(points) == count
    cols = np.array([col for _, col in points])
    np.testing.assert_allclose(cols, (np.arange(count) + 0.5) / count * length)


def _steps(annotation: Annotation) -> list[object]:
    shown = list(annotation.proposals.shown)
    return [
        lambda: annotation.add_box(BOXES[len(annotation.state.boxes_rc) % 5]),
        lambda: annotation.repeat(SEED),
        lambda: annotation.proposals.put(box_answers()),
        lambda: annotation.proposals.put(repeat_answers(), 0.5),
        lambda: annotation.reject_proposal(shown[0]) if shown else None,
        lambda: annotation.accept_proposals(shown[-1:]),
        annotation.accept_proposals,
        lambda: annotation.add_corner((float(len(shown)), 3.0 * len(annotation.state.polygon_rc))),
        annotation.close_polygon,
        lambda: annotation.refine(min(annotation.objects, default=0)),
        lambda: annotation.add_points([(1.0, 1.0), (2.0, 2.0)], 0),
        annotation.drop_proposals,
        annotation.clear,
    ]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=25))
def test_undo_to_the_start_and_redo_to_the_end(choices: list[int]) -> None:
    annotation = Annotation((100, 100))
    for choice in choices:
        _steps(annotation)[choice]()
    end = annotation.labels.copy(), dict(annotation.objects), annotation.state
    while annotation.history.undo():
        pass
    assert annotation.state == PromptState()
    assert not annotation.labels.any()
    while annotation.history.redo():
        pass
    np.testing.assert_array_equal(annotation.labels, end[0])
    assert (dict(annotation.objects), annotation.state) == end[1:]
