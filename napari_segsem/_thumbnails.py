"""Small pictures of the images of a series: made in the background, kept in the project."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from psygnal import Signal

from napari_segsem._documents import Background
from segsem.core.exceptions import SegSemError
from segsem.core.files import atomic_path
from segsem.imaging.read import read_image

SIDE_PX = 96
WAITING_AT_MOST = 60
"""Who scrolls fast past thousands of images waits for those in sight, not for all."""
KEPT = 2000

Picture = npt.NDArray[np.uint8]


class Thumbnails:
    """Gives small pictures, one at a time, the last wish first.

    Parameters
    ----------
    background : callable
        Where they are made.
    folder : callable
        Gives the folder that keeps them; None where there is none.
    """

    arrived = Signal(Path)
    """The picture of a file can be had now."""

    def __init__(self, background: Background, folder: Callable[[], Path | None]) -> None:
        self._background, self._folder = background, folder
        self._known: OrderedDict[Path, Picture | None] = OrderedDict()
        self._waiting: list[Path] = []
        self._busy = self._closed = False

    def get(self, path: Path) -> Picture | None:
        """(h, w) uint8 picture of a file; None where it is on its way, or not readable."""
        if path in self._known:
            self._known.move_to_end(path)
            return self._known[path]
        if path in self._waiting:
            self._waiting.remove(path)
        self._waiting.append(path)
        del self._waiting[:-WAITING_AT_MOST]
        self._work()
        return None

    def close(self) -> None:
        """Make no more."""
        self._closed = True
        self._waiting.clear()

    def _work(self) -> None:
        if self._busy or self._closed or not self._waiting:
            return
        self._busy = True
        path, folder = self._waiting.pop(), self._folder()
        self._background(
            lambda: thumbnail(path, folder),
            lambda picture: self._arrived(path, picture),
            lambda message: self._arrived(path, None),
        )

    def _arrived(self, path: Path, picture: Picture | None) -> None:
        self._busy = False
        if self._closed:
            return
        self._known[path] = picture
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        self.arrived.emit(path)
        self._work()


def thumbnail(path: Path, folder: Path | None) -> Picture:
    """Make the picture of a file, or read the one that is kept of it.

    Parameters
    ----------
    path : Path
        The image.
    folder : Path or None
        Where pictures are kept; not kept if None.

    Returns
    -------
    (h, w) uint8

    Raises
    ------
    InputError
        If the image cannot be read.
    """
    kept = None if folder is None else folder / f"{_key(path)}.png"
    if kept is not None:
        try:
            with Image.open(kept) as picture:
                return np.asarray(picture.convert("L"))
        except (OSError, ValueError):
            pass
    made = _made(path)
    if kept is not None:
        try:
            with atomic_path(kept) as temporary:
                Image.fromarray(made).save(temporary)
        except SegSemError:
            # It only saves time.
            return made
    return made


def _made(path: Path) -> Picture:
    data = read_image(path).valid_data
    step = max(1, max(data.shape) // (4 * SIDE_PX))
    small = data[::step, ::step].astype(np.float32)
    low, high = np.percentile(small, (1, 99))
    grey = np.clip((small - low) * (255 / max(float(high - low), 1e-9)), 0, 255).astype(np.uint8)
    picture = Image.fromarray(grey)
    picture.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.BOX)
    return np.asarray(picture)


def _key(path: Path) -> str:
    """Name of a kept picture: another one once the file has changed."""
    try:
        status = path.stat()
        told = f"{path}|{status.st_size}|{status.st_mtime_ns}"
    except OSError:
        told = str(path)
    return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()[:32]
