"""Where an object's own kind ends: read off the scores of everything that looks like it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEAST_SCORE = 0.4
"""Places below are not told at all."""

LEAST_LIKENESS = 0.75
"""What scores less than this is never taken for the object's kind by itself."""

UNCLEAR = 0.85
"""Where scores fall without a gap, what is at least so much alike is taken."""

FLOOR = 0.04
"""Unlikeness (1 - score) that is nothing: differences below it do not count."""

LEAST_RATIO = 1.35
"""A gap in which unlikeness grows less than this divides nothing."""


CLEAR_RATIO = 2.5
"""A gap like this below at least three instances ends their kind, however far away the rest is:
the same contact in another size is nearer than background."""

FEW = 3


def choose_threshold(scores: Sequence[float]) -> float:
    """Choose the score that divides an object's kind from the rest.

    Going down the sorted scores, unlikeness (1 - score) jumps where the kind ends. One kind
    scatters around a small unlikeness, so jumps are measured as ratios: the first clear one is
    taken, or else the largest.

    Parameters
    ----------
    scores : sequence of float
        Of all places, in any order, without the object itself.

    Returns
    -------
    float
        In the middle of the gap; above all scores where nothing is of the object's kind.
    """
    ranked = np.sort(np.asarray(scores, dtype=float))[::-1]
    own = int(np.count_nonzero(ranked >= LEAST_LIKENESS))
    if own == 0:
        return 1.0 if len(ranked) == 0 else float((1.0 + ranked[0]) / 2)
    after = np.append(ranked[1:], min(LEAST_SCORE, float(ranked[-1])))
    unlike = 1 - ranked + FLOOR
    ratios = ((1 - after + FLOOR) / unlike)[:own]
    clear = np.flatnonzero(ratios[FEW - 1 :] >= CLEAR_RATIO) + FEW - 1
    cut = int(clear[0]) if len(clear) else int(np.argmax(ratios))
    if ratios[cut] < LEAST_RATIO:
        return UNCLEAR
    return float((ranked[cut] + after[cut]) / 2)
