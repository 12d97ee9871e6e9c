"""Overlap of masks: IoU and Dice. IoU hides bias, so it never stands without EPE."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segsem.core.types import MaskArray


@dataclass(frozen=True, slots=True)
class OverlapCounts:
    """Sufficient statistics of one image or of a sum of images.

    Attributes
    ----------
    intersection, preds, target : int
        Numbers of pixels.
    """

    intersection: int
    preds: int
    target: int

    def __add__(self, other: OverlapCounts) -> OverlapCounts:
        return OverlapCounts(
            self.intersection + other.intersection,
            self.preds + other.preds,
            self.target + other.target,
        )

    @property
    def iou(self) -> float:
        """Intersection over union; 1 where both are empty: nothing to find, nothing found."""
        union = self.preds + self.target - self.intersection
        return self.intersection / union if union else 1.0

    @property
    def dice(self) -> float:
        """Twice the intersection over the sum; 1 where both are empty."""
        total = self.preds + self.target
        return 2 * self.intersection / total if total else 1.0


def overlap_counts(preds: MaskArray, target: MaskArray) -> OverlapCounts:
    """Count pixels.

    Parameters
    ----------
    preds, target : (H, W) bool arrays
        What was found and what is true.

    Returns
    -------
    OverlapCounts
        The numbers.

    Raises
    ------
    ValueError
        If they are not bool arrays of one shape.
    """
    check_masks(preds, target)
    return OverlapCounts(
        int(np.count_nonzero(preds & target)),
        int(np.count_nonzero(preds)),
        int(np.count_nonzero(target)),
    )


def iou(preds: MaskArray, target: MaskArray) -> float:
    """Intersection over union of two masks; 1 where both are empty, 0 where one is."""
    return overlap_counts(preds, target).iou


def dice(preds: MaskArray, target: MaskArray) -> float:
    """Dice coefficient of two masks; 1 where both are empty, 0 where one is."""
    return overlap_counts(preds, target).dice


class OverlapMetric:
    """Collects images; gives IoU and Dice over all pixels (micro) and as mean of images (macro)."""

    def __init__(self) -> None:
        self._images: list[OverlapCounts] = []

    def update(self, preds: MaskArray, target: MaskArray) -> None:
        """Add one image."""
        self._images.append(overlap_counts(preds, target))

    def compute(self) -> dict[str, float]:
        """Return `iou_micro`, `iou_macro`, `dice_micro`, `dice_macro`; NaN without images."""
        if not self._images:
            names = ("iou_micro", "iou_macro", "dice_micro", "dice_macro")
            return dict.fromkeys(names, float("nan"))
        total = sum(self._images, OverlapCounts(0, 0, 0))
        return {
            "iou_micro": total.iou,
            "iou_macro": float(np.mean([image.iou for image in self._images])),
            "dice_micro": total.dice,
            "dice_macro": float(np.mean([image.dice for image in self._images])),
        }


def check_masks(preds: npt.NDArray[np.generic], target: npt.NDArray[np.generic]) -> None:
    """Refuse what is not two bool masks of one shape.

    Raises
    ------
    ValueError
        If they are not.
    """
    for name, mask in (("preds", preds), ("target", target)):
        if mask.ndim != 2 or mask.dtype != np.bool_:
            msg = (
                f"Expected `{name}` to be a (H, W) bool array, but got shape {mask.shape}, "
                f"dtype {mask.dtype}"
            )
            raise ValueError(msg)
    if preds.shape != target.shape:
        msg = f"Expected `preds` of shape {target.shape} like `target`, but got {preds.shape}"
        raise ValueError(msg)
