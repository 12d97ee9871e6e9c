"""Which connected part of the image a box means, and a click in it.

A box around a feature that winds through it, a spiral or a comb, holds parts of its neighbours as
well; but only the feature's own extent is that of the box. A model that can divide its frames
(`Divides`) tells the connected parts of the image at native resolution, over as many windows as
the box needs; the deepest point of the part whose extent fits the box best is the click that a
person would add.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from segsem.core.types import BoxRC, FloatImage
from segsem.segmentation.basins import basins
from segsem.segmentation.division import CLASS_LEVELS, DIVISION_PX, EDGE_DEPTHS, Divides
from segsem.segmentation.window import Window, lattice
from segsem.segmentation.window_asker import Encode

LEAST_FIT = 0.7
"""A part fits a box where their extents have this overlap (intersection over union) or more."""

CERTAIN_FIT = 0.8
"""A click answers a box where the part, and then the answer, fit by this."""

HALO = 8
"""Windows overlap by this part of a frame (an eighth) on each side."""

MARGIN_PX = 16
"""Looked at around the box: a part that goes on beyond it is to be seen doing so."""

RAMP_CELLS = 16
"""A window counts in full from so many cells away from its sides."""

Labels = npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class BoxPart:
    """The part that fits a box best.

    Attributes
    ----------
    point_rc : (float, float)
        Its deepest point, in px of the image.
    fit : float
        Intersection over union of its extent with the box.
    """

    point_rc: tuple[float, float]
    fit: float


def part_of_box(
    predictor: Divides, encode: Encode, frame_px: int, box_rc: BoxRC, shape: tuple[int, int]
) -> BoxPart | None:
    """Find the part of the image that a box means.

    Parameters
    ----------
    predictor : Divides
    encode : callable
        Gives the embedding of a window of the image.
    frame_px : int
        Side of the model's frame: that of the windows.
    box_rc : (r0, c0, r1, c1)
        In px of the image.
    shape : (int, int)
        (H, W) of the image in px.

    Returns
    -------
    BoxPart or None
        None where the model does not divide frames, or no part fits by `LEAST_FIT`.
    """
    around = _around(box_rc, shape)
    divided = _stitched(predictor, encode, frame_px, around, shape)
    if divided is None:
        return None
    # From the centres of the box's outermost pixels to their outer sides, in cells.
    first = (box_rc[0] - around.row0) / DIVISION_PX, (box_rc[1] - around.col0) / DIVISION_PX
    last = (box_rc[2] + 1 - around.row0) / DIVISION_PX, (box_rc[3] + 1 - around.col0) / DIVISION_PX
    wanted = (*first, *last)
    best: tuple[float, Labels, int, tuple[slice, slice]] | None = None
    for labels in _maps(*divided):
        fit, number, box = _best_fitting(labels, wanted)
        if best is None or fit > best[0]:
            best = fit, labels, number, box
    if best is None or best[0] < LEAST_FIT:
        return None
    fit, labels, number, box = best
    depth = ndi.distance_transform_edt(np.pad(labels[box] == number, 1))[1:-1, 1:-1]
    row, col = np.unravel_index(int(np.argmax(depth)), depth.shape)
    cell = box[0].start + int(row) + 0.5, box[1].start + int(col) + 0.5
    return BoxPart(
        (
            min(around.row0 + cell[0] * DIVISION_PX - 0.5, shape[0] - 1.0),
            min(around.col0 + cell[1] * DIVISION_PX - 0.5, shape[1] - 1.0),
        ),
        fit,
    )


def box_fit(first: BoxRC, second: BoxRC) -> float:
    """Intersection over union of two boxes."""
    rows = max(min(first[2], second[2]) - max(first[0], second[0]), 0.0)
    cols = max(min(first[3], second[3]) - max(first[1], second[1]), 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    union = sum(areas) - rows * cols
    return rows * cols / union if union > 0 else 0.0


def _around(box_rc: BoxRC, shape: tuple[int, int]) -> Window:
    """The box with its margin, on whole cells."""
    row0, col0 = (max(int(box_rc[i]) - MARGIN_PX, 0) // DIVISION_PX * DIVISION_PX for i in (0, 1))
    row1, col1 = (min(int(box_rc[i + 2]) + MARGIN_PX + 1, shape[i]) for i in (0, 1))
    return Window(row0, col0, row1, col1)


def _stitched(
    predictor: Divides, encode: Encode, frame_px: int, around: Window, shape: tuple[int, int]
) -> tuple[FloatImage, FloatImage] | None:
    """Two-class logits and edge probability of a part of the image, in cells of `DIVISION_PX`."""
    cells = tuple(-(-size // DIVISION_PX) for size in shape)
    logits, edges, weights = (np.zeros(cells, dtype=np.float32) for _ in range(3))
    for window, core in lattice(shape, frame_px, frame_px // HALO):
        if core.overlap(around) is None:
            continue
        division = predictor.divide(encode(window))
        if division is None:
            return None
        row, col = window.row0 // DIVISION_PX, window.col0 // DIVISION_PX
        height, width = division.edges.shape
        at = (slice(row, row + height), slice(col, col + width))
        weight = _ramp(*weights[at].shape)
        found = division.class_logits[: weight.shape[0], : weight.shape[1]]
        # What a window calls the first class is chance: neighbours are to agree.
        agreement = np.tanh(found) * np.tanh(logits[at])
        sign = -1.0 if float(agreement[weights[at] > 0].sum()) < 0 else 1.0
        logits[at] += sign * weight * found
        edges[at] += weight * division.edges[: weight.shape[0], : weight.shape[1]]
        weights[at] += weight
    inside = tuple(
        slice(first // DIVISION_PX, -(-last // DIVISION_PX))
        for first, last in ((around.row0, around.row1), (around.col0, around.col1))
    )
    known = np.maximum(weights[inside], np.float32(1e-6))
    return np.asarray(logits[inside] / known), np.asarray(edges[inside] / known)


def _ramp(height: int, width: int) -> FloatImage:
    rows, cols = (
        np.minimum(np.arange(size) + 1, size - np.arange(size)).clip(1, RAMP_CELLS)
        for size in (height, width)
    )
    return np.asarray(np.minimum.outer(rows, cols), dtype=np.float32)


def _maps(logits: FloatImage, edges: FloatImage) -> Iterator[Labels]:
    """Connected parts of the two classes at each level, then basins between edges."""
    for level in CLASS_LEVELS:
        for plane in (logits > level, logits <= level):
            yield ndi.label(plane)[0]
    yield from basins(edges, EDGE_DEPTHS)


def _best_fitting(labels: Labels, wanted: BoxRC) -> tuple[float, int, tuple[slice, slice]]:
    """Fit, number and box of the part whose extent is most like the one wanted, in cells."""
    best = (0.0, 0, (slice(0, 0), slice(0, 0)))
    for number, box in enumerate(ndi.find_objects(labels), 1):
        if box is None:
            continue
        extent = (box[0].start, box[1].start, box[0].stop, box[1].stop)
        fit = box_fit(extent, wanted)
        if fit > best[0]:
            best = (fit, number, box)
    return best
