"""How good a model is on validation sites, with prompts that never change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage as ndi

from segsem.core.types import MaskArray
from segsem.dataset.splits import Site
from segsem.metrics.boundary import boundary_f1, boundary_pixels
from segsem.metrics.overlap import iou
from segsem.segmentation.sam2_forward import Features, decode_all_masks, encode_pixels
from segsem.segmentation.window import window_around
from segsem.training.batch import Batch
from segsem.training.few_shot_frames import (
    FewShotBatch,
    ModelFrame,
    make_few_shot_batch,
    parts_in,
    resized,
)
from segsem.training.few_shot_images import SMALLEST_OBJECT_PX, FewShotImage
from segsem.training.finetune_loss import frame_pixels, to_tensor
from segsem.training.losses import prompt_loss
from segsem.training.prompt_simulation import bounding_box, distance_inside
from segsem.training.rounds import NOT_RATED_LOGIT, at_frame_resolution, ranked_first
from segsem.training.sem_augmentation import Cut

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

OBJECTS_PER_SITE = 6
FARTHEST_EDGE_PX = 10.0
"""Edges that are farther off, or missing, count as this."""


@dataclass(frozen=True, slots=True)
class ValidationScore:
    """Means over objects, each asked for by one click and by its box.

    Attributes
    ----------
    loss, iou, boundary_f1 : float
    edge_px : float
        Mean distance of the true outline from the one that was found, in px of the frame.
    objects : int
    """

    loss: float
    iou: float
    boundary_f1: float
    edge_px: float
    objects: int

    @property
    def score(self) -> float:
        """What the best epoch is chosen by."""
        return 0.5 * (self.iou + self.boundary_f1)


@dataclass(frozen=True, slots=True)
class _SiteFrame:
    """A window about a site, its objects, and where they are compared."""

    batch: Batch
    masks: npt.NDArray[np.bool_]
    rated: MaskArray
    clicks_xy: npt.NDArray[np.float32]
    boxes_xy: npt.NDArray[np.float32]


class Validation:
    """Asks for the objects of validation sites.

    Parameters
    ----------
    images : sequence of FewShotImage
    sites : sequence of Site
    frame : ModelFrame
    objects_at_once : int
    """

    def __init__(
        self,
        images: Sequence[FewShotImage],
        sites: Sequence[Site],
        frame: ModelFrame,
        objects_at_once: int,
    ) -> None:
        by_id = {image.image_id: image for image in images}
        self._at_once = objects_at_once
        made = (_site_frame(by_id[site.image_id], site, frame) for site in sites)
        self._frames = [one for one in made if one is not None]
        self.objects = sum(len(one.masks) for one in self._frames)

    @torch.no_grad()
    def score(self, model: SAM2Base) -> ValidationScore:
        """Measure a model, which is put into evaluation mode."""
        model.eval()
        rows: list[tuple[float, ...]] = []
        for one in self._frames:
            features = encode_pixels(model, frame_pixels(one.batch, model.device))
            for start in range(0, len(one.masks), self._at_once):
                part = slice(start, start + self._at_once)
                for points, kinds, clear in _prompts(one, part):
                    rows += self._answers(model, features, one, part, points, kinds, clear)
        loss, overlap, boundary, edge = (float(v) for v in np.mean(rows, axis=0))
        return ValidationScore(loss, overlap, boundary, edge, self.objects)

    def _answers(
        self,
        model: SAM2Base,
        features: Features,
        one: _SiteFrame,
        part: slice,
        points_xy: npt.NDArray[np.float32],
        kinds: npt.NDArray[np.int64],
        clear: float,
    ) -> Iterator[tuple[float, ...]]:
        device = model.device
        target = to_tensor(one.masks[part], device)
        index = torch.zeros(len(target), dtype=torch.long, device=device)
        logits, iou_pred, score = _decode(model, features, index, points_xy, kinds)
        full = at_frame_resolution(logits.float(), target.shape[-1])
        hidden = ~to_tensor(one.rated, device)
        rated = full.masked_fill(hidden, NOT_RATED_LOGIT)
        weight = torch.full((len(target),), clear, device=device)
        wanted = (target & ~hidden).float()
        loss = float(prompt_loss(rated, iou_pred.float(), score.float(), wanted, weight).total)
        best = at_frame_resolution(ranked_first(logits, iou_pred).float(), target.shape[-1])
        found = (best[:, 0] > 0).cpu().numpy()
        for answer, mask in zip(found, one.masks[part], strict=True):
            yield (loss, *_compared(answer, mask, one.rated))


def usable_sites(images: Sequence[FewShotImage], sites: Sequence[Site]) -> tuple[Site, ...]:
    """Sites with an object in them, of images that have one beside them as well."""
    by_id = {image.image_id: image for image in images}
    kept = []
    for site in sites:
        labels = by_id[site.image_id].labels
        inside = np.count_nonzero(labels[site.slices])
        outside = np.count_nonzero(labels) - inside
        if min(inside, outside) >= SMALLEST_OBJECT_PX:
            kept.append(site)
    return tuple(kept)


def _decode(
    model: SAM2Base,
    features: Features,
    index: Tensor,
    points_xy: npt.NDArray[np.float32],
    kinds: npt.NDArray[np.int64],
) -> tuple[Tensor, Tensor, Tensor]:
    by_frame = getattr(model.sam_mask_decoder, "region_hints", None) is not None
    per_prompt = features.take(index)
    if by_frame:
        per_prompt.high_res[0] = features.high_res[0]
    return decode_all_masks(
        model,
        per_prompt,
        to_tensor(points_xy, model.device),
        to_tensor(kinds, model.device),
        frame_index=index if by_frame else None,
    )


def _prompts(
    one: _SiteFrame, part: slice
) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], float]]:
    clicks, boxes = one.clicks_xy[part], one.boxes_xy[part]
    yield clicks[:, None], np.ones((len(clicks), 1), dtype=np.int64), 0.1
    corners = np.tile(np.array([2, 3], dtype=np.int64), (len(boxes), 1))
    yield boxes.reshape(-1, 2, 2), corners, 0.4


def _compared(found: MaskArray, mask: MaskArray, rated: MaskArray) -> tuple[float, float, float]:
    rows, cols = np.nonzero(rated)
    part = slice(rows.min(), rows.max() + 1), slice(cols.min(), cols.max() + 1)
    answer, wanted = found[part], mask[part]
    return iou(answer, wanted), boundary_f1(answer, wanted), edge_distance_px(answer, wanted)


def edge_distance_px(found: MaskArray, target: MaskArray) -> float:
    """Mean distance of the true outline's pixels from the outline found, at most 10 px each."""
    wanted, there = boundary_pixels(target), boundary_pixels(found)
    if not wanted.any():
        return 0.0
    if not there.any():
        return FARTHEST_EDGE_PX
    distance = np.asarray(ndi.distance_transform_edt(~there))[wanted]
    return float(np.minimum(distance, FARTHEST_EDGE_PX).mean())


def _site_frame(image: FewShotImage, site: Site, frame: ModelFrame) -> _SiteFrame | None:
    shape = (image.grey.shape[0], image.grey.shape[1])
    centre = ((site.row0 + site.row1) / 2, (site.col0 + site.col1) / 2)
    window = window_around(centre, shape, frame.side_px)
    outside = np.ones(shape, dtype=bool)
    outside[site.slices] = False
    labels = np.asarray(image.labels[window.slices], dtype=np.int32)
    cut = Cut(image.grey[window.slices], labels, outside[window.slices])
    rng = np.random.default_rng([site.row0, site.col0, *image.image_id.encode()])
    batch = make_few_shot_batch(rng, [cut], frame, 1, 0.5)
    return _objects_of(rng, batch, cut, frame)


def _objects_of(
    rng: np.random.Generator, frames: FewShotBatch, cut: Cut, frame: ModelFrame
) -> _SiteFrame | None:
    place = frame.of((cut.grey.shape[0], cut.grey.shape[1]))
    side = place.side_px
    rated = ~frames.not_rated[0]
    parts = np.zeros((side, side), dtype=np.int32)
    height, width = place.filled
    parts[:height, :width] = resized(parts_in(cut.labels), place)
    sizes = np.bincount(parts[rated], minlength=1)
    usable = np.flatnonzero(sizes >= SMALLEST_OBJECT_PX)
    chosen = rng.permutation(usable[usable > 0])[:OBJECTS_PER_SITE]
    if len(chosen) == 0:
        return None
    masks = np.stack([parts == label for label in chosen])
    clicks, boxes = [], []
    for mask in masks:
        depth = distance_inside(mask & rated)
        row, col = np.unravel_index(int(np.argmax(depth)), depth.shape)
        clicks.append((col, row))
        x0, y0, x1, y1 = bounding_box(mask)
        boxes.append((x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)))
    return _SiteFrame(
        frames.batch,
        masks,
        rated,
        np.array(clicks, dtype=np.float32),
        np.array(boxes, dtype=np.float32),
    )
