"""What is kept of one image: snapshot files and the journal of what was done since."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from segsem.core.exceptions import InputError
from segsem.project.journal import Journal, JournalContent, read_journal
from segsem.project.label_edit import LabelEdit
from segsem.project.snapshot import (
    HISTORY,
    LABELS,
    REGIONS,
    Snapshot,
    read_snapshot,
    sync_snapshot,
    write_snapshot,
)
from segsem.project.timeline import Happening, do_record, mark_record, travel_record

ATTEMPTS = 20
"""So often a reader tries anew while another program writes."""


@dataclass(frozen=True, slots=True)
class StoredAnnotation:
    """An annotation as its files and its journal tell it.

    Attributes
    ----------
    snapshot : Snapshot
        With the journal played to its end.
    content : JournalContent
    problem : str
        What could not be read, in one line; empty where all is well.
    """

    snapshot: Snapshot
    content: JournalContent
    problem: str = ""

    @property
    def is_ahead(self) -> bool:
        """Whether the journal knows more than the files."""
        snapshot = self.snapshot
        oldest = min(snapshot.pixels_seq, snapshot.objects_seq, snapshot.steps_seq)
        return snapshot.timeline.seq > oldest


def read_annotation(
    folder: Path,
    journal: Path,
    shape: tuple[int, int] | None = None,
    journal_bytes: int | None = None,
) -> StoredAnnotation | None:
    """Read what is kept of an image, also while another program works on it.

    Parameters
    ----------
    folder : Path
        Of the image's snapshot.
    journal : Path
    shape : (int, int), optional
        (H, W) of the image; found in the files where it is not given.
    journal_bytes : int, optional
        How far to read the journal; to its end if not given.

    Returns
    -------
    StoredAnnotation or None
        None where nothing is kept.

    Raises
    ------
    InputError
        If a file is damaged, or does not fit the image.
    """
    for attempt in range(ATTEMPTS):
        before = _signature(folder, journal)
        try:
            stored = _read(folder, read_journal(journal, journal_bytes), shape)
        except InputError:
            if attempt + 1 < ATTEMPTS and _signature(folder, journal) != before:
                continue
            raise
        if _signature(folder, journal) == before:
            return stored
    msg = f"{folder} is being written all the time: close the other program, then try again"
    raise InputError(msg)


class AnnotationStore:
    """Keeps one image's annotation, one writer at a time.

    `note` and `mark` are for the thread that edits; `restore` and `compact` take longer and are
    for the background. They may run at the same time.

    Parameters
    ----------
    folder : Path
        Of the image's snapshot.
    journal : Path
    image : dict
        What it belongs to: `image_id`, `sha256` and `shape`, as JSON values; `valid_rows`, the
        half-open range of rows that show the sample, where it is known.
    """

    def __init__(self, folder: Path, journal: Path, image: Mapping[str, Any]) -> None:
        self._folder, self._path = folder, journal
        self._image = dict(image)
        self._shape: tuple[int, int] = tuple(image["shape"])
        self._journal = Journal(journal, self._image)
        self._seq: int | None = None
        self._own_done = self._own_undone = 0
        self._since_snapshot = 0
        self._files = threading.Lock()
        self._records = threading.Lock()

    @property
    def n_records(self) -> int:
        """Records since the last snapshot, so far as this object knows."""
        return self._since_snapshot

    def know_rows(self, valid_rows: tuple[int, int]) -> None:
        """Take note of which rows show the sample."""
        self._image["valid_rows"] = list(valid_rows)
        self._journal.header["valid_rows"] = list(valid_rows)

    def restore(self) -> StoredAnnotation | None:
        """Read what is kept; None where nothing is.

        What cannot be read is set aside, and what could be is written as a snapshot.

        Raises
        ------
        InputError
            If a file is damaged, or does not fit the image.
        """
        with self._files:
            stored = read_annotation(self._folder, self._path, self._shape)
            if stored is None:
                with self._records:
                    self._seq = self._seq or 0
                return None
            if stored.problem:
                self._set_aside(stored)
            with self._records:
                self._seq = max(self._seq or 0, stored.snapshot.timeline.seq)
                self._since_snapshot = len(stored.content.records)
            return stored

    def note(self, happening: Happening, edit: LabelEdit) -> None:
        """Keep an edit that happened; it outlives the program once this returns.

        Raises
        ------
        ExportError
            If it cannot be written; it is kept in memory and written with the next one.
        """
        with self._records:
            seq, at = self._next(), now()
            if happening == "do":
                record = do_record(seq, at, edit)
                self._own_done, self._own_undone = self._own_done + 1, 0
            else:
                by = 1 if happening == "undo" else -1
                known = self._own_done if happening == "undo" else self._own_undone
                record = travel_record(seq, at, happening, None if known else edit)
                self._own_done = max(self._own_done - by, 0)
                self._own_undone = max(self._own_undone + by, 0)
            self._journal.append(record)

    def mark(self, marks: Mapping[str, Any]) -> None:
        """Keep what is noted of the image as a whole: names and JSON values.

        Raises
        ------
        ExportError
            As `note` does.
        """
        with self._records:
            self._journal.append(mark_record(self._next(), now(), marks))

    def sync(self) -> None:
        """Wait until all is on the disk, for the case that the power goes."""
        self._journal.sync()

    def compact(self) -> StoredAnnotation | None:
        """Bring the snapshot up to date and cut what it contains off the journal.

        Works from file to file, so editing may go on meanwhile.

        Returns
        -------
        StoredAnnotation or None
            What was written; None where nothing is kept.
        """
        with self._files:
            with self._records:
                # From here on, an undo of what is cut off carries its edit.
                self._own_done = self._own_undone = 0
                self._journal.repair()
                size = self._journal.size
            stored = read_annotation(self._folder, self._path, self._shape, size)
            if stored is None:
                return None
            if stored.problem:
                self._set_aside(stored)
            elif stored.is_ahead or self._path.exists():
                self._write(stored)
                with self._records:
                    self._journal.cut_head(size)
                    self._since_snapshot = 0
            return stored

    def close(self) -> None:
        """Let go of the journal's file, once what is being written is written."""
        with self._files:
            self._journal.close()

    def _next(self) -> int:
        if self._seq is None:
            stored = read_annotation(self._folder, self._path, self._shape)
            self._seq = 0 if stored is None else stored.snapshot.timeline.seq
        self._seq += 1
        self._since_snapshot += 1
        return self._seq

    def _write(self, stored: StoredAnnotation) -> None:
        rows = self._image.get("valid_rows") or stored.content.header.get("valid_rows")
        if rows:
            stored.snapshot.valid_rows = (int(rows[0]), int(rows[1]))
        image = {key: self._image[key] for key in ("image_id", "sha256", "path")}
        write_snapshot(self._folder, image, stored.snapshot, now())
        sync_snapshot(self._folder)

    def _set_aside(self, stored: StoredAnnotation) -> None:
        """Keep a damaged journal under another name; what could be read of it becomes files."""
        self._write(stored)
        with self._records:
            self._journal.set_aside()
            self._since_snapshot = 0


def now() -> str:
    """The time, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _read(
    folder: Path, content: JournalContent, shape: tuple[int, int] | None
) -> StoredAnnotation | None:
    name = content.header.get("image_id", folder.name)
    shape = shape or _header_shape(content)
    snapshot = read_snapshot(folder, shape)
    if snapshot is None or not (content.header or (folder / REGIONS).exists()):
        return None
    problem = ""
    timeline = snapshot.timeline
    try:
        for record in content.records:
            if int(record["seq"]) > snapshot.steps_seq:
                timeline.play(
                    record,
                    pixels=record["seq"] > snapshot.pixels_seq,
                    objects=record["seq"] > snapshot.objects_seq,
                )
    except (InputError, KeyError, TypeError, ValueError) as error:
        problem = f"The journal of {name}: {error}"
    if content.is_damaged:
        problem = f"The journal of {name} is damaged behind its record {len(content.records)}"
    return StoredAnnotation(snapshot, content, problem)


def _header_shape(content: JournalContent) -> tuple[int, int] | None:
    try:
        height, width = content.header["shape"]
        return int(height), int(width)
    except (KeyError, TypeError, ValueError):
        return None


def _signature(folder: Path, journal: Path) -> tuple[Any, ...]:
    """What tells that files were replaced; a journal that only grew is the same one."""
    parts: list[Any] = []
    for path in (folder / LABELS, folder / REGIONS, folder / HISTORY, journal):
        try:
            status = path.stat()
        except OSError:
            parts.append(None)
            continue
        grows = path == journal
        parts.append((status.st_ino, None if grows else (status.st_mtime_ns, status.st_size)))
    return tuple(parts)
