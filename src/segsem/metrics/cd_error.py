"""Error of the critical dimension: widths of features at cuts of which the truth is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segsem.core.types import FloatArray
from segsem.metrics.normal_epe import NormalEPE, cut_rays, segments_of
from segsem.metrics.polyline import IntArray, Polyline

CUT_EVERY_PX = 8.0
REACH_PX = 128.0
"""Wider features have no CD here."""

_PARALLEL = 0.94
"""Cosine of 20 degrees: a cut needs two edges that face each other."""


def cd_errors_px(
    errors: NormalEPE, contours: Sequence[Polyline], truth: Sequence[Polyline]
) -> tuple[FloatArray, IntArray]:
    """Found width minus true width, at cuts along the truth's normals through the features.

    A cut begins every 8 px on an edge and goes inwards to the next true edge, if that faces it
    within 20 degrees. Both ends of the cut have to be found.

    Parameters
    ----------
    errors : NormalEPE
        Of these contours against this truth.
    contours, truth : sequence of Polyline
        As given to :func:`epe_along_normals`.

    Returns
    -------
    (M,) array
        Errors in px, positive where the feature is too wide.
    (M,) array
        Index of the truth's polyline that each cut begins on.
    """
    every = (
        max(1, round(CUT_EVERY_PX / float(np.median(errors.step_px)))) if len(errors.step_px) else 1
    )
    chosen = np.arange(0, len(errors.epe_px), every)
    start, inward = errors.points_rc[chosen], -errors.normals_rc[chosen]
    # Half a pixel inside, so that the edge that the cut begins on is not met itself.
    start = start + 0.5 * inward
    end = start + REACH_PX * inward
    true_segments = segments_of(truth)
    true_cuts = cut_rays(start, end, true_segments, inward)
    first = true_cuts.nearest_to(0.0, len(chosen))
    met = np.flatnonzero(first >= 0)
    step = true_segments.step_rc[true_cuts.segment[first[met]]]
    normal = np.column_stack([step[:, 1], -step[:, 0]]) / np.linalg.norm(step, axis=1)[:, None]
    met = met[np.sum(normal * inward[met], axis=1) >= _PARALLEL]
    true_width = true_cuts.along[first[met]] * REACH_PX
    # The found edge on the far side, within reach of the true one.
    far = start[met] + true_width[:, None] * inward[met]
    half = errors.reach_px * inward[met]
    cuts = cut_rays(far - half, far + half, segments_of(contours), inward[met])
    nearest = cuts.nearest_to(0.5, len(met))
    both = (nearest >= 0) & np.isfinite(errors.epe_px[chosen[met]])
    beyond = (cuts.along[nearest[both]] - 0.5) * 2 * errors.reach_px
    own = chosen[met[both]]
    return np.asarray(errors.epe_px[own] + beyond), errors.truth[own]
