"""Prompts as a person or the automatic extraction would give them, drawn from a known mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segsem.core.types import MaskArray

PADDING, NEGATIVE, POSITIVE, BOX_START, BOX_END = -1, 0, 1, 2, 3
"""SAM2's labels of point tokens."""

FloatXY = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PromptPlan:
    """What one object is asked for with.

    Attributes
    ----------
    box : bool
        Whether there is a box.
    n_positive, n_negative : int
        Number of points in the object, and in the background inside its box.
    """

    box: bool
    n_positive: int
    n_negative: int


@dataclass(frozen=True, slots=True)
class SimulatedPrompts:
    """Prompts of N objects in frame px.

    Attributes
    ----------
    points_xy : (N, K, 2) float32
        Two box corners, then points.
    labels : (N, K) int64
        SAM2's: 2 and 3 corners, 1 and 0 points, -1 where there is nothing.
    boxed : (N,) bool
        Which objects have a box.
    """

    points_xy: FloatXY
    labels: npt.NDArray[np.int64]
    boxed: npt.NDArray[np.bool_]

    def with_clicks(self, clicks: npt.NDArray[np.float64]) -> SimulatedPrompts:
        """Add one click (x, y, label) to each object; clicks is (N, 3)."""
        points = np.concatenate([self.points_xy, clicks[:, None, :2].astype(np.float32)], axis=1)
        labels = np.concatenate([self.labels, clicks[:, 2:].astype(np.int64)], axis=1)
        return SimulatedPrompts(points, labels, self.boxed)


def draw_plans(rng: np.random.Generator, box_share: float, count: int) -> list[PromptPlan]:
    """Draw the plans of one step: boxes, clicks, boxes with points, or a mixture of them all.

    Parameters
    ----------
    rng : numpy Generator
    box_share : float
        Share of objects that are asked for with a box.
    count : int
        Number of objects.
    """
    # Most steps are of one kind: a mixture pads its prompts, as nobody's real prompt is padded.
    style = rng.random() / 0.7
    if style < 1.0 - box_share:
        return [_draw_clicks(rng)] * count
    if style < 1.0 - 0.5 * box_share:
        return [PromptPlan(True, 0, 0)] * count
    if style < 1.0:
        n_positive, n_negative = int(rng.integers(1, 4)), int(rng.integers(0, 3))
        return [PromptPlan(True, n_positive, n_negative)] * count
    return [_draw_plan(rng, box_share) for _ in range(count)]


def _draw_clicks(rng: np.random.Generator) -> PromptPlan:
    """One click, or a few that come together."""
    if rng.random() < 0.7:
        return PromptPlan(False, 1, 0)
    return PromptPlan(False, int(rng.integers(1, 4)), int(rng.integers(0, 3)))


def _draw_plan(rng: np.random.Generator, box_share: float) -> PromptPlan:
    if rng.random() >= box_share:
        return _draw_clicks(rng)
    if rng.random() < 0.4:
        return PromptPlan(True, 0, 0)
    return PromptPlan(True, int(rng.integers(1, 4)), int(rng.integers(0, 3)))


def simulate(
    rng: np.random.Generator,
    masks: npt.NDArray[np.bool_],
    background: npt.NDArray[np.bool_],
    plans: Sequence[PromptPlan],
) -> SimulatedPrompts:
    """Draw the prompts of each object's plan.

    Parameters
    ----------
    rng : numpy Generator
    masks : (N, S, S) bool
        The objects, none empty.
    background : (N, S, S) bool
        Where negative points may lie: outside all objects of the frame.
    plans : N PromptPlan

    Returns
    -------
    SimulatedPrompts
    """
    n_points = 2 + max((plan.n_positive + plan.n_negative for plan in plans), default=0)
    points = np.zeros((len(masks), n_points, 2), dtype=np.float32)
    kinds = np.full((len(masks), n_points), PADDING, dtype=np.int64)
    for i, (mask, plan) in enumerate(zip(masks, plans, strict=True)):
        extent = bounding_box(mask)
        if plan.box:
            points[i, :2] = jitter_box(rng, extent, mask.shape[0]).reshape(2, 2)
            kinds[i, :2] = BOX_START, BOX_END
        inside = draw_points(rng, mask, extent, plan.n_positive)
        outside = draw_points(rng, background[i], extent, plan.n_negative)
        drawn = np.concatenate([inside, outside])
        points[i, 2 : 2 + len(drawn)] = drawn
        kinds[i, 2 : 2 + len(inside)] = POSITIVE
        kinds[i, 2 + len(inside) : 2 + len(drawn)] = NEGATIVE
    # Tokens that are padding for everyone are left out: the number of them shall vary.
    used = (kinds != PADDING).any(axis=0)
    return SimulatedPrompts(points[:, used], kinds[:, used], np.array([plan.box for plan in plans]))


def bounding_box(mask: MaskArray) -> tuple[int, int, int, int]:
    """(x0, y0, x1, y1) of a mask's outermost pixel centres."""
    x0, y0, width, height = cv2.boundingRect(mask.view(np.uint8))
    return x0, y0, x0 + width - 1, y0 + height - 1


def jitter_box(rng: np.random.Generator, box: tuple[int, int, int, int], frame_px: int) -> FloatXY:
    """Move each side by a few per cent of the box's size (at least about a pixel), in the frame."""
    x0, y0, x1, y1 = box
    spread = np.array([x1 - x0 + 1, y1 - y0 + 1] * 2, dtype=np.float32)
    sigma = rng.choice([0.0, 0.03, 0.08]) * np.minimum(spread, 100.0) + 0.5
    moved = np.array(box, dtype=np.float32) + rng.normal(0.0, 1.0, 4) * sigma
    moved = np.clip(moved, 0.0, frame_px - 1.0)
    moved[:2] = np.minimum(moved[:2], frame_px - 2.0)
    moved[2:] = np.maximum(moved[2:], moved[:2] + 1.0)
    return np.asarray(moved, dtype=np.float32)


def draw_points(
    rng: np.random.Generator, mask: MaskArray, box: tuple[int, int, int, int], count: int
) -> FloatXY:
    """Draw up to `count` points (x, y) of a mask inside a box, most of them away from its edge.

    Half of them are uniform over the mask, half over the part deeper than half its greatest
    depth, which is where people and the automatic prompts click.
    """
    if count == 0:
        return np.zeros((0, 2), dtype=np.float32)
    x0, y0, x1, y1 = box
    part = mask[y0 : y1 + 1, x0 : x1 + 1]
    if rng.random() < 0.5:
        depth = distance_inside(part)
        part = depth >= max(0.5 * float(depth.max()), 1.0)
    rows, cols = np.nonzero(part)
    if len(rows) == 0:
        return np.zeros((0, 2), dtype=np.float32)
    chosen = rng.integers(0, len(rows), count)
    return np.stack([cols[chosen] + x0, rows[chosen] + y0], axis=1).astype(np.float32)


def correction_click(
    rng: np.random.Generator, predicted: MaskArray, target: MaskArray
) -> tuple[float, float, int]:
    """Click (x, y, label) into the error: the deepest place, or one drawn from the larger error.

    Where there is no error the click is drawn from the object.
    """
    missing, extra = target & ~predicted, predicted & ~target
    if not missing.any() and not extra.any():
        missing = target
    missing_depth, extra_depth = distance_inside(missing), distance_inside(extra)
    positive = float(missing_depth.max()) >= float(extra_depth.max())
    depth = missing_depth if positive else extra_depth
    deep = depth >= (rng.choice([0.5, 1.0]) * float(depth.max()))
    rows, cols = np.nonzero(deep)
    chosen = int(rng.integers(0, len(rows)))
    return float(cols[chosen]), float(rows[chosen]), POSITIVE if positive else NEGATIVE


def distance_inside(mask: MaskArray) -> npt.NDArray[np.float32]:
    """Distance of each mask pixel to the nearest pixel outside; the border counts as outside."""
    padded = np.pad(mask.astype(np.uint8), 1)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
    return np.asarray(depth, dtype=np.float32)
