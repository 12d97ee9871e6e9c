"""Answers at the image's own resolution, however large the object is.

A model sees one frame at a time. A prompt is answered in the native window around it. Where the
mask leaves that window, it is followed: the next window shares a strip with the last one, gets
what is known in the strip as its `mask_input` and points of the object in it, and says how the
object goes on (`continuation`). An object too broad for that, which fills its window from side to
side, and a box larger than a frame are seen as a whole first, in a reduced window, and then
natively along their outline (`refinement`). Answers of overlapping windows are blended (`mosaic`).

Only the candidate that the model ranks first is followed; the others stay in the first window.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from segsem.core.types import FloatImage, MaskArray
from segsem.segmentation import continuation, refinement
from segsem.segmentation.continuation import Exit
from segsem.segmentation.evidence import box_around
from segsem.segmentation.mosaic import CERTAIN_LOGIT, COARSE_WEIGHT, Mosaic
from segsem.segmentation.predictor import (
    MASK_THRESHOLD,
    MaskPrediction,
    Predictor,
)
from segsem.segmentation.prompts import FOREGROUND, Prompts
from segsem.segmentation.window import Window, window_around, window_for_prompts
from segsem.segmentation.window_asker import Encode, WindowAsker

MAX_WINDOWS = 24
"""Windows asked for one prompt. What lies beyond them is left out, or stays coarse."""

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


def answer(
    predictor: Predictor,
    encode: Encode,
    prompts: Prompts,
    shape: tuple[int, int],
    window: Window | None = None,
    max_windows: int = MAX_WINDOWS,
) -> NativeAnswer:
    """Answer a prompt at native resolution.

    Whoever wants to stop between windows lets `encode` or the predictor raise.

    Parameters
    ----------
    predictor : Predictor
        Answers prompts in windows.
    encode : callable
        Gives the embedding of a window of the image.
    prompts : Prompts
        In the image's frame.
    shape : (int, int)
        (H, W) of the image (without the data bar) in px.
    window : Window, optional
        Where to look first; chosen about the prompts by default.
    max_windows : int
        Windows that may be looked at.

    Returns
    -------
    NativeAnswer
    """
    *_, last = answers(predictor, encode, prompts, shape, window, max_windows)
    return last


def answers(
    predictor: Predictor,
    encode: Encode,
    prompts: Prompts,
    shape: tuple[int, int],
    window: Window | None = None,
    max_windows: int = MAX_WINDOWS,
) -> Iterator[NativeAnswer]:
    """Answer a prompt step by step: what the first window shows, then the whole object.

    Parameters are those of `answer`. Yields one answer where one window is enough, else two.
    """
    asker = WindowAsker(predictor, encode, shape, max_windows)
    first = window or first_window(prompts, shape, predictor.frame_px)
    prediction = asker.ask_in_turn(first, first.to_window(_inside(prompts, first) or prompts))
    found = _Found(asker, prompts, first, prediction)
    reduced = max(first.shape) > predictor.frame_px
    yield found.as_seen(complete=not reduced)
    if reduced:
        found.refine(first, prediction.best_logits)
    elif prompts.box_rc is None:
        found.go_on()
    if asker.asked > 1:
        yield found.whole()


def first_window(prompts: Prompts, shape: tuple[int, int], frame_px: int) -> Window:
    """Window to look at first: that of all prompts, or of the first point's neighbourhood.

    Points farther apart than a frame lie on an object that is followed from the first of them.
    """
    window = window_for_prompts(prompts, shape, frame_px)
    if prompts.box_rc is None and max(window.shape) > frame_px:
        return window_around(_positive(prompts)[0], shape, frame_px)
    return window


def _positive(prompts: Prompts) -> list[tuple[float, float]]:
    """Points on the object; all points where none is said to be on it."""
    pairs = zip(prompts.points_rc, prompts.point_labels, strict=True)
    return [point for point, label in pairs if label == FOREGROUND] or list(prompts.points_rc)


def _inside(prompts: Prompts, window: Window) -> Prompts | None:
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


@dataclass(slots=True)
class _Found:
    """One object, window by window."""

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
        for native in refinement.outline_windows(
            coarse > MASK_THRESHOLD, window, self.asker.shape, self._frame_px, reduction
        ):
            if native in self.seen:
                continue
            if self.asker.spent:
                self.complete = False
                return
            self._refine_in(native, reduction)

    def whole(self) -> NativeAnswer:
        """Blend all windows, cut to the object."""
        bounds = self.mosaic.bounds
        logits, _ = self.mosaic.view(bounds)
        others = self.prediction.logits[1:]
        box = box_around(logits > MASK_THRESHOLD, MARGIN_PX)
        if box is not None and logits[box].size <= MOST_PIXELS:
            return self._with_others(bounds, logits, box, others)
        if box is None:
            box = (slice(0, bounds.shape[0]), slice(0, bounds.shape[1]))
        offset = (bounds.row0 + box[0].start, bounds.col0 + box[1].start)
        best = np.ascontiguousarray(logits[box][None])
        scores = self.prediction.iou_pred[:1]
        return NativeAnswer(offset, best, scores, self.asker.asked, self.complete)

    def _with_others(
        self,
        bounds: Window,
        logits: FloatImage,
        box: tuple[slice, slice],
        others: npt.NDArray[np.float32],
    ) -> NativeAnswer:
        here = Window(
            bounds.row0 + box[0].start,
            bounds.col0 + box[1].start,
            bounds.row0 + box[0].stop,
            bounds.col0 + box[1].stop,
        ).union(self.first)
        every = np.full((1 + len(others), *here.shape), -CERTAIN_LOGIT, dtype=np.float32)
        every[0] = self.mosaic.view(here)[0]
        rows, cols = self.first.within(here).slices
        every[1:, rows, cols] = others
        offset = (here.row0, here.col0)
        return NativeAnswer(
            offset, every, self.prediction.iou_pred, self.asker.asked, self.complete
        )

    def _clicked(self, mask: MaskArray) -> MaskArray:
        """Pieces of a mask of the first window that were clicked on; all where none was."""
        clicks = np.zeros(mask.shape, dtype=bool)
        for row, col in _positive(self.prompts):
            if self.first.holds(row, col):
                clicks[round(row) - self.first.row0, round(col) - self.first.col0] = True
        if not (clicks & mask).any():
            return mask
        field = np.where(mask, 1.0, -1.0).astype(np.float32)
        return continuation.connected(field, clicks) > 0

    def _points_elsewhere(self) -> list[tuple[float, float]]:
        return [p for p in _positive(self.prompts) if not self.first.holds(*p)]

    def _follow(self, queue: deque[Exit]) -> None:
        while queue:
            left = self._unsettled(queue.popleft())
            if left is None:
                continue
            window = continuation.next_window(left, self.asker.shape, self._frame_px)
            if self.seen[window] >= continuation.MOST_VISITS or self.asker.spent:
                self.complete = False
                continue
            queue.extend(self._continue_in(window))

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

    def _continue_in(self, window: Window) -> list[Exit]:
        """Look at the next window; gives the places where the object leaves it."""
        self.seen[window] += 1
        logits, known = self.mosaic.known(window)
        start = known & (logits > MASK_THRESHOLD)
        points = continuation.seeds(start)
        if not points:
            return []
        asked = continuation.with_seeds(self._moved(window), points)
        told = continuation.told(start, known, self._frame_px)
        prediction = self.asker.ask_knowing(window, asked, logits, told)
        both = known & self.mosaic.trusted(window)
        best = continuation.best_fitting(prediction, start, both)
        if best is None:
            self.complete = False
            return []
        best = continuation.connected(best, start)
        self.mosaic.yield_to(window, best)
        self.mosaic.add(window, best)
        # On its sides others outweigh what this window saw.
        seen = np.maximum(best, self.mosaic.view(window)[0])
        mask = continuation.connected(seen, start) > MASK_THRESHOLD
        return list(continuation.exits(window, mask, self.asker.shape, self._frame_px))

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

    def _refine_in(self, window: Window, reduction: float) -> None:
        self.seen[window] += 1
        logits, _ = self.mosaic.view(window)
        mask = logits > MASK_THRESHOLD
        points = continuation.seeds(mask)
        if not points:
            return
        asked = continuation.with_seeds(self._moved(window), points[:1])
        prediction = self.asker.ask_knowing(window, asked, logits, None)
        best = refinement.best_fitting(prediction, mask, refinement.uncertain(mask, reduction))
        if best is None:
            self.complete = False
            return
        self.mosaic.add(window, continuation.connected(best, mask))

    def _moved(self, window: Window) -> Prompts | None:
        """Return the user's points in a window, in its frame."""
        given = _inside(self.prompts, window)
        if given is None or not given.points_rc:
            return None
        return window.to_window(Prompts(given.points_rc, given.point_labels))
