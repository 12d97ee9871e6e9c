"""Proposals: masks for many objects at once, each with a score, none of them accepted yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from psygnal import Signal

from napari_segsem._prompt_state import PromptState, RepeatSeed
from segsem.core.contour import Source
from segsem.core.mask_patch import MaskPatch
from segsem.core.types import BoxRC
from segsem.project.label_edit import LabelObject
from segsem.segmentation.questions import ObjectAnswer

REPEAT_KEY = "repeat "


def box_key(box_rc: BoxRC) -> str:
    """Key of the proposal that answers a box."""
    return "box " + ",".join(f"{value:.2f}" for value in box_rc)


def repeat_key(mask: MaskPatch) -> str:
    """Key of an instance that was found: its place, the same whenever it is looked for."""
    return f"{REPEAT_KEY}{mask.offset_rc[0]},{mask.offset_rc[1]}"


@dataclass(frozen=True, slots=True)
class Proposal:
    """One object that the model offers.

    Attributes
    ----------
    key : str
        Which question it answers.
    answer : ObjectAnswer
    asked_with : dict
        As JSON values, for provenance.
    choice : int
        Which of the answer's masks is shown.
    """

    key: str
    answer: ObjectAnswer
    asked_with: Mapping[str, Any] = field(default_factory=dict)
    choice: int = 0

    @property
    def mask(self) -> MaskPatch:
        """The mask that is shown."""
        return self.answer.masks[self.choice]

    @property
    def score(self) -> float:
        """How much it is like the repeated object, or else the model's own estimate."""
        match = self.answer.match
        return self.answer.iou_pred[self.choice] if match is None else match

    @property
    def origin(self) -> LabelObject:
        """Where an object that is made of it comes from."""
        told = dict(self.asked_with)
        iou_pred: float | None = self.answer.iou_pred[self.choice]
        if self.answer.match is not None:
            told |= {
                "match": round(self.answer.match, 4),
                "mask_from": "template" if self.answer.from_template else "model",
            }
        if self.answer.from_template:
            iou_pred = None
        return LabelObject(0, 0, (0, 0, 0, 0), Source.SAM2, iou_pred, told)

    def holds(self, row: int, col: int) -> bool:
        """Whether a pixel belongs to the mask."""
        (row0, col0), (height, width) = self.mask.offset_rc, self.mask.shape
        inside = 0 <= row - row0 < height and 0 <= col - col0 < width
        return inside and bool(self.mask.mask[row - row0, col - col0])


class Proposals:
    """What was answered so far to the boxes and the repeated object of a `PromptState`.

    The state says what is asked for and what is settled; answers are kept here, so that undo and
    redo need not ask again.
    """

    changed = Signal(object)
    """Keys of the proposals that came, went or look different."""

    def __init__(self) -> None:
        self._known: dict[str, Proposal] = {}
        self._seed: RepeatSeed | None = None
        self._shown: dict[str, Proposal] = {}
        self._state = PromptState()
        self.threshold: float | None = None
        """Score that divides the repeated object's kind from the rest; None while unknown."""
        self.least_score = 0.0
        self.is_complete = True

    @property
    def shown(self) -> Mapping[str, Proposal]:
        """Proposals that can be accepted, by key."""
        return self._shown

    @property
    def scores(self) -> list[float]:
        """Scores of all that was found for the repeated object and is not settled."""
        return [p.score for key, p in self._known.items() if self._counts(key) and _is_repeat(key)]

    def follow(self, state: PromptState) -> None:
        """Show what belongs to another state."""
        self._state = state
        if state.repeat is not None and state.repeat != self._seed:
            self._seed, self.threshold = state.repeat, None
            self._known = {k: p for k, p in self._known.items() if not _is_repeat(k)}
        self._refresh()

    def begin(self) -> None:
        """Note that answers are on their way."""
        self.is_complete = False
        self.changed.emit(frozenset())

    def put(self, proposals: Iterable[Proposal], threshold: float | None = None) -> None:
        """Take answers as they come."""
        if threshold is not None and self.threshold is None:
            self.threshold = self.least_score = threshold
        self._known.update((p.key, p) for p in proposals if not p.mask.is_empty)
        self._refresh()

    def finish(self) -> None:
        """Note that no more answers come."""
        self.is_complete = True
        self.changed.emit(frozenset())

    def set_least_score(self, score: float) -> None:
        """Show instances of at least this score only."""
        if score != self.least_score:
            self.least_score = score
            self._refresh()

    def cycle(self, key: str) -> bool:
        """Show the next mask of a proposal; tell whether there is one."""
        known = self._shown.get(key)
        if known is None or len(known.answer.masks) < 2:
            return False
        choice = (known.choice + 1) % len(known.answer.masks)
        self._known[key] = replace(known, choice=choice)
        self._refresh()
        return True

    def at(self, row: int, col: int) -> Proposal | None:
        """Give the smallest proposal at a pixel; None where there is none."""
        here = [p for p in self._shown.values() if p.holds(row, col)]
        return min(here, key=lambda p: p.mask.shape[0] * p.mask.shape[1], default=None)

    def open_boxes(self) -> list[BoxRC]:
        """Boxes that are not answered yet."""
        state = self._state
        return [
            box
            for box in state.boxes_rc
            if (key := box_key(box)) not in self._known and key not in state.settled
        ]

    @property
    def wants_repeat(self) -> bool:
        """Whether the others of the repeated object are still to be looked for."""
        return self._state.repeat is not None and self.threshold is None

    def _counts(self, key: str) -> bool:
        if key in self._state.settled:
            return False
        if _is_repeat(key):
            return self._state.repeat is not None and self._state.repeat == self._seed
        return key in {box_key(box) for box in self._state.boxes_rc}

    def _refresh(self) -> None:
        boxes = {box_key(box) for box in self._state.boxes_rc} - self._state.settled
        repeats = self._state.repeat is not None and self._state.repeat == self._seed
        shown = {}
        for key, proposal in self._known.items():
            if not _is_repeat(key):
                wanted = key in boxes
            else:
                wanted = repeats and key not in self._state.settled
                wanted = wanted and proposal.score >= self.least_score
            if wanted:
                shown[key] = proposal
        before, self._shown = self._shown, shown
        changed = {
            key for key in before.keys() | shown.keys() if before.get(key) is not shown.get(key)
        }
        if changed:
            self.changed.emit(frozenset(changed))


def _is_repeat(key: str) -> bool:
    return key.startswith(REPEAT_KEY)
