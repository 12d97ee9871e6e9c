"""Corrections without a window: what they do to objects, to undo, and to each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_segsem._annotation import Annotation, Made
from napari_segsem._corrections import Corrections
from napari_segsem._documents import run_now
from napari_segsem._session import Session
from segsem.core.contour import Source
from segsem.imaging.image import SEMImage
from segsem.project.label_edit import LabelObject

H, W = 90, 120


def picture() -> np.ndarray:
    """Two bright pads; an edge blurred over two pixels."""
    image = np.full((H, W), 40.0)
    image[20:60, 15:50] = image[20:60, 70:105] = 180.0
    for axis in (0, 1):
        image = (np.roll(image, 1, axis) + 2 * image + np.roll(image, -1, axis)) / 4
    return np.rint(image).astype(np.uint8)


class Desk:
    """A session with two objects, and what it was told."""

    def __init__(self, background: Any = run_now) -> None:
        self.session = Session(lambda action: action())
        self.session.open_image(SEMImage(picture(), "two", sha256="two"))
        self.told: list[str] = []
        self.session.message.connect(lambda text, _error: self.told.append(text))
        self.corrections = Corrections(self.session, background)
        for col, source in ((15, Source.SAM2), (70, Source.MANUAL)):
            origin = LabelObject(0, 0, (0, 0, 0, 0), source, 0.8, {"points_rc": [[1, 1]]})
            self.annotation.add("object", [Made((20, col), np.ones((40, 35), bool), origin)])
        self.told.clear()

    @property
    def annotation(self) -> Annotation:
        assert self.session.annotation is not None
        return self.session.annotation

    def areas(self) -> dict[int, int]:
        return {i: item.area_px for i, item in self.annotation.objects.items()}


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_cut_makes_objects_that_a_person_made(desk: Desk) -> None:
    desk.corrections.cut(np.array([[10.0, 30.0], [70.0, 30.0]]), 1.0)
    assert desk.areas() == {1: 40 * 19, 2: 40 * 35, 3: 40 * 15}
    cut = desk.annotation.objects[3]
    assert (cut.source, cut.prompts, cut.iou_pred) == (Source.MIXED, {}, None)
    assert desk.annotation.objects[1].source is Source.MIXED
    assert desk.annotation.objects[1].prompts == {"points_rc": [[1, 1]]}
    assert desk.told == ["1 new object"]
    assert desk.annotation.history.undo() == "cut"
    assert desk.areas() == {1: 1400, 2: 1400}


def test_a_sliver_is_cut_off_and_gone(desk: Desk) -> None:
    line = np.array([[10.0, 100.0], [70.0, 100.0]])
    desk.corrections.cut(line, 1.0, keep_pieces=False)
    assert desk.areas() == {1: 1400, 2: 40 * 30}
    assert desk.annotation.objects[2].source is Source.MANUAL


def test_a_bridge_and_a_merge_without_one(desk: Desk) -> None:
    desk.corrections.merge(np.array([[40.0, 100.0], [40.0, 20.0]]), 5.0)
    assert desk.areas() == {2: 2800 + 5 * 20}
    assert desk.annotation.objects[2].source is Source.MIXED
    desk.annotation.history.undo()
    desk.corrections.join([1, 2])
    assert desk.areas() == {1: 2800}
    desk.corrections.split(1)
    assert desk.areas() == {1: 1400, 2: 1400}


def test_touching_objects_part_at_their_neck_or_between_two_points(desk: Desk) -> None:
    desk.corrections.merge(np.array([[40.0, 20.0], [40.0, 100.0]]), 5.0)
    merged = desk.annotation.labels.copy()
    desk.corrections.split(1)
    assert sorted(desk.areas()) == [1, 2]
    assert abs(desk.areas()[1] - desk.areas()[2]) <= 10
    desk.corrections.join([1, 2])
    np.testing.assert_array_equal(desk.annotation.labels, merged)
    desk.corrections.split_between((25, 17), (55, 100))
    assert desk.annotation.labels[30, 30] == 1
    assert desk.annotation.labels[30, 90] == 2


def test_holes_by_object_or_by_point(desk: Desk) -> None:
    after = desk.annotation.labels[25:40, 20:40].copy()
    after[2:5, 2:5] = after[9:12, 8:10] = 0
    desk.annotation.change("holes", (25, 20), after)
    desk.corrections.fill((28, 23))
    assert desk.areas()[1] == 1400 - 6
    desk.corrections.fill((22, 17))
    assert desk.areas()[1] == 1400
    desk.corrections.fill((22, 17))
    desk.corrections.fill((40, 60))
    assert desk.told[-2].startswith("There is no hole here")
    assert desk.told[-1].startswith("No object has a hole here")


def test_four_quarter_steps_are_one_pixel_each_of_them_undone_alone(desk: Desk) -> None:
    areas = [desk.areas()[1]]
    for _ in range(4):
        desk.corrections.grow(1, 0.25)
        areas.append(desk.areas()[1])
    # The first one moves no pixel of a rectangle, and is not lost; corners become round.
    assert areas[:2] == [1400, 1400]
    assert 1400 + 2 * (40 + 35) - 20 < areas[2] <= areas[4] <= 1400 + 2 * (40 + 35) + 4
    assert desk.told[-1] == "Outline of object 1: +1.00 px from where it was"
    for expected in reversed(areas[:-1]):
        desk.annotation.history.undo()
        assert desk.areas()[1] == expected
    desk.annotation.history.redo()
    desk.corrections.grow(1, -0.25)
    assert desk.told[-1] == "Outline of object 1: back where it was"
    assert desk.annotation.objects[1].prompts == {"points_rc": [[1, 1]]}


def test_snap_puts_a_grown_outline_back_on_the_edge(desk: Desk) -> None:
    desk.corrections.grow(1, 3.0)
    wrong = desk.annotation.labels.copy()
    desk.corrections.snap(1)
    truth = np.zeros((H, W), bool)
    truth[20:60, 15:50] = True
    found = desk.annotation.labels == 1
    assert np.count_nonzero(found != truth) < 0.1 * np.count_nonzero((wrong == 1) != truth)
    assert desk.told[-1] == "Outline of object 1 is on the edge"


def test_what_cannot_be_done_is_told_and_nothing_changes(desk: Desk) -> None:
    before = desk.annotation.labels.copy()
    undo_name = desk.annotation.history.undo_name
    for correction in (
        lambda: desk.corrections.cut(np.array([[2.0, 2.0], [3.0, 9.0]]), 1.0),
        lambda: desk.corrections.cut(np.array([[10.0, 30.0], [40.0, 30.0]]), 1.0),
        lambda: desk.corrections.split(1),
        lambda: desk.corrections.split(99),
        lambda: desk.corrections.split_between((30, 20), (30, 90)),
        lambda: desk.corrections.merge(np.array([[30.0, 20.0], [30.0, 40.0]]), 4.0),
        lambda: desk.corrections.grow(1, -40.0),
        lambda: desk.corrections.join([1, 99]),
    ):
        count = len(desk.told)
        correction()
        assert len(desk.told) == count + 1
    np.testing.assert_array_equal(desk.annotation.labels, before)
    assert desk.annotation.history.undo_name == undo_name


class Later:
    """A background whose work is done when the test says so."""

    def __init__(self) -> None:
        self.jobs: list[Callable[[], None]] = []

    def __call__(self, work: Any, on_done: Any, on_failed: Any) -> None:
        self.jobs.append(lambda: run_now(work, on_done, on_failed))

    def run(self) -> None:
        self.jobs.pop(0)()


def test_steps_asked_for_faster_than_they_are_done_are_all_done() -> None:
    later = Later()
    desk = Desk(later)
    for _ in range(4):
        desk.corrections.grow(1, 0.25)
    assert len(later.jobs) == 1
    while later.jobs:
        later.run()
    assert desk.told[-1] == "Outline of object 1: +1.00 px from where it was"
    assert desk.corrections.is_idle


def test_a_correction_of_what_changed_meanwhile_is_worked_out_anew() -> None:
    later = Later()
    desk = Desk(later)
    desk.corrections.cut(np.array([[10.0, 30.0], [70.0, 30.0]]), 1.0)
    # Somebody takes the id that the cut was to use, and half of the object.
    after = desk.annotation.labels[20:40, 15:50].copy()
    after[:] = 3
    desk.annotation.change("brush stroke", (20, 15), after)
    later.run()
    assert desk.areas() == {1: 20 * 35, 2: 1400, 3: 20 * 35}
    later.run()
    assert len(desk.annotation.objects) == 5
    assert sum(desk.areas().values()) == 2800 - 40


def test_an_object_that_is_gone_meanwhile_is_told() -> None:
    later = Later()
    desk = Desk(later)
    desk.corrections.grow(1, 1.0)
    desk.annotation.delete(1)
    later.run()
    assert desk.told == ["No accepted object is under the mouse: point at one"]
    assert desk.corrections.is_idle


ACTIONS = st.sampled_from(
    ["cut", "split", "grow", "shrink", "merge", "fill", "undo", "redo", "snap", "delete"]
)
PLACES = st.tuples(st.floats(0, H - 1), st.floats(0, W - 1))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(ACTIONS, PLACES, PLACES), max_size=12))
def test_whatever_was_done_undo_goes_to_the_start_and_redo_to_the_end(steps) -> None:
    desk = Desk()
    annotation, history = desk.annotation, desk.annotation.history
    start = annotation.labels.copy(), dict(annotation.objects)
    begun = history.undo_name
    for action, first, second in steps:
        at = (round(first[0]), round(first[1]))
        object_id = int(annotation.labels[at])
        line = np.array([first, second])
        {
            "cut": lambda line=line: desk.corrections.cut(line, 1.0),
            "split": lambda i=object_id: desk.corrections.split(i),
            "grow": lambda i=object_id: desk.corrections.grow(i, 0.5),
            "shrink": lambda i=object_id: desk.corrections.grow(i, -0.75),
            "merge": lambda line=line: desk.corrections.merge(line, 6.0),
            "fill": lambda at=at: desk.corrections.fill(at),
            "undo": lambda: history.undo() if history.undo_name != begun else None,
            "redo": history.redo,
            "snap": lambda i=object_id: desk.corrections.snap(i),
            "delete": lambda i=object_id: annotation.delete(i),
        }[action]()
        for known in annotation.objects.values():
            mask = annotation.labels == known.object_id
            assert known.area_px == np.count_nonzero(mask) > 0
    end = annotation.labels.copy(), dict(annotation.objects)
    count = 0
    while history.undo_name is not None and count < len(steps) and _differs(annotation, start):
        history.undo()
        count += 1
    assert not _differs(annotation, start)
    while history.redo() is not None:
        pass
    # What was undone by the steps themselves is redone as well, where nothing came after it.
    if not any(action == "undo" for action, _, _ in steps):
        assert not _differs(annotation, end)


def _differs(annotation: Annotation, state: tuple[np.ndarray, dict[int, LabelObject]]) -> bool:
    labels, objects = state
    return not np.array_equal(annotation.labels, labels) or dict(annotation.objects) != objects
