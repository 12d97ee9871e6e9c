"""Fifty random actions by mouse and key, undone to the start and done again to the end."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
KEY = Qt.Key
PADS = [(row, col) for row in (40, 180) for col in (40, 170, 300)]
N_ACTIONS = 50

State = tuple[bytes, dict[int, Any], Any]

TOOLS = {
    "prompt": (KEY.Key_Q, None),
    "boxes": (KEY.Key_Q, SHIFT),
    "scribble": (KEY.Key_S, SHIFT),
    "polygon": (KEY.Key_P, SHIFT),
    "brush": (KEY.Key_D, None),
    "eraser": (KEY.Key_D, SHIFT),
    "cut": (KEY.Key_K, None),
    "split": (KEY.Key_U, SHIFT),
    "merge": (KEY.Key_J, None),
}
KEYS = {
    "accept": (KEY.Key_Return, None),
    "accept all": (KEY.Key_Return, SHIFT),
    "clear": (KEY.Key_Escape, None),
    "undo": (KEY.Key_Z, CTRL),
    "redo": (KEY.Key_Z, CTRL | SHIFT),
    "cycle": (KEY.Key_T, None),
    "repeat": (KEY.Key_R, None),
    "refine": (KEY.Key_I, SHIFT),
    "delete": (KEY.Key_Delete, None),
    "fill hole": (KEY.Key_O, None),
    "grow": (KEY.Key_G, None),
    "shrink": (KEY.Key_G, SHIFT),
    "snap": (KEY.Key_I, None),
    "split parts": (KEY.Key_U, None),
}


class Monkey:
    """Does anything that a person may do, and waits until it is done."""

    def __init__(self, panel: Any, hand: Any, until: Any, seed: int) -> None:
        self.panel, self.hand, self.until = panel, hand, until
        self.random = random.Random(seed)
        self.did: list[str] = []

    @property
    def annotation(self) -> Any:
        return self.panel.session.annotation

    def act(self) -> None:
        name = self.random.choice([*TOOLS, *KEYS, "accept", "brush", "prompt"])
        self.did.append(name)
        if name in TOOLS:
            self.hand.key(*TOOLS[name])
            assert self.panel.shared.toolbox.name == name
            self._use(name)
        else:
            at = self.place()
            self.until(lambda: self._points_at(at))
            self.hand.key(*KEYS[name])
        self.until(self.is_done)

    def place(self) -> tuple[int, int]:
        """In a pad, mostly; else anywhere."""
        if self.random.random() < 0.8:
            row, col = self.random.choice(PADS)
            return row + self.random.randrange(5, 45), col + self.random.randrange(5, 45)
        return self.random.randrange(5, 295), self.random.randrange(5, 395)

    def is_done(self) -> bool:
        annotation, known = self.annotation, self.annotation.candidates
        answered = not annotation.state.asks or (
            known is not None
            and not known.partial
            and annotation.answers_to == annotation.state.one
        )
        proposed = annotation.proposals.is_complete and not annotation.proposals.open_boxes()
        return answered and proposed and self.panel.shared.correct.corrections.is_idle

    def state(self) -> State:
        annotation = self.annotation
        return annotation.labels.tobytes(), dict(annotation.objects), annotation.state

    def _use(self, name: str) -> None:
        modifier = CTRL if self.random.random() < 0.2 else None
        start, end = self.place(), self.place()
        if name == "polygon":
            row, col = start
            for corner in ((-20, -20), (-20, 25), (25, 25)):
                self.hand.click(
                    min(max(row + corner[0], 2), 297), min(max(col + corner[1], 2), 397)
                )
        elif name in ("prompt", "merge") and self.random.random() < 0.5:
            self.hand.click(*start, modifier)
        elif name == "cut":
            self.hand.drag((start[0] - 60, start[1]), (start[0] + 60, start[1]))
        else:
            self.hand.drag(start, end, modifier)

    def _points_at(self, at: tuple[int, int]) -> bool:
        # Where two moves come at once, napari leaves one out.
        self.hand.hover(*at)
        seen = self.panel.shared.correct.pixel_under_cursor()
        return seen is not None and bool(np.abs(np.subtract(seen, at)).max() <= 1)


@pytest.fixture
def panel(dock: Any, pads_file: Path, until: Any) -> Any:
    made = dock("Annotate")
    made.session.open_files([pads_file])
    until(lambda: made.session.document is not None and not made.resume_button.isVisible())
    made.session.asking.hover_wanted = False
    return made


def walk(monkey: Monkey, step: Callable[[], None], is_end: Callable[[], bool]) -> list[State]:
    """Every state on the way, the one at the start included."""
    states = [monkey.state()]
    while not is_end():
        step()
        states.append(monkey.state())
    return states


@pytest.mark.parametrize("seed", range(4))
def test_all_can_be_undone_to_the_start_and_done_again_to_the_end(
    panel: Any, hand: Any, until: Any, viewer: Any, seed: int
) -> None:
    monkey = Monkey(panel, hand, until, seed)
    start = monkey.state()
    for _ in range(N_ACTIONS):
        monkey.act()
    history = monkey.annotation.history
    # What was undone last, if anything, is a part of the way.
    walk(monkey, lambda: hand.key(*KEYS["redo"]), lambda: history.redo_name is None)
    back = walk(monkey, lambda: hand.key(*KEYS["undo"]), lambda: history.undo_name is None)
    assert back[-1] == start, monkey.did
    assert len(back) > N_ACTIONS / 3, monkey.did
    forth = walk(monkey, lambda: hand.key(*KEYS["redo"]), lambda: history.redo_name is None)
    assert forth == back[::-1], monkey.did
    layer = viewer.layers["SegSEM objects"]
    np.testing.assert_array_equal(layer.data, monkey.annotation.labels)
    drawn = layer._slice.image.view.copy()
    layer.refresh()
    np.testing.assert_array_equal(drawn, layer._slice.image.view)
