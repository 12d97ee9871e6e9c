"""What a person has asked with so far: for the object in work, and for many at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from skimage.draw import polygon2mask

from segsem.core.mask_patch import MaskPatch
from segsem.core.types import BoxRC
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.questions import Question

PointsRC = tuple[tuple[float, float], ...]

LEAST_CORNERS = 3


@dataclass(frozen=True, slots=True)
class RepeatSeed:
    """An object whose others are wanted.

    Attributes
    ----------
    mask : MaskPatch
    name : str
        What it is, for provenance: "object 3", or "outline" where it is not accepted yet.
    turned : bool
        Whether others may be turned by quarters, or mirrored.
    """

    mask: MaskPatch
    name: str
    turned: bool = False


@dataclass(frozen=True, slots=True)
class PromptState:
    """Everything that is asked with; empty at first.

    Attributes
    ----------
    points_rc, point_labels, box_rc
        Clicks and box for the object in work; a scribble is points along a stroke.
    mask : MaskPatch or None
        A mask of the object in work, to be improved.
    refines : int
        Id of the accepted object that the mask is of; 0 where it is none.
    polygon_rc : tuple of (row, column)
        Corners drawn around the object in work; they ask for something once they are closed.
    is_closed : bool
    boxes_rc : tuple of (r0, c0, r1, c1)
        Boxes that are asked together, one object each.
    repeat : RepeatSeed or None
        An object whose others are asked for.
    settled : frozenset of str
        Proposals that were accepted or rejected already, by their keys.
    """

    points_rc: PointsRC = ()
    point_labels: tuple[int, ...] = ()
    box_rc: BoxRC | None = None
    mask: MaskPatch | None = None
    refines: int = 0
    polygon_rc: PointsRC = ()
    is_closed: bool = False
    boxes_rc: tuple[BoxRC, ...] = ()
    repeat: RepeatSeed | None = None
    settled: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to ask with, and nothing begun."""
        return not (self.asks or self.polygon_rc or self.proposes)

    @property
    def asks(self) -> bool:
        """Whether one object is asked for."""
        return bool(
            self.points_rc
            or self.box_rc is not None
            or self.mask is not None
            or (self.polygon_rc and self.is_closed)
        )

    @property
    def proposes(self) -> bool:
        """Whether many objects are asked for."""
        return bool(self.boxes_rc) or self.repeat is not None

    @property
    def many(self) -> PromptState:
        """Only what asks for many objects."""
        return PromptState(boxes_rc=self.boxes_rc, repeat=self.repeat, settled=self.settled)

    @property
    def one(self) -> PromptState:
        """Only what asks for the object in work."""
        return replace(self, boxes_rc=(), repeat=None, settled=frozenset())

    @property
    def known(self) -> MaskPatch | None:
        """Mask that the model is told of; None where there is none."""
        if self.polygon_rc and self.is_closed:
            return polygon_mask(self.polygon_rc)
        return self.mask

    def question(self) -> Question:
        """Return what is asked for the object in work."""
        known = self.known
        box = self.box_rc or (None if known is None else known.box_rc)
        return Question(Prompts(self.points_rc, self.point_labels, box), known)

    def prompts(self) -> Prompts:
        """Return the prompts for the object in work, without a mask."""
        return self.question().prompts

    def as_json(self) -> dict[str, Any]:
        """Say as plain JSON values what the object in work was asked with; empty: nothing was."""
        if not self.asks:
            return {}
        said = self.prompts().as_json()
        if self.polygon_rc:
            said["polygon_rc"] = [[float(r), float(c)] for r, c in self.polygon_rc]
        elif self.mask is not None:
            said["mask"] = self.mask.as_json()
        said["mask_input"] = self.known is not None
        return said


@lru_cache(maxsize=16)
def polygon_mask(corners_rc: PointsRC) -> MaskPatch:
    """Pixels whose centres lie inside a polygon, its corners as (row, column)."""
    corners = np.asarray(corners_rc, dtype=float)
    first = np.floor(corners.min(axis=0)).astype(int)
    shape = np.ceil(corners.max(axis=0)).astype(int) - first + 1
    mask = polygon2mask((int(shape[0]), int(shape[1])), corners - first)
    return MaskPatch.of(np.asarray(mask, dtype=bool), (int(first[0]), int(first[1])))
