"""Images and edits as a person makes them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pytest

from segsem.core.contour import Source
from segsem.imaging.image import SEMImage
from segsem.project.label_edit import LabelEdit, LabelObject
from segsem.project.labelled_image import LabelledImage
from segsem.project.project import Project

SHAPE = (60, 80)


def sem_image(name: str = "site07", shape: tuple[int, int] = SHAPE, value: int = 7) -> SEMImage:
    data = np.full(shape, value, np.uint8)
    sha256 = hashlib.sha256(data.tobytes() + name.encode()).hexdigest()
    return SEMImage(data, name, sha256=sha256)


class Work:
    """Edits with undo and redo, as the viewer's annotation does them."""

    def __init__(self, shape: tuple[int, int] = SHAPE, seed: int = 0) -> None:
        self.image = LabelledImage(shape)
        self.done: list[LabelEdit] = []
        self.undone: list[LabelEdit] = []
        self.random = np.random.default_rng(seed)

    def accept(self) -> LabelEdit | None:
        """Add an object, with prompts and a score."""
        object_id = self.image.next_id
        box = self._box(3, 20)
        part = self.image.labels[box]
        after = np.where(part == 0, object_id, part).astype(np.int32)
        origin = LabelObject(
            object_id, 0, (0, 0, 0, 0), Source.SAM2, 0.9, {"points_rc": [[1.5, 2.5]]}
        )
        made = {object_id: origin}
        return self.image.edit(f"object {object_id}", _start(box), after, made)

    def paint(self) -> LabelEdit | None:
        """Paint some pixels of a box with an object, over what is there."""
        ids = [0, *self.image.objects, self.image.next_id]
        box = self._box(2, 15)
        part = self.image.labels[box]
        value = int(self.random.choice(ids))
        some = self.random.random(part.shape) < 0.8
        return self.image.edit("brush", _start(box), np.where(some, value, part).astype(np.int32))

    def steps(self, count: int) -> Iterator[tuple[str, LabelEdit]]:
        """Do random steps; each is given after it happened."""
        for _ in range(count):
            step = self._step()
            if step is not None:
                yield step

    def _step(self) -> tuple[str, LabelEdit] | None:
        kind = self.random.random()
        if kind < 0.2 and self.done:
            edit = self.done.pop()
            self.image.revert(edit)
            self.undone.append(edit)
            return "undo", edit
        if kind < 0.35 and self.undone:
            edit = self.undone.pop()
            self.image.apply(edit)
            self.done.append(edit)
            return "redo", edit
        edit = self.accept() if kind < 0.7 else self.paint()
        if edit is None:
            return None
        self.image.apply(edit)
        self.done.append(edit)
        self.undone.clear()
        return "do", edit

    def _box(self, low: int, high: int) -> tuple[slice, slice]:
        height, width = self.random.integers(low, high, 2)
        row = self.random.integers(0, self.image.labels.shape[0] - height + 1)
        col = self.random.integers(0, self.image.labels.shape[1] - width + 1)
        return slice(int(row), int(row + height)), slice(int(col), int(col + width))


def _start(box: tuple[slice, slice]) -> tuple[int, int]:
    return box[0].start, box[1].start


@pytest.fixture
def project(tmp_path) -> Iterator[Project]:
    made = Project.create(tmp_path / "project")
    yield made
    made.close()


@pytest.fixture
def image() -> SEMImage:
    return sem_image()


@pytest.fixture
def new_work() -> type[Work]:
    return Work
