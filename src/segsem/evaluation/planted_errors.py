"""Errors planted in an extraction, so that it can be seen when a reviewer meets them.

They are planted where masks are made: in Sauvola's candidates, in the model's answers, or in both
alike, which is the worst case, because nothing disagrees then. Routing, placement and rating see
them as they see errors that come by themselves, and may repair them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import cv2
import numpy as np
from scipy import ndimage as ndi
from skimage.measure import label as label_pieces

from segsem.core.types import FloatImage, LabelArray, MaskArray
from segsem.segmentation.auto_prompts import Tile, parts_by_tile
from segsem.segmentation.candidates import Candidates
from segsem.segmentation.predictor import MaskPrediction

BORDER_PX = 14
"""Features nearer to the border are not touched: what is cut there is judged otherwise."""

STEEP, UNDECIDED = 2.5, 0.2
"""Logits per px beside the edge of an answer that is sure, and of one that is not."""

MOST_LOGIT = 10.0
SOFT_PX = 4.0
"""Sauvola's field rises over so many px."""

APART_PX = 3
"""What is planted stays so far from other features, so that only bridges join them."""

_TRIES = 12


class Planted(StrEnum):
    """What is planted."""

    SHIFTED = "shifted"
    SWOLLEN = "swollen"
    LEAKING = "leaking"
    SHIFTED_MODEL = "shifted, model alone"
    SWOLLEN_MODEL = "swollen, model alone"
    LEAKING_MODEL = "leaking, model alone"
    BRIDGED = "bridged pair"
    SAUVOLA_WRONG = "Sauvola, wrong"
    SAUVOLA_STANDS = "Sauvola took over"
    MISSING = "missing contact"


WRONG_MASKS = (Planted.SHIFTED, Planted.SWOLLEN, Planted.LEAKING)
MODEL_ALONE = (Planted.SHIFTED_MODEL, Planted.SWOLLEN_MODEL, Planted.LEAKING_MODEL)
FALLBACK = (Planted.SAUVOLA_WRONG, Planted.SAUVOLA_STANDS)


@dataclass(frozen=True, slots=True)
class Plant:
    """One planted error.

    Attributes
    ----------
    kind : Planted
    target : (H, W) bool
        The feature as it was seen before.
    wrong : (H, W) bool
        What stands in its place; nothing where it is missing.
    """

    kind: Planted
    target: MaskArray
    wrong: MaskArray


class Planter:
    """Changes the candidates of one image; see `Plant`.

    Parameters
    ----------
    rng : numpy.random.Generator
    kinds : sequence of Planted
        Tried in this order, one feature each; what finds no place is left out.
    side_px : int
        Of the model's frame.
    """

    def __init__(self, rng: np.random.Generator, kinds: Sequence[Planted], side_px: int) -> None:
        self._rng, self._kinds, self._side_px = rng, kinds, side_px
        self.plants: list[Plant] = []
        self.labels: LabelArray = np.zeros((0, 0), dtype=np.int32)

    def __call__(self, candidates: Candidates) -> Candidates:
        """Plant."""
        left = _whole(candidates.labels)
        self._rng.shuffle(left)
        field = candidates.field.copy()
        for kind in self._kinds:
            for number in left[:_TRIES]:
                plant = self._plant(kind, candidates.labels, number)
                if plant is None:
                    continue
                left = _apart_from(left, candidates.labels, plant)
                self.plants.append(plant)
                if kind not in (*MODEL_ALONE, Planted.SAUVOLA_STANDS):
                    _write(field, candidates.labels, plant)
                break
        changed = _cleaned(candidates, field)
        self.labels = changed.labels
        return changed

    def tiles(self) -> list[Tile]:
        """Give the tiles that the model will be asked in, in their order."""
        return [tile for tile in parts_by_tile(self.labels, self._side_px) if tile.parts]

    def _plant(self, kind: Planted, labels: LabelArray, number: int) -> Plant | None:
        target: MaskArray = labels == number
        others = (labels > 0) & ~target
        forbidden = _grown(others, APART_PX)
        if kind is Planted.MISSING:
            return Plant(kind, target, np.zeros_like(target))
        if kind is Planted.BRIDGED:
            return self._bridged(target, labels)
        if kind is Planted.SAUVOLA_STANDS:
            return Plant(kind, target, target)
        if kind in (Planted.SHIFTED, Planted.SHIFTED_MODEL):
            wrong = self._shifted(target)
        elif kind in (Planted.LEAKING, Planted.LEAKING_MODEL):
            wrong = self._leaking(target)
        else:
            wrong = _grown(target, int(self._rng.integers(4, 9)))
        wrong &= ~forbidden
        enough = np.count_nonzero(wrong ^ target) > 0.12 * np.count_nonzero(target)
        return Plant(kind, target, wrong) if enough and _is_one(wrong) else None

    def _shifted(self, target: MaskArray) -> MaskArray:
        turn, size = self._rng.uniform(0, 2 * np.pi), self._rng.uniform(4.0, 9.0)
        step = (round(size * np.sin(turn)), round(size * np.cos(turn)))
        # Targets keep off the border, so nothing comes back in on the other side.
        return np.asarray(np.roll(target, step, axis=(0, 1)))

    def _leaking(self, target: MaskArray) -> MaskArray:
        edge = np.argwhere(target & ~ndi.binary_erosion(target))
        row, col = edge[self._rng.integers(len(edge))]
        radius = float(np.clip(0.35 * np.sqrt(np.count_nonzero(target)), 6.0, 14.0))
        rows, cols = np.ogrid[: target.shape[0], : target.shape[1]]
        return np.asarray(target | ((rows - row) ** 2 + (cols - col) ** 2 <= radius**2))

    def _bridged(self, target: MaskArray, labels: LabelArray) -> Plant | None:
        distance, nearest = ndi.distance_transform_edt(~target, return_indices=True)
        others = np.where((labels > 0) & ~target, distance, np.inf)
        end = np.unravel_index(int(np.argmin(others)), labels.shape)
        if not np.isfinite(others[end]):
            return None
        start = tuple(int(nearest[axis][end]) for axis in range(2))
        bar = np.zeros(labels.shape, dtype=np.uint8)
        width = int(self._rng.integers(5, 11))
        cv2.line(bar, start[::-1], (int(end[1]), int(end[0])), 1, width)
        partner = labels == labels[end]
        third = (labels > 0) & ~target & ~partner
        wrong = (target | partner | (bar > 0)) & ~_grown(third, APART_PX)
        return Plant(Planted.BRIDGED, target | partner, wrong)


class PlantedPredictor:
    """Answers as a model does, but for planted features as they are planted.

    Parameters
    ----------
    predictor : Predictor
        The model.
    planter : Planter
        Has changed the candidates before the first question comes.
    """

    def __init__(self, predictor: Any, planter: Planter) -> None:
        self._predictor, self._planter = predictor, planter
        self._tiles: list[Tile] | None = None
        self._current: Tile | None = None

    def __getattr__(self, name: str) -> Any:
        if name == "helpers":
            # Tiles are told apart by their order, so no two are asked for side by side.
            raise AttributeError(name)
        return getattr(self._predictor, name)

    def encode(self, image: Any) -> Any:
        """Encode the next tile as the model does."""
        if self._tiles is None:
            self._tiles = self._planter.tiles()
        self._current = self._tiles.pop(0)
        return self._predictor.encode(image)

    def decode_batch(self, embedding: Any, prompts: Sequence[Any]) -> list[MaskPrediction]:
        """Answer, wrongly where a part belongs to a planted feature."""
        answers = list(self._predictor.decode_batch(embedding, prompts))
        tile = self._current
        if tile is None:
            return answers
        for plant in self._planter.plants:
            seen = plant.wrong[tile.window.slices]
            for index, part in enumerate(tile.parts):
                if not _is_of(part.mask, seen):
                    continue
                fallback = plant.kind in FALLBACK
                wrong = _nonsense(plant.target)[tile.window.slices] if fallback else seen
                logits = _logits(wrong, UNDECIDED if fallback else STEEP)
                iou = answers[index].iou_pred[:1] * np.float32(0.5 if fallback else 1.0)
                low_res = answers[index].low_res_logits[:1]
                answers[index] = MaskPrediction(logits[None], low_res, iou)
        return answers


def planting(
    predictor: Any, rng: np.random.Generator, kinds: Sequence[Planted]
) -> tuple[Any, Callable[[Candidates], Candidates], Planter]:
    """Give the model and the change of candidates that plant errors in one image.

    Parameters
    ----------
    predictor : Predictor
    rng : numpy.random.Generator
    kinds : sequence of Planted

    Returns
    -------
    predictor, spoil
        For `segment_steps`.
    planter : Planter
        Knows afterwards what was planted.
    """
    planter = Planter(rng, kinds, predictor.frame_px)
    return PlantedPredictor(predictor, planter), planter, planter


def _whole(labels: LabelArray) -> list[int]:
    """Numbers of candidates that keep off the border and are no giants."""
    rows, cols = labels.shape
    found = []
    for number, box in enumerate(ndi.find_objects(labels), start=1):
        if box is None:
            continue
        inside = all(
            span.start >= BORDER_PX and span.stop <= size - BORDER_PX
            for span, size in zip(box, (rows, cols), strict=True)
        )
        if inside:
            found.append(number)
    return found


def _apart_from(left: list[int], labels: LabelArray, plant: Plant) -> list[int]:
    """Leave out what is planted and its neighbours: one error shall not lie in another's way."""
    near = _grown(plant.target | plant.wrong, 25)
    taken = set(np.unique(labels[near]).tolist())
    return [number for number in left if number not in taken]


def _write(field: FloatImage, labels: LabelArray, plant: Plant) -> None:
    touched = _grown(plant.target | plant.wrong, int(SOFT_PX))
    others = (labels > 0) & ~plant.target & ~plant.wrong
    touched &= ~others
    if plant.wrong.any():
        field[touched] = np.clip(_signed(plant.wrong) / SOFT_PX, -1.0, 1.0)[touched]
    else:
        field[touched] = -np.maximum(np.abs(field[touched]), 0.3)


def _cleaned(candidates: Candidates, field: FloatImage) -> Candidates:
    mask = field > 0
    cleaned, dropped = candidates.rules.clean(mask, candidates.edges)
    changed = cleaned != mask
    field[changed & cleaned] = 0.05
    field[changed & ~cleaned] = -0.05
    labels = np.asarray(label_pieces(cleaned, connectivity=1), dtype=np.int32)
    return replace(candidates, labels=labels, field=field, dropped=dropped)


def _signed(mask: MaskArray) -> FloatImage:
    """Distance in px from the outline of a mask, positive inside."""
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(cv2.GaussianBlur(inside - outside, (0, 0), 1.0), dtype=np.float32)


def _logits(mask: MaskArray, per_px: float) -> FloatImage:
    if not mask.any():
        return np.full(mask.shape, -MOST_LOGIT, dtype=np.float32)
    sure = np.clip(per_px * _signed(mask), -MOST_LOGIT, MOST_LOGIT)
    return np.asarray(sure, dtype=np.float32)


def _nonsense(target: MaskArray) -> MaskArray:
    """Half a feature and as much of the gap beside it."""
    rows, cols = np.nonzero(target)
    across = 0 if np.ptp(rows) < np.ptp(cols) else 1
    by = max(int(np.ptp((rows, cols)[across])) // 2, 4)
    return np.asarray(np.roll(target, by, axis=across))


def _is_of(part: MaskArray, wrong: MaskArray) -> bool:
    return bool(np.count_nonzero(part & wrong) > 0.5 * np.count_nonzero(part))


def _is_one(mask: MaskArray) -> bool:
    return int(ndi.label(mask)[1]) == 1


def _grown(mask: MaskArray, by_px: int) -> MaskArray:
    side = 2 * by_px + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc) > 0)
