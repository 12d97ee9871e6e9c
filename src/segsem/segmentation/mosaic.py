"""Answers of overlapping windows, blended so that no seam shows.

A window's answer counts less and less towards its open sides, where the object goes on and the
model sees nothing of it, and not at all on them: at the end of one window the next one has taken
over already, and the zero level runs through.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce

import numpy as np
from scipy import ndimage as ndi

from segsem.core.types import FloatImage, MaskArray
from segsem.segmentation.window import Window

CERTAIN_LOGIT = 8.0
"""Logits beyond it count as this: one window's certainty must not shout down its neighbour."""

COARSE_WEIGHT = 1e-3
"""A coarse view stands only where no window at native resolution does."""

KNOWN_WEIGHT = 0.375
"""What is known: this part of the way from the outermost pixels, which are guesses, to where a
window counts in full."""


BRANCH_PX = 7
"""Two answers that differ by more than this differ by a part of the object, not by its edge."""


@dataclass(frozen=True, slots=True)
class _Patch:
    window: Window
    logits: FloatImage
    weight: FloatImage


@dataclass(slots=True)
class Mosaic:
    """Blended logits of one object.

    Attributes
    ----------
    shape : (int, int)
        (H, W) of the image in px.
    ramp_px : int
        Distance from an open side at which a window counts in full.
    """

    shape: tuple[int, int]
    ramp_px: int
    _patches: list[_Patch] = field(default_factory=list)

    def add(self, window: Window, logits: FloatImage, share: float = 1.0) -> None:
        """Lay an answer over its window.

        Parameters
        ----------
        window : Window
            Inside the image.
        logits : (h, w) float32
            Positive inside the object.
        share : float
            Weight of all of it; `COARSE_WEIGHT` for a reduced view.
        """
        weight = share * self._ramps(window) if share == 1.0 else np.full(window.shape, share)
        clipped = np.clip(logits, -CERTAIN_LOGIT, CERTAIN_LOGIT)
        self._patches.append(_Patch(window, clipped, np.asarray(weight, dtype=np.float32)))

    def yield_to(self, window: Window, logits: FloatImage) -> None:
        """Let a new answer stand where it found a branch of the object that others left out.

        Within one window a branch may hang together with nothing: only the next window shows how
        it is connected. Where windows differ by a few pixels about an edge, all keep their say.
        """
        claimed = (logits > 0) & self.trusted(window)
        for patch in self._patches:
            common = window.overlap(patch.window)
            if common is None:
                continue
            here, there = common.within(window).slices, common.within(patch.window).slices
            left_out = claimed[here] & (patch.logits[there] <= 0) & (patch.weight[there] > 0)
            branch = ndi.binary_opening(left_out, np.ones((BRANCH_PX, BRANCH_PX)))
            if branch.any():
                about = ndi.binary_dilation(branch, np.ones((3, 3)), iterations=BRANCH_PX // 2)
                patch.weight[there][about] = 0.0

    def view(self, window: Window) -> tuple[FloatImage, FloatImage]:
        """Blended logits of a window, and their weight.

        Returns
        -------
        logits, weight : (h, w) float32
            Where the weight is 0 nothing is known, and the logit is that of the outside.
        """
        total = np.zeros(window.shape, dtype=np.float32)
        weight = np.zeros(window.shape, dtype=np.float32)
        for patch in self._patches:
            common = window.overlap(patch.window)
            if common is None:
                continue
            here, there = common.within(window).slices, common.within(patch.window).slices
            total[here] += patch.weight[there] * patch.logits[there]
            weight[here] += patch.weight[there]
        logits = np.full(window.shape, -CERTAIN_LOGIT, dtype=np.float32)
        np.divide(total, weight, out=logits, where=weight > 0)
        return logits, weight

    def known(self, window: Window) -> tuple[FloatImage, MaskArray]:
        """Blended logits of a window, and where windows at native resolution support them."""
        logits, weight = self.view(window)
        return logits, np.asarray(weight >= KNOWN_WEIGHT)

    def trusted(self, window: Window) -> MaskArray:
        """Where a window's own answer is more than a guess: away from its open sides."""
        return np.asarray(self._ramps(window) >= KNOWN_WEIGHT)

    @property
    def bounds(self) -> Window:
        """Smallest window around all answers."""
        return reduce(Window.union, (patch.window for patch in self._patches))

    def _ramps(self, window: Window) -> FloatImage:
        rows = _ramp(window.row0, window.row1, self.shape[0], self.ramp_px)
        cols = _ramp(window.col0, window.col1, self.shape[1], self.ramp_px)
        return np.minimum(rows[:, None], cols[None, :])


def _ramp(start: int, stop: int, size: int, ramp_px: int) -> FloatImage:
    """Weight along one axis: rising from open ends, 1 towards ends on the image's border."""
    at = np.arange(start, stop, dtype=np.float32)
    from_start = at - start if start > 0 else np.full_like(at, np.inf)
    from_stop = stop - 1 - at if stop < size else np.full_like(at, np.inf)
    # Not quite 0 on the open side itself: an object that ends there is not followed further.
    weight = (np.minimum(from_start, from_stop) + 0.01) / ramp_px
    return np.asarray(np.clip(weight, 0.0, 1.0), dtype=np.float32)
