"""What a person prompts and accepts in one image: prompts, three candidates, objects, undo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from psygnal import Signal

from napari_segsem._history import History, Step
from segsem.core.types import BoxRC, LabelArray, MaskArray
from segsem.engine.answers import Candidates, Outline
from segsem.segmentation.prompts import Prompts

REPLACES_IOU = 0.5
"""A new object that overlaps an accepted one this much is a correction of it."""


Painter = Callable[[tuple[slice, slice], LabelArray], None]


@dataclass(frozen=True, slots=True)
class PromptState:
    """Clicks and box for the object in work; empty at first."""

    points_rc: tuple[tuple[float, float], ...] = ()
    point_labels: tuple[int, ...] = ()
    box_rc: BoxRC | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to ask with."""
        return not self.points_rc and self.box_rc is None

    def prompts(self) -> Prompts:
        """Return them as the model's prompts."""
        return Prompts(self.points_rc, self.point_labels, self.box_rc)


@dataclass(frozen=True, slots=True)
class AcceptedObject:
    """Where an accepted object comes from."""

    object_id: int
    area_px: int
    iou_pred: float
    prompts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Patch:
    """A change of the label image and of the list of objects."""

    slices: tuple[slice, slice]
    before: LabelArray
    after: LabelArray
    objects_before: dict[int, AcceptedObject]
    objects_after: dict[int, AcceptedObject]


class Annotation:
    """Prompts, candidates and accepted objects of one image.

    Parameters
    ----------
    shape : (int, int)
        (H, W) of the image in px.
    """

    prompts_changed = Signal()
    candidates_changed = Signal()
    objects_changed = Signal()

    def __init__(self, shape: tuple[int, int]) -> None:
        self.labels: LabelArray = np.zeros(shape, dtype=np.int32)
        self.objects: dict[int, AcceptedObject] = {}
        self.state = PromptState()
        self.candidates: Candidates | None = None
        self.choice = 0
        self.history = History()
        self.paint: Painter = self._paint_array
        """How label values get into `labels`; a viewer's layer may do it, and draw that part."""

    def add_point(self, point_rc: tuple[float, float], label: int) -> None:
        """Add a click: 1 belongs to the object, 0 does not."""
        state = replace(
            self.state,
            points_rc=(*self.state.points_rc, point_rc),
            point_labels=(*self.state.point_labels, label),
        )
        self._do("point", state)

    def set_box(self, box_rc: BoxRC) -> None:
        """Set the box."""
        self._do("box", replace(self.state, box_rc=box_rc))

    def clear(self) -> None:
        """Drop the prompts in work."""
        if not self.state.is_empty:
            self._do("clear", PromptState())

    def set_candidates(self, candidates: Candidates | None) -> None:
        """Take the model's answer to the prompts in work."""
        self.candidates = candidates
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
        mask = self.chosen_mask
        if mask is None or self.candidates is None or self.candidates.partial:
            return None
        slices = self.candidates.slices
        before = self.labels[slices].copy()
        replaced = self._corrected_object(mask, slices)
        object_id = replaced or max(self.objects, default=0) + 1
        after = np.where(before == object_id, 0, before)
        new = mask & (after == 0)
        if not new.any():
            return None
        after[new] = object_id
        objects = dict(self.objects)
        objects[object_id] = AcceptedObject(
            object_id,
            int(np.count_nonzero(new)),
            self.candidates.iou_pred[self.choice],
            self.state.prompts().as_json(),
        )
        patch = _Patch(slices, before, after, self.objects, objects)
        self._do(f"object {object_id}", PromptState(), patch)
        return object_id

    def delete(self, object_id: int) -> bool:
        """Delete an accepted object; tell whether there was one."""
        if object_id not in self.objects:
            return False
        rows, cols = np.nonzero(self.labels == object_id)
        if len(rows) == 0:
            slices = (slice(0, 0), slice(0, 0))
        else:
            slices = (slice(rows.min(), rows.max() + 1), slice(cols.min(), cols.max() + 1))
        before = self.labels[slices].copy()
        after = np.where(before == object_id, 0, before)
        objects = {key: value for key, value in self.objects.items() if key != object_id}
        patch = _Patch(slices, before, after, self.objects, objects)
        self._do(f"deletion of object {object_id}", self.state, patch)
        return True

    def _corrected_object(self, mask: MaskArray, slices: tuple[slice, slice]) -> int | None:
        under = self.labels[slices][mask]
        ids, counts = np.unique(under[under > 0], return_counts=True)
        for object_id, shared in zip(ids, counts, strict=True):
            area = int(np.count_nonzero(self.labels == object_id))
            union = area + int(np.count_nonzero(mask)) - int(shared)
            if shared / union >= REPLACES_IOU:
                return int(object_id)
        return None

    def _do(self, name: str, after: PromptState, patch: _Patch | None = None) -> None:
        before = self.state

        def apply() -> None:
            self._set(after)
            if patch is not None:
                self._paint(patch.slices, patch.after, patch.objects_after)

        def revert() -> None:
            if patch is not None:
                self._paint(patch.slices, patch.before, patch.objects_before)
            self._set(before)

        self.history.do(Step(name, apply, revert))

    def _set(self, state: PromptState) -> None:
        if state == self.state:
            return
        self.state = state
        if state.is_empty:
            self.set_candidates(None)
        self.prompts_changed.emit()

    def _paint(
        self,
        slices: tuple[slice, slice],
        values: LabelArray,
        objects: dict[int, AcceptedObject],
    ) -> None:
        self.paint(slices, values)
        self.objects = objects
        self.objects_changed.emit()

    def _paint_array(self, slices: tuple[slice, slice], values: LabelArray) -> None:
        # In place: the viewer's layer shows this very array.
        self.labels[slices] = values
