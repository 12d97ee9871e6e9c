"""The images that are open, in their order; read in the background, and the latest wish wins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_segsem._document import Document
from segsem.core.exceptions import InputError, SegSemError
from segsem.imaging.image import SEMImage
from segsem.imaging.read import read_image

Key = Path | int
"""A file, or the identity of an image that comes from no file."""

Background = Callable[[Callable[[], Any], Callable[[Any], None], Callable[[str], None]], None]
"""Runs work beside the caller, then calls one of the two with the result or a message."""


def run_now(
    work: Callable[[], Any], on_done: Callable[[Any], None], on_failed: Callable[[str], None]
) -> None:
    """Run work at once, in the caller's thread."""
    try:
        result = work()
    except SegSemError as error:
        on_failed(str(error))
        return
    on_done(result)


class Documents:
    """Open images; one of them is shown.

    Parameters
    ----------
    background : callable
        Where files are read.
    on_shown : callable
        Called when another image is to be shown.
    on_failed : callable
        Called with a message when an image that was asked for cannot be read.
    """

    def __init__(
        self,
        background: Background,
        on_shown: Callable[[], None],
        on_failed: Callable[[str], None],
    ) -> None:
        self._background = background
        self._on_shown, self._on_failed = on_shown, on_failed
        self._documents: dict[Key, Document] = {}
        self._keys: list[Key] = []
        self._index = 0
        self._wanted = 0
        self._wish = 0
        self._reading: dict[Path, list[tuple[Callable[[Document], None], Callable[[str], None]]]]
        self._reading = {}
        self._closed = False

    @property
    def current(self) -> Document | None:
        """The image that is shown."""
        return self._documents.get(self._keys[self._index]) if self._keys else None

    @property
    def position(self) -> tuple[int, int]:
        """Number of the image shown, and of all that are open."""
        return self._index + 1, len(self._keys)

    def open_files(self, paths: Sequence[Path]) -> None:
        """Open images; the first of them is shown, the others are read when they are reached."""
        fresh = [path.resolve() for path in paths]
        if not fresh:
            return
        wish = self._new_wish()

        def opened(_document: Document) -> None:
            self._keys += [key for key in dict.fromkeys(fresh) if key not in self._keys]
            self._show(self._keys.index(fresh[0]), wish)

        self.fetch(fresh[0], opened)

    def open_image(self, image: SEMImage) -> None:
        """Show an image that is already read."""
        key = id(image) if image.path is None else image.path.resolve()
        if key not in self._documents:
            self._documents[key] = Document(image)
        if key not in self._keys:
            self._keys.append(key)
        self._show(self._keys.index(key), self._new_wish())

    def step(self, by: int) -> None:
        """Show the next (1) or previous (-1) image."""
        if not self._keys:
            return
        wish = self._new_wish()
        self._wanted = wanted = (self._wanted + by) % len(self._keys)
        key = self._keys[wanted]
        if key in self._documents:
            self._show(wanted, wish)
            return

        def failed(message: str) -> None:
            if wish == self._wish:
                self._wanted = self._index
            self._on_failed(message)

        self.fetch(Path(str(key)), lambda _document: self._show(wanted, wish), failed)

    def fetch(
        self,
        path: Path,
        then: Callable[[Document], None],
        on_failed: Callable[[str], None] | None = None,
    ) -> None:
        """Read a file, unless that was done; then call `then` with it."""
        key = path.resolve()
        if key in self._documents:
            then(self._documents[key])
            return
        waiting = self._reading.setdefault(key, [])
        waiting.append((then, on_failed or self._on_failed))
        if len(waiting) == 1:
            self._background(
                lambda: _read(key),
                lambda document: self._arrived(key, document),
                lambda message: self._refused(key, message),
            )

    def read_ahead(self, then: Callable[[Document], None]) -> None:
        """Read the next image and the previous one; what cannot be read is told when reached."""
        count = len(self._keys)
        beside = {(self._index + by) % count for by in (1, -1)} - {self._index} if count else set()
        for index in sorted(beside, key=lambda i: (i - self._index) % count):
            key = self._keys[index]
            if isinstance(key, Path):
                self.fetch(key, then, lambda message: None)
            elif key in self._documents:
                then(self._documents[key])

    def close(self) -> None:
        """Call nobody any more."""
        self._closed = True

    def _new_wish(self) -> int:
        self._wish += 1
        return self._wish

    def _show(self, index: int, wish: int) -> None:
        if wish == self._wish:
            self._index = self._wanted = index
            self._on_shown()

    def _arrived(self, key: Path, document: Document) -> None:
        self._documents.setdefault(key, document)
        for then, _ in self._reading.pop(key, []):
            if not self._closed:
                then(self._documents[key])

    def _refused(self, key: Path, message: str) -> None:
        for _, on_failed in self._reading.pop(key, []):
            if not self._closed:
                on_failed(message)


def _read(path: Path) -> Document:
    try:
        document = Document(read_image(path))
        document.prepare()
    except MemoryError as error:
        msg = f"Not enough memory to open {path.name}: close other programs or images"
        raise InputError(msg) from error
    return document
