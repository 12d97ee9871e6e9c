"""Which regions were found, missed, invented, cut into pieces or joined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segsem.core.types import FloatArray, LabelArray, MaskArray
from segsem.metrics.polyline import IntArray

MATCH_IOU = 0.5
"""Above it, a region can match one truth region only."""

MOSTLY = 0.5
NOTICEABLE = 0.1


@dataclass(frozen=True, slots=True)
class TopologyReport:
    """Regions of an image against its truth; ids are labels.

    Attributes
    ----------
    matched : tuple of (int, int)
        (found, true) pairs, one to one.
    missing : tuple of int
        True regions that nothing stands for.
    extra : tuple of int
        Found regions that stand for nothing.
    split : tuple of int
        True regions that were found in several pieces.
    merged : tuple of int
        Found regions that join several true ones.
    """

    matched: tuple[tuple[int, int], ...]
    missing: tuple[int, ...]
    extra: tuple[int, ...]
    split: tuple[int, ...]
    merged: tuple[int, ...]

    @property
    def perfect(self) -> bool:
        """Whether every true region was found as one region, and nothing else."""
        return not (self.missing or self.extra or self.split or self.merged)

    @property
    def n_errors(self) -> int:
        """Number of missing, extra, split and merged regions."""
        return len(self.missing) + len(self.extra) + len(self.split) + len(self.merged)


def match_regions(preds: LabelArray, target: LabelArray, *, min_area_px: int = 0) -> TopologyReport:
    """Match found regions with true ones.

    A true region is *split* if two or more found regions lie mostly in it and each covers at
    least a tenth of it; a found region is *merged* if two or more true regions lie mostly in it.
    The regions that take part in either are neither missing nor extra. Of the others, those with
    an IoU above 0.5 match.

    Parameters
    ----------
    preds, target : (H, W) int arrays
        Labels, 0 being background.
    min_area_px : int
        True regions below it (slivers at the border) may be found or not, and found regions
        below it that touch no true region are not extra.

    Returns
    -------
    TopologyReport
        The result.

    Raises
    ------
    ValueError
        If the label images differ in shape.
    """
    if preds.shape != target.shape:
        msg = f"Expected `preds` of shape {target.shape} like `target`, but got {preds.shape}"
        raise ValueError(msg)
    found = _overlaps(preds, target)
    share_of_pred = found.overlap / found.pred_area[:, None]
    share_of_true = found.overlap / found.true_area[None, :]
    union = found.pred_area[:, None] + found.true_area[None, :] - found.overlap
    iou = found.overlap / union

    counted = found.true_area >= min_area_px
    pieces = (share_of_pred > MOSTLY) & (share_of_true >= NOTICEABLE)
    is_split = (pieces.sum(axis=0) >= 2) & counted
    joined = (share_of_true > MOSTLY) & counted[None, :]
    is_merged = joined.sum(axis=1) >= 2
    matches = (iou > MATCH_IOU) & ~is_split[None, :] & ~is_merged[:, None]

    explained_true = matches.any(axis=0) | is_split | joined[is_merged].any(axis=0) | ~counted
    small_ones = (found.overlap[:, ~counted] > 0).any(axis=1)
    small_alone = (found.pred_area < min_area_px) & (found.overlap.sum(axis=1) == 0)
    explained_pred = matches.any(axis=1) | is_merged | small_ones | small_alone
    explained_pred |= pieces[:, is_split].any(axis=1)
    return TopologyReport(
        matched=tuple(
            (int(found.pred_ids[i]), int(found.true_ids[j])) for i, j in np.argwhere(matches)
        ),
        missing=_chosen(found.true_ids, ~explained_true),
        extra=_chosen(found.pred_ids, ~explained_pred),
        split=_chosen(found.true_ids, is_split),
        merged=_chosen(found.pred_ids, is_merged),
    )


@dataclass(frozen=True, slots=True)
class _Overlaps:
    pred_ids: IntArray
    true_ids: IntArray
    pred_area: FloatArray
    true_area: FloatArray
    overlap: FloatArray


def _overlaps(preds: LabelArray, target: LabelArray) -> _Overlaps:
    pred_ids, pred_index = np.unique(preds, return_inverse=True)
    true_ids, true_index = np.unique(target, return_inverse=True)
    pairs = pred_index.ravel() * len(true_ids) + true_index.ravel()
    counts = np.bincount(pairs, minlength=len(pred_ids) * len(true_ids))
    table = counts.reshape(len(pred_ids), len(true_ids)).astype(np.float64)
    is_pred, is_true = pred_ids != 0, true_ids != 0
    return _Overlaps(
        pred_ids=pred_ids[is_pred].astype(np.int64),
        true_ids=true_ids[is_true].astype(np.int64),
        pred_area=table.sum(axis=1)[is_pred],
        true_area=table.sum(axis=0)[is_true],
        overlap=table[np.ix_(is_pred, is_true)],
    )


def _chosen(ids: IntArray, which: MaskArray) -> tuple[int, ...]:
    return tuple(int(i) for i in ids[which])
