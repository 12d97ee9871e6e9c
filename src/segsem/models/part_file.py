"""`NAME.part`: the bytes of a download that are here so far, and what the server said of them.

Two processes may work on one part at once without a lock: each writes at its own place what the
other writes there too, and nothing shortens a file that another has open.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from types import TracebackType

from segsem.core.exceptions import ExportError, ModelError
from segsem.core.files import write_json
from segsem.core.progress import Progress

HASH_CHUNK_BYTES = 1 << 22
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class Validators:
    """What tells whether a server still has the file that a part was begun from.

    Attributes
    ----------
    url : str
        Where the part comes from, without user and password.
    etag, last_modified : str
        As the server sent them; empty where it did not.
    total_bytes : int
        Size of the whole file; 0 means not known.
    """

    url: str = ""
    etag: str = ""
    last_modified: str = ""
    total_bytes: int = 0

    @property
    def for_if_range(self) -> str:
        """What `If-Range` may carry: a strong ETag or else a date (RFC 9110, 13.1.5)."""
        return self.etag if self.etag.startswith('"') else self.last_modified

    def contradicts(self, other: Validators) -> bool:
        """Whether both cannot be of one file; another URL's ETag and date say nothing."""
        if self.total_bytes and other.total_bytes and self.total_bytes != other.total_bytes:
            return True
        if self.url != other.url:
            return False
        ours, theirs = (self.etag, self.last_modified), (other.etag, other.last_modified)
        return any(a and b and a != b for a, b in zip(ours, theirs, strict=True))


class PartFile:
    """A part, open for writing; a context manager.

    Parameters
    ----------
    path : Path
        The part; its folder is made where it is not there, the file itself by the first write.

    Raises
    ------
    ModelError
        If it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: FileIO | None = None
        with _disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                self._file = _opened(path)
        self.validators = _read_validators(_notes(path))

    def __enter__(self) -> PartFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def size_bytes(self) -> int:
        """How much is there."""
        return 0 if self._file is None else os.fstat(self._file.fileno()).st_size

    @property
    def is_whole(self) -> bool:
        """Whether all that the server told of is there."""
        return 0 < self.size_bytes == self.validators.total_bytes

    @property
    def is_current(self) -> bool:
        """Whether the path still leads to this file."""
        try:
            return self._file is not None and os.path.samestat(
                os.fstat(self._file.fileno()), self.path.stat()
            )
        except OSError:
            return False

    def write(self, offset_bytes: int, data: bytes) -> None:
        """Write at a place of the file.

        Raises
        ------
        ModelError
            If it cannot be written; on a full disk the part is removed, to leave no disk full.
        """
        with _disk_errors(self.path):
            if self._file is None:
                self._file = _opened(self.path)
            self._file.seek(offset_bytes)
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]

    def describe(self, validators: Validators) -> None:
        """Keep beside the part what the server said of the whole file."""
        self.validators = validators
        with _disk_errors(self.path):
            write_json(_notes(self.path), asdict(validators))

    def start_again(self) -> None:
        """Begin with a new, empty file; whoever has the old one open keeps it."""
        if self._file is not None:
            self._file.close()
        remove(self.path)
        self._file, self.validators = None, Validators()


def sha256_in_steps(path: Path, label: str) -> Generator[Progress, None, str]:
    """Hash a file.

    Parameters
    ----------
    path : Path
    label : str
        What is hashed, for the messages.

    Yields
    ------
    Progress
        In bytes.

    Returns
    -------
    str
        In hexadecimal digits.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    digest, done_bytes, total_bytes = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while block := file.read(HASH_CHUNK_BYTES):
            digest.update(block)
            done_bytes += len(block)
            yield Progress(done_bytes, total_bytes, f"{label}: checking sha256")
    return digest.hexdigest()


def remove(path: Path) -> None:
    """Remove a part and the notes beside it; nothing where they are gone already."""
    for file in (path, _notes(path)):
        with contextlib.suppress(OSError):
            file.unlink()


def require_space(folder: Path, needed_bytes: int, purpose: str) -> None:
    """Refuse to begin what the disk has no room for.

    Raises
    ------
    ModelError
        If there is not enough space.
    """
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        msg = (
            f"{purpose} needs {megabytes(needed_bytes)}, but only {megabytes(free_bytes)} are free "
            f"in {folder}. Free some space, or set SEGSEM_HOME to a folder on another disk."
        )
        raise ModelError(msg)


def megabytes(count: int) -> str:
    """Write a number of bytes in MB (10^6)."""
    return f"{count / 1e6:.1f} MB"


def _notes(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _read_validators(path: Path) -> Validators:
    # Notes that cannot be read only cost the check: the hash of the whole decides in the end.
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        found = Validators(**data)
        texts = (found.url, found.etag, found.last_modified)
        sound = isinstance(found.total_bytes, int) and all(isinstance(t, str) for t in texts)
    except (OSError, ValueError, TypeError):
        return Validators()
    return found if sound else Validators()


def _opened(path: Path) -> FileIO:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, 0o666), "r+b", buffering=0)


@contextlib.contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ExportError) as error:
        cause = error.__cause__ if isinstance(error, ExportError) else error
        if isinstance(cause, OSError) and cause.errno in _DISK_FULL:
            remove(path)
            msg = (
                f"The disk with {path.parent} is full ({cause.strerror}); the unfinished download "
                "was removed. Free some space, or set SEGSEM_HOME to a folder on another disk."
            )
            raise ModelError(msg) from error
        reason = getattr(cause, "strerror", None) or cause
        msg = (
            f"Cannot write {path}: {reason}. "
            "Make its folder writable, or set SEGSEM_HOME to a folder that is."
        )
        raise ModelError(msg) from error
