"""What a person prompts and accepts in one image: prompts, three candidates, objects, undo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from psygnal import Signal

from napari_segsem._history import History, Step
from napari_segsem._prompt_edits import PromptEdits
from napari_segsem._prompt_state import PromptState, RepeatSeed
from napari_segsem._proposals import REPEAT_KEY, Proposals
from segsem.core.contour import Source
from segsem.core.mask_patch import MaskPatch
from segsem.core.types import LabelArray, MaskArray
from segsem.engine.answers import Candidates, Outline
from segsem.project.label_edit import Box, LabelEdit, LabelObject
from segsem.project.labelled_image import LabelledImage

__all__ = ["Annotation", "Happening", "Made", "PromptState"]

REPLACES_IOU = 0.5
"""A new object that overlaps an accepted one this much is a correction of it."""

Happening = Literal["do", "undo", "redo"]


@dataclass(frozen=True, slots=True)
class Made:
    """A mask that is to become an object.

    Attributes
    ----------
    offset_rc : (int, int)
        Row and column of the mask's first pixel in the image.
    mask : (h, w) bool
    origin : LabelObject
        Source, prompts and score; its id, area and box are not looked at.
    replaces : int
        Id of the object that it takes the place of; 0: found by overlap, if there is one.
    """

    offset_rc: tuple[int, int]
    mask: MaskArray
    origin: LabelObject
    replaces: int = 0


class Annotation(PromptEdits):
    """Prompts, candidates and accepted objects of one image.

    Parameters
    ----------
    shape : (int, int)
        (H, W) of the image in px.
    """

    prompts_changed = Signal()
    candidates_changed = Signal()
    objects_changed = Signal()
    edited = Signal(str, object)
    """A `Happening` and its `LabelEdit`, after it happened: what a journal has to keep."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.image = LabelledImage(shape)
        self.state = PromptState()
        self.candidates: Candidates | None = None
        self.answers_to = PromptState()
        """What the candidates are the answer to."""
        self.choice = 0
        self.proposals = Proposals()
        """Masks for many objects, none of them accepted yet."""
        self.history = History()

    @property
    def labels(self) -> LabelArray:
        """(H, W) label image of the accepted objects, changed in place."""
        return self.image.labels

    @property
    def objects(self) -> Mapping[int, LabelObject]:
        """The accepted objects by id."""
        return self.image.objects

    def refine(self, object_id: int) -> bool:
        """Ask the model to improve an accepted object; tell whether there is one."""
        patch = self.patch_of(object_id)
        if patch is None:
            return False
        state = replace(self.state.many, mask=patch, refines=object_id)
        self._do(f"refinement of object {object_id}", state)
        return True

    def patch_of(self, object_id: int) -> MaskPatch | None:
        """Mask of an accepted object; None where there is none."""
        known = self.objects.get(object_id)
        if known is None:
            return None
        return MaskPatch.of(self.image.mask_of(object_id), known.bbox[:2])

    def repeat(self, seed: RepeatSeed) -> None:
        """Ask for the others of an object; what was found for another one goes."""
        kept = frozenset(key for key in self.state.settled if not key.startswith(REPEAT_KEY))
        self._do("repeat", replace(self.state, repeat=seed, settled=kept))

    def accept_proposals(self, keys: Iterable[str] | None = None) -> list[int]:
        """Make proposals objects, in one step of undo.

        Parameters
        ----------
        keys : iterable of str, optional
            Which; all that are shown by default. These done, the rest is dropped.

        Returns
        -------
        list of int
            Ids of the objects made.
        """
        shown = self.proposals.shown
        chosen = [shown[key] for key in (shown if keys is None else keys) if key in shown]
        # The best first: what two masks share belongs to the better one.
        chosen.sort(key=lambda proposal: -proposal.score)
        masks = [Made(p.mask.offset_rc, p.mask.mask, p.origin) for p in chosen]
        settled = self.state.settled | {proposal.key for proposal in chosen}
        after = self.state.one if keys is None else replace(self.state, settled=settled)
        return self.add("proposals" if len(masks) > 1 else "object", masks, after)

    def reject_proposal(self, key: str) -> bool:
        """Drop one proposal; tell whether there was one."""
        if key not in self.proposals.shown:
            return False
        self._do("rejection", replace(self.state, settled=self.state.settled | {key}))
        return True

    def drop_proposals(self) -> bool:
        """Drop all proposals and what asks for them; tell whether there was anything."""
        if not self.state.proposes:
            return False
        self._do("dropping of proposals", self.state.one)
        return True

    def set_candidates(self, candidates: Candidates | None) -> None:
        """Take the model's answer to the prompts in work."""
        self.candidates, self.answers_to = candidates, self.state.one
        self.choice = 0
        self.candidates_changed.emit()

    def cycle(self) -> None:
        """Choose the next of the candidates."""
        if self.candidates is not None:
            self.choice = (self.choice + 1) % len(self.candidates)
            self.candidates_changed.emit()

    @property
    def chosen_mask(self) -> MaskArray | None:
        """(h, w) mask of the chosen candidate in its window; None where there is none."""
        return None if self.candidates is None else self.candidates.mask(self.choice)

    @property
    def chosen_outline(self) -> Outline | None:
        """Outline of the chosen candidate; None where there is none."""
        return None if self.candidates is None else self.candidates.outline(self.choice)

    def accept(self) -> int | None:
        """Make the chosen candidate an object.

        Returns
        -------
        int or None
            Its id; None where there is nothing new to accept.
        """
        mask, candidates = self.chosen_mask, self.candidates
        if mask is None or candidates is None or candidates.partial:
            return None
        score, prompts = candidates.iou_pred[self.choice], self.state.as_json()
        origin = LabelObject(0, 0, (0, 0, 0, 0), Source.SAM2, score, prompts)
        made = Made(candidates.offset_rc, mask, origin, self.state.refines)
        ids = self.add("object", [made], self.state.many)
        return ids[0] if ids else None

    def add(
        self, name: str, masks: Sequence[Made], after_it: PromptState | None = None
    ) -> list[int]:
        """Make masks objects, in one step of undo; the prompts in work are done with.

        A mask that overlaps an object by more than half of both is a correction of it and takes
        its id. What belongs to another object, or to a mask before, stays there.

        Parameters
        ----------
        name : str
            In the user's words; the id is added to it where there is one mask.
        masks : sequence of Made
        after_it : PromptState, optional
            Prompts that remain; none by default.

        Returns
        -------
        list of int
            Ids of the objects made; empty where no mask brings a pixel that is new.
        """
        if not masks:
            return []
        row0, col0, row1, col1 = _box_around(masks)
        after = self.labels[row0:row1, col0:col1].copy()
        made: dict[int, LabelObject] = {}
        free = self.image.next_id
        for item in masks:
            row, col = item.offset_rc[0] - row0, item.offset_rc[1] - col0
            part = after[row : row + item.mask.shape[0], col : col + item.mask.shape[1]]
            named = item.replaces if item.replaces in self.objects else 0
            object_id = named or self._corrected_object(item) or free
            if object_id in made:
                continue
            mine = part == object_id
            new = item.mask & ((part == 0) | mine)
            if not new.any():
                continue
            part[mine] = 0
            part[new] = object_id
            made[object_id] = replace(item.origin, object_id=object_id)
            free += object_id == free
        title = f"{name} {next(iter(made))}" if len(made) == 1 else name
        edit = self.image.edit(title, (row0, col0), after, made) if made else None
        if edit is None:
            return []
        self._do(edit.name, after_it or PromptState(), edit)
        return list(made)

    def change(
        self,
        name: str,
        offset_rc: tuple[int, int],
        after: LabelArray,
        made: Mapping[int, LabelObject] | None = None,
    ) -> bool:
        """Change a part of the label image, as brushes and corrections do; prompts stay.

        Parameters
        ----------
        name : str
            In the user's words.
        offset_rc : (int, int)
            Row and column of the part's first pixel.
        after : (h, w) int32
            What the part is to be; ids that nobody knows become `manual` objects.
        made : mapping of int to LabelObject, optional
            Where new objects come from, if not from a person's hand.

        Returns
        -------
        bool
            Whether anything changed.
        """
        edit = self.image.edit(name, offset_rc, after, made)
        if edit is None and made:
            # A sub-pixel step may move no pixel, and must not be lost.
            edit = self.image.edit_objects(name, made)
        if edit is not None:
            self._do(name, self.state, edit)
        return edit is not None

    def delete(self, object_id: int) -> bool:
        """Delete an accepted object; tell whether there was one."""
        known = self.objects.get(object_id)
        if known is None:
            return False
        part = self.labels[known.slices]
        after = np.where(part == object_id, 0, part)
        return self.change(f"deletion of object {object_id}", known.bbox[:2], after)

    def restore(
        self,
        image: LabelledImage,
        done: Sequence[LabelEdit] = (),
        undone: Sequence[LabelEdit] = (),
    ) -> None:
        """Take over what was saved of this image, without a step of undo.

        Parameters
        ----------
        image : LabelledImage
        done, undone : sequence of LabelEdit
            What undo takes back and redo does again, the next one last.
        """
        if self.image.paint != self.image.paint_array:
            image.paint = self.image.paint
        self.image = image
        known = (
            [self._step(edit.name, self.state, self.state, edit, "redo") for edit in edits]
            for edits in (done, undone)
        )
        self.history.restore(*known)
        self.objects_changed.emit()

    def _corrected_object(self, item: Made) -> int | None:
        row, col = item.offset_rc
        slices = (slice(row, row + item.mask.shape[0]), slice(col, col + item.mask.shape[1]))
        under = self.labels[slices][item.mask]
        ids, counts = np.unique(under[under > 0], return_counts=True)
        for object_id, shared in zip(ids.tolist(), counts.tolist(), strict=True):
            known = self.objects.get(object_id)
            area = 0 if known is None else known.area_px
            union = area + int(np.count_nonzero(item.mask)) - shared
            if shared / union >= REPLACES_IOU:
                return int(object_id)
        return None

    def _do(self, name: str, after: PromptState, edit: LabelEdit | None = None) -> None:
        self.history.do(self._step(name, self.state, after, edit, "do"))

    def _step(
        self,
        name: str,
        before: PromptState,
        after: PromptState,
        edit: LabelEdit | None,
        happening: Happening,
    ) -> Step:
        def apply() -> None:
            nonlocal happening
            self._set(after)
            self._change(edit, happening)
            happening = "redo"

        def revert() -> None:
            self._change(edit, "undo")
            self._set(before)

        return Step(name, apply, revert)

    def _change(self, edit: LabelEdit | None, happening: Happening) -> None:
        if edit is None:
            return
        if happening == "undo":
            self.image.revert(edit)
        else:
            self.image.apply(edit)
        self.edited.emit(happening, edit)
        self.objects_changed.emit()

    def _set(self, state: PromptState) -> None:
        if state == self.state:
            return
        one, self.state = self.state.one, state
        if not state.asks and one != state.one:
            self.set_candidates(None)
        self.proposals.follow(state)
        self.prompts_changed.emit()


def _box_around(masks: Sequence[Made]) -> Box:
    starts = np.array([item.offset_rc for item in masks])
    ends = starts + np.array([item.mask.shape for item in masks])
    (row0, col0), (row1, col1) = starts.min(axis=0), ends.max(axis=0)
    return int(row0), int(col0), int(row1), int(col1)
