"""Where results that are made in the viewer are kept: in the project, or while the window lasts."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from weakref import WeakKeyDictionary

from napari_segsem._document import Document
from napari_segsem._session import Session
from segsem.core.extraction import Extraction
from segsem.export.outputs import write_results
from segsem.export.results import REGIONS_JSON

RESULTS = "results"
"""Folder of a project that holds what was extracted in this program."""


class KeptResults:
    """Results of this window's extractions.

    Parameters
    ----------
    session : Session
        Whose project they belong to.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._made_here: WeakKeyDictionary[Document, str] = WeakKeyDictionary()
        self._own: tempfile.TemporaryDirectory[str] | None = None

    def keep(self, document: Document, extraction: Extraction) -> tuple[Path, str]:
        """Keep what was extracted from an image; in the background.

        Returns
        -------
        Path, str
            Folder of the results and the image's id in them.
        """
        workplace = self._session.workplace
        project = None if workplace is None else workplace.project
        image_id = extraction.image_id
        if project is None:
            if self._own is None:
                self._own = tempfile.TemporaryDirectory(prefix="segsem-results-")
            folder = Path(self._own.name) / RESULTS
        else:
            folder = project.folder / RESULTS
            image_id = project.register(document.image).image_id
        provenance = dict(extraction.provenance)
        if not document.image.sha256:
            # The file that the child read is gone by now.
            provenance["content_hash"] = document.content_hash
        kept = replace(extraction, image_id=image_id, provenance=provenance)
        write_results(kept, folder)
        self._made_here[document] = image_id
        return folder, image_id

    def made_here(self, document: Document) -> str | None:
        """Id of an image in the results that this window made of it."""
        return self._made_here.get(document)

    def folder_of(self, document: Document) -> Path | None:
        """Folder of the project's results, if it holds those of an image.

        Looking at an image does not enter it into the project.
        """
        workplace = self._session.workplace
        project = None if workplace is None else workplace.open_project
        row = None if project is None else project.images.find(document.content_hash)
        if project is None or row is None:
            return None
        folder = project.folder / RESULTS
        return folder if (folder / row.image_id / REGIONS_JSON).is_file() else None

    def close(self) -> None:
        """Throw away what belongs to no project."""
        if self._own is not None:
            self._own.cleanup()
