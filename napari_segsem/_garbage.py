"""Keeps Python's garbage collector from going through all of napari while somebody works.

A full collection visits every object of the process: with napari and its libraries loaded that
takes 100 to 200 ms, in whatever the GUI's thread is doing just then, be it a click.
"""

from __future__ import annotations

import gc

from napari_segsem._tasks import soon

_claims: set[int] = set()


class SparedCollections:
    """Leaves out of all collections what is there once the window has come to rest.

    It is collected once before: what is garbage already is not kept. What is left out is taken in
    again once everybody who asked for this has closed.
    """

    def __init__(self) -> None:
        self._closed = False
        soon(self._spare)

    def close(self) -> None:
        """Have everything collected again, unless another one is still open."""
        self._closed = True
        if id(self) in _claims:
            _claims.remove(id(self))
            if not _claims:
                gc.unfreeze()

    def _spare(self) -> None:
        if self._closed:
            return
        if not _claims:
            gc.collect()
            gc.freeze()
        _claims.add(id(self))
