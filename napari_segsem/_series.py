"""The images that are gone through one after another: which, how far each is, where one stopped.

Knows no Qt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from psygnal import Signal

from napari_segsem._documents import Background, Documents, Key
from napari_segsem._workplace import Workplace
from segsem.core.exceptions import SegSemError
from segsem.imaging import manifest
from segsem.imaging.discover import ImageSource, discover
from segsem.project.description import is_project
from segsem.project.image_table import ImageRow
from segsem.project.places import Place, read_places, write_places
from segsem.project.project import Project

Teller = Callable[[str], None]


class ImageStatus(StrEnum):
    """How far an image is."""

    UNTOUCHED = "untouched"
    IN_WORK = "in work"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class SeriesEntry:
    """One image of the series.

    Attributes
    ----------
    name : str
        File name, or the image's name where it comes from no file.
    path : Path or None
    status : ImageStatus
    n_objects : int
    in_training_set : bool
    """

    name: str
    path: Path | None
    status: ImageStatus
    n_objects: int
    in_training_set: bool


class Series:
    """What is open, in its order, and how far each image is.

    Parameters
    ----------
    documents : Documents
    background : callable
        Where folders are listed and one's place is written down.
    workplace : Workplace or None
        Without it there are no marks, and no place to come back to.
    tell, tell_error : callable
        Take messages for the user.
    """

    changed = Signal()
    """Other images, another one shown, or another project."""
    entry_changed = Signal(int)
    """Something of one image: its index."""

    def __init__(
        self,
        documents: Documents,
        background: Background,
        workplace: Workplace | None,
        tell: Teller,
        tell_error: Teller,
    ) -> None:
        self._documents, self._background, self._workplace = documents, background, workplace
        self._tell, self._tell_error = tell, tell_error
        self._inputs: tuple[str, ...] = ()
        self._wish = 0
        self._places: list[Place] | None = None
        self._writing = self._write_again = self._closed = False
        if workplace is not None:
            workplace.changed.connect(self._project_changed)

    def __len__(self) -> int:
        return len(self._documents.keys)

    @property
    def index(self) -> int:
        """Index of the image that is shown."""
        return self._documents.position[0] - 1

    @property
    def project(self) -> Project | None:
        """The project, if it is open by now."""
        return None if self._workplace is None else self._workplace.open_project

    def entry(self, index: int) -> SeriesEntry:
        """How far an image is."""
        key = self._documents.keys[index]
        document, row = self._documents.in_memory(key), self._row(key)
        n_objects = row.n_objects if row is not None else 0
        touched = n_objects > 0
        if document is not None:
            n_objects = len(document.annotation.objects)
            touched = n_objects > 0 or document.annotation.history.undo_name is not None
        status = ImageStatus.IN_WORK if touched else ImageStatus.UNTOUCHED
        if row is not None and row.done:
            status = ImageStatus.DONE
        path = key if isinstance(key, Path) else None
        name = document.image.name if document is not None else ""
        return SeriesEntry(
            name=path.name if path is not None else name,
            path=path,
            status=status,
            n_objects=n_objects,
            in_training_set=row is not None and row.training,
        )

    @property
    def is_done(self) -> bool:
        """Whether the image shown is marked as done."""
        row = self._current_row()
        return row is not None and row.done

    @property
    def is_in_training_set(self) -> bool:
        """Whether the image shown is in the training set."""
        row = self._current_row()
        return row is not None and row.training

    @property
    def paths(self) -> list[Path | None]:
        """Where the images are; None for one that comes from no file."""
        return [key if isinstance(key, Path) else None for key in self._documents.keys]

    def count_done(self) -> int:
        """Count the images that are marked as done."""
        project, keys = self.project, self._documents.keys
        if project is None:
            return 0
        done = {project.images.path_of(row) for row in project.images if row.done}
        in_memory = {key for key in keys if self._documents.in_memory(key) is not None}
        rows = [self._row(key) for key in in_memory]
        return sum(row is not None and row.done for row in rows) + len(
            done.intersection(keys) - in_memory
        )

    def open(self, paths: Sequence[Path]) -> None:
        """Open images, a folder, a manifest or a project.

        Files are added to what is open; the others take its place.
        """
        if not paths:
            return
        if self._workplace is not None:
            self._workplace.start()
        if len(paths) == 1 and is_project(paths[0]):
            self.open_project(paths[0])
        elif any(path.is_dir() or path.suffix.lower() in manifest.SUFFIXES for path in paths):
            self._open_inputs(tuple(str(path.resolve()) for path in paths))
        else:
            self._wish += 1
            self._documents.open_files(paths)

    def open_project(self, folder: Path) -> None:
        """Work in another project, and go on with its images where one stopped."""
        if self._workplace is None:
            self._tell_error("No project can be opened here: nothing is kept in this window")
            return
        try:
            self._workplace.choose(folder, self._documents.forget_all)
        except SegSemError as error:
            self._tell_error(str(error))
            return
        self._places, self._inputs = None, ()
        if not self.resume():
            self._open_project_images()

    def resume(self) -> bool:
        """Go on where one stopped in this project; tell whether there is such a place."""
        place = self.last_place
        if place is None:
            return False
        self._open_inputs(place.inputs, place.current)
        return True

    def come_back(self, path: Path) -> None:
        """Open an image of an earlier visit, with its series if one stopped there."""
        if self._workplace is None:
            self.open([path])
            return
        workplace = self._workplace
        workplace.start()
        self._wish += 1
        wish = self._wish

        def opened(_project: Project | None) -> None:
            if wish != self._wish or self._closed:
                return
            place = self.last_place
            if place is not None and Path(place.current) == path:
                self._open_inputs(place.inputs, place.current)
            else:
                self._documents.open_files([path])

        self._background(lambda: workplace.project, opened, self._tell_error)

    @property
    def last_place(self) -> Place | None:
        """Where one stopped in this project; None where it is not open, or is new."""
        places = self._known_places()
        return places[0] if places else None

    def next_unfinished(self) -> None:
        """Show the next image that is not marked as done."""
        count = len(self)
        for by in range(1, count + 1):
            index = (self.index + by) % count
            if self.entry(index).status is not ImageStatus.DONE:
                if index == self.index:
                    self._tell("This is the only image that is not done")
                else:
                    self._documents.go_to(index)
                return
        self._tell("All images are done" if count else "Open a folder of images first")

    def go_to(self, index: int) -> None:
        """Show an image by its index."""
        if 0 <= index < len(self) and index != self.index:
            self._documents.go_to(index)

    def toggle_done(self) -> None:
        """Mark the image shown as done, or take the mark back."""
        document = self._documents.current
        if document is None or self._workplace is None:
            self._tell("Open an image first")
            return
        done = not self.is_done
        if self._workplace.mark(document, done=done):
            self._tell("Marked as done" if done else "No longer marked as done")

    def toggle_training(self) -> None:
        """Put the image shown into the training set, or take it out."""
        document = self._documents.current
        if document is None or self._workplace is None:
            self._tell("Open an image first")
            return
        inside = self.is_in_training_set
        if not inside and not document.annotation.objects:
            self._tell("Accept an object first: an image without objects teaches nothing")
            return
        if self._workplace.mark(document, training=not inside):
            name = document.image.name
            self._tell(f"{name} is {'no longer' if inside else 'now'} in the training set")

    def note_shown(self) -> None:
        """Take note of which image is shown: one comes back to it."""
        document = self._documents.current
        if document is not None:
            document.annotation.objects_changed.connect(self._objects_changed, unique=True)
        self._note_place()
        self.changed.emit()

    def close(self) -> None:
        """Write down where one stopped, if that is under way."""
        self._closed = True
        project = self.project
        if project is not None and self._writing:
            with suppress(SegSemError):
                write_places(project.folder, self._places or [])

    def _row(self, key: Key) -> ImageRow | None:
        project = self.project
        if project is None or self._workplace is None:
            return None
        document = self._documents.in_memory(key)
        if document is not None:
            return self._workplace.row(document)
        return project.images.at(key) if isinstance(key, Path) else None

    def _current_row(self) -> ImageRow | None:
        return self._row(self._documents.keys[self.index]) if len(self) else None

    def _open_inputs(self, inputs: tuple[str, ...], current: str = "") -> None:
        self._wish += 1
        wish = self._wish

        def listed(sources: list[ImageSource]) -> None:
            if wish != self._wish or self._closed:
                return
            self._inputs = inputs
            known = [place.current for place in self._known_places() if place.inputs == inputs]
            first = current or (known[0] if known else "")
            self._documents.open_series(sources, Path(first) if first else None)

        self._background(lambda: discover(inputs), listed, self._tell_error)

    def _open_project_images(self) -> None:
        project = self.project
        paths = [project.images.path_of(row) for row in project.images] if project else []
        there = [str(path) for path in paths if path is not None and path.exists()]
        if there:
            self._open_inputs(tuple(there))

    def _known_places(self) -> list[Place]:
        project = self.project
        if self._places is None and project is not None:
            self._places = read_places(project.folder)
        return self._places or []

    def _note_place(self) -> None:
        keys = self._documents.keys
        project = self.project
        if project is None or not keys:
            return
        shown = keys[self.index]
        if not isinstance(shown, Path):
            return
        if not self._inputs_cover(keys):
            self._inputs = tuple(str(key) for key in keys if isinstance(key, Path))
        place = Place(self._inputs, str(shown))
        others = [known for known in self._known_places() if known.inputs != place.inputs]
        self._places = [place, *others]
        self._write_places(project)

    def _inputs_cover(self, keys: Sequence[Key]) -> bool:
        """Whether what was opened is all that is open: no file was added since."""
        return bool(self._inputs) and len(keys) == self._documents.series_length

    def _write_places(self, project: Project) -> None:
        if self._writing:
            self._write_again = True
            return
        self._writing = True
        places = list(self._places or [])

        def written(_result: None = None) -> None:
            self._writing = False
            if self._write_again and not self._closed:
                self._write_again = False
                self._write_places(project)

        # A place that cannot be written down is no reason to be stopped by an error.
        self._background(
            lambda: write_places(project.folder, places), written, lambda message: written()
        )

    def _objects_changed(self) -> None:
        if len(self):
            self.entry_changed.emit(self.index)

    def _project_changed(self) -> None:
        self.changed.emit()
