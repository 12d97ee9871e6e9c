"""`Extraction`: everything that was found in one image, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from segsem.core.contour import Region
from segsem.core.types import FloatImage, LabelArray, PixelSize

STRAY_EDGES = "stray_edges_rc"
"""Key in the provenance: box (r0, c0, r1, c1) and length of each edge that no contour follows."""

DESIGN = "design"
"""Key in the provenance: which design, where the image lies in it, what differs."""

UNCAPPED = "uncapped_confidence"
"""Name, among a region's evidence, of a confidence held down because the image is unfamiliar."""

NECK = ("neck_px", "neck_row", "neck_column")
"""Names, among a region's evidence, of the width of a thin neck in px, and of its place."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """Result of the pipeline for one image.

    Attributes
    ----------
    image_id : str
        The file's stem, made unique in a batch.
    shape : (int, int)
        Stored (H, W) of the image in px, data bar included.
    valid_rows : (int, int)
        Half-open range of rows that are image and not data bar.
    pixel_size_nm : (float, float) or None
        (y, x) pixel size; None where unknown.
    pixel_size_source : str or None
        `manifest`, `vendor tag ...`, `sidecar ...` or `user`.
    regions : tuple of Region
        By descending area; `region_id` counts from 1.
    confidence_map : (H, W) float32
        Confidence of what stands at each pixel; NaN in the data bar.
    provenance : dict
        Plain JSON values: image path and sha256, model name and weights hash, parameters,
        edge definition, versions, tone, time.
    warnings : tuple of str
        What the user should know.
    """

    image_id: str
    shape: tuple[int, int]
    valid_rows: tuple[int, int]
    pixel_size_nm: PixelSize | None
    pixel_size_source: str | None
    regions: tuple[Region, ...]
    confidence_map: FloatImage
    provenance: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def labels(self) -> LabelArray:
        """Paint all regions into one (H, W) int32 label image; 0 is background."""
        labels = np.zeros(self.shape, dtype=np.int32)
        for region in self.regions:
            row0, col0, row1, col1 = region.bbox_rc
            window = labels[row0:row1, col0:col1]
            window[region.mask] = region.region_id
        return labels
