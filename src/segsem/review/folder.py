"""`ReviewFolder`: `review/` beside the results, with the journal of decisions.

`journal.jsonl` is the truth and the trail of who decided what and when: it only grows.
`outlines/` holds what the regions looked like that were decided about. `review.json` says how
things stand, for people and other programs; it is never read back.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from segsem.core.exceptions import InputError
from segsem.core.files import write_json
from segsem.project.journal import Journal, read_journal
from segsem.project.lock import ProjectLock
from segsem.review.ledger import Ledger, Record, Step, step_to_json
from segsem.review.outline import Outline, read_outlines, write_outlines

FOLDER = "review"
JOURNAL = "journal.jsonl"
STATE = "review.json"
OUTLINES = "outlines"

_BELONGS = {"kind": "segsem-review", "review_version": 1}
_ILLEGAL = re.compile(r"[^A-Za-z0-9._-]")


def review_folder(result_folder: Path) -> Path:
    """Where the decisions about the results of an image are kept: beside its folder."""
    return result_folder.resolve().parent / FOLDER


class ReviewFolder:
    """The decisions of a lot on disk.

    Parameters
    ----------
    folder : Path
        `OUT/review`; made with the first decision.
    write : bool
        Take the right to write, so that two programs cannot mix their decisions.

    Raises
    ------
    ProjectInUseError
        If another program reviews these results.
    InputError
        If the journal is damaged, of a newer format, or of something else.
    """

    def __init__(self, folder: Path, *, write: bool = False) -> None:
        self.folder = folder
        self._lock: ProjectLock | None = None
        self._writes = write
        if write and folder.is_dir():
            self._acquire()
        self._journal = Journal(folder / JOURNAL, dict(_BELONGS))
        try:
            if write:
                self._journal.repair()
            self.ledger = _read_ledger(folder / JOURNAL)
        except BaseException:
            self.close()
            raise

    def do(self, step: Step) -> None:
        """Keep a step; it survives the end of the program when this returns.

        Raises
        ------
        ExportError
            If it cannot be written; it holds all the same, and is written with the next one.
        """
        self._append(step_to_json(step), lambda: self.ledger.do(step))

    def undo(self, reviewer: str, at: str) -> Step | None:
        """Take the last step back, and keep that."""
        if not self.ledger.done:
            return None
        step = self.ledger.done[-1]
        said = {"kind": "undo", "reviewer": reviewer, "at": at}
        self._append(said, self.ledger.undo)
        return step

    def redo(self, reviewer: str, at: str) -> Step | None:
        """Do the step again that was undone last, and keep that."""
        if not self.ledger.undone:
            return None
        step = self.ledger.undone[-1]
        said = {"kind": "redo", "reviewer": reviewer, "at": at}
        self._append(said, self.ledger.redo)
        return step

    def has_outlines(self, image_id: str, digest: str) -> bool:
        """Whether the outlines of these results are kept."""
        return self._outlines_path(image_id, digest).is_file()

    def keep_outlines(
        self, image_id: str, digest: str, outlines: Mapping[int, Outline], image_sha256: str
    ) -> None:
        """Keep the outlines of results, before the first decision about them."""
        self._check_writes()
        write_outlines(self._outlines_path(image_id, digest), outlines, image_sha256)

    def outlines(self, image_id: str, digest: str) -> tuple[dict[int, Outline], str] | None:
        """Outlines of results, and the hash of their image; None where they are not known."""
        try:
            return read_outlines(self._outlines_path(image_id, digest))
        except InputError:
            return None

    def write_state(self, state: Mapping[str, Any]) -> None:
        """Write `review.json`.

        Raises
        ------
        ExportError
            If it cannot be written.
        """
        write_json(self.folder / STATE, state)

    def sync(self) -> None:
        """Wait until all decisions are on the disk."""
        self._journal.sync()

    def close(self) -> None:
        """Let go of the journal and of the lock."""
        self._journal.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _append(self, record: Record, apply: Callable[[], object]) -> None:
        self._check_writes()
        try:
            self._journal.append(record)
        finally:
            # Where the disk is full the journal keeps it for the next time.
            apply()

    def _check_writes(self) -> None:
        if not self._writes:
            msg = f"{self.folder} was opened for reading: open the review for writing to decide"
            raise InputError(msg)
        if self._lock is None:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                msg = f"{self.folder} cannot be made: {error.strerror or error}"
                raise InputError(msg) from error
            self._acquire()

    def _acquire(self) -> None:
        lock = ProjectLock(self.folder)
        lock.acquire()
        self._lock = lock

    def _outlines_path(self, image_id: str, digest: str) -> Path:
        # Ids may differ in case or in signs that no file name can hold.
        name = hashlib.sha256(f"{image_id}\n{digest}".encode()).hexdigest()[:16]
        return self.folder / OUTLINES / f"{_ILLEGAL.sub('_', image_id)[:60]}.{name}.json"


def _read_ledger(path: Path) -> Ledger:
    content = read_journal(path)
    if content.header and content.header.get("kind") != _BELONGS["kind"]:
        msg = f"{path} is not a journal of a review"
        raise InputError(msg)
    if content.header and content.header.get("review_version") != _BELONGS["review_version"]:
        msg = (
            f"{path} is of a review of version {content.header.get('review_version')!r}, but this "
            f"program knows {_BELONGS['review_version']}: update napari-segsem"
        )
        raise InputError(msg)
    if content.is_damaged:
        msg = (
            f"{path} is damaged behind {len(content.records)} decisions: what comes after cannot "
            "be read. Restore it from a copy, or move it away and review again"
        )
        raise InputError(msg)
    ledger = Ledger()
    for record in content.records:
        try:
            ledger.play(record)
        except InputError as error:
            msg = f"{path} cannot be read: {error}"
            raise InputError(msg) from error
    return ledger
