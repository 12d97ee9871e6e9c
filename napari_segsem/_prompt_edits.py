"""Steps that change what is asked for: clicks, boxes, strokes, corners; each can be undone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from napari_segsem._prompt_state import LEAST_CORNERS, PromptState, polygon_mask
from segsem.core.types import BoxRC
from segsem.project.label_edit import LabelEdit


class PromptEdits(ABC):
    """Prompts that change step by step.

    Attributes
    ----------
    state : PromptState
    """

    state: PromptState

    def add_point(self, point_rc: tuple[float, float], label: int) -> None:
        """Add a click: 1 belongs to the object, 0 does not."""
        state = replace(
            self.state,
            points_rc=(*self.state.points_rc, point_rc),
            point_labels=(*self.state.point_labels, label),
        )
        self._do("point", state)

    def add_points(self, points_rc: Sequence[tuple[float, float]], label: int) -> None:
        """Add points along a stroke, as one step."""
        state = replace(
            self.state,
            points_rc=(*self.state.points_rc, *points_rc),
            point_labels=(*self.state.point_labels, *[label] * len(points_rc)),
        )
        self._do("scribble", state)

    def add_box(self, box_rc: BoxRC) -> None:
        """Add a box that asks for an object of its own, beside others."""
        if box_rc not in self.state.boxes_rc:
            count = len(self.state.boxes_rc) + 1
            boxes = (*self.state.boxes_rc, box_rc)
            self._do(f"box {count}", replace(self.state, boxes_rc=boxes))

    def add_corner(self, corner_rc: tuple[float, float]) -> None:
        """Add a corner to the polygon around the object in work; a closed one is begun anew."""
        corners = () if self.state.is_closed else self.state.polygon_rc
        if corners and corners[-1] == corner_rc:
            return
        corners = (*corners, corner_rc)
        self._do("corner", replace(self.state, polygon_rc=corners, is_closed=False))

    def close_polygon(self) -> bool:
        """Close the polygon that is being drawn; tell whether there was one to close."""
        state = self.state
        if state.is_closed or len(set(state.polygon_rc)) < LEAST_CORNERS:
            return False
        if polygon_mask(state.polygon_rc).is_empty:
            return False
        self._do("polygon", replace(state, is_closed=True))
        return True

    def set_box(self, box_rc: BoxRC) -> None:
        """Set the box."""
        self._do("box", replace(self.state, box_rc=box_rc))

    def clear(self) -> None:
        """Drop the prompts in work."""
        if not self.state.is_empty:
            self._do("clear", PromptState())

    @abstractmethod
    def _do(self, name: str, after: PromptState, edit: LabelEdit | None = None) -> None: ...
