"""Failures planted on purpose, so that confidence is calibrated on right and wrong alike.

They are made to look like what goes wrong by itself. A model is mostly misled by what it is asked:
a box over two features or half of one, a point in the gap. Its answers are also changed as wholes
(logits moved, spread, joined, cut), which keeps how steep and how sure they look.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage as ndi
from skimage.measure import label as label_pieces

from segsem.core.types import FloatImage, ImageArray, LabelArray, MaskArray
from segsem.imaging.image import SEMImage
from segsem.segmentation.candidates import Candidates
from segsem.segmentation.predictor import ImageEmbedding, MaskPrediction, Predictor
from segsem.segmentation.prompts import FOREGROUND, Prompts

ASKED_BADLY = 0.5
"""Share of the faults that are bad prompts rather than changed answers."""

FIELD_LIMIT = 1.0


class FaultyPredictor:
    """Answers as a model does, but to some prompts wrongly.

    Parameters
    ----------
    predictor : Predictor
        The model.
    rng : numpy.random.Generator
        Decides which, and how.
    share : float
        Of the prompts that are answered wrongly.
    encoded : dict, optional
        Embeddings by the pixels that they are of, shared by those that see the same image.
    """

    def __init__(
        self,
        predictor: Predictor,
        rng: np.random.Generator,
        share: float,
        encoded: dict[bytes, ImageEmbedding] | None = None,
    ) -> None:
        self._predictor, self._rng, self._share = predictor, rng, share
        self._encoded = {} if encoded is None else encoded

    @property
    def name(self) -> str:
        """Of the model."""
        return self._predictor.name

    @property
    def weights_sha256(self) -> str:
        """Of the model."""
        return self._predictor.weights_sha256

    @property
    def frame_px(self) -> int:
        """Of the model."""
        return self._predictor.frame_px

    def encode(self, image: SEMImage | ImageArray) -> ImageEmbedding:
        """Encode as the model does."""
        if isinstance(image, SEMImage):
            return self._predictor.encode(image)
        key = hashlib.sha256(np.ascontiguousarray(image).data).digest()
        if key not in self._encoded:
            self._encoded[key] = self._predictor.encode(image)
        return self._encoded[key]

    def decode(self, embedding: ImageEmbedding, prompts: Prompts) -> MaskPrediction:
        """Answer one prompt, perhaps wrongly."""
        return self.decode_batch(embedding, [prompts])[0]

    def decode_batch(
        self, embedding: ImageEmbedding, prompts: Sequence[Prompts]
    ) -> list[MaskPrediction]:
        """Answer many prompts, some of them wrongly."""
        rng = self._rng
        faulty = rng.random(len(prompts)) < self._share
        badly = faulty & (rng.random(len(prompts)) < ASKED_BADLY)
        asked = [
            bad_prompt(rng, one, prompts, embedding.shape) if bad else one
            for one, bad in zip(prompts, badly, strict=True)
        ]
        answers = list(self._predictor.decode_batch(embedding, asked))
        fields = [answer.best_logits for answer in answers]
        for index in np.flatnonzero(faulty & ~badly):
            changed = changed_field(rng, fields[index], fields)
            iou = np.asarray(answers[index].iou_pred, dtype=np.float32).copy()
            iou *= np.float32(rng.choice([1.0, rng.uniform(0.7, 1.0)]))
            answers[index] = MaskPrediction(
                changed[None], answers[index].low_res_logits[:1], iou[:1]
            )
        return answers


def bad_prompt(
    rng: np.random.Generator, own: Prompts, others: Sequence[Prompts], shape: tuple[int, int]
) -> Prompts:
    """Ask for something else than what is meant: two features, half a one, or the gap."""
    if own.box_rc is None:
        return own
    row0, col0, row1, col1 = own.box_rc
    kind = rng.integers(4)
    if kind == 0 and len(others) > 1:  # a box over this one and a neighbour
        near = sorted(
            (other for other in others if other is not own and other.box_rc is not None),
            key=lambda other: _box_gap(own, other),
        )
        if near and near[0].box_rc is not None:
            r0, c0, r1, c1 = near[0].box_rc
            joined = (min(row0, r0), min(col0, c0), max(row1, r1), max(col1, c1))
            points = (*own.points_rc, *near[0].points_rc)
            labels = (*own.point_labels, *near[0].point_labels)
            return Prompts(points, labels, joined)
    if kind == 1:  # half of the box
        cut = float(rng.uniform(0.35, 0.65))
        if row1 - row0 > col1 - col0:
            box = (row0, col0, max(row0 + cut * (row1 - row0), row0 + 1), col1)
        else:
            box = (row0, col0, row1, max(col0 + cut * (col1 - col0), col0 + 1))
        inside = [p for p in own.points_rc if box[0] <= p[0] <= box[2] and box[1] <= p[1] <= box[3]]
        return Prompts(tuple(inside), (FOREGROUND,) * len(inside), box)
    if kind == 2:  # a box beside it
        move = float(rng.uniform(0.3, 0.8)) * min(row1 - row0, col1 - col0)
        turn = rng.uniform(0, 2 * np.pi)
        step = np.array([np.sin(turn), np.cos(turn)] * 2) * move
        limit = np.array([shape[0] - 2, shape[1] - 2] * 2)
        at = np.clip(np.array(own.box_rc) + step, 0, limit)
        return Prompts((), (), (at[0], at[1], max(at[2], at[0] + 1), max(at[3], at[1] + 1)))
    flipped = tuple(1 - label for label in own.point_labels)  # the gaps instead
    return Prompts(own.points_rc, flipped, own.box_rc)


def _box_gap(own: Prompts, other: Prompts) -> float:
    a, b = np.array(own.box_rc), np.array(other.box_rc)
    return float(np.abs((a[:2] + a[2:]) - (b[:2] + b[2:])).sum())


def changed_field(
    rng: np.random.Generator, field: FloatImage, others: Sequence[FloatImage]
) -> FloatImage:
    """Change one answer: moved, spread, shrunk, joined, cut, filled, or of the other tone.

    Parameters
    ----------
    rng : numpy.random.Generator
    field : (h, w) float32
        Logits, or Sauvola's field of one piece.
    others : sequence of (h, w) float32
        Of its neighbours, to be joined with.
    """
    kind = rng.integers(7)
    size = int(rng.integers(3, 10))
    if kind == 0:
        axis = int(rng.integers(2))
        moved = ndi.shift(field, np.eye(2)[axis] * size * rng.choice([-1, 1]), order=1, cval=-8.0)
    elif kind == 1:
        moved = ndi.grey_dilation(field, size=(2 * size + 1,) * 2)
    elif kind == 2:
        moved = ndi.grey_erosion(field, size=(2 * size + 1,) * 2)
    elif kind == 3:
        moved = _joined(rng, field, others)
    elif kind == 4:
        moved = _cut(rng, field)
    elif kind == 5:
        filled = ndi.binary_fill_holes(field > 0)
        moved = np.where(filled & (field <= 0), np.abs(field), field)
        if not (filled & (field <= 0)).any():
            moved = _cut(rng, field)
    else:
        rows, cols = np.nonzero(field > 0)
        moved = field.copy()
        if len(rows):
            box = slice(rows.min(), rows.max() + 1), slice(cols.min(), cols.max() + 1)
            moved[box] = -field[box]
    return np.asarray(moved, dtype=np.float32)


def _joined(
    rng: np.random.Generator, field: FloatImage, others: Sequence[FloatImage]
) -> FloatImage:
    """With the nearest other one, and a bridge between them."""
    mine = np.argwhere(field > 0)
    theirs = [other for other in others if other is not field and (other > 0).any()]
    if len(mine) == 0 or not theirs:
        return np.asarray(ndi.grey_dilation(field, size=(11, 11)), dtype=np.float32)
    distance = ndi.distance_transform_edt(field <= 0)
    nearest = min(theirs, key=lambda other: float(distance[other > 0].min()))
    there = np.argwhere(nearest > 0)
    end = there[np.argmin(distance[tuple(there.T)])]
    start = mine[np.argmin(np.abs(mine - end).sum(axis=1))]
    steps = np.linspace(0, 1, int(np.abs(end - start).max()) + 2)[:, None]
    path = np.zeros(field.shape, dtype=np.float32)
    path[tuple(np.rint(start + steps * (end - start)).astype(int).T)] = 1.0
    width = float(rng.uniform(2.0, 7.0))
    bridge = width - ndi.distance_transform_edt(path == 0)
    level = float(np.quantile(field[field > 0], 0.3))
    bridge = np.clip(bridge / 3.0, -8.0, 1.0) * level
    both = np.maximum(field, nearest) if rng.random() < 0.5 else field
    return np.asarray(np.maximum(both, bridge), dtype=np.float32)


def _cut(rng: np.random.Generator, field: FloatImage) -> FloatImage:
    """A part missing: what lies beyond a line through the piece."""
    at = np.argwhere(field > 0)
    if len(at) == 0:
        return field
    through = at[rng.integers(len(at))]
    turn = rng.uniform(0, 2 * np.pi)
    rows, cols = np.ogrid[: field.shape[0], : field.shape[1]]
    beyond = (rows - through[0]) * np.sin(turn) + (cols - through[1]) * np.cos(turn)
    level = float(np.quantile(field[field > 0], 0.7))
    kept = np.clip(-beyond / 3.0, -1.0, 1.0) * level
    return np.asarray(np.minimum(field, kept), dtype=np.float32)


def spoil_candidates(rng: np.random.Generator, candidates: Candidates, share: float) -> Candidates:
    """Change some of Sauvola's candidates as `changed_field` does.

    Parameters
    ----------
    rng : numpy.random.Generator
    candidates : Candidates
        Left as they are.
    share : float
        Of the candidates to be changed.
    """
    labels = candidates.labels
    count = int(labels.max())
    field = candidates.field.copy()
    for number in np.flatnonzero(rng.random(count) < share) + 1:
        own = _own(candidates.field, labels, int(number))
        others = [
            _own(candidates.field, labels, int(other)) for other in _neighbours(labels, int(number))
        ]
        changed = np.clip(changed_field(rng, own, others), -FIELD_LIMIT, FIELD_LIMIT)
        touched = changed != own
        field[touched] = np.where(labels > 0, np.maximum(field, changed), changed)[touched]
        gone = touched & (labels == number)
        field[gone] = changed[gone]
    mask = field > 0
    cleaned, dropped = candidates.rules.clean(mask, candidates.edges)
    changed_mask: MaskArray = cleaned != mask
    field[changed_mask & cleaned] = 0.05
    field[changed_mask & ~cleaned] = -0.05
    relabelled: LabelArray = np.asarray(label_pieces(cleaned, connectivity=1), dtype=np.int32)
    return replace(candidates, labels=relabelled, field=field, dropped=dropped)


def _own(field: FloatImage, labels: LabelArray, number: int) -> FloatImage:
    return np.where(labels == number, np.maximum(field, 0.01), np.minimum(field, -0.01))


def _neighbours(labels: LabelArray, number: int) -> list[int]:
    near = ndi.binary_dilation(labels == number, iterations=25)
    return [int(other) for other in np.unique(labels[near]) if other not in (0, number)]
