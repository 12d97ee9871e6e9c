"""One object that is larger than a window, put together from the answers of several."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from segsem.core.types import BoxRC, FloatImage, MaskArray
from segsem.segmentation import continuation, refinement
from segsem.segmentation.box_parts import CERTAIN_FIT, box_fit
from segsem.segmentation.continuation import Exit
from segsem.segmentation.evidence import box_around
from segsem.segmentation.mosaic import CERTAIN_LOGIT, COARSE_WEIGHT, Mosaic
from segsem.segmentation.predictor import MASK_THRESHOLD, MaskPrediction
from segsem.segmentation.prompts import FOREGROUND, Prompts
from segsem.segmentation.window import Window, window_around
from segsem.segmentation.window_asker import WindowAsker

RAMP = 8
"""A window counts in full from this part of a frame (an eighth) away from its open sides."""

MAX_GROWTHS = 3
"""How often the window of a broad object is doubled until the object is whole."""

MARGIN_PX = 4

MOST_PIXELS = 4 << 20
"""Answers larger than this hold the best mask only: three of them take long to hand over."""


@dataclass(frozen=True, slots=True)
class NativeAnswer:
    """Answer to one `Prompts` at the image's own pixels.

    Attributes
    ----------
    offset_rc : (int, int)
        Row and column of the first pixel in the image.
    logits : (M, h, w) float32
        Best mask first; masks are `logits > MASK_THRESHOLD`.
    iou_pred : (M,) float32
        The model's own estimate in the first window; not a confidence.
    windows : int
        How many windows were looked at.
    complete : bool
        False where the object goes on beyond the windows allowed, or where a window contradicted
        its neighbour: the mask ends there, or its outline is coarse.
    """

    offset_rc: tuple[int, int]
    logits: npt.NDArray[np.float32]
    iou_pred: npt.NDArray[np.float32]
    windows: int = 1
    complete: bool = True

    def fits(self, box_rc: BoxRC) -> bool:
        """Whether the extent of the best mask is that of a box, by `CERTAIN_FIT`."""
        mask = self.logits[0] > MASK_THRESHOLD
        rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows) == 0:
            return False
        row, col = self.offset_rc
        extent = (row + rows[0], col + cols[0], row + rows[-1] + 1, col + cols[-1] + 1)
        wanted = (box_rc[0], box_rc[1], box_rc[2] + 1, box_rc[3] + 1)
        return box_fit(extent, wanted) >= CERTAIN_FIT


def positive_points(prompts: Prompts) -> list[tuple[float, float]]:
    """Points on the object."""
    pairs = zip(prompts.points_rc, prompts.point_labels, strict=True)
    return [point for point, label in pairs if label == FOREGROUND]


def prompts_in(prompts: Prompts, window: Window) -> Prompts | None:
    """Return the prompts that matter in a window; None where there are none."""
    pairs = [
        (point, label)
        for point, label in zip(prompts.points_rc, prompts.point_labels, strict=True)
        if window.holds(*point)
    ]
    if not pairs and prompts.box_rc is None:
        return None
    points, labels = tuple(p for p, _ in pairs), tuple(label for _, label in pairs)
    return Prompts(points, labels, prompts.box_rc, prompts.mask_input)


@dataclass(frozen=True, slots=True)
class _Step:
    """Whether a window's answer was believed, and where the object leaves it."""

    believed: bool
    exits: tuple[Exit, ...] = ()


@dataclass(slots=True)
class LargeObject:
    """One object, window by window.

    Attributes
    ----------
    asker : WindowAsker
    prompts : Prompts
        In the image's frame.
    first : Window
        Where it was looked for first.
    prediction : MaskPrediction
        What was found there.
    complete : bool
        See `NativeAnswer`.
    mosaic : Mosaic
        What is known so far.
    seen : Counter of Window
        How often each window was asked.
    """

    asker: WindowAsker
    prompts: Prompts
    first: Window
    prediction: MaskPrediction
    complete: bool = True
    mosaic: Mosaic = field(init=False)
    seen: Counter[Window] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.mosaic = Mosaic(self.asker.shape, max(self._frame_px // RAMP, 1))

    @property
    def _positive(self) -> list[tuple[float, float]]:
        return positive_points(self.prompts)

    @property
    def _frame_px(self) -> int:
        return self.asker.predictor.frame_px

    def as_seen(self, *, complete: bool) -> NativeAnswer:
        """Answer of the first window alone."""
        logits = np.asarray(self.prediction.logits, dtype=np.float32)
        offset = (self.first.row0, self.first.col0)
        return NativeAnswer(offset, logits, self.prediction.iou_pred, 1, complete)

    def go_on(self) -> None:
        """Look at what lies beyond the first window, if the object does."""
        logits = self.prediction.best_logits
        start = self._clicked(logits > MASK_THRESHOLD)
        found = list(continuation.exits(self.first, start, self.asker.shape, self._frame_px))
        rest = self._points_elsewhere()
        if not found and not rest:
            return
        if sum(place.width_px for place in found) > self._frame_px and self._seen_as_a_whole():
            return
        self.mosaic.add(self.first, continuation.connected(logits, start))
        self.seen[self.first] += 1
        self._follow(deque(found))
        for point in rest:
            self._begin_again(point)

    def refine(self, window: Window, coarse: FloatImage) -> None:
        """Look natively at the outline of what a reduced window shows."""
        self.mosaic.add(window, coarse, COARSE_WEIGHT)
        self.complete = not window.cuts(coarse > MASK_THRESHOLD, self.asker.shape)
        reduction = max(window.shape) / self._frame_px
        refused = []
        for native in refinement.outline_windows(
            coarse > MASK_THRESHOLD, window, self.asker.shape, self._frame_px, reduction
        ):
            if native in self.seen:
                continue
            if self.asker.spent:
                self.complete = False
                return
            if not self._refine_in(native, reduction):
                refused.append(native)
        for native in refused:
            # The reduced view mistook something else for the object: its neighbours know better.
            if self.asker.spent or not self._continue_in(native).believed:
                self.complete = False

    def whole(self) -> NativeAnswer:
        """Blend all windows, cut to the object."""
        bounds = self.mosaic.bounds
        logits = self._object_alone(bounds)
        box = box_around(logits > MASK_THRESHOLD, MARGIN_PX)
        if box is not None and logits[box].size <= MOST_PIXELS:
            return self._with_others(bounds, logits, box)
        if box is None:
            box = (slice(0, bounds.shape[0]), slice(0, bounds.shape[1]))
        offset = (bounds.row0 + box[0].start, bounds.col0 + box[1].start)
        best = np.ascontiguousarray(logits[box][None])
        scores = self.prediction.iou_pred[:1]
        return NativeAnswer(offset, best, scores, self.asker.asked, self.complete)

    def _with_others(
        self, bounds: Window, logits: FloatImage, box: tuple[slice, slice]
    ) -> NativeAnswer:
        """Add the other candidates, which know the first window only."""
        found = Window(box[0].start, box[1].start, box[0].stop, box[1].stop)
        here = found.moved(bounds.row0, bounds.col0).union(self.first)
        others = self.prediction.logits[1:]
        every = np.full((1 + len(others), *here.shape), -CERTAIN_LOGIT, dtype=np.float32)
        every[0] = logits[here.within(bounds).slices]
        rows, cols = self.first.within(here).slices
        every[1:, rows, cols] = others
        offset = (here.row0, here.col0)
        return NativeAnswer(
            offset, every, self.prediction.iou_pred, self.asker.asked, self.complete
        )

    def _object_alone(self, bounds: Window) -> FloatImage:
        """Blended logits without pieces that were not asked for.

        Those are pieces without a click; where there is none, pieces less than half as large as
        the largest one.
        """
        logits, _ = self.mosaic.view(bounds)
        mask = logits > MASK_THRESHOLD
        start = self._clicks(bounds) & mask
        if not start.any():
            pieces, count = ndi.label(mask, structure=np.ones((3, 3)))
            areas = np.bincount(pieces.ravel(), minlength=count + 1)
            areas[0] = 0
            start = (2 * areas >= areas.max())[pieces] & mask
        return continuation.connected(logits, start) if start.any() else logits

    def _clicks(self, window: Window) -> MaskArray:
        """Pixels of a window that were clicked on as the object's."""
        clicks = np.zeros(window.shape, dtype=bool)
        for row, col in self._positive:
            if window.holds(row, col):
                clicks[round(row) - window.row0, round(col) - window.col0] = True
        return clicks

    def _clicked(self, mask: MaskArray) -> MaskArray:
        """Pieces of a mask of the first window that were clicked on; all where none was."""
        clicks = self._clicks(self.first)
        if not (clicks & mask).any():
            return mask
        field = np.where(mask, 1.0, -1.0).astype(np.float32)
        return continuation.connected(field, clicks) > 0

    def _points_elsewhere(self) -> list[tuple[float, float]]:
        return [p for p in self._positive if not self.first.holds(*p)]

    def _follow(self, queue: deque[Exit]) -> None:
        while queue:
            left = self._unsettled(queue.popleft())
            if left is None:
                continue
            window = continuation.next_window(left, self.asker.shape, self._frame_px)
            if self.seen[window] >= continuation.MOST_VISITS or self.asker.spent:
                self.complete = False
                continue
            queue.extend(self._continue_in(window).exits)

    def _unsettled(self, left: Exit) -> Exit | None:
        """Return the part of an exit beyond which no other window follows the object.

        One that reaches beyond it and saw nothing of the object there did not know of this branch.
        """
        rows, cols = left.pixels
        strip = Window(rows.start, cols.start, rows.stop, cols.stop)
        logits, weight = self.mosaic.view(strip)
        covered = weight >= continuation.SETTLED_WEIGHT
        followed = (logits > MASK_THRESHOLD).ravel() | ~np.array(left.touching)
        open_px = np.flatnonzero(~(covered.ravel() & followed))
        if len(open_px) < continuation.LEAST_EXIT_PX:
            return None
        return left.part(int(open_px[0]), int(open_px[-1]))

    def _continue_in(self, window: Window) -> _Step:
        """Look at a window of which neighbours know something."""
        self.seen[window] += 1
        logits, known = self.mosaic.known(window)
        start = known & (logits > MASK_THRESHOLD)
        points = continuation.seeds(start)
        if not points:
            return _Step(False)
        asked = continuation.with_seeds(self._moved(window), points)
        told = continuation.told(start, known, self._frame_px)
        prediction = self.asker.ask_knowing(window, asked, logits, told)
        both = known & self.mosaic.trusted(window)
        best = continuation.best_fitting(prediction, start, both)
        if best is None:
            self.complete = False
            return _Step(False)
        best = continuation.connected(best, start)
        self.mosaic.yield_to(window, best)
        self.mosaic.add(window, best)
        # On its sides others outweigh what this window saw.
        seen = np.maximum(best, self.mosaic.view(window)[0])
        mask = continuation.connected(seen, start) > MASK_THRESHOLD
        left = continuation.exits(window, mask, self.asker.shape, self._frame_px)
        return _Step(True, tuple(left))

    def _begin_again(self, point: tuple[float, float]) -> None:
        """Look at a point that the object followed so far does not reach."""
        pixel = Window(round(point[0]), round(point[1]), round(point[0]) + 1, round(point[1]) + 1)
        window = window_around(point, self.asker.shape, self._frame_px)
        asked = self._moved(window)
        if self.mosaic.view(pixel)[0].item() > MASK_THRESHOLD or asked is None:
            return
        if self.asker.spent:
            self.complete = False
            return
        self.seen[window] += 1
        logits, known = self.mosaic.known(window)
        prediction = self.asker.ask_knowing(window, asked, logits, known)
        self.mosaic.add(window, prediction.best_logits)
        mask = prediction.best_mask
        self._follow(deque(continuation.exits(window, mask, self.asker.shape, self._frame_px)))

    def _seen_as_a_whole(self) -> bool:
        """See a broad object in reduced windows first; False where they show something else."""
        native, window = self.prediction.best_mask, self.first
        seen = native
        for _ in range(MAX_GROWTHS):
            window = window.doubled(self.asker.shape, about=seen)
            prediction = self.asker.ask(window, window.to_window(self.prompts))
            seen = prediction.best_mask
            if not window.cuts(seen, self.asker.shape):
                break
        here = self.first.within(window).slices
        if refinement.agreement(seen[here], native) < refinement.SAME_OBJECT:
            return False
        self.refine(window, prediction.best_logits)
        return True

    def _refine_in(self, window: Window, reduction: float) -> bool:
        """Look natively at what a reduced view shows; False where that was something else."""
        self.seen[window] += 1
        logits, _ = self.mosaic.view(window)
        mask = logits > MASK_THRESHOLD
        points = continuation.seeds(mask)
        if not points:
            return True
        asked = continuation.with_seeds(self._moved(window), points[:1])
        prediction = self.asker.ask_knowing(window, asked, logits, None)
        best = refinement.best_fitting(prediction, mask, refinement.uncertain(mask, reduction))
        if best is not None:
            self.mosaic.add(window, continuation.connected(best, mask))
        return best is not None

    def _moved(self, window: Window) -> Prompts | None:
        """Return the user's points in a window, in its frame."""
        given = prompts_in(self.prompts, window)
        if given is None or not given.points_rc:
            return None
        return window.to_window(Prompts(given.points_rc, given.point_labels))
