"""Extracting the image that is shown: `segsem extract` as a child, its result read back."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import tifffile
from psygnal import Signal

from napari_segsem._child import Child
from napari_segsem._document import Document
from napari_segsem._review_desk import ReviewDesk
from napari_segsem._session import Session
from napari_segsem._tasks import ChildTask
from segsem.core.extraction import Extraction
from segsem.core.params import Routing
from segsem.export.results import find_results, read_results

Kept = tuple[Path, str, tuple[str, ...]]
"""Folder of results, the image's id in it, warnings."""


class ExtractionRun:
    """At most one extraction at a time, with progress and cancel."""

    changed = Signal()
    progressed = Signal(int, int, str)

    def __init__(self, session: Session, desk: ReviewDesk) -> None:
        self._session, self._desk = session, desk
        self._task: ChildTask | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.error: str | None = None
        self.more_arguments: Callable[[Document], list[str]] = _none
        """Further options of the command line for an image: its design."""

    @property
    def is_running(self) -> bool:
        """Whether an image is being extracted."""
        return self._task is not None

    def start(self, routing: Routing = Routing.HYBRID) -> None:
        """Extract the image that is shown."""
        document = self._session.document
        if document is None or self.is_running:
            return
        self.error = None
        self._folder = tempfile.TemporaryDirectory(prefix="segsem-")
        folder = Path(self._folder.name)
        command = arguments(document, folder, routing, self._session.model)
        child = Child([*command, *self.more_arguments(document)])
        self._task = ChildTask(
            child,
            self._on_event,
            self._on_done,
            self._on_failed,
            lambda: self._keep(folder / "results", document),
        )
        self.changed.emit()

    def cancel(self) -> None:
        """End the extraction at once; nothing is left of it."""
        if self._task is not None:
            self._task.cancel()
            self._end()
            self._session.tell("Extraction cancelled")

    def _on_event(self, event: dict[str, Any]) -> None:
        # Steps between images say nothing where there is one image.
        if event.get("event") == "progress" and event.get("image_id") is not None:
            done, total = int(event.get("done") or 0), int(event.get("total") or 0)
            self.progressed.emit(done, total, str(event.get("message") or ""))

    def _keep(self, folder: Path, document: Document) -> Kept:
        extraction = _read(folder, document)
        return (*self._desk.keep(document, extraction), extraction.warnings)

    def _on_done(self, kept: Kept | None) -> None:
        self._end()
        if kept is None:
            return
        folder, image_id, warnings = kept
        self._desk.open(folder, image_id)
        for warning in warnings:
            self._session.tell(warning)

    def _on_failed(self, message: str) -> None:
        self.error = message
        self._end()
        self._session.tell_error(message)

    def _end(self) -> None:
        self._task = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
        self.changed.emit()


def _none(_document: Document) -> list[str]:
    return []


def arguments(document: Document, folder: Path, routing: Routing, model: str) -> list[str]:
    """Give the command line behind `segsem` that extracts an image into `folder/results`."""
    image = document.image
    path = image.path
    if path is None:
        path = folder / f"{image.name or 'image'}.tif"
        tifffile.imwrite(path, image.data)
    command = ["extract", str(path), "-o", str(folder / "results"), "--events", "jsonl"]
    command += ["--formats", "csv"]
    if routing is not Routing.SAUVOLA_ONLY:
        command += ["--model", model]
    if routing is not Routing.HYBRID:
        command += [f"--{routing.value}"]
    if image.pixel_size_nm is not None:
        command += ["--pixel-size", ",".join(repr(float(size)) for size in image.pixel_size_nm)]
    # The child reads the image alone: what the manifest says of it has to be told.
    if "tone" in image.metadata:
        command += ["--tone", str(image.metadata["tone"])]
    return command


def _read(folder: Path, document: Document) -> Extraction:
    extraction = read_results(find_results(folder)[0])
    # The child was told the size on its command line; where it really comes from is known here.
    return replace(
        extraction,
        pixel_size_nm=document.image.pixel_size_nm,
        pixel_size_source=document.image.pixel_size_source,
    )
