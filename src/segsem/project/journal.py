"""An append-only file of records: what is in it survives the death of the program.

A line is a CRC-32 in hexadecimal, a space, and a JSON object; the first one says what the journal
belongs to. A record is handed to the operating system before `append` returns, so it survives
`kill -9`; `sync` puts it on the disk, for the case that the power goes.
"""

from __future__ import annotations

import json
import os
import threading
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segsem.core.exceptions import ExportError, InputError

FORMAT = "segsem-journal"
FORMAT_VERSION = 1

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class JournalContent:
    """What a journal holds.

    Attributes
    ----------
    header : dict
        The first record; empty where there is no whole one.
    records : tuple of dict
        All whole records behind it.
    good_bytes : int
        Where the last whole record ends.
    lost_bytes : int
        What lies behind that: the record that was being written when the program died, or, where
        `is_damaged`, records that can no longer be read.
    is_damaged : bool
        Whether more than the last record is lost.
    """

    header: Record = field(default_factory=dict)
    records: tuple[Record, ...] = ()
    good_bytes: int = 0
    lost_bytes: int = 0
    is_damaged: bool = False


def encode_record(record: Record) -> bytes:
    """Give the line of a record."""
    text = json.dumps(record, allow_nan=False, ensure_ascii=True, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def read_journal(path: Path, n_bytes: int | None = None) -> JournalContent:
    """Read all whole records of a journal, up to the first that is not.

    Parameters
    ----------
    path : Path
    n_bytes : int, optional
        How far to read; what comes behind it is not looked at.

    Raises
    ------
    InputError
        If it cannot be read, or is of a newer format.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(-1 if n_bytes is None else n_bytes)
    except FileNotFoundError:
        return JournalContent()
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}"
        raise InputError(msg) from error
    found: list[Record] = []
    good = 0
    while (end := raw.find(b"\n", good)) >= 0:
        record = _decoded(raw[good:end])
        if record is None:
            break
        found.append(record)
        good = end + 1
    if found:
        _check_header(path, found[0])
    return JournalContent(
        header=found[0] if found else {},
        # Version 0.1.0 could write the first line twice.
        records=tuple(record for record in found[1:] if record.get("format") != FORMAT),
        good_bytes=good,
        lost_bytes=len(raw) - good,
        is_damaged=b"\n" in raw[good:],
    )


class Journal:
    """A journal that is written to.

    Parameters
    ----------
    path : Path
        The file; made when the first record comes.
    header : dict
        What it belongs to, as JSON values; written when the file is made.
    """

    def __init__(self, path: Path, header: Record) -> None:
        self.path = path
        self.header: Record = {"format": FORMAT, "version": FORMAT_VERSION, **header}
        self._file: int | None = None
        self._size = 0
        self._waiting: list[bytes] = []
        self._lock = threading.Lock()
        self._synced = 0

    @property
    def size(self) -> int:
        """Bytes of whole records."""
        return self._size

    def append(self, record: Record) -> None:
        """Add a record.

        Raises
        ------
        ExportError
            If it cannot be written, e.g. where the disk is full. It is kept, and written before
            the next one.
        """
        with self._lock:
            self._waiting.append(encode_record(record))
            self._write()

    def sync(self) -> None:
        """Wait until all that was written is on the disk."""
        with self._lock:
            size = self._size
            file = None if self._file is None or size == self._synced else os.dup(self._file)
        if file is None:
            return
        try:
            os.fsync(file)
            self._synced = size
        except OSError as error:
            raise self._error(error) from error
        finally:
            os.close(file)

    def repair(self) -> None:
        """Cut off what was being written when a program died, if there is a journal.

        Raises
        ------
        ExportError
            If the file cannot be opened.
        """
        with self._lock:
            if self._file is None and self.path.exists():
                try:
                    self._open()
                except OSError as error:
                    raise self._error(error) from error

    def set_aside(self) -> None:
        """Keep the file under another name, as one that cannot be read to its end."""
        with self._lock:
            self._close()
            try:
                if self.path.exists():
                    self.path.replace(self._damaged_path())
            except OSError as error:
                raise self._error(error) from error

    def cut_head(self, n_bytes: int) -> None:
        """Drop the first `n_bytes`, which are kept elsewhere by now; the file goes where none stay.

        Raises
        ------
        ExportError
            If the file cannot be written anew; then it stays as it is.
        """
        if n_bytes == 0:
            # A journal that was begun after its owner last looked holds nothing kept elsewhere.
            return
        with self._lock:
            try:
                self._close()
                if not self.path.exists():
                    return
                rest = _tail(self.path, n_bytes)
                if not rest:
                    self.path.unlink()
                    return
                beside = self.path.with_name(f".{self.path.name}.new")
                beside.write_bytes(encode_record(self.header) + rest)
                beside.replace(self.path)
            except OSError as error:
                raise self._error(error) from error

    def close(self) -> None:
        """Let go of the file; a further record opens it again."""
        with self._lock:
            self._close()

    def _write(self) -> None:
        try:
            file = self._open() if self._file is None else self._file
            while self._waiting:
                self._write_line(file, self._waiting[0])
                self._size += len(self._waiting.pop(0))
        except OSError as error:
            raise self._error(error) from error

    def _write_line(self, file: int, line: bytes) -> None:
        done = 0
        try:
            while done < len(line):
                done += os.write(file, line[done:])
        except OSError:
            # Half a record would hide all that come behind it.
            os.ftruncate(file, self._size)
            raise

    def _open(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        content = read_journal(self.path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        if content.is_damaged:
            # Nothing is thrown away that somebody may still want to look into.
            self._damaged_path().write_bytes(self.path.read_bytes())
        self._file = os.open(self.path, flags, 0o666)
        self._size = content.good_bytes
        if content.lost_bytes:
            os.ftruncate(self._file, self._size)
        if not content.header:
            self._write_header(self._file)
        return self._file

    def _write_header(self, file: int) -> None:
        line = encode_record(self.header)
        try:
            self._write_line(file, line)
        except OSError:
            self._close()
            raise
        self._size += len(line)

    def _damaged_path(self) -> Path:
        number = 1
        while (path := self.path.with_name(f"{self.path.name}.damaged-{number}")).exists():
            number += 1
        return path

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self._size = self._synced = 0

    def _error(self, error: OSError) -> ExportError:
        return ExportError(
            f"Cannot write {self.path}: {error.strerror or error}. What you do is kept in memory "
            "only: make space, or choose a project in a folder that is writable."
        )


def _tail(path: Path, n_bytes: int) -> bytes:
    with path.open("rb") as file:
        file.seek(n_bytes)
        return file.read()


def _decoded(line: bytes) -> Record | None:
    if len(line) < 10 or line[8:9] != b" ":
        return None
    try:
        if int(line[:8], 16) != zlib.crc32(line[9:]):
            return None
        value = json.loads(line[9:])
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _check_header(path: Path, header: Record) -> None:
    if header.get("format") != FORMAT:
        msg = f"{path} is not a journal of segsem: expected format {FORMAT!r} in its first line"
        raise InputError(msg)
    if header.get("version") != FORMAT_VERSION:
        msg = (
            f"{path} has format version {header.get('version')!r}, but this program knows "
            f"{FORMAT_VERSION}: update napari-segsem"
        )
        raise InputError(msg)
