"""SAM2's answers to a design: shapes asked for one by one, and shapes the threshold did not see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from segsem.core.types import MaskArray
from segsem.segmentation.auto_prompts import Part
from segsem.segmentation.candidates import Candidates
from segsem.segmentation.evidence import EdgeMap, boundary_of, box_around, edge_hits, edge_share
from segsem.segmentation.expected import Expected, unseen, with_found
from segsem.segmentation.many import answer_many
from segsem.segmentation.predictor import ImageEmbedding, MaskPrediction, Predictor
from segsem.segmentation.stretches import AROUND_PX, LEAST_PX, SIDES_WITH, WITHOUT
from segsem.segmentation.window import Window

OVERLAP = 0.5
"""What is found must cover this share of the shape and lie in it by as much."""


def predict_parts(
    predictor: Predictor, embedding: ImageEmbedding, parts: Sequence[Part], edges: EdgeMap
) -> list[MaskPrediction]:
    """Ask for all parts of a tile in one pass, and for the shapes of those that hold several."""
    own = [part.prompts for part in parts]
    shapes = [prompts for part in parts for prompts in part.shapes]
    answers = list(predictor.decode_batch(embedding, [*own, *shapes]))
    more = iter(answers[len(own) :])
    predictions = []
    for part, prediction in zip(parts, answers[: len(own)], strict=True):
        apart = [next(more) for _ in part.shapes]
        predictions.append(sided(prediction, apart, part, edges) if apart else prediction)
    return predictions


def joined(predictions: Sequence[MaskPrediction]) -> MaskPrediction:
    """Put the answers to several shapes together: inside any of them, as sure as the least."""
    ranked = min(len(prediction) for prediction in predictions)
    return MaskPrediction(
        np.maximum.reduce([prediction.logits[:ranked] for prediction in predictions]),
        np.maximum.reduce([prediction.low_res_logits[:ranked] for prediction in predictions]),
        np.minimum.reduce([prediction.iou_pred[:ranked] for prediction in predictions]),
    )


def sided(
    image: MaskPrediction, shapes: Sequence[MaskPrediction], part: Part, edges: EdgeMap
) -> MaskPrediction:
    """Choose between one answer for a candidate and those for the design's shapes in it.

    A candidate that holds several shapes is a bridge, or a threshold that saw none of the gap. The
    gap is believed where the image shows an edge along it.
    """
    apart = joined(shapes)
    one, several = image.best_mask, apart.best_mask
    gap = one & ~several & part.mask
    box = box_around(gap, 2 * AROUND_PX)
    if box is None:
        return image
    near = edges.crop(box)
    shares = []
    for mask in (several[box], one[box]):
        outline = boundary_of(mask) & _grown(gap[box])
        hits = edge_hits(mask, near)
        shares.append(float(hits[outline].mean()) if outline.sum() >= LEAST_PX else None)
    with_gap, without = shares
    stands = with_gap is not None and with_gap >= SIDES_WITH
    stands = stands and (without is None or without <= WITHOUT)
    return apart if stands else image


def look_for_unseen(
    expected: Expected,
    candidates: Candidates,
    predictor: Predictor,
    grey_u8: npt.NDArray[np.uint8],
) -> Candidates:
    """Ask SAM2 for features of the design that the threshold did not see.

    What comes back becomes a candidate only where it covers most of the shape, lies mostly in it,
    touches no other candidate and has an edge in the image along its outline: a feature that is
    missing must stay missing.

    Parameters
    ----------
    expected : Expected
        The design.
    candidates : Candidates
        What the threshold sees.
    predictor : Predictor
    grey_u8 : (H, W) uint8
        Normalised image, data bar cut off.
    """
    asked = unseen(expected, candidates)
    if not asked:
        return candidates
    embeddings: dict[Window, ImageEmbedding] = {}

    def encode(window: Window) -> ImageEmbedding:
        if window not in embeddings:
            embeddings.clear()
            embeddings[window] = predictor.encode(np.ascontiguousarray(window.crop(grey_u8)))
        return embeddings[window]

    shape = (grey_u8.shape[0], grey_u8.shape[1])
    masks = []
    questions = [question for _, question in asked]
    for answers in answer_many(predictor, encode, questions, shape):
        for answer in answers:
            if not answer.masks or answer.masks[0].is_empty:
                continue
            patch = answer.masks[0]
            mask = np.zeros(shape, dtype=bool)
            (row, col), (height, width) = patch.offset_rc, patch.shape
            mask[row : row + height, col : col + width] = patch.mask
            if _is_there(mask, expected.labels == asked[answer.index][0], candidates):
                masks.append(mask)
    return with_found(candidates, masks)


def _is_there(mask: MaskArray, shape: MaskArray, candidates: Candidates) -> bool:
    area = int(np.count_nonzero(mask))
    common = int(np.count_nonzero(mask & shape))
    box = box_around(mask, 2 * AROUND_PX)
    if box is None or area < candidates.rules.smallest_piece_px:
        return False
    if common < OVERLAP * area or common < OVERLAP * np.count_nonzero(shape):
        return False
    if _grown(mask[box])[candidates.labels[box] > 0].any():
        return False
    own = mask[box]
    return edge_share(own, candidates.edges.crop(box), boundary_of(own)) >= SIDES_WITH


def _grown(mask: MaskArray) -> MaskArray:
    return np.asarray(ndi.binary_dilation(mask, iterations=AROUND_PX))
