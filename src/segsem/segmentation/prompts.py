"""`Prompts`: what a person or the automatic extraction asks SAM2 with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segsem.core.types import BoxRC, FloatImage

FOREGROUND = 1
BACKGROUND = 0


@dataclass(frozen=True, slots=True)
class Prompts:
    """Prompts for one object, in the image's (row, column) frame.

    Attributes
    ----------
    points_rc : sequence of (row, column)
        Clicks in px.
    point_labels : sequence of int
        1 foreground, 0 background, one for each point.
    box_rc : (r0, c0, r1, c1) or None
        Box in px.
    mask_input : (h, w) float32 or None
        Low-resolution logits of an earlier prediction (`MaskPrediction.low_res_logits`).

    Raises
    ------
    ValueError
        If there is nothing to ask with, labels do not match points, or a box is empty.
    """

    points_rc: Sequence[tuple[float, float]] = ()
    point_labels: Sequence[int] = ()
    box_rc: BoxRC | None = None
    mask_input: FloatImage | None = None

    def __post_init__(self) -> None:
        if len(self.points_rc) != len(self.point_labels):
            msg = (
                f"Expected one label for each point, but got {len(self.points_rc)} points "
                f"and {len(self.point_labels)} labels"
            )
            raise ValueError(msg)
        if not set(self.point_labels) <= {FOREGROUND, BACKGROUND}:
            msg = f"Expected point labels 1 (foreground) or 0 (background), got {self.point_labels}"
            raise ValueError(msg)
        if not self.points_rc and self.box_rc is None and self.mask_input is None:
            msg = "Expected at least one point, a box or a mask, but got none"
            raise ValueError(msg)
        if self.box_rc is not None:
            row0, col0, row1, col1 = self.box_rc
            if not (row1 > row0 and col1 > col0):
                msg = (
                    "Expected `box_rc` as (r0, c0, r1, c1) with r1 > r0 and c1 > c0, "
                    f"but got {self.box_rc}"
                )
                raise ValueError(msg)
        values = [v for point in self.points_rc for v in point] + list(self.box_rc or ())
        if not np.all(np.isfinite(values)):
            msg = f"Expected finite prompt coordinates, but got {values}"
            raise ValueError(msg)

    def as_json(self) -> dict[str, Any]:
        """Return points, labels and box as plain JSON values; the mask only by its presence."""
        return {
            "points_rc": [[float(r), float(c)] for r, c in self.points_rc],
            "point_labels": [int(label) for label in self.point_labels],
            "box_rc": None if self.box_rc is None else [float(v) for v in self.box_rc],
            "mask_input": self.mask_input is not None,
        }
