"""What is under the mouse, in the layout's nanometres."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from napari_segsem._document import Document
from napari_segsem._review_words import confidence_text, source_text, why_text
from napari_segsem._session import Session
from segsem.core.appearance import SOURCE_STYLES
from segsem.core.contour import Region
from segsem.core.coordinates import rc_to_nm
from segsem.project.label_edit import LabelObject


class StatusBar:
    """Makes layers tell napari's status bar what is under the mouse, in our words.

    napari asks the selected layer, in a thread of its own: this only reads.

    Parameters
    ----------
    session : Session
    region_at : callable
        Gives the region of the review at a position of the viewer.
    """

    def __init__(self, session: Session, region_at: Callable[[Any], Region | None]) -> None:
        self._session, self._region_at = session, region_at

    def watch(self, layer: Any) -> None:
        """Let a layer tell."""
        layer.get_status = self.status

    def forget(self, layer: Any) -> None:
        """Let a layer tell what it did before."""
        vars(layer).pop("get_status", None)

    def status(self, position: Any = None, **_where: Any) -> dict[str, str]:
        """Give what napari asks a layer for; `coordinates` is what the status bar shows."""
        document = self._session.document
        text = ""
        if document is not None and position is not None:
            text = describe(document, position, self._region_at(position))
        parts = ("layer_base", "source_type", "plugin", "value")
        return {**dict.fromkeys(parts, ""), "coordinates": text, "coords": text}


def describe(document: Document, position: Any, region: Region | None) -> str:
    """Say position, grey value, object and region in one line.

    Parameters
    ----------
    document : Document
        The image shown.
    position : (y, x)
        Position of the mouse in the viewer.
    region : Region or None
        Region of the review that lies there.

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
    known = document.annotation.objects.get(int(document.annotation.labels[row, col]))
    if known is not None:
        parts.append(object_text(document, known))
    if region is not None:
        parts.append(region_text(region))
    return " · ".join(parts)


def object_text(document: Document, known: LabelObject) -> str:
    """Say what an accepted object comes from, how the model scored it, and how large it is."""
    score = "" if known.iou_pred is None else f", score {known.iou_pred:.2f}"
    source = SOURCE_STYLES[known.source].label
    return f"Object {known.object_id}: {source}{score}, {document.area_text(known.area_px)}"


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
