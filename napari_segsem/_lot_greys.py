"""Grey values of the images of a lot: from memory, or from the files that were extracted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path

from napari_segsem._lot import Lot
from napari_segsem._region_pictures import Grey
from napari_segsem._session import Session
from segsem.core.exceptions import InputError
from segsem.imaging.normalise import normalise
from segsem.imaging.read import read_image

GREY_BYTES = 64 << 20


class LotGreys:
    """Grey values of the images that were read last; of them a bounded number of bytes is kept.

    Parameters
    ----------
    session : Session
        Its images need not be read again.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._kept: OrderedDict[str, Grey] = OrderedDict()
        self._lot: Lot | None = None

    def source(self, lot: Lot, image_id: str) -> Callable[[], Grey]:
        """Say where the grey values are; asked in the GUI's thread."""
        documents = self._session.documents
        for key in documents.keys:
            document = documents.in_memory(key)
            review = None if document is None else document.review
            if document is None or review is None:
                continue
            if review.lot is lot and review.image_id == image_id:
                return lambda: document.grey
        return partial(_read_grey, lot, image_id)

    def get(self, lot: Lot, image_id: str, read: Callable[[], Grey]) -> Grey:
        """Give them, in the background; asked by one thread at a time.

        Raises
        ------
        InputError
            If the file cannot be read, or is another image by now.
        """
        if lot is not self._lot:
            self._kept.clear()
            self._lot = lot
        if image_id not in self._kept:
            self._kept[image_id] = read()
        self._kept.move_to_end(image_id)
        grey = self._kept[image_id]
        while self._kept and sum(one.nbytes for one in self._kept.values()) > GREY_BYTES:
            self._kept.popitem(last=False)
        return grey


def _read_grey(lot: Lot, image_id: str) -> Grey:
    record = lot.results[image_id].record
    named = record.provenance.get("image_path")
    if not named:
        msg = f"The results of {image_id} name no file"
        raise InputError(msg)
    image = read_image(Path(str(named)))
    if image.shape != tuple(record.shape_px):
        msg = f"{named} is another image than the one that was extracted"
        raise InputError(msg)
    return normalise(image)
