"""The page of repeats: the region in hand beside itself in the other images of its place."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from napari_segsem._repeat_words import lines_of, note_of, summary_of
from napari_segsem._review_measures import LotMeasures
from napari_segsem._review_repeats import SIDE_PX, LotRepeats
from napari_segsem._sessions import Shared
from napari_segsem._tasks import Pause, run_in_background
from napari_segsem.widgets.parts import follow, text_label
from napari_segsem.widgets.region_table import picture_icon
from segsem.review.repeat_figures import RepeatComparison, RepeatRegion

SETTLED_MS = 100
"""Who goes through the queue is not held up by what is read of each region on the way."""

LIST_PX = 220
ROW_PX = SIDE_PX + 6
NAME_LENGTH = 30
"""Of longer names the end is shown: repeats differ there."""


class RepeatsBox(QWidget):
    """One row for each image of the place: picture, decision, differences; a click goes there.

    Parameters
    ----------
    shared : Shared
    measures : LotMeasures
        Those of the page of numbers: an image is measured once.
    """

    def __init__(self, shared: Shared, measures: LotMeasures) -> None:
        super().__init__()
        self._session, self._desk, self._measures = shared.session, shared.desk, measures
        self.repeats = LotRepeats(shared.session, shared.desk, measures, run_in_background)
        self._pause = Pause(SETTLED_MS)
        self._shown: tuple[RepeatRegion, ...] = ()
        self.summary = text_label(tip="Means and 3 sigma over all images, the shown one included")
        self.list = _list()
        self.note = text_label(tip="What was left out, and how places were found")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.summary)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.note)
        # Without a list, the line that says why stands at the top.
        layout.addStretch(0)
        self.list.itemClicked.connect(self._clicked)
        self.list.itemActivated.connect(self._clicked)
        follow(self, self.repeats.changed, self._show)
        follow(self, self.repeats.arrived, self._show_picture)
        follow(self, measures.changed, self.repeats.measured)
        follow(self, shared.desk.lot_changed, self.repeats.refresh)
        follow(self, shared.desk.current_changed, self._later)
        follow(self, shared.desk.decisions_changed, self._later)

    def want(self, wanted: bool) -> None:
        """Tell whether somebody looks: only then repeats are read."""
        self.repeats.want(wanted)

    def close_down(self) -> None:
        """Read nothing any more."""
        self._pause.stop()
        self.repeats.close()

    def _later(self) -> None:
        self._pause.restart(self.repeats.refresh)

    def _show(self) -> None:
        comparison = self.repeats.comparison
        there_are = comparison is not None and len(comparison.regions) > 1
        self.list.setVisible(there_are)
        self.summary.setVisible(there_are)
        if comparison is None or not there_are:
            self._shown = ()
            self.list.clear()
            self.note.setText(self.repeats.words)
            return
        self.summary.setText(summary_of(comparison))
        self._fill(comparison)
        self.note.setText(" ".join(part for part in (note_of(comparison), self._cd_note()) if part))

    def _cd_note(self) -> str:
        if self._measures.error:
            return f"CD could not be measured: {self._measures.error}"
        if self._measures.is_busy:
            return "Measuring CD…"
        return "CD from before the last decisions." if self._measures.is_outdated else ""

    def _fill(self, comparison: RepeatComparison) -> None:
        regions = comparison.regions
        while self.list.count() > len(regions):
            self.list.takeItem(self.list.count() - 1)
        while self.list.count() < len(regions):
            self.list.addItem(_row())
        self._shown = regions
        for number, region in enumerate(regions):
            item = self.list.item(number)
            if item is None:
                continue
            name = region.image_id
            shown = name if len(name) <= NAME_LENGTH else f"…{name[1 - NAME_LENGTH :]}"
            lines = lines_of(comparison, region)
            item.setText("\n".join([shown, *lines]))
            item.setToolTip("\n".join([_named(region), *lines]))
            self._show_icon(item, region)
            if region.is_shown:
                self.list.setCurrentItem(item)

    def _show_picture(self, image_id: str) -> None:
        for number, region in enumerate(self._shown):
            item = self.list.item(number)
            if item is not None and region.image_id == image_id:
                self._show_icon(item, region)

    def _show_icon(self, item: QListWidgetItem, region: RepeatRegion) -> None:
        picture = self.repeats.picture(region)
        item.setIcon(_blank() if picture is None else picture_icon(picture))

    def _clicked(self, item: QListWidgetItem) -> None:
        region = self._shown[self.list.row(item)]
        if region.key is not None:
            self._desk.choose(region.key)
        elif region.beside is not None:
            self._desk.choose(region.beside)
            self._session.tell(
                f"{region.image_id}: {region.presence.value}; the nearest region is shown"
            )
        else:
            self._desk.open_image(region.image_id)


def _named(region: RepeatRegion) -> str:
    return region.image_id if region.key is None else f"{region.image_id}, {region.key.region_id}"


def _row() -> QListWidgetItem:
    item = QListWidgetItem()
    item.setSizeHint(QSize(0, ROW_PX))
    item.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return item


def _blank() -> QIcon:
    """Keeps the place of a picture that is on its way."""
    pixmap = QPixmap(SIDE_PX, SIDE_PX)
    pixmap.fill(Qt.GlobalColor.transparent)
    return QIcon(pixmap)


def _list() -> QListWidget:
    made = QListWidget()
    made.setIconSize(QSize(SIDE_PX, SIDE_PX))
    made.setMinimumHeight(LIST_PX)
    made.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    made.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    made.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    made.setUniformItemSizes(True)
    made.setToolTip("Click an image to go to the region in it")
    return made
