"""Comb and serpentine test structures: a snake between two interdigitated combs.

Training draws short random wires on tracks and lines that one bar joins; never a wire that folds
dozens of times, nor fingers that reach between those of another comb.
"""

from __future__ import annotations

import numpy as np
from shapely.geometry import Polygon

from segsem.synth.curves import round_corners
from segsem.synth.families.pattern import Pattern, PatternRequest, box, draw_angle, place


def comb_serpentine(rng: np.random.Generator, request: PatternRequest) -> Pattern:
    """Blocks of a serpentine with a comb from above and a comb from below, side by side."""
    width = request.feature_px
    space = width * max(request.space_ratio, 0.6) * rng.uniform(1.0, 1.4)
    pitch = width + space
    runs = int(rng.integers(3, 8))
    length = width * rng.uniform(6.0, 14.0) + 4 * pitch
    half = request.half_extent
    block_w, block_h = runs * 2 * pitch + space, length + 2 * pitch
    drawn: list[Polygon] = []
    for top in np.arange(-half - rng.uniform(0, block_h), half, block_h + space):
        for left in np.arange(-half - rng.uniform(0, block_w), half, block_w + space):
            drawn += _block(float(left), float(top), width, space, runs, length)
    placed = place(request, drawn, draw_angle(rng, request))
    return Pattern(placed, round_corners(placed, min(request.corner_px, 0.4 * width)))


def _block(
    left: float, top: float, width: float, space: float, runs: int, length: float
) -> list[Polygon]:
    pitch = width + space
    upper, lower = top + pitch, top + pitch + length
    right = left + (2 * runs - 2) * pitch + width
    # The buses of the combs, and the snake's runs between them.
    drawn = [
        box(left, top, right, top + width),
        box(left, lower + space, right, lower + pitch),
    ]
    for run in range(runs):
        x = left + run * 2 * pitch
        drawn.append(box(x, upper, x + width, lower))
        if run == runs - 1:
            break
        finger = x + pitch
        if run % 2 == 0:  # the snake turns above: the finger comes from below
            drawn.append(box(x, upper, x + 2 * pitch + width, upper + width))
            drawn.append(box(finger, upper + pitch, finger + width, lower + pitch))
        else:
            drawn.append(box(x, lower - width, x + 2 * pitch + width, lower))
            drawn.append(box(finger, top, finger + width, lower - pitch))
    return drawn
