"""The images that are open, in their order; read in the background, and the latest wish wins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from napari_segsem._document import Document
from segsem.core.exceptions import InputError, SegSemError
from segsem.imaging.discover import ImageSource
from segsem.imaging.image import SEMImage
from segsem.imaging.read import read_image

Key = Path | int
"""A file, or the identity of an image that comes from no file."""

Background = Callable[[Callable[[], Any], Callable[[Any], None], Callable[[str], None]], None]
"""Runs work beside the caller, then calls one of the two with the result or a message."""

KEPT_BYTES = 1 << 29
KEPT_AT_LEAST = 3
"""Images in memory: the one shown and those beside it, and others up to so many bytes."""


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
    restore : callable, optional
        Gives an image what is kept of it, in the background; without it, images are never
        dropped from memory.
    on_ready : callable, optional
        Called with each image once it is read, before it is shown.
    """

    def __init__(
        self,
        background: Background,
        on_shown: Callable[[], None],
        on_failed: Callable[[str], None],
        restore: Callable[[Document], None] | None = None,
        on_ready: Callable[[Document], None] | None = None,
    ) -> None:
        self._background = background
        self._on_shown, self._on_failed = on_shown, on_failed
        self._restore, self._on_ready = restore, on_ready
        self._documents: dict[Key, Document] = {}
        self._keys: list[Key] = []
        self._sources: dict[Path, ImageSource] = {}
        self.series_length = 0
        """How many images the series had that was opened last; files may have been added since."""
        self._index = 0
        self._wanted = 0
        self._wish = 0
        self._reading: dict[Path, list[tuple[Callable[[Document], None], Callable[[str], None]]]]
        self._reading = {}
        self._visit = 0
        self._closed = False

    @property
    def current(self) -> Document | None:
        """The image that is shown."""
        return self._documents.get(self._keys[self._index]) if self._keys else None

    @property
    def position(self) -> tuple[int, int]:
        """Number of the image shown, and of all that are open."""
        return self._index + 1, len(self._keys)

    @property
    def keys(self) -> Sequence[Key]:
        """All that are open, in their order."""
        return self._keys

    def in_memory(self, key: Key) -> Document | None:
        """Image of a key; None where it is not read, or was dropped."""
        return self._documents.get(key)

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

    def open_series(self, sources: Sequence[ImageSource], first: Path | None = None) -> None:
        """Open images in place of those that are open.

        Parameters
        ----------
        sources : sequence of ImageSource
        first : Path, optional
            The one to show; the first of all if not given, or not among them.
        """
        fresh = {source.path.resolve(): source for source in sources}
        if not fresh:
            return
        start = first.resolve() if first is not None else None
        shown = start if start in fresh else next(iter(fresh))
        wish = self._new_wish()
        self._sources.update(fresh)

        def opened(_document: Document) -> None:
            if wish == self._wish:
                self._keys, self.series_length = list(fresh), len(fresh)
                self._show(self._keys.index(shown), wish)

        self.fetch(shown, opened)

    def open_image(
        self, image: SEMImage, is_kept: Callable[[Document], bool] = lambda document: False
    ) -> None:
        """Show an image that is already read, at once where nothing is kept of it."""
        key = id(image) if image.path is None else image.path.resolve()
        wish = self._new_wish()

        def ready(document: Document) -> None:
            self._take(key, document)
            if key not in self._keys:
                self._keys.append(key)
            self._show(self._keys.index(key), wish)

        known = self._documents.get(key)
        document = known or Document(image)
        if document.image.pixel_size_nm is None:
            # The same file, opened before without the manifest that names its pixel size.
            document.image = image
        if known is not None or not is_kept(document):
            ready(document)
            return
        self._background(
            partial(self._prepared, lambda: document, image.name),
            lambda made: None if self._closed else ready(made),
            self._on_failed,
        )

    def step(self, by: int) -> None:
        """Show the next (1) or previous (-1) image."""
        if self._keys:
            self.go_to((self._wanted + by) % len(self._keys))

    def go_to(self, index: int) -> None:
        """Show an image by its place among those that are open."""
        wish = self._new_wish()
        self._wanted = index
        key = self._keys[index]
        if key in self._documents:
            self._show(index, wish)
            return

        def failed(message: str) -> None:
            if wish == self._wish:
                self._wanted = self._index
            self._on_failed(message)

        self.fetch(Path(str(key)), lambda _document: self._show(index, wish), failed)

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
            source = self._sources.get(key)
            visit = self._visit
            self._background(
                lambda: self._prepared(lambda: _read(key, source), key.name),
                lambda document: self._arrived(key, document, visit),
                lambda message: self._refused(key, message, visit),
            )

    def read_ahead(self, then: Callable[[Document], None]) -> None:
        """Read the next image and the previous one; what cannot be read is told when reached."""
        for index in self._beside():
            key = self._keys[index]
            if isinstance(key, Path):
                self.fetch(key, then, lambda message: None)
            elif key in self._documents:
                then(self._documents[key])

    def forget_all(self) -> None:
        """Let go of all images: they belong to another project."""
        self._new_wish()
        self._visit += 1
        self._documents.clear()
        self._keys = []
        self._sources.clear()
        self._index = self._wanted = 0
        self._reading.clear()
        self._on_shown()

    def close(self) -> None:
        """Call nobody any more."""
        self._closed = True

    def _new_wish(self) -> int:
        self._wish += 1
        return self._wish

    def _beside(self) -> list[int]:
        count = len(self._keys)
        beside = {(self._index + by) % count for by in (1, -1)} - {self._index} if count else set()
        return sorted(beside, key=lambda i: (i - self._index) % count)

    def _show(self, index: int, wish: int) -> None:
        if wish == self._wish:
            self._index = self._wanted = index
            self._on_shown()
            self._drop_old()

    def _drop_old(self) -> None:
        """Drop what was looked at longest ago, as far as it can be read again."""
        if self._restore is None or self.current is None:
            return
        near = {self._keys[index] for index in (*self._beside(), self._index)}
        shown = self._keys[self._index]
        # The order of the dict is the order in which they were looked at.
        self._documents[shown] = self._documents.pop(shown)
        for key in list(self._documents):
            one_each = {id(document): document for document in self._documents.values()}
            total = sum(document.nbytes for document in one_each.values())
            if total <= KEPT_BYTES or len(one_each) <= KEPT_AT_LEAST:
                return
            if isinstance(key, Path) and key not in near and self._documents[key].is_at_rest:
                del self._documents[key]

    def _prepared(self, make: Callable[[], Document], name: str) -> Document:
        """Make an image ready to be shown; in the background."""
        try:
            document = make()
            document.prepare()
            if self._restore is not None:
                self._restore(document)
        except MemoryError as error:
            msg = f"Not enough memory to open {name}: close other programs or images"
            raise InputError(msg) from error
        return document

    def _take(self, key: Key, document: Document) -> Document:
        """Keep an image; a copy of one that is open is that one: they share their annotation."""
        known = self._documents.get(key)
        if known is None and document.image.sha256:
            same = (
                other
                for other in self._documents.values()
                if other.image.sha256 == document.image.sha256
            )
            known = next(same, None)
        if known is None:
            known = document
            if self._on_ready is not None:
                self._on_ready(document)
        self._documents[key] = known
        return known

    def _arrived(self, key: Path, document: Document, visit: int) -> None:
        if self._closed or visit != self._visit:
            return
        known = self._take(key, document)
        for then, _ in self._reading.pop(key, []):
            then(known)

    def _refused(self, key: Path, message: str, visit: int) -> None:
        if self._closed or visit != self._visit:
            return
        for _, on_failed in self._reading.pop(key, []):
            on_failed(message)


def _read(path: Path, source: ImageSource | None) -> Document:
    return Document(read_image(path) if source is None else source.read())
