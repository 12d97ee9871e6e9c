"""`ReviewDesk`: the lot that lies on the desk, and the image of it that is shown. Knows no Qt.

Results that are made here are kept in the project; others are opened from their folder. What takes
long (reading records, contours and label images) runs in the background.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from psygnal import Signal

from napari_segsem._document import Document
from napari_segsem._documents import Background
from napari_segsem._image_results import ImageResults, image_path, is_of, read_image_results
from napari_segsem._kept_results import KeptResults
from napari_segsem._lot import Lot
from napari_segsem._review import Review
from napari_segsem._session import Session
from segsem.core.contour import ReviewStatus
from segsem.core.exceptions import SegSemError
from segsem.core.extraction import Extraction
from segsem.review.decision import Action
from segsem.review.item import ItemKey


class ReviewDesk:
    """One lot at a time, over the images of a session.

    Parameters
    ----------
    session : Session
    background : callable
        Where files are read.
    zoom : callable
        Moves the view to the current region.
    """

    lot_changed = Signal()
    decisions_changed = Signal()
    current_changed = Signal()
    threshold_changed = Signal()
    shown_changed = Signal()

    def __init__(self, session: Session, background: Background, zoom: Callable[[], None]) -> None:
        self._session, self._background, self._zoom = session, background, zoom
        self.lot: Lot | None = None
        self.is_opening = False
        self.is_busy = False
        """While the outlines of all images are read for a batch."""
        self._awake = self._closed = False
        self._zoom_wanted = False
        self._loading: set[tuple[str, int]] = set()
        self._kept = KeptResults(session)
        self._tried: Path | None = None
        session.document_changed.connect(self._document_changed)

    def wake(self) -> None:
        """Somebody reviews: show what is known of the image that is shown."""
        self._awake = True
        self._document_changed()

    def close(self) -> None:
        """Let go of the lot."""
        self._closed = True
        self._session.document_changed.disconnect(self._document_changed, missing_ok=True)
        self._put_away()
        self._kept.close()

    def open(self, folder: Path, image_id: str | None = None) -> None:
        """Lay the results of a folder on the desk, in place of those that lie there.

        Parameters
        ----------
        folder : Path
            Results of `segsem extract`.
        image_id : str, optional
            The image to begin with; the one shown, or that of the least sure region.
        """
        if self.is_opening or self._closed:
            return
        reviewer = None if self.lot is None else self.lot.reviewer
        self._put_away()
        self.is_opening = True
        self.lot_changed.emit()

        def opened(lot: Lot) -> None:
            self.is_opening = False
            if self._closed:
                lot.close()
                return
            if reviewer:
                lot.reviewer = reviewer
            self._lay_out(lot, image_id)

        def failed(message: str) -> None:
            self.is_opening = False
            self._session.tell_error(message)
            self.lot_changed.emit()

        self._background(partial(Lot.open, folder), opened, failed)

    def keep(self, document: Document, extraction: Extraction) -> tuple[Path, str]:
        """Keep what was extracted from an image; see `KeptResults.keep`."""
        return self._kept.keep(document, extraction)

    def decide(self, action: Action) -> None:
        """Decide about the current region, which must be in sight."""
        lot = self.lot
        if lot is None or lot.current is None:
            self._session.tell("Nothing to decide: extract an image, or open results")
            return
        if not self._is_in_sight(lot):
            self._session.tell(f"Wait: {lot.current.image_id} is not shown yet")
            self.show_current()
            return
        self._guarded(partial(lot.decide, action))
        self.show_current()

    def step(self, by: int) -> None:
        """Look at the next or the previous region."""
        if self.lot is not None:
            self.lot.step(by)
            self.show_current()

    def choose(self, key: ItemKey) -> None:
        """Look at a region."""
        if self.lot is not None:
            self.lot.select(key)
            self.show_current()

    def shows(self, document: Document | None) -> bool:
        """Whether an image is one of the lot."""
        lot = self.lot
        return lot is not None and document is not None and bool(self._image_id(lot, document))

    def open_image(self, image_id: str) -> None:
        """Open an image of the lot, and look at its least sure region."""
        if self.lot is not None:
            self._look_at(self.lot, image_id)
            self._open_image(self.lot, image_id)

    def undo(self) -> None:
        """Take the last step back."""
        self._walk(Lot.undo, "Undone", "Nothing to undo")

    def redo(self) -> None:
        """Do the last undone step again."""
        self._walk(Lot.redo, "Done again", "Nothing to redo")

    def accept_above(self, confidence: float) -> None:
        """Accept all open regions of what is shown that are at least so sure, as one step."""
        lot = self.lot
        if lot is None or self.is_busy:
            return
        images = {item.key.image_id for item in lot.shown}
        self.is_busy = True
        self.decisions_changed.emit()

        def ready(_outlines: object) -> None:
            self.is_busy = False
            if lot is self.lot:
                found: list[ItemKey] = []
                self._guarded(lambda: found.extend(lot.accept_above(confidence)))
                n_images = len({key.image_id for key in found})
                self._session.tell(
                    f"{len(found)} regions of {n_images} images accepted (confidence "
                    f"{confidence:.2f} or more); Undo takes them back together"
                )
            self.decisions_changed.emit()

        def failed(message: str) -> None:
            self.is_busy = False
            self._session.tell_error(message)
            self.decisions_changed.emit()

        # A decision keeps the outlines of its image: reading them all may take a while.
        self._background(lambda: [lot.review.outlines(name) for name in images], ready, failed)

    def show_current(self) -> None:
        """Move the view to the current region, and open its image where another is shown."""
        lot = self.lot
        if lot is None or lot.current is None:
            return
        if self._is_in_sight(lot):
            self._zoom_wanted = False
            self._zoom()
            self._read_ahead(lot)
            return
        self._zoom_wanted = True
        document = self._session.document
        if document is None or self._image_id(lot, document) != lot.current.image_id:
            self._open_image(lot, lot.current.image_id)
        elif document.review is not None and document.review.image_id != lot.current.image_id:
            self._load(lot, document, lot.current.image_id)

    def _walk(self, how: Callable[[Lot], str | None], done: str, nothing: str) -> None:
        name: list[str | None] = [None]

        def walk() -> None:
            name[0] = None if self.lot is None else how(self.lot)

        self._guarded(walk)
        self._session.tell(f"{done}: {name[0]}" if name[0] else nothing)
        if name[0]:
            self.show_current()

    def _guarded(self, act: Callable[[], object]) -> None:
        try:
            act()
        except SegSemError as error:
            self._session.tell_error(str(error))

    def _is_in_sight(self, lot: Lot) -> bool:
        review = self._session.review
        return (
            review is not None
            and review.lot is lot
            and lot.current is not None
            and review.image_id == lot.current.image_id
        )

    def _put_away(self) -> None:
        lot, self.lot = self.lot, None
        if lot is None:
            return
        with suppress(SegSemError):
            # The journal holds all decisions; only the summary could not be written.
            lot.close()

    def _lay_out(self, lot: Lot, image_id: str | None) -> None:
        self.lot = lot
        lot.decisions_changed.connect(self._relay_decisions)
        lot.current_changed.connect(self._relay_current)
        lot.threshold_changed.connect(self._relay_threshold)
        lot.shown_changed.connect(self._relay_shown)
        document = self._session.document
        if image_id is None and document is not None:
            image_id = self._image_id(lot, document)
        if image_id is not None:
            self._look_at(lot, image_id)
        self.lot_changed.emit()
        if document is not None and self._take_pixel_size(lot, document):
            self._session.document_changed.emit()
        else:
            self._document_changed()
        if not self._is_in_sight(lot):
            self.show_current()

    def _look_at(self, lot: Lot, image_id: str) -> None:
        keys = [item.key for item in lot.shown if item.key.image_id == image_id]
        still_open = [key for key in keys if lot.status(key) is ReviewStatus.PENDING]
        for key in (still_open or keys)[:1]:
            lot.select(key)

    def _document_changed(self) -> None:
        document, lot = self._session.document, self.lot
        if document is None or not self._awake:
            return
        if document.review is not None and document.review.lot is not lot:
            document.review = None
            self._session.review_changed.emit()
        if lot is None:
            self._open_own(document)
            return
        image_id = self._image_id(lot, document)
        if image_id is None:
            return
        # The desk hears of a new image before its layers are placed.
        self._take_pixel_size(lot, document)
        if not self._zoom_wanted and (lot.current is None or lot.current.image_id != image_id):
            self._look_at(lot, image_id)
        if document.review is None:
            self._load(lot, document, image_id)
        elif self._zoom_wanted:
            self.show_current()

    def _take_pixel_size(self, lot: Lot, document: Document) -> bool:
        """Take the pixel size that the results were told and the file does not name."""
        image_id = self._image_id(lot, document)
        if image_id is None or document.image.pixel_size_nm is not None:
            return False
        known = lot.results[image_id].record.pixel_size_nm
        if known is not None:
            document.take_pixel_size(known)
        return known is not None

    def _open_own(self, document: Document) -> None:
        """Open what was extracted here on an earlier day."""
        folder = self._kept.folder_of(document)
        if folder is not None and folder != self._tried and not self.is_opening:
            self._tried = folder
            self.open(folder)

    def _load(self, lot: Lot, document: Document, image_id: str, *, to_show: bool = True) -> None:
        mark = (image_id, id(document))
        if mark in self._loading:
            return
        self._loading.add(mark)
        result = lot.results[image_id]

        def loaded(read: ImageResults) -> None:
            self._loading.discard(mark)
            if self._closed or lot is not self.lot:
                return
            lot.review.know_outlines(image_id, read.outlines)
            document.review = Review(lot, read.extraction, read.lines)
            if document is self._session.document:
                self._session.review_changed.emit()
                if self._zoom_wanted:
                    self.show_current()

        def failed(message: str) -> None:
            self._loading.discard(mark)
            if to_show:
                self._session.tell_error(message)

        self._background(lambda: read_image_results(result.folder), loaded, failed)

    def _open_image(self, lot: Lot, image_id: str) -> None:
        documents = self._session.documents
        for index, key in enumerate(documents.keys):
            document = documents.in_memory(key)
            if document is not None and self._image_id(lot, document) == image_id:
                documents.go_to(index)
                return
        path = image_path(lot, image_id)
        if path is None or not path.is_file():
            self._zoom_wanted = False
            where = "" if path is None else f" at {path}"
            self._session.tell_error(
                f"The image of {image_id} is no longer{where}: open it from where it is now"
            )
            return
        documents.open_files([path])

    def _read_ahead(self, lot: Lot) -> None:
        """Read the image of the next region that is open, while this one is looked at."""
        following = lot.next_open()
        if following is None or lot.current is None or following.image_id == lot.current.image_id:
            return
        path, image_id = image_path(lot, following.image_id), following.image_id
        if path is None or not path.is_file():
            return

        def read(document: Document) -> None:
            if lot is self.lot and document.review is None:
                self._load(lot, document, image_id, to_show=False)

        self._session.documents.fetch(path, read, lambda _message: None)

    def _image_id(self, lot: Lot, document: Document) -> str | None:
        """Which image of the lot a document is: the current one, where several have its content."""
        here = None if lot.current is None else lot.current.image_id
        if here in lot.results and is_of(lot.results[here].record.provenance, document):
            return here
        made = self._kept.made_here(document)
        if made in lot.results:
            return made
        return next(
            (name for name, result in lot.results.items()
             if is_of(result.record.provenance, document)),
            None,
        )  # fmt: skip

    def _relay_decisions(self) -> None:
        self.decisions_changed.emit()

    def _relay_current(self) -> None:
        self.current_changed.emit()

    def _relay_threshold(self) -> None:
        self.threshold_changed.emit()

    def _relay_shown(self) -> None:
        self.shown_changed.emit()
