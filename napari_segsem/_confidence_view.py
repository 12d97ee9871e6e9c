"""Confidence as a heat map over the image, and stretches of contours that are in doubt."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_segsem import _layers
from napari_segsem._contour_lines import NONE, Segments, joined
from napari_segsem._document import Document
from napari_segsem._layers import segments
from napari_segsem._review import Review
from segsem.core.contour import Contour, ReviewStatus


def doubtful_stretches(review: Review) -> Segments:
    """Collect the stretches of contours whose points are less sure than the threshold.

    Returns
    -------
    (N, 2, 2) array
        Segments as start and step in (row, column) px, of regions that are open and, as a whole,
        not doubtful.
    """
    parts = [
        _less_sure(contour, review.lot.threshold)
        for region in review.extraction.regions
        if region.status is ReviewStatus.PENDING and not review.is_doubtful(region)
        for contour in region.contours
    ]
    return joined([part for part in parts if len(part)])


def _less_sure(contour: Contour, threshold: float) -> Segments:
    if len(contour) < 2:
        return NONE
    confidence = np.asarray(contour.confidence)
    low = confidence < threshold
    if not low.any():
        return NONE
    following = np.roll(low, -1)
    lines = segments(contour.vertices_rc, closed=contour.closed)
    return np.asarray(lines[(low & following)[: len(lines)]], dtype=np.float64)


class HeatMap:
    """The confidence map of the review, shown and hidden."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._layer: Any = None
        self.is_shown = False

    def update(self, document: Document | None, review: Review | None) -> None:
        """Follow the image that is shown."""
        there = self._layer is not None and self._layer in self._viewer.layers
        if not self.is_shown or document is None or review is None:
            if there:
                _layers.show(self._layer, False)
            return
        # Outside the regions nothing is rated.
        rated = review.found.labels() > 0
        data = np.where(rated, review.found.confidence_map, np.nan).astype(np.float32)
        if not there:
            active = self._viewer.layers.selection.active
            self._layer = _layers.heat_layer(data)
            _layers.place(self._layer, document)
            self._viewer.layers.insert(1, self._layer)
            self._viewer.layers.selection.active = active
        else:
            self._layer.data = data
            _layers.place(self._layer, document)
        _layers.show(self._layer, True)
