"""Which region is under the mouse: a layer that is never seen, only asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap

from napari_segsem import _layers
from napari_segsem._review_words import confidence_text, source_text, why_text
from segsem.core.contour import Region
from segsem.core.extraction import Extraction
from segsem.core.types import LabelArray

NOTHING = np.zeros((1, 1), np.int32)


class HoverRegions:
    """Masks of the regions of an image in the layer that the mouse looks at."""

    def __init__(self) -> None:
        self.layer: Any = None
        self._boxes: dict[int, tuple[int, int, int, int]] = {}

    def make(self) -> Any:
        """Make the layer, with nothing in it."""
        layer = _layers.labels_layer(_layers.REGIONS, NOTHING, _layers.CURRENT_COLOR, 0)
        # Seen only by the mouse: the status bar tells what is under it.
        layer.colormap = DirectLabelColormap(color_dict={0: "transparent", None: "transparent"})
        self.layer = layer
        return layer

    def clear(self) -> None:
        """Know of no region."""
        self._boxes = {}
        if self.layer is not None and self.layer.data.shape != NOTHING.shape:
            _layers.put(self.layer, NOTHING)

    def fill(self, extraction: Extraction, labels: LabelArray) -> None:
        """Know of the regions of an image; `labels` are its own from now on."""
        _layers.put(self.layer, labels)
        self._boxes = {region.region_id: region.bbox_rc for region in extraction.regions}
        self._describe(extraction)

    def patch(self, changed: Iterable[Region], extraction: Extraction) -> None:
        """Put other masks where the mouse looks; nothing of it is drawn, so nothing is redrawn."""
        labels = self.layer.data
        for region in changed:
            row0, col0, row1, col1 = self._boxes.get(region.region_id, region.bbox_rc)
            before = labels[row0:row1, col0:col1]
            before[before == region.region_id] = 0
            row0, col0, row1, col1 = self._boxes[region.region_id] = region.bbox_rc
            labels[row0:row1, col0:col1][region.mask] = region.region_id
        self._describe(extraction)

    def number_at(self, position: Any) -> int:
        """Number of the region at a position of the viewer; 0 where there is none."""
        if self.layer is None:
            return 0
        row, col = np.rint(self.layer.world_to_data(position)).astype(int)
        height, width = self.layer.data.shape
        is_inside = 0 <= row < height and 0 <= col < width
        return int(self.layer.data[row, col]) if is_inside else 0

    def _describe(self, extraction: Extraction) -> None:
        regions = extraction.regions
        self.layer.features = {
            "index": [region.region_id for region in regions],
            "source": [source_text(region) for region in regions],
            "confidence": [confidence_text(region) for region in regions],
            "why": [why_text(region) for region in regions],
        }
