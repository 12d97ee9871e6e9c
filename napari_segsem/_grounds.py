"""The image under review, made ready for placing edges; made once, in the background."""

from __future__ import annotations

import threading

from napari_segsem._document import Document
from segsem.core.extraction import Extraction
from segsem.review.ground import Ground, ground_of
from segsem.review.other_source import candidates_of
from segsem.segmentation.candidates import Candidates


class Grounds:
    """What edits of regions need of an image: that of the last image is kept.

    All that is asked of it takes long, so it is asked in the background.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: tuple[Document, Extraction] | None = None
        self._ground: Ground | None = None
        self._candidates: Candidates | None = None

    def ground(self, document: Document, found: Extraction) -> Ground:
        """Give the image of an extraction, made ready."""
        with self._lock:
            return self._made(document, found)

    def candidates(self, document: Document, found: Extraction) -> Candidates:
        """Give what Sauvola sees in it.

        Raises
        ------
        EditError
            If it sees nothing at all.
        """
        with self._lock:
            ground = self._made(document, found)
            if self._candidates is None:
                self._candidates = candidates_of(ground)
            return self._candidates

    def forget(self) -> None:
        """Let go of the image: it is large."""
        with self._lock:
            self._of = self._ground = self._candidates = None

    def _made(self, document: Document, found: Extraction) -> Ground:
        if self._ground is None or self._of is None or self._of[1] is not found:
            self._candidates = None
            self._of, self._ground = (document, found), ground_of(document.image, found)
        return self._ground
