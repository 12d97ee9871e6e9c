"""`Project`: a folder that keeps what was done to images, whose files it never writes."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
import threading
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segsem.core.exceptions import InputError, SegSemError, UsageError
from segsem.core.params import Tone
from segsem.core.progress import Progress
from segsem.imaging.image import SEMImage
from segsem.project.annotation_store import (
    AnnotationStore,
    StoredAnnotation,
    now,
    read_annotation,
)
from segsem.project.description import (
    ProjectDescription,
    is_project,
    read_description,
    write_description,
)
from segsem.project.image_table import ImageRow, ImageTable
from segsem.project.journal import read_journal
from segsem.project.lock import ProjectLock
from segsem.project.snapshot import REGIONS

logger = logging.getLogger(__name__)

ANNOTATIONS = "annotations"
JOURNALS = "journal"
MODELS = "models"
RESULTS = "results"
EXPORTS = "exports"
JOURNAL_SUFFIX = ".jsonl"

_LEFTOVER = re.compile(r"\.(labels|regions|history|images|project)\..*|\..*\.jsonl\.new")


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was found when a project was opened after a program had died.

    Attributes
    ----------
    image_ids : tuple of str
        Images whose journal was ahead of their files.
    problems : tuple of str
        What could not be read, one line each.
    """

    image_ids: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def content_hash(image: SEMImage) -> str:
    """Hash by which a project knows an image: of its file, or of its values where it has none."""
    if image.sha256:
        return image.sha256
    data = np.ascontiguousarray(image.data)
    return hashlib.sha256(f"{data.dtype.str}{data.shape}".encode() + data.tobytes()).hexdigest()


class Project:
    """A project that is open, for writing if `lock` is held.

    Use `Project.create` or `Project.open`.
    """

    def __init__(
        self, folder: Path, description: ProjectDescription, lock: ProjectLock | None
    ) -> None:
        self.folder = folder
        self.description = description
        self.images = ImageTable.read(folder)
        self._lock = lock
        self._stores: dict[str, AnnotationStore] = {}
        self._guard = threading.RLock()
        self._closed = False
        self._add_unlisted()

    @classmethod
    def create(cls, folder: Path, name: str = "") -> Project:
        """Make a project and open it.

        Parameters
        ----------
        folder : Path
            New or empty, or one that holds only images.
        name : str
            The folder's name if not given.

        Raises
        ------
        UsageError
            If there is a project already.
        ExportError
            If the folder cannot be made or written to.
        """
        folder = folder.resolve()
        if is_project(folder):
            msg = f"{folder} is a project already: open it, or choose another folder"
            raise UsageError(msg)
        write_description(folder, ProjectDescription(name or folder.name, now()))
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path, *, write: bool = True) -> Project:
        """Open a project.

        Parameters
        ----------
        folder : Path
        write : bool
            Whether to take its lock; without it, all is read only.

        Raises
        ------
        ProjectInUseError
            If another program works in it.
        InputError
            If it is no project, is damaged, or of a newer format.
        """
        folder = folder.resolve()
        description = read_description(folder)
        lock = ProjectLock(folder) if write else None
        if lock is not None:
            lock.acquire()
        try:
            return cls(folder, description, lock)
        except BaseException:
            if lock is not None:
                lock.release()
            raise

    @property
    def name(self) -> str:
        """In the user's words."""
        return self.description.name

    def annotation_folder(self, image_id: str) -> Path:
        """Folder of an image's annotation."""
        return self.folder / ANNOTATIONS / image_id

    def journal_path(self, image_id: str) -> Path:
        """Journal of an image; there only while it is ahead of the image's files."""
        return self.folder / JOURNALS / f"{image_id}{JOURNAL_SUFFIX}"

    def register(self, image: SEMImage) -> ImageRow:
        """Give the row of an image, a new one where its content is not known."""
        sha256 = content_hash(image)
        with self._guard:
            known = self.images.find(sha256)
            if known is None:
                known = self._new_row(image, sha256)
                self.images.put(known)
            elif self._has_moved(known, image.path):
                self.images.change(
                    known.image_id, path=self.images.recorded_path(_resolved(image.path))
                )
            return self.images.get(known.image_id) or known

    def store(self, image: SEMImage) -> AnnotationStore:
        """Give what keeps an image's annotation; the image gets a row if it has none."""
        with self._guard:
            row = self.register(image)
            if row.image_id not in self._stores:
                self._stores[row.image_id] = self._make_store(row)
            self._stores[row.image_id].know_rows(image.valid_rows)
            return self._stores[row.image_id]

    def read(self, image_id: str) -> StoredAnnotation | None:
        """Read an image's annotation as it stands; None where there is none.

        Raises
        ------
        InputError
            If it is damaged.
        """
        return read_annotation(self.annotation_folder(image_id), self.journal_path(image_id))

    def mark(self, image: SEMImage, marks: Mapping[str, Any]) -> None:
        """Note something of an image: `done`, `training`, `pixel_size_nm`.

        It is in the journal when this returns; `images.csv` follows with the next `save`.

        Raises
        ------
        ExportError
            If the journal cannot be written.
        """
        self.store(image).mark(marks)
        self._take_marks(self.register(image).image_id, marks)

    def forget(self, image_id: str) -> None:
        """Take an image away with all that is kept of it: for one whose adding failed half-way.

        The image's own file is never touched.
        """
        with self._guard:
            store = self._stores.pop(image_id, None)
            if store is not None:
                store.close()
            self.images.remove(image_id)
            self.journal_path(image_id).unlink(missing_ok=True)
            folder = self.annotation_folder(image_id)
            if folder.is_dir():
                shutil.rmtree(folder)

    def compact(self, image_id: str) -> None:
        """Bring an image's files up to date and cut its journal; takes long.

        Raises
        ------
        SegSemError
            If a file is damaged or cannot be written; the journal stays then.
        """
        row = self.images.get(image_id)
        if row is None or self._closed:
            return
        with self._guard:
            if image_id not in self._stores:
                self._stores[image_id] = self._make_store(row)
            store = self._stores[image_id]
        # The table first: without it nobody would find the files.
        self.save()
        stored = store.compact()
        if stored is None:
            return
        timeline = stored.snapshot.timeline
        self._take_marks(image_id, timeline.marks)
        self.images.change(image_id, n_objects=len(timeline.image.objects))
        self.save()
        if stored.problem:
            raise InputError(stored.problem)

    def recover(self) -> Generator[Progress, None, Recovered]:
        """Bring the files of all images up to date whose journal is ahead, as after a crash."""
        self._remove_leftovers()
        paths = sorted((self.folder / JOURNALS).glob(f"*{JOURNAL_SUFFIX}"))
        problems: list[str] = []
        for number, path in enumerate(paths):
            yield Progress(number, len(paths), path.stem)
            try:
                self.compact(path.stem)
            except SegSemError as error:
                problems.append(str(error))
        return Recovered(tuple(path.stem for path in paths), tuple(problems))

    def save(self) -> None:
        """Write `images.csv`.

        Raises
        ------
        ExportError
            If it cannot be written.
        """
        self.images.write()

    def close(self) -> None:
        """Let go of all files and of the lock."""
        self._closed = True
        with self._guard:
            for store in self._stores.values():
                store.close()
            self._stores.clear()
            if self._lock is not None:
                self._lock.release()

    def _new_row(self, image: SEMImage, sha256: str) -> ImageRow:
        tone, groups = image.metadata.get("tone"), image.metadata.get("groups", {})
        return ImageRow(
            image_id=self.images.new_id(image.name, sha256),
            path=self.images.recorded_path(_resolved(image.path)),
            sha256=sha256,
            shape=image.shape,
            pixel_size_nm=image.pixel_size_nm,
            pixel_size_source=image.pixel_size_source or "",
            tone=Tone(tone) if tone else None,
            groups={str(key): str(value) for key, value in groups.items()},
        )

    def _has_moved(self, known: ImageRow, path: Path | None) -> bool:
        before = self.images.path_of(known)
        if path is None or before == _resolved(path):
            return False
        return before is None or not before.exists()

    def _make_store(self, row: ImageRow) -> AnnotationStore:
        belongs = {
            "image_id": row.image_id,
            "sha256": row.sha256,
            "shape": list(row.shape),
            "path": row.path,
        }
        folder, journal = self.annotation_folder(row.image_id), self.journal_path(row.image_id)
        return AnnotationStore(folder, journal, belongs)

    def _take_marks(self, image_id: str, marks: Mapping[str, Any]) -> None:
        values: dict[str, Any] = {
            name: bool(marks[name]) for name in ("done", "training") if name in marks
        }
        if marks.get("pixel_size_nm"):
            px_y, px_x = marks["pixel_size_nm"]
            values |= {"pixel_size_nm": (px_y, px_x), "pixel_size_source": "user"}
        if values:
            self.images.change(image_id, **values)

    def _add_unlisted(self) -> None:
        """Add images that are annotated, but not in the table: the program died before that."""
        journals = (self.folder / JOURNALS).glob(f"*{JOURNAL_SUFFIX}")
        folders = (self.folder / ANNOTATIONS).glob("*")
        for image_id in sorted({path.stem for path in journals} | {path.name for path in folders}):
            if self.images.get(image_id) is not None:
                continue
            try:
                self.images.put(self._row_from_files(image_id))
            except (SegSemError, OSError, KeyError, TypeError, ValueError) as error:
                logger.warning("an annotation belongs to no image: %s (%s)", image_id, error)

    def _row_from_files(self, image_id: str) -> ImageRow:
        belongs = read_journal(self.journal_path(image_id)).header
        if not belongs:
            regions = self.annotation_folder(image_id) / REGIONS
            belongs = json.loads(regions.read_text(encoding="utf-8"))
        height, width = belongs["shape"]
        path = str(belongs.get("path", ""))
        return ImageRow(image_id, path, str(belongs["sha256"]), (int(height), int(width)))

    def _remove_leftovers(self) -> None:
        """Remove half-written files of a program that died: the lock says that nobody writes."""
        if self._lock is None:
            return
        folders = [self.folder, self.folder / JOURNALS, *(self.folder / ANNOTATIONS).glob("*")]
        for folder in folders:
            for path in folder.glob(".*"):
                if _LEFTOVER.fullmatch(path.name):
                    path.unlink(missing_ok=True)


def _resolved(path: Path | None) -> Path | None:
    return None if path is None else path.resolve()
