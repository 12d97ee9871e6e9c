"""Objects made one: all their pixels get one id, and a line drawn between them closes the gap."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from segsem.core.types import LabelArray, MaskArray, PointsRC
from segsem.editing.strokes import stroke
from segsem.editing.window import Slices

SAMPLE_PX = 0.25


def merge(labels: LabelArray, ids: Sequence[int], bridge: MaskArray | None = None) -> LabelArray:
    """Give all of some objects the id of the first.

    Parameters
    ----------
    labels : (h, w) int32
        Holds all of the objects, whole.
    ids : sequence of int
        The first one's id stays.
    bridge : (h, w) bool, optional
        Background to add. Without it no pixel changes between object and background, and objects
        that lie apart become one object in several pieces.

    Returns
    -------
    (h, w) int32
        A new array.
    """
    after = np.where(np.isin(labels, ids), np.int32(ids[0]), labels)
    return after if bridge is None else np.where(bridge & (labels == 0), np.int32(ids[0]), after)


def crossed_ids(labels: LabelArray, path_rc: PointsRC, window: Slices) -> list[int]:
    """Objects on a line, in the order in which it comes to them.

    Parameters
    ----------
    labels : (h, w) int32
        Of the window.
    path_rc : (K, 2) array
        Corners of the line in the image's frame.
    window : (slice, slice)
        Index of the window into the image.
    """
    found = _labels_along(labels, _sampled(path_rc), window)
    return list(dict.fromkeys(found[found > 0].tolist()))


def bridge_between(
    labels: LabelArray, path_rc: PointsRC, width_px: float, window: Slices
) -> MaskArray:
    """Background under a line between the objects that it crosses.

    Parameters
    ----------
    labels : (h, w) int32
        Of the window.
    path_rc : (K, 2) array
        Corners of the line in the image's frame.
    width_px : float
        Width of the bridge.
    window : (slice, slice)
        Index of the window into the image.

    Returns
    -------
    (h, w) bool
        Empty where the objects touch on the line. What the line does before the first object and
        after the last one adds nothing.
    """
    points = _sampled(path_rc)
    found = _labels_along(labels, points, window)
    on = np.flatnonzero(found > 0)
    covered = np.zeros(labels.shape, dtype=bool)
    if len(on) == 0:
        return covered
    between = np.arange(on[0], on[-1] + 1)
    gaps = between[found[between] == 0]
    for run in np.split(gaps, np.flatnonzero(np.diff(gaps) > 1) + 1):
        if len(run):
            covered |= stroke(points[run[0] - 1 : run[-1] + 2], width_px, window)
    return np.asarray(covered & (labels == 0))


def _sampled(path_rc: PointsRC) -> PointsRC:
    path = np.asarray(path_rc, dtype=np.float64).reshape(-1, 2)
    points = [path[:1]]
    for start, end in pairwise(path):
        count = max(1, int(np.ceil(np.linalg.norm(end - start) / SAMPLE_PX)))
        points.append(start + (end - start) * (np.arange(1, count + 1) / count)[:, None])
    return np.concatenate(points)


def _labels_along(labels: LabelArray, points_rc: PointsRC, window: Slices) -> LabelArray:
    """Label at each point; 0 outside the window."""
    at = np.rint(points_rc).astype(int) - (window[0].start, window[1].start)
    inside = np.all((at >= 0) & (at < labels.shape), axis=1)
    found = np.zeros(len(at), dtype=np.int32)
    found[inside] = labels[at[inside, 0], at[inside, 1]]
    return found
