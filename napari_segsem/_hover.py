"""What is under the mouse, in the layout's nanometres."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_segsem._document import Document
from napari_segsem._review_layers import confidence_text, source_text, why_text
from segsem.core.contour import Region
from segsem.core.coordinates import rc_to_nm


def describe(document: Document, position: Any, region: Region | None) -> str:
    """Say position, grey value and region in one line.

    Parameters
    ----------
    document : Document
        The image shown.
    position : (y, x)
        Position of the mouse in the viewer.
    region : Region or None
        What lies there.

    Returns
    -------
    str
        Empty outside the image.
    """
    point = np.asarray(position, dtype=float)[-2:] / np.asarray(document.scale)
    row, col = np.rint(point).astype(int)
    height, width = document.image.shape
    if not (0 <= row < height and 0 <= col < width):
        return ""
    parts = [_where(document, point), f"grey {document.image.data[row, col]:g}"]
    if region is not None:
        parts.append(region_text(region))
    return " · ".join(parts)


def region_text(region: Region) -> str:
    """Say what a region stands on, how sure it is, and why it is in doubt."""
    source, why = source_text(region), why_text(region)
    text = f"Region {region.region_id}: {source}, confidence {confidence_text(region)}"
    return f"{text}: {why}" if why else text


def _where(document: Document, point_rc: Any) -> str:
    size = document.image.pixel_size_nm
    if size is None:
        return f"x {point_rc[1]:.1f} px, y {point_rc[0]:.1f} px"
    x_nm, y_nm = rc_to_nm(point_rc, document.image.shape[0], size)
    return f"x {x_nm:,.1f} nm, y {y_nm:,.1f} nm"
