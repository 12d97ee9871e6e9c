"""Keeps Python's garbage collector from going through all of napari while somebody works.

A full collection visits every object of the process, in whatever the GUI's thread is doing just
then, be it a click; napari, its libraries and its layers are most of them.
"""

from __future__ import annotations

import gc
from typing import ClassVar
from weakref import WeakSet

from napari_segsem._session import Session
from napari_segsem._tasks import soon


class SparedCollections:
    """Leaves out of all collections what is there once a panel, and its first image, is open.

    It is collected once before: what is garbage already is not kept. What is left out is taken in
    again once everybody who asked for this has closed.

    Parameters
    ----------
    session : Session
        Its first image brings the layers.
    """

    _open: ClassVar[WeakSet[SparedCollections]] = WeakSet()

    def __init__(self, session: Session) -> None:
        self._session = session
        self._open.add(self)
        session.document_changed.connect(self._on_first_image)
        soon(self._spare)

    def close(self) -> None:
        """Have everything collected again, unless another one is still open."""
        self._session.document_changed.disconnect(self._on_first_image, missing_ok=True)
        self._open.discard(self)
        if not self._open:
            gc.unfreeze()

    def _on_first_image(self) -> None:
        self._session.document_changed.disconnect(self._on_first_image)
        soon(self._spare)

    def _spare(self) -> None:
        if self in self._open:
            gc.collect()
            gc.freeze()
