"""What an object is asked for with, and how the answers are measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segsem.core.types import BoxRC, MaskArray
from segsem.evaluation.engine_session import Answer
from segsem.metrics.boundary import boundary_f1
from segsem.metrics.overlap import iou
from segsem.segmentation.prompts import BACKGROUND, FOREGROUND, Prompts

KINDS = ("click", "inner click", "box", "jittered box", "click+1", "click+2")
"""The object's deepest pixel; a random one of its inner part; its exact box; the same with each
side moved by up to 3 % of the box; the first click with one and with two corrections."""

ORACLE = "truth at stride 4"
"""The true mask itself, through a grid of 4 x 4 px and back: what that resolution costs."""

BOX_JITTER = 0.03
TOLERANCE_PX = 1.0
_CORRECTIONS = 2
_STRIDE = 4

Ask = Callable[[Prompts], Answer]


@dataclass(frozen=True, slots=True)
class Score:
    """One answer against the truth.

    Attributes
    ----------
    iou : float
        Of the mask that the model ranks first.
    best_iou : float
        Of the best of its masks.
    boundary_f1 : float
        Of the first mask at 1 px; pixels on the image's border do not count.
    """

    iou: float
    best_iou: float
    boundary_f1: float


def ask_for(ask: Ask, target: MaskArray, rng: np.random.Generator) -> dict[str, Score]:
    """Ask for an object in every kind of way, and measure each answer.

    Parameters
    ----------
    ask : callable
        Answers prompts in the frame of `target`.
    target : (H, W) bool
        The object, not empty.
    rng : numpy.random.Generator
        Draws the random click and the box's jitter.

    Returns
    -------
    dict of str to Score
        One for each of `KINDS`.
    """
    points, labels = [deepest_point(target)], [FOREGROUND]
    answer = ask(Prompts(points, labels))
    found = {"click": measure(answer, target)}
    for number in range(1, _CORRECTIONS + 1):
        correction = correction_of(answer.masks[0], target)
        if correction is not None:
            points, labels = [*points, correction[0]], [*labels, correction[1]]
            answer = ask(Prompts(points, labels))
        found[f"click+{number}"] = measure(answer, target)
    others = {
        "inner click": Prompts([random_inner_point(rng, target)], [FOREGROUND]),
        "box": Prompts(box_rc=exact_box(target)),
        "jittered box": Prompts(box_rc=jittered_box(rng, target)),
    }
    found |= {kind: measure(ask(prompts), target) for kind, prompts in others.items()}
    return {kind: found[kind] for kind in KINDS}


def measure(answer: Answer, target: MaskArray) -> Score:
    """Compare an answer with the truth."""
    overlaps = [iou(mask, target) for mask in answer.masks]
    return Score(overlaps[0], max(overlaps), _boundary(answer.masks[0], target))


def oracle(target: MaskArray) -> Score:
    """Measure the truth itself after it went through a grid of a quarter of the resolution.

    Its signed distance is averaged over 4 x 4 px and brought back bilinearly, as logits are. No
    bound: logits may exceed distances, which serves small objects.
    """
    rows, cols = target.shape
    pad = ((0, -rows % _STRIDE), (0, -cols % _STRIDE))
    padded = np.pad(target, pad, mode="edge")
    cells = (padded.shape[1] // _STRIDE, padded.shape[0] // _STRIDE)
    coarse = cv2.resize(_signed_distance(padded), cells, interpolation=cv2.INTER_AREA)
    fine = cv2.resize(coarse, padded.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return measure(Answer((fine[:rows, :cols] > 0)[None]), target)


def _signed_distance(mask: MaskArray) -> npt.NDArray[np.float32]:
    """Distance (H, W) to the edge between the pixels, positive inside; the border is no edge."""
    inside, outside = (
        cv2.distanceTransform(part.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        for part in (mask, ~mask)
    )
    return np.asarray(np.where(mask, inside - 0.5, 0.5 - outside), dtype=np.float32)


def depth_px(mask: MaskArray) -> npt.NDArray[np.float32]:
    """Distance (H, W) of each mask pixel to the nearest one outside; the border is outside."""
    padded = np.pad(mask.astype(np.uint8), 1)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    return np.asarray(depth, dtype=np.float32)


def deepest_point(mask: MaskArray) -> tuple[float, float]:
    """(row, column) of the pixel farthest from everything outside; the first of several."""
    depth = depth_px(mask)
    row, col = np.unravel_index(int(np.argmax(depth)), depth.shape)
    return float(row), float(col)


def random_inner_point(rng: np.random.Generator, mask: MaskArray) -> tuple[float, float]:
    """(row, column) drawn from the pixels at least half as deep as the deepest."""
    depth = depth_px(mask)
    rows, cols = np.nonzero(depth >= 0.5 * depth.max())
    chosen = int(rng.integers(len(rows)))
    return float(rows[chosen]), float(cols[chosen])


def exact_box(mask: MaskArray) -> BoxRC:
    """Centres of the outermost pixels."""
    rows, cols = np.nonzero(mask)
    row0, col0 = float(rows.min()), float(cols.min())
    return row0, col0, max(float(rows.max()), row0 + 1), max(float(cols.max()), col0 + 1)


def jittered_box(rng: np.random.Generator, mask: MaskArray) -> BoxRC:
    """The exact box, each side moved by up to 3 % of the extent across it, within the image."""
    row0, col0, row1, col1 = exact_box(mask)
    reach = BOX_JITTER * np.array([row1 - row0, col1 - col0] * 2)
    moved = np.array([row0, col0, row1, col1]) + rng.uniform(-1, 1, 4) * reach
    limit = np.array(mask.shape * 2) - 1.0
    moved = np.clip(moved, 0.0, limit)
    return float(moved[0]), float(moved[1]), float(moved[2]), float(moved[3])


def correction_of(found: MaskArray, target: MaskArray) -> tuple[tuple[float, float], int] | None:
    """Click (point, label) at the deepest place of what is wrong; None where nothing is.

    The largest error region is the one that holds the greatest depth, as in SAM's own interactive
    evaluation; the border counts as outside.
    """
    missing, extra = target & ~found, found & ~target
    if not missing.any() and not extra.any():
        return None
    lost, added = float(depth_px(missing).max()), float(depth_px(extra).max())
    if lost >= added:
        return deepest_point(missing), FOREGROUND
    return deepest_point(extra), BACKGROUND


def _boundary(found: MaskArray, target: MaskArray) -> float:
    """Boundary F1 on the part of the image that holds both masks."""
    rows, cols = np.nonzero(found | target)
    window = tuple(slice(max(int(at.min()) - 2, 0), int(at.max()) + 3) for at in (rows, cols))
    return boundary_f1(
        np.ascontiguousarray(found[window]), np.ascontiguousarray(target[window]), TOLERANCE_PX
    )
