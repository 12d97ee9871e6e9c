"""Where the view is moved to, so that a region is seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_segsem._document import Document
from segsem.core.contour import Region

REGION_PART = 0.25
"""Part of the canvas that a region fills at least when it is shown from the list."""


def bring_into_view(viewer: Any, document: Document, region: Region) -> None:
    """Move the view to a region, and nearer where it would be tiny."""
    row0, col0, row1, col1 = region.bbox_rc
    scale = np.asarray(document.scale)
    centre = np.array([(row0 + row1 - 1) / 2, (col0 + col1 - 1) / 2]) * scale
    size = np.array([row1 - row0, col1 - col0]) * scale
    camera = viewer.scene.camera
    view = np.asarray(viewer.canvas.size) / camera.zoom
    off_centre = np.abs(centre - np.asarray(camera.center)[-2:])
    part = float((size / view).max())
    if bool(np.all(off_centre + size / 2 <= view / 2)) and part >= REGION_PART:
        return
    if part < REGION_PART:
        nearer = min(REGION_PART / max(part, 1e-9), 8.0)
        camera.zoom *= nearer
        view = view / nearer
    # Near the border the image fills the view rather than the region being in its middle.
    shape = np.asarray(document.image.shape)
    low, high = view / 2 - scale / 2, (shape - 0.5) * scale - view / 2
    inside = np.where(low < high, np.clip(centre, low, np.maximum(low, high)), centre)
    camera.center = tuple(inside)
