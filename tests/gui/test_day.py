"""A day's work by mouse and key in a real window, with the real model, against the truth.

A sample image with its exact truth; pillars of resist with outlines that were measured by hand;
free-form silicon with its authors' own masks. The last two are third-party images, which are not
in the repository.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt
from scipy import ndimage as ndi
from skimage.draw import polygon2mask

from segsem.imaging.read import read_image

CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
RIGHT_IOU = 0.8
PATIENCE_MS = 300_000
"""Many boxes in a large image take the real model a while."""

REFERENCES = Path(__file__).parents[1] / "integration" / "references"
PILLARS = 195
"""Whole ones, as counted by eye."""

N_BOXES = 20


@dataclass(frozen=True)
class Truth:
    """An image and the masks of some of its objects, by number; 0 belongs to none."""

    path: Path
    labels: np.ndarray

    def middle(self, number: int) -> tuple[float, float]:
        """The pixel deepest inside an object."""
        part = ndi.find_objects((self.labels == number).astype(int))[0]
        here = np.pad(self.labels[part] == number, 1)
        depth = ndi.distance_transform_edt(here)
        row, col = np.unravel_index(int(depth.argmax()), depth.shape)
        return float(row - 1 + part[0].start), float(col - 1 + part[1].start)

    def box(self, number: int, margin: int = 3) -> tuple[int, int, int, int]:
        part = ndi.find_objects((self.labels == number).astype(int))[0]
        (top, bottom), (left, right) = ((p.start - margin, p.stop - 1 + margin) for p in part)
        return top, left, bottom, right


class Day:
    """Hands on the panel of an image."""

    def __init__(self, panel: Any, hand: Any, until: Any, viewer: Any, truth: Truth) -> None:
        self.panel, self.hand, self.until, self.viewer = panel, hand, until, viewer
        self.truth = truth
        panel.session.open_files([truth.path])
        until(lambda: panel.session.document is not None and not panel.resume_button.isVisible())
        hand.image_name = panel.session.document.image.name

    @property
    def annotation(self) -> Any:
        return self.panel.session.annotation

    def take(self, name: str, key: Any, modifier: Any = None) -> None:
        self.hand.key(key, modifier)
        assert self.panel.shared.toolbox.name == name

    def outlined(self) -> None:
        def is_there() -> bool:
            known = self.annotation.candidates
            asked = self.annotation.answers_to == self.annotation.state.one
            return known is not None and not known.partial and asked

        self.until(is_there)

    def accept(self) -> int:
        before = set(self.annotation.objects)
        self.hand.key(Qt.Key.Key_Return)
        (made,) = set(self.annotation.objects) - before
        return made

    def iou(self, object_id: int, number: int) -> float:
        found, wanted = self.annotation.labels == object_id, self.truth.labels == number
        return float((found & wanted).sum() / (found | wanted).sum())

    def click(self, number: int) -> int:
        self.take("prompt", Qt.Key.Key_Q)
        self.hand.click(*self.truth.middle(number))
        self.outlined()
        return self.accept()

    def drag_box(self, number: int) -> None:
        row0, col0, row1, col1 = self.truth.box(number)
        self.hand.drag((row0, col0), (row1, col1))

    def box(self, number: int) -> int:
        self.take("prompt", Qt.Key.Key_Q)
        self.drag_box(number)
        self.outlined()
        return self.accept()

    def boxes(self, numbers: list[int]) -> dict[int, float]:
        """Draw boxes around many, accept all answers; returns the best IoU of each."""
        before = set(self.annotation.objects)
        self.take("boxes", Qt.Key.Key_Q, SHIFT)
        for number in numbers:
            self.drag_box(number)
        proposals = self.annotation.proposals
        self.until(lambda: proposals.is_complete and len(proposals.shown) == len(numbers))
        self.hand.key(Qt.Key.Key_Return, SHIFT)
        made = set(self.annotation.objects) - before
        assert len(made) == len(numbers)
        return {number: max(self.iou(i, number) for i in made) for number in numbers}

    def scribble(self, number: int) -> int:
        self.take("scribble", Qt.Key.Key_S, SHIFT)
        row, col = self.truth.middle(number)
        reach = 0.5 * float(ndi.distance_transform_edt(self.truth.labels == number).max())
        self.hand.drag((row - reach, col - reach), (row + reach, col + reach))
        self.outlined()
        assert len(self.annotation.state.points_rc) >= 1
        return self.accept()

    def neighbours(self, numbers: list[int]) -> tuple[int, int]:
        """The two whose middles are nearest to each other."""
        middles = np.array([self.truth.middle(number) for number in numbers])
        apart = np.hypot(*(middles[:, None] - middles[None]).transpose(2, 0, 1))
        np.fill_diagonal(apart, np.inf)
        first, second = np.unravel_index(int(apart.argmin()), apart.shape)
        return numbers[first], numbers[second]

    def repeat(self, object_id: int) -> set[int]:
        """Find the others of an object and accept them all; returns the new objects."""
        before = set(self.annotation.objects)
        self.take("prompt", Qt.Key.Key_Q)
        top, left, bottom, right = self.annotation.objects[object_id].bbox

        def points_at_it() -> bool:
            self.hand.hover((top + bottom) / 2, (left + right) / 2)
            return self.panel.shared.annotate_layers.object_under_cursor() == object_id

        self.until(points_at_it)
        self.hand.key(Qt.Key.Key_R)
        proposals = self.annotation.proposals
        self.until(lambda: proposals.is_complete and bool(proposals.shown))
        self.hand.key(Qt.Key.Key_Return, SHIFT)
        return set(self.annotation.objects) - before

    def delete_all(self) -> None:
        while self.annotation.objects:
            self.annotation.delete(max(self.annotation.objects))

    def correct(self, first: int, second: int) -> None:
        """Brush on an object, erase, merge it with another one and split them again."""
        annotation, corrections = self.annotation, self.panel.shared.correct.corrections
        self.panel.shared.correct.pen.resize(7)
        areas = {i: item.area_px for i, item in annotation.objects.items()}
        start, end = self.truth.middle(first), self.truth.middle(second)
        ids = [int(annotation.labels[round(at[0]), round(at[1])]) for at in (start, end)]
        assert 0 not in ids
        half = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
        self.take("brush", Qt.Key.Key_D)
        self.hand.drag(start, half)
        assert annotation.objects[ids[0]].area_px > areas[ids[0]]
        self.take("eraser", Qt.Key.Key_D, SHIFT)
        self.hand.drag(half, (half[0] + 4, half[1] + 4))
        self.hand.key(Qt.Key.Key_Z, CTRL)
        self.hand.key(Qt.Key.Key_Z, CTRL)
        assert {i: item.area_px for i, item in annotation.objects.items()} == areas
        self.take("merge", Qt.Key.Key_J)
        self.hand.drag(start, end)
        self.until(lambda: corrections.is_idle and len(annotation.objects) < len(areas))
        merged = annotation.labels > 0
        self.take("split", Qt.Key.Key_U, SHIFT)
        self.hand.drag(start, end)
        self.until(lambda: corrections.is_idle and len(annotation.objects) == len(areas))
        np.testing.assert_array_equal(annotation.labels > 0, merged)
        parts = [int(annotation.labels[round(at[0]), round(at[1])]) for at in (start, end)]
        assert parts[0] != parts[1]

    def undo_and_redo_all(self) -> None:
        annotation = self.annotation
        end = annotation.labels.copy(), dict(annotation.objects), annotation.state
        while annotation.history.undo_name is not None:
            self.hand.key(Qt.Key.Key_Z, CTRL)
        assert not annotation.labels.any()
        assert not annotation.objects
        assert annotation.state.is_empty
        while annotation.history.redo_name is not None:
            self.hand.key(Qt.Key.Key_Z, CTRL | SHIFT)
        np.testing.assert_array_equal(annotation.labels, end[0])
        assert (annotation.objects, annotation.state) == end[1:]


@pytest.fixture
def day(monkeypatch: pytest.MonkeyPatch, dock: Any, hand: Any, qtbot: Any, viewer: Any) -> Any:
    """Start a day on an image."""
    monkeypatch.delenv("SEGSEM_PREDICTOR")

    def until(condition: Callable[[], bool]) -> None:
        qtbot.waitUntil(condition, timeout=PATIENCE_MS)

    def start(truth: Truth) -> Day:
        return Day(dock("Annotate"), hand, until, viewer, truth)

    return start


def whole(labels: np.ndarray) -> list[int]:
    """Numbers of the objects that the border does not touch."""
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return sorted(set(np.unique(labels).tolist()) - set(border.tolist()) - {0})


def test_contacts_of_a_sample_image(day: Any, sample_data: Path) -> None:
    name = "sample_0001_contacts"
    labels = tifffile.imread(sample_data / "truth" / name / "labels.tif")
    today = day(Truth(sample_data / "images" / f"{name}.png", labels))
    numbers = whole(labels)
    assert len(numbers) == 49
    assert today.iou(today.click(numbers[0]), numbers[0]) >= RIGHT_IOU
    assert today.iou(today.box(numbers[1]), numbers[1]) >= RIGHT_IOU
    assert today.iou(today.scribble(numbers[2]), numbers[2]) >= RIGHT_IOU
    boxed = today.boxes(numbers[3 : 3 + N_BOXES])
    assert min(boxed.values()) >= RIGHT_IOU
    seed = int(today.annotation.labels[tuple(map(round, today.truth.middle(numbers[0])))])
    today.repeat(seed)
    annotation = today.annotation
    assert len(annotation.objects) == len(numbers)
    for number in numbers:
        row, col = today.truth.middle(number)
        assert today.iou(int(annotation.labels[round(row), round(col)]), number) >= RIGHT_IOU
    today.correct(*today.neighbours(numbers))
    today.undo_and_redo_all()


@pytest.mark.shared_data
def test_pillars_of_resist(day: Any, shared_data: Path) -> None:
    path = shared_data / "real_sem" / "uuhy_resist" / "Square_100nm_100kX.TIF"
    image = read_image(path)
    known = json.loads((REFERENCES / f"{path.stem}.json").read_text(encoding="utf-8"))
    labels = np.zeros(image.shape, dtype=np.int32)
    for number, item in enumerate(known["objects"], start=1):
        labels[polygon2mask(image.shape, np.array(item["outline_rc"]))] = number
    numbers = list(range(1, len(known["objects"]) + 1))
    today = day(Truth(path, labels))
    annotation = today.annotation
    seed = today.click(numbers[0])
    assert today.iou(seed, numbers[0]) >= RIGHT_IOU
    assert today.iou(today.box(numbers[1]), numbers[1]) >= RIGHT_IOU
    assert today.iou(today.scribble(numbers[2]), numbers[2]) >= RIGHT_IOU
    today.delete_all()
    assert min(today.boxes(numbers).values()) >= RIGHT_IOU
    today.correct(*today.neighbours(numbers))
    for _ in ("split", "merge"):
        today.hand.key(Qt.Key.Key_Z, CTRL)
    seed = int(annotation.labels[tuple(map(round, today.truth.middle(numbers[0])))])
    today.repeat(seed)
    assert len(annotation.objects) == PILLARS
    for number in numbers:
        row, col = today.truth.middle(number)
        assert today.iou(int(annotation.labels[round(row), round(col)]), number) >= RIGHT_IOU
    today.undo_and_redo_all()


@pytest.mark.shared_data
def test_free_form_silicon(day: Any, shared_data: Path) -> None:
    folder = shared_data / "real_sem" / "prefab_soi_ebl"
    name = "random_lpass_0.13_1.png"
    mask = np.asarray(read_image(folder / "otsu_reference" / name).data) > 0
    labels, _ = ndi.label(mask)
    today = day(Truth(folder / "SEM" / name, labels))
    numbers = [n for n in whole(labels) if (labels == n).sum() >= 4000]
    assert len(numbers) > N_BOXES + 3
    assert today.iou(today.click(numbers[0]), numbers[0]) >= RIGHT_IOU
    assert today.iou(today.box(numbers[1]), numbers[1]) >= RIGHT_IOU
    assert today.iou(today.scribble(numbers[2]), numbers[2]) >= RIGHT_IOU
    boxed = numbers[3 : 3 + N_BOXES]
    assert min(today.boxes(boxed).values()) >= RIGHT_IOU
    today.correct(*today.neighbours(boxed))
    today.undo_and_redo_all()
