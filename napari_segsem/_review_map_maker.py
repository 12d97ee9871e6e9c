"""Makes the map that is asked for, of the image that is reviewed, beside the window's thread."""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from psygnal import Signal

from napari_segsem._child import Child
from napari_segsem._document import Document
from napari_segsem._documents import Background
from napari_segsem._extraction import arguments
from napari_segsem._lot import Lot
from napari_segsem._review import Review
from napari_segsem._review_maps import LineMap, MapKind, design_map, distance_map
from napari_segsem._review_measures import up_to_date
from napari_segsem._session import Session
from napari_segsem._tasks import ChildTask
from segsem.core.contour import Contour
from segsem.core.params import Routing, Tone
from segsem.export.quality import find_measures
from segsem.export.results import find_results, read_results
from segsem.metrology.region_measures import EPE_CSV, read_design_points

SAUVOLA_KEPT = 6
"""Images whose contours by Sauvola are kept."""

Key = tuple[Lot, str]


class MapMaker:
    """The map of the shown image; `line_map` is None where `words` say why.

    Parameters
    ----------
    session : Session
    background : callable
        Where files are read and distances worked out.
    """

    changed = Signal()

    def __init__(self, session: Session, background: Background) -> None:
        self._session, self._background = session, background
        self.kind = MapKind.NONE
        self.line_map: LineMap | None = None
        self.words = ""
        self._sauvola: OrderedDict[Key, Sequence[Contour]] = OrderedDict()
        self._task: ChildTask | None = None
        self._child_for: Key | None = None
        self._wish = 0
        self._done_for: tuple[MapKind, Review | None, int] | None = None
        self._closed = False

    def show(self, kind: MapKind) -> None:
        """Make another kind of map."""
        self.kind = kind
        self.refresh()

    def refresh(self) -> None:
        """Make the map of what is shown now, if it is another than before."""
        review = self._session.review
        wanted = (self.kind, review, -1 if review is None else review.lot.version)
        if self._closed or wanted == self._done_for:
            return
        self._done_for = wanted
        self._wish += 1
        self._stop_other_child(review)
        if self.kind not in (MapKind.DISTANCE, MapKind.EPE):
            self._tell(None, "")
        elif review is None:
            self._tell(None, "No map: this image is not reviewed yet.")
        elif self.kind is MapKind.EPE:
            self._make_epe(review, self._wish)
        else:
            self._make_distance(review, self._wish)

    def close(self) -> None:
        """End the child; make no more."""
        self._closed = True
        self._stop_child()

    def _tell(self, line_map: LineMap | None, words: str) -> None:
        self.line_map, self.words = line_map, words
        self.changed.emit()

    def _arrived(self, wish: int, line_map: LineMap | None, words: str) -> None:
        if wish == self._wish and not self._closed:
            self._tell(line_map, words)

    def _work_out(self, work: partial[tuple[LineMap | None, str]], wish: int) -> None:
        self._background(
            work,
            lambda found: self._arrived(wish, *found),
            lambda message: self._arrived(wish, None, f"No map: {message}"),
        )

    def _make_epe(self, review: Review, wish: int) -> None:
        self._tell(None, "Reading the errors…")
        self._work_out(partial(_epe_of, review.lot, review.image_id), wish)

    def _make_distance(self, review: Review, wish: int) -> None:
        key = (review.lot, review.image_id)
        known = self._sauvola.get(key)
        if known is None:
            self._tell(None, "Finding Sauvola's contours…")
            self._start_child(review, key)
            return
        self._sauvola.move_to_end(key)
        if self.line_map is None:
            self._tell(None, "Comparing…")
        self._work_out(partial(_compared, review, known), wish)

    def _start_child(self, review: Review, key: Key) -> None:
        document = self._session.document
        if self._task is not None or document is None:
            return
        folder = tempfile.TemporaryDirectory(prefix="segsem-sauvola-")
        path = Path(folder.name)

        def finish() -> Sequence[Contour]:
            try:
                found = read_results(find_results(path / "results")[0])
                return [c for region in found.regions for c in region.contours]
            finally:
                folder.cleanup()

        def done(contours: Sequence[Contour] | None) -> None:
            self._task = self._child_for = None
            self._sauvola[key] = contours or []
            while len(self._sauvola) > SAUVOLA_KEPT:
                self._sauvola.popitem(last=False)
            self._again()

        def failed(message: str) -> None:
            self._task = self._child_for = None
            folder.cleanup()
            self._arrived(self._wish, None, f"No map: Sauvola found no contours ({message})")

        self._child_for = key
        child = Child(sauvola_arguments(document, review, path))
        self._task = ChildTask(child, lambda _event: None, done, failed, finish)

    def _again(self) -> None:
        self._done_for = None
        self.refresh()

    def _stop_other_child(self, review: Review | None) -> None:
        key = None if review is None else (review.lot, review.image_id)
        if self.kind is not MapKind.DISTANCE or key != self._child_for:
            self._stop_child()

    def _stop_child(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._task = self._child_for = None


def sauvola_arguments(document: Document, review: Review, folder: Path) -> list[str]:
    """Give the command line behind `segsem` that finds Sauvola's contours of an image.

    Parameters
    ----------
    document : Document
        The image.
    review : Review
        Its results: tone and edge definition are theirs.
    folder : Path
        `results` is written into it.
    """
    said = review.found.provenance
    command = arguments(document, folder, Routing.SAUVOLA_ONLY, "")
    tone = str(said.get("tone") or "")
    if tone in (Tone.BRIGHT.value, Tone.DARK.value) and "--tone" not in command:
        command += ["--tone", tone]
    params = said.get("params")
    edge = params.get("edge") if isinstance(params, dict) else None
    for name in ("edge_method", "edge_side"):
        if isinstance(edge, dict) and name in edge:
            command += [f"--{name.replace('_', '-')}", str(edge[name])]
    return command


def _compared(review: Review, sauvola: Sequence[Contour]) -> tuple[LineMap | None, str]:
    extraction = review.extraction
    found = distance_map(extraction, sauvola, extraction.pixel_size_nm)
    if not len(found.values):
        return None, f"No map: nothing stands on SAM2 here. {found.note}".strip()
    return found, ""


def _epe_of(lot: Lot, image_id: str) -> tuple[LineMap | None, str]:
    folder = find_measures([lot.folder])
    how = f"run `segsem measure {lot.folder.name} --design FILE`"
    if folder is None or not (folder / EPE_CSV).is_file():
        return None, f"No EPE: these results were not compared with a design; {how}."
    if not up_to_date(lot, image_id, folder / EPE_CSV):
        return None, f"No EPE: it was measured on earlier results; {how} again."
    points = read_design_points(folder, image_id)
    size = lot.results[image_id].record.pixel_size_nm
    if points is None or size is None:
        return None, "No EPE: this image does not lie on the design that was given."
    return design_map(points, float(np.sqrt(size[0] * size[1]))), ""
