"""A thousand edits of a large image: what the journal and undo take."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_segsem._annotation import Annotation, Made
from segsem.core.contour import Source
from segsem.editing import strokes
from segsem.editing.offset import move_outline, offset_window
from segsem.project.annotation_store import AnnotationStore
from segsem.project.label_edit import LabelEdit, LabelObject

SIDE = 2048
LIMITS = (0, 0, SIDE, SIDE)
N_EDITS = 1000
JOURNAL_BYTES = 20e6
UNDO_BYTES = 20e6
STEPS_PX = (0.25, -0.25)


class Worker:
    """Accepts ragged objects, paints, moves outlines by quarters, splits."""

    def __init__(self, annotation: Annotation, seed: int) -> None:
        self.annotation, self.random = annotation, random.Random(seed)

    def accept(self) -> None:
        radius = self.random.randrange(10, 150)
        grid = np.mgrid[-radius:radius, -radius:radius]
        angle = np.arctan2(*grid)
        waves = [(k, self.random.gauss(0, 0.03), self.random.random()) for k in range(1, 12)]
        ragged = 0.8 + sum(height * np.cos(k * angle + at) for k, height, at in waves)
        corner = tuple(self.random.randrange(SIDE - 2 * radius) for _ in range(2))
        prompts = {"points_rc": [[corner[0] + radius, corner[1] + radius]], "point_labels": [1]}
        origin = LabelObject(0, 0, (0, 0, 0, 0), Source.SAM2, 0.9, prompts)
        self.annotation.add("object", [Made(corner, np.hypot(*grid) < radius * ragged, origin)])

    def paint(self) -> None:
        start = [self.random.uniform(30, SIDE - 30) for _ in range(2)]
        steps = [[self.random.gauss(0, 6) for _ in range(2)] for _ in range(20)]
        path = np.clip(start + np.cumsum(steps, axis=0), 0, SIDE - 1)
        diameter = self.random.uniform(3, 25)
        window = strokes.stroke_window(path, diameter, LIMITS)
        covered = strokes.stroke(path, diameter, window)
        here = self.annotation.labels[window]
        under = np.unique(here[covered])
        object_id = int(under[-1]) or self.annotation.image.next_id
        after = strokes.paint(here, covered, object_id)
        self.annotation.change("brush stroke", (window[0].start, window[1].start), after)

    def grow(self) -> None:
        object_id, amount = self.random.choice(list(self.annotation.objects)), STEPS_PX[0]
        for _ in range(self.random.randrange(1, 5)):
            known = self.annotation.objects[object_id]
            window = offset_window(known.bbox, known.prompts, amount, LIMITS)
            here = self.annotation.labels[window]
            moved = move_outline(here, window, object_id, amount, known.prompts)
            made = {object_id: replace(known, prompts=moved.prompts, source=Source.MIXED)}
            corner = (window[0].start, window[1].start)
            self.annotation.change("growth", corner, moved.labels, made)

    def split(self) -> None:
        known = self.annotation.objects[self.random.choice(list(self.annotation.objects))]
        after = self.annotation.labels[known.slices].copy()
        half = after[:, after.shape[1] // 2 :]
        half[half == known.object_id] = self.annotation.image.next_id
        self.annotation.change("split", known.bbox[:2], after)

    def work(self, is_enough: Callable[[], bool]) -> None:
        for _ in range(5):
            self.accept()
        acts = [self.accept, self.paint, self.grow, self.split]
        while not is_enough():
            self.random.choices(acts, weights=(7, 6, 6, 1))[0]()


@pytest.fixture
def store(tmp_path: Path) -> AnnotationStore:
    image = {"image_id": "a", "content_hash": "0" * 64, "shape": [SIDE, SIDE]}
    return AnnotationStore(tmp_path / "annotations", tmp_path / "a.jsonl", image)


def test_a_thousand_edits_take_little_room_and_come_back(
    tmp_path: Path, store: AnnotationStore
) -> None:
    annotation = Annotation((SIDE, SIDE))
    edits: list[LabelEdit] = []
    annotation.edited.connect(store.note)
    annotation.edited.connect(lambda _happening, edit: edits.append(edit))
    Worker(annotation, 1).work(lambda: len(edits) >= N_EDITS)
    names = [edit.name.split()[0] for edit in edits]
    # Steps of growth carry the mask before the first of them, twice in each record.
    assert names.count("growth") > 200
    assert {"object", "brush", "split"} < set(names)
    assert (tmp_path / "a.jsonl").stat().st_size < JOURNAL_BYTES
    assert sum(map(bytes_of, edits)) < UNDO_BYTES
    stored = store.restore()
    assert stored is not None
    timeline = stored.snapshot.timeline
    np.testing.assert_array_equal(timeline.image.labels, annotation.labels)
    assert timeline.image.objects == annotation.objects
    assert len(timeline.done) == len(edits)
    while annotation.history.undo() is not None:
        pass
    assert not annotation.labels.any()
    assert not annotation.objects


def bytes_of(edit: LabelEdit) -> int:
    """What a step of undo holds, more or less: pixels, and objects as text."""
    objects = [item for side in (edit.before, edit.after) for item in side.values()]
    return edit.pixels.nbytes + sum(len(repr(item)) for item in objects)
