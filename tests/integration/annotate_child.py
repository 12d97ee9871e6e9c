"""A program that annotates until it is killed: `annotate_child.py FOLDER SEED`.

Before each step it says which image it works on and the seed of the step; after it, what the image
is now. So whoever listens can do the same, and knows what the step in work would have given.
"""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Queue
from typing import Any

import numpy as np

from napari_segsem._annotation import Annotation, Made
from napari_segsem._session import Session
from napari_segsem._workplace import Workplace
from segsem.core.contour import Source
from segsem.core.exceptions import SegSemError
from segsem.project.label_edit import LabelObject

STEPS = 10_000


def digest(annotation: Annotation) -> str:
    """Hash of all that was accepted: pixels, objects, and how far undo and redo go."""
    made = hashlib.sha256(np.ascontiguousarray(annotation.labels).tobytes())
    for known in annotation.objects.values():
        made.update(repr(known).encode())
    made.update(repr((annotation.history.undo_name, annotation.history.redo_name)).encode())
    return made.hexdigest()


def act(annotation: Annotation, random: np.random.Generator) -> None:
    """Do something that a person may do."""
    kind = random.random()
    if kind < 0.15:
        annotation.history.undo()
    elif kind < 0.25:
        annotation.history.redo()
    elif kind < 0.32 and annotation.objects:
        annotation.delete(int(random.choice(list(annotation.objects))))
    elif kind < 0.6:
        annotation.change("brush", *_stroke(annotation, random))
    else:
        annotation.add("objects", [_made(annotation, random) for _ in range(random.integers(1, 5))])


def _made(annotation: Annotation, random: np.random.Generator) -> Made:
    size = int(random.integers(4, 30))
    row, col = (int(random.integers(0, side - size)) for side in annotation.labels.shape)
    grid = np.mgrid[:size, :size] - (size - 1) / 2
    mask = np.hypot(*grid) < size / 2
    prompts = {"points_rc": [[row + size / 2, col + size / 2]], "point_labels": [1]}
    origin = LabelObject(0, 0, (0, 0, 0, 0), Source.SAM2, float(random.random()), prompts)
    return Made((row, col), mask, origin)


def _stroke(
    annotation: Annotation, random: np.random.Generator
) -> tuple[tuple[int, int], np.ndarray]:
    height, width = 6, 40
    row = int(random.integers(0, annotation.labels.shape[0] - height))
    col = int(random.integers(0, annotation.labels.shape[1] - width))
    part = annotation.labels[row : row + height, col : col + width]
    value = int(random.choice([0, *annotation.objects]))
    return (row, col), np.where(random.random(part.shape) < 0.7, value, part).astype(np.int32)


class Loop:
    """Background work in threads, whose results come in the main thread, as in the viewer."""

    def __init__(self) -> None:
        self._queue: Queue[Callable[[], None]] = Queue()

    def background(self, work: Any, on_done: Any, on_failed: Any) -> None:
        def run() -> None:
            try:
                result = work()
            except SegSemError as error:
                message = str(error)
                self._queue.put(lambda: on_failed(message))
                return
            self._queue.put(lambda: on_done(result))

        threading.Thread(target=run, daemon=True).start()

    def dispatch(self, action: Callable[[], None]) -> None:
        self._queue.put(action)

    def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._queue.get(timeout=60)()

    def pending(self) -> None:
        while not self._queue.empty():
            self._queue.get()()


def main() -> None:
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    loop = Loop()
    session = Session(
        loop.dispatch, background=loop.background, workplace=Workplace(loop.background)
    )
    session.message.connect(lambda text, is_error: tell("error", text) if is_error else None)
    session.open_files([folder])
    loop.until(lambda: session.document is not None)
    random = np.random.default_rng(seed)
    for _ in range(STEPS):
        document = session.document
        name, annotation = document.image.name, document.annotation
        step_seed = int(random.integers(2**31))
        tell("before", name, digest(annotation), str(step_seed))
        act(annotation, np.random.default_rng(step_seed))
        tell("after", name, digest(annotation))
        loop.pending()
        if random.random() < 0.05:
            session.step(1)
            loop.until(lambda left=document: session.document is not left)


def tell(*words: str) -> None:
    """Say something that whoever started this can still read when this is dead."""
    sys.stdout.write("\t".join(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
