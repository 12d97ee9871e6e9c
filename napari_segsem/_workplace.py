"""Where the work of one window is kept: a project, by default the user's own. Knows no Qt.

What is accepted is in the journal when `note` returns. All that takes longer (reading what is
kept, writing label images and tables, waiting for the disk) runs in the background.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from psygnal import Signal

from napari_segsem._document import Document
from napari_segsem._documents import Background
from segsem.core.exceptions import InputError, SegSemError
from segsem.core.progress import run_to_completion
from segsem.dataset.training_set import MemberObjects
from segsem.project.annotation_store import AnnotationStore
from segsem.project.default_folder import NAME, open_default
from segsem.project.image_table import ImageRow
from segsem.project.label_edit import LabelEdit
from segsem.project.project import Project, Recovered
from segsem.project.timeline import Happening

logger = logging.getLogger(__name__)

SYNC_S = 2.0
"""Power cuts cost at most so much work, with what the disk takes on top; crashes cost none."""

COMPACT_RECORDS = 500
"""A journal this long is taken over into the files while the work goes on."""

Teller = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Kept:
    """Where an image that is open is kept."""

    project: Project
    image_id: str
    store: AnnotationStore


class Workplace:
    """The project of one window.

    Parameters
    ----------
    background : callable
        Where what takes long is run.
    opener : callable
        Opens the project that is used unless another is chosen.
    """

    changed = Signal()
    """Another project, or something of its images, is to be shown."""

    def __init__(
        self, background: Background, opener: Callable[[], Project] = open_default
    ) -> None:
        self._background, self._opener = background, opener
        self._project: Project | None = None
        self._opening = threading.Lock()
        self._failure = ""
        self._started = self._closed = False
        self._kept: WeakKeyDictionary[Document, _Kept] = WeakKeyDictionary()
        self._ahead: set[str] = set()
        self._compacting: set[str] = set()
        self._saving = self._save_again = False
        self._synced_at = 0.0
        self._tell: Teller = logger.info
        self._tell_error: Teller = logger.error

    def talk_to(self, tell: Teller, tell_error: Teller) -> None:
        """Say where messages go; both are called in the panels' thread only."""
        self._tell, self._tell_error = tell, tell_error

    @property
    def project(self) -> Project | None:
        """The project, opened when it is first asked for; None where that is not possible."""
        with self._opening:
            if self._project is None and not self._failure and not self._closed:
                try:
                    self._project = self._opener()
                except SegSemError as error:
                    self._failure = str(error)
            return self._project

    @property
    def open_project(self) -> Project | None:
        """The project, if it is open by now."""
        return self._project

    def thumbnail_folder(self) -> Path | None:
        """Where small pictures are kept; None while no project is open."""
        return None if self._project is None else self._project.folder / "thumbnails"

    def start(self) -> None:
        """Open the project in the background and take over what a crash has left; once."""
        if not self._started and not self._closed:
            self._started = True
            self._background(self._open_and_recover, self._recovered, self._tell_error)

    def choose(self, folder: Path, forget: Callable[[], None]) -> None:
        """Work in another project from now on.

        Parameters
        ----------
        folder : Path
            Of the project.
        forget : callable
            Lets go of all images that are open: they belong to the project before.

        Raises
        ------
        InputError
            If it cannot be opened; then nothing changes.
        """
        if self._project is not None and self._project.folder == folder.resolve():
            return
        chosen = Project.open(folder)
        forget()
        self._leave_all()
        with self._opening:
            before, self._project = self._project, chosen
            self._failure = ""
        if before is not None:
            before.close()
        self._ahead.clear()
        self._started = False
        self.start()
        self.changed.emit()

    def row(self, document: Document) -> ImageRow | None:
        """What the project knows of an image; None where it knows nothing, or is not open yet."""
        project = self._project
        return None if project is None else project.images.find(document.content_hash)

    def restore(self, document: Document) -> None:
        """Give an image what is kept of it; for the background.

        Raises
        ------
        SegSemError
            If what is kept is damaged: the image is better not opened than written over.
        """
        project = self.project
        if project is None or project.images.find(document.content_hash) is None:
            return
        # Marks the image as seen here, if it was moved.
        project.register(document.image)
        stored = project.store(document.image).restore()
        if stored is None:
            return
        if stored.problem:
            document.notices.append(f"{stored.problem}; what came before it is shown")
        timeline = stored.snapshot.timeline
        document.annotation.restore(
            timeline.image,
            [known.edit for known in timeline.done],
            [known.edit for known in timeline.undone],
        )
        size = timeline.marks.get("pixel_size_nm")
        if document.image.pixel_size_nm is None and size:
            document.take_pixel_size((float(size[0]), float(size[1])))

    def is_kept(self, document: Document) -> bool:
        """Whether something is kept of an image; opens the project."""
        project = self.project
        return project is not None and project.images.find(document.content_hash) is not None

    def keep(self, document: Document) -> None:
        """Keep whatever is done to an image from now on."""
        # A closure: the signal holds it as long as the annotation lives.
        document.annotation.edited.connect(
            lambda happening, edit: self._note(document, happening, edit)
        )

    def mark(self, document: Document, **marks: Any) -> bool:
        """Note something of an image as a whole; tell whether that was possible."""
        kept = self._place(document)
        if kept is None:
            self._tell_error(self._failure or "Nothing is kept: no project is open")
            return False
        try:
            kept.project.mark(document.image, marks)
        except SegSemError as error:
            self._tell_error(str(error))
        self._after_record(kept)
        self.changed.emit()
        return True

    def live_objects(self) -> dict[str, MemberObjects]:
        """Objects of the images that are open, by image id: ahead of all files."""
        return {
            kept.image_id: MemberObjects(
                document.annotation.objects, document.image.shape[1], document.image.valid_rows
            )
            for document, kept in self._kept.items()
            if kept.project is self._project
        }

    def write_down(self, then: Callable[[Project], None], on_failed: Callable[[str], None]) -> None:
        """Bring to disk what other programs are to read of the project; then call `then`.

        Journals hold all edits already; the table of images follows here.
        """
        project = self._project
        if project is None:
            on_failed(self._failure or "No project is open: open an image first")
            return
        self._background(project.save, lambda _saved: then(project), on_failed)

    def leave(self, document: Document) -> None:
        """Bring the files of an image up to date: nobody looks at it any more."""
        row = self.row(document)
        if row is not None and row.image_id in self._ahead:
            self._compact(row.image_id)

    def close(self) -> None:
        """Bring all files up to date and let go of the project."""
        if self._closed:
            return
        self._closed = True
        self._leave_all()
        with self._opening:
            if self._project is not None:
                self._project.close()

    def _place(self, document: Document) -> _Kept | None:
        project = self.project
        if project is None:
            return None
        kept = self._kept.get(document)
        if kept is None or kept.project is not project:
            image_id = project.register(document.image).image_id
            kept = _Kept(project, image_id, project.store(document.image))
            self._kept[document] = kept
        return kept

    def _note(self, document: Document, happening: Happening, edit: LabelEdit) -> None:
        kept = self._place(document)
        if kept is None:
            # Told when the project could not be opened.
            return
        try:
            kept.store.note(happening, edit)
        except SegSemError as error:
            self._tell_error(str(error))
        self._after_record(kept)

    def _after_record(self, kept: _Kept) -> None:
        if kept.image_id not in self._ahead:
            self._ahead.add(kept.image_id)
            self._save(kept.project)
        if kept.store.n_records >= COMPACT_RECORDS:
            self._compact(kept.image_id)
        elif time.monotonic() - self._synced_at > SYNC_S:
            self._synced_at = time.monotonic()
            self._background(kept.store.sync, _ignore, self._tell_error)

    def _save(self, project: Project) -> None:
        """Write the table in the background, one write at a time."""
        if self._saving:
            self._save_again = True
            return
        self._saving = True

        def saved(_result: None = None) -> None:
            self._saving = False
            if self._save_again and not self._closed:
                self._save_again = False
                self._save(project)

        def failed(message: str) -> None:
            self._tell_error(message)
            saved()

        self._background(project.save, saved, failed)

    def _compact(self, image_id: str) -> None:
        project = self._project
        if project is None or image_id in self._compacting:
            return
        self._compacting.add(image_id)
        # What is noted meanwhile puts it back.
        self._ahead.discard(image_id)

        def done(_result: None = None) -> None:
            self._compacting.discard(image_id)
            if not self._closed:
                self.changed.emit()

        def failed(message: str) -> None:
            done()
            self._ahead.add(image_id)
            self._tell_error(message)

        self._background(lambda: project.compact(image_id), done, failed)

    def _leave_all(self) -> None:
        project = self._project
        if project is None:
            return
        for image_id in sorted(self._ahead):
            try:
                project.compact(image_id)
            except SegSemError as error:
                # The journal still holds it all.
                logger.warning("the files of %s are not up to date: %s", image_id, error)
        self._ahead.clear()

    def _open_and_recover(self) -> tuple[Project, Recovered]:
        project = self.project
        if project is None:
            msg = f"What you do is not kept: {self._failure}"
            raise InputError(msg)
        return project, run_to_completion(project.recover())

    def _recovered(self, found: tuple[Project, Recovered]) -> None:
        project, recovered = found
        if self._closed:
            return
        if project.folder.name.startswith(f"{NAME}-"):
            self._tell(
                f"Another window works in the default project: this one keeps its work in "
                f"{project.folder}"
            )
        for problem in recovered.problems:
            self._tell_error(problem)
        self.changed.emit()


def _ignore(_result: Any) -> None:
    """Do nothing."""
