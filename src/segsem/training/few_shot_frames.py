"""From annotated images to the frames of a step, cut as inference cuts them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from skimage import measure

from segsem.core.types import LabelArray, MaskArray
from segsem.dataset.splits import Site
from segsem.segmentation.frame import Frame, choose_frame
from segsem.segmentation.window import Window, window_around
from segsem.training.batch import Batch, ask_for, choose_labels, name_objects
from segsem.training.few_shot_images import FewShotImage
from segsem.training.finetune_params import FinetuneParams
from segsem.training.priors import PriorSpec
from segsem.training.prompt_simulation import SimulatedPrompts
from segsem.training.sem_augmentation import (
    ROTATED_SHARE,
    Cut,
    cut_window,
    oriented,
    other_exposure,
    rotated_window,
)

FEWEST_FRAMES, MOST_FRAMES = 2, 6
"""Frames of an image in one epoch: small images are seen more than once, large ones in part."""

FRAMES_OF_AN_EPOCH = 96
"""Where many images teach, each gives fewer frames: an epoch is to take a minute, not five."""


@dataclass(frozen=True, slots=True)
class ModelFrame:
    """The frame that a model sees images in.

    Attributes
    ----------
    side_px : int
    fixed : bool
        The model knows no other: smaller images are enlarged.
    """

    side_px: int
    fixed: bool

    def of(self, shape: tuple[int, int]) -> Frame:
        """Frame of a window."""
        return choose_frame(shape, self.side_px, fixed=self.fixed)


@dataclass(frozen=True, slots=True)
class FewShotBatch:
    """Frames of a step.

    Attributes
    ----------
    batch : Batch
    not_rated : (B, S, S) bool
        Validation sites, and what lies beyond the image.
    """

    batch: Batch
    not_rated: npt.NDArray[np.bool_]


class FrameSource:
    """Draws the frames of each step; all chance comes from seed and step.

    Parameters
    ----------
    images : sequence of FewShotImage
        Those that teach, each with an object beside its site.
    sites : sequence of Site
        What of them is kept for validation.
    frame : ModelFrame
    params : FinetuneParams
    frames_per_step : int
    """

    def __init__(
        self,
        images: Sequence[FewShotImage],
        sites: Sequence[Site],
        frame: ModelFrame,
        params: FinetuneParams,
        frames_per_step: int,
    ) -> None:
        self._frame, self._params = frame, params
        kept = {site.image_id: site for site in sites}
        self._images = list(images)
        self._sites = kept
        self._per_step = frames_per_step
        self._plans: tuple[int, list[list[int]]] = (-1, [])
        self.steps_per_epoch = len(self.plan(0))

    def plan(self, epoch: int) -> list[list[int]]:
        """Images of each step of an epoch; frames of one step are of one size."""
        if self._plans[0] == epoch:
            return self._plans[1]
        by_side: dict[int, list[int]] = defaultdict(list)
        for index, image in enumerate(self._images):
            side = self._frame.of(self._window_shape(image)).side_px
            by_side[side] += [index] * self._frames_of(image)
        rng = np.random.default_rng([self._params.seed, 1, epoch])
        steps: list[list[int]] = []
        for indices in by_side.values():
            order = [int(i) for i in rng.permutation(indices)]
            steps += [
                order[start : start + self._per_step]
                for start in range(0, len(order), self._per_step)
            ]
        self._plans = (epoch, [steps[i] for i in rng.permutation(len(steps))])
        return self._plans[1]

    def batch(self, step: int) -> FewShotBatch:
        """Draw the frames and prompts of a step, counted over all epochs."""
        epoch, number = divmod(step, self.steps_per_epoch)
        indices = self.plan(epoch)[number]
        rng = np.random.default_rng([self._params.seed, 2, step])
        cuts = [self._cut(rng, self._images[index]) for index in indices]
        return make_few_shot_batch(
            rng, cuts, self._frame, self._params.objects_per_frame, self._params.box_share
        )

    def _window_shape(self, image: FewShotImage) -> tuple[int, int]:
        height, width = image.grey.shape
        return min(height, self._frame.side_px), min(width, self._frame.side_px)

    def _frames_of(self, image: FewShotImage) -> int:
        if self._params.frames_per_image:
            return self._params.frames_per_image
        area = self._window_shape(image)
        cover = round(image.grey.size / (area[0] * area[1]))
        most = min(MOST_FRAMES, FRAMES_OF_AN_EPOCH // len(self._images))
        return max(min(cover, most), FEWEST_FRAMES)

    def _cut(self, rng: np.random.Generator, image: FewShotImage) -> Cut:
        site = self._sites.get(image.image_id)
        hidden = np.zeros(image.grey.shape, dtype=bool)
        if site is not None:
            hidden[site.slices] = True
        whole = Cut(image.grey, np.asarray(image.labels, dtype=np.int32), hidden)
        window = self._window(rng, image, hidden)
        if not self._params.augment:
            return cut_window(whole, window)
        if self._params.rotation_deg > 0 and rng.random() < ROTATED_SHARE:
            degrees = float(rng.uniform(-1, 1)) * self._params.rotation_deg
            cut = rotated_window(whole, window, degrees)
        else:
            cut = cut_window(whole, window)
        cut = oriented(rng, cut)
        return Cut(other_exposure(rng, cut.grey), cut.labels, cut.not_rated)

    def _window(self, rng: np.random.Generator, image: FewShotImage, hidden: MaskArray) -> Window:
        """Window about a place on an object that may be learnt from."""
        shape = (image.grey.shape[0], image.grey.shape[1])
        if max(shape) <= self._frame.side_px:
            return Window(0, 0, *shape)
        usable = np.where(hidden, 0, image.labels)
        present = np.unique(usable)
        label = int(rng.choice(present[present > 0]))
        rows, cols = np.nonzero(usable == label)
        chosen = int(rng.integers(len(rows)))
        reach = self._frame.side_px / 4
        centre = (
            rows[chosen] + rng.uniform(-reach, reach),
            cols[chosen] + rng.uniform(-reach, reach),
        )
        return window_around((float(centre[0]), float(centre[1])), shape, self._frame.side_px)


def make_few_shot_batch(
    rng: np.random.Generator,
    cuts: Sequence[Cut],
    frame: ModelFrame,
    n_objects: int,
    box_share: float,
) -> FewShotBatch:
    """Put cuts into frames, and draw objects and prompts.

    Parameters
    ----------
    rng : numpy Generator
    cuts : sequence of Cut
        Whose frames are of one size.
    frame : ModelFrame
    n_objects : int
        Of each frame, below 255.
    box_share : float
    """
    side = frame.of(_shape(cuts[0])).side_px
    grey = np.zeros((len(cuts), side, side), dtype=np.uint8)
    filled = np.zeros((len(cuts), 2), dtype=np.int64)
    labels = np.zeros((len(cuts), side, side), dtype=np.uint8)
    hidden = np.ones((len(cuts), side, side), dtype=bool)
    owners: list[int] = []
    chosen: list[int] = []
    cut_short: list[bool] = []
    for i, cut in enumerate(cuts):
        place = frame.of(_shape(cut))
        filled[i] = height, width = place.filled
        grey[i, :height, :width] = place.place(cut.grey)
        parts = parts_in(resized(cut.labels, place))
        hidden[i, :height, :width] = resized(cut.not_rated.astype(np.uint8), place) > 0
        out_of_sight = hidden[i, :height, :width]
        shown = np.zeros((side, side), dtype=np.int32)
        shown[:height, :width] = np.where(out_of_sight, 0, parts)
        drawn = choose_labels(rng, shown, n_objects)
        partly = set(np.unique(parts[out_of_sight]).tolist())
        labels[i], own = name_objects(shown, drawn)
        owners += [i] * len(own)
        chosen += own
        cut_short += [label in partly for label in drawn]
    index, names = np.array(owners, dtype=np.int64), np.array(chosen, dtype=np.int64)
    masks = np.asarray(labels[index] == names[:, None, None])
    background = (labels[index] == 0) & ~hidden[index]
    prompts, prior = (
        ask_for(rng, masks, background, box_share, np.array(cut_short, dtype=bool))
        if len(index)
        else _nothing()
    )
    inverted = np.zeros(len(cuts), dtype=bool)
    batch = Batch(grey, filled, labels, inverted, index, names, prompts, prior)
    return FewShotBatch(batch, hidden)


def parts_in(labels: LabelArray) -> LabelArray:
    """Name the 4-connected parts of the objects: one object may be several in a window."""
    return np.asarray(measure.label(labels, connectivity=1, background=0), dtype=np.int32)


def resized(plane: npt.NDArray[np.generic], place: Frame) -> LabelArray:
    """Bring labels to the part of a frame that their image fills."""
    if place.filled == place.shape:
        return np.asarray(plane, dtype=np.int32)
    size = place.filled[::-1]
    # float64 holds every label exactly; cv2 does not resize int32.
    way = cv2.INTER_NEAREST_EXACT
    exact = cv2.resize(np.asarray(plane, dtype=np.float64), size, interpolation=way)
    return np.asarray(exact, dtype=np.int32)


def _shape(cut: Cut) -> tuple[int, int]:
    return cut.grey.shape[0], cut.grey.shape[1]


def _nothing() -> tuple[SimulatedPrompts, PriorSpec]:
    points = np.zeros((0, 1, 2), dtype=np.float32)
    kinds = np.zeros((0, 1), dtype=np.int64)
    return SimulatedPrompts(points, kinds, np.zeros(0, dtype=bool)), PriorSpec.none(0)
