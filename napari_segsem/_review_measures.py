"""What `segsem measure` says of a lot's regions: read where it is there, made where it is not.

Making it takes a second or more for each image: a child process does it, into a folder that lasts
as long as the child. Nothing is written beside the results.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from psygnal import Signal

from napari_segsem._child import Child
from napari_segsem._documents import Background
from napari_segsem._lot import Lot
from napari_segsem._review_desk import ReviewDesk
from napari_segsem._tasks import ChildTask
from segsem.export.quality import find_measures
from segsem.export.results import REGIONS_JSON
from segsem.metrology.region_measures import CD_CSV, ByRegion, read_region_measures

AT_ONCE = 8
"""Images that one child measures: what is known is shown before all is."""


class LotMeasures:
    """Measures of the regions of the lot on the desk, image by image.

    Parameters
    ----------
    desk : ReviewDesk
    background : callable
        Where tables are read.
    """

    changed = Signal()

    def __init__(self, desk: ReviewDesk, background: Background) -> None:
        self._desk, self._background = desk, background
        self._lot: Lot | None = None
        self.known: ByRegion = {}
        self.made_here: set[str] = set()
        """Images that were measured for this window."""
        self.error = ""
        self._version = 0
        self._task: ChildTask | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._reading = self._was_read = self.is_closed = False
        self._wanted: list[str] = []

    @property
    def is_busy(self) -> bool:
        """Whether tables are read or made."""
        return self._reading or self._task is not None

    @property
    def is_outdated(self) -> bool:
        """Whether something was decided since: regions may have changed or gone."""
        return self._lot is not None and self._version != self._lot.version

    def missing(self, image_ids: Sequence[str]) -> list[str]:
        """Images of known pixel size that were not measured yet."""
        lot = self._desk.lot
        if lot is None:
            return []
        return [
            name
            for name in image_ids
            if name not in self.known and lot.results[name].record.pixel_size_nm is not None
        ]

    def want(self, image_ids: Sequence[str]) -> None:
        """Somebody looks at images: measure those that were not, after what is in hand."""
        lot = self._desk.lot
        if self.is_closed or lot is None:
            return
        if lot is not self._lot:
            self._forget(lot)
        self._wanted = list(image_ids)
        self._go_on()

    def again(self) -> None:
        """Measure anew, as it stands by now."""
        if self.is_busy or self._lot is None:
            return
        self.known, self.made_here, self.error = {}, set(), ""
        self._was_read, self._version = True, self._lot.version
        self._go_on()
        self.changed.emit()

    def close(self) -> None:
        """End the child; measure no more."""
        self.is_closed = True
        self._stop()

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._folder is not None:
            # Left to Python's collector it would warn, wherever that happens to run.
            self._folder.cleanup()
            self._folder = None

    def _forget(self, lot: Lot) -> None:
        self._stop()
        self._lot, self.known, self.made_here, self.error = lot, {}, set(), ""
        self._version = lot.version
        self._reading = self._was_read = False

    def _go_on(self) -> None:
        lot = self._lot
        if lot is None or self.is_busy or self.is_closed:
            return
        if not self._was_read:
            self._read(lot)
        elif not self.error and (missing := self.missing(self._wanted)):
            self._make(lot, missing[:AT_ONCE])

    def _read(self, lot: Lot) -> None:
        self._reading = True

        def done(found: ByRegion) -> None:
            ended(found, "")

        def ended(found: ByRegion, error: str) -> None:
            if lot is not self._lot or self.is_closed:
                return
            self._reading, self._was_read = False, True
            self.known, self.error = found, error
            self._go_on()
            self.changed.emit()

        self._background(partial(_read_beside, lot), done, lambda message: ended({}, message))

    def _make(self, lot: Lot, image_ids: Sequence[str]) -> None:
        folder = tempfile.TemporaryDirectory(prefix="segsem-measure-", ignore_cleanup_errors=True)
        self._folder = folder
        out = Path(folder.name) / "measure"
        sources = [str(lot.results[name].folder) for name in image_ids]

        def finish() -> ByRegion:
            try:
                return read_region_measures(out)
            finally:
                folder.cleanup()

        def done(found: ByRegion | None) -> None:
            ended(found or {}, "")

        def failed(message: str) -> None:
            folder.cleanup()
            ended({}, message)

        def ended(found: ByRegion, error: str) -> None:
            self._task = self._folder = None
            if lot is not self._lot or self.is_closed:
                return
            self.error = error
            if not error:
                # An image on which nothing can be measured is measured all the same.
                self.known |= {name: found.get(name, {}) for name in image_ids}
                self.made_here |= set(image_ids)
            self._go_on()
            self.changed.emit()

        child = Child(["measure", *sources, "-o", str(out)])
        self._task = ChildTask(child, _not_heard, done, failed, finish)


def up_to_date(lot: Lot, image_id: str, table: Path) -> bool:
    """Whether a table of `segsem measure` is younger than an image's results."""
    try:
        made = (lot.results[image_id].folder / REGIONS_JSON).stat().st_mtime_ns
        return table.stat().st_mtime_ns >= made
    except OSError:
        return False


def _read_beside(lot: Lot) -> ByRegion:
    folder = find_measures([lot.folder])
    if folder is None:
        return {}
    found = read_region_measures(folder)
    return {
        name: regions
        for name, regions in found.items()
        if name in lot.results and up_to_date(lot, name, folder / CD_CSV)
    }


def _not_heard(_event: dict[str, object]) -> None:
    """Measuring tells nothing on its way."""
