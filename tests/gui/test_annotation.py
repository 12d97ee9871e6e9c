"""Prompts, objects and undo, without any window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_segsem._annotation import Annotation, PromptState
from segsem.engine.answers import Candidates


def candidates(mask: np.ndarray, offset: tuple[int, int] = (0, 0)) -> Candidates:
    logits = np.stack([np.where(mask, 3.0, -3.0)] * 3).astype(np.float32)
    return Candidates(offset, logits, (0.9, 0.8, 0.7))


@pytest.fixture
def annotation() -> Annotation:
    return Annotation((20, 30))


def accept_square(annotation: Annotation, row: int, col: int, side: int = 5) -> int | None:
    mask = np.zeros((10, 10), bool)
    mask[:side, :side] = True
    annotation.add_point((row + 1.0, col + 1.0), 1)
    annotation.set_candidates(candidates(mask, (row, col)))
    return annotation.accept()


def test_accepting_paints_and_clears_the_prompts(annotation: Annotation) -> None:
    assert accept_square(annotation, 2, 3) == 1
    assert np.argwhere(annotation.labels == 1).min(axis=0).tolist() == [2, 3]
    assert np.count_nonzero(annotation.labels) == 25
    assert annotation.state == PromptState()
    assert annotation.objects[1].prompts["points_rc"] == [[3.0, 4.0]]


def test_a_neighbour_keeps_its_pixels(annotation: Annotation) -> None:
    accept_square(annotation, 2, 3)
    accept_square(annotation, 2, 7)
    assert np.count_nonzero(annotation.labels == 1) == 25
    assert np.count_nonzero(annotation.labels == 2) == 20


def test_a_correction_replaces_its_object(annotation: Annotation) -> None:
    accept_square(annotation, 2, 3, side=5)
    assert accept_square(annotation, 2, 3, side=6) == 1
    assert list(annotation.objects) == [1]
    assert np.count_nonzero(annotation.labels == 1) == 36


def test_nothing_to_accept(annotation: Annotation) -> None:
    assert annotation.accept() is None
    accept_square(annotation, 2, 3)
    annotation.set_candidates(candidates(np.zeros((4, 4), bool)))
    assert annotation.accept() is None


def test_what_is_still_followed_is_not_accepted(annotation: Annotation) -> None:
    annotation.add_point((1.0, 1.0), 1)
    whole = candidates(np.ones((4, 4), bool))
    annotation.set_candidates(replace(whole, complete=False, partial=True))
    assert annotation.accept() is None
    assert not annotation.labels.any()
    # The person decides about what cannot be followed any further.
    annotation.set_candidates(replace(whole, complete=False))
    assert annotation.accept() == 1


def test_cycle_goes_round(annotation: Annotation) -> None:
    annotation.set_candidates(candidates(np.ones((4, 4), bool)))
    seen = []
    for _ in range(4):
        seen.append(annotation.choice)
        annotation.cycle()
    assert seen == [0, 1, 2, 0]


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("point"), st.integers(0, 19), st.integers(0, 29)),
        st.tuples(st.just("box"), st.integers(0, 9), st.integers(0, 19)),
        st.tuples(st.just("accept"), st.integers(0, 9), st.integers(0, 19)),
        st.tuples(st.just("delete"), st.integers(1, 4), st.just(0)),
        st.tuples(st.just("clear"), st.just(0), st.just(0)),
    ),
    max_size=15,
)


@given(ACTIONS)
def test_undoing_everything_gives_the_start_and_redoing_the_end(
    actions: list[tuple[str, int, int]],
) -> None:
    annotation = Annotation((20, 30))
    for kind, a, b in actions:
        if kind == "point":
            annotation.add_point((float(a), float(b)), 1)
        elif kind == "box":
            annotation.set_box((float(a), float(b), a + 3.0, b + 3.0))
        elif kind == "accept":
            accept_square(annotation, a, b)
        elif kind == "delete":
            annotation.delete(a)
        else:
            annotation.clear()
    end = annotation.labels.copy(), annotation.state, dict(annotation.objects)
    while annotation.history.undo():
        pass
    assert not annotation.labels.any()
    assert annotation.state == PromptState()
    assert annotation.objects == {}
    while annotation.history.redo():
        pass
    np.testing.assert_array_equal(annotation.labels, end[0])
    assert (annotation.state, annotation.objects) == end[1:]
