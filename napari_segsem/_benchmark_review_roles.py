"""A reviewer in two windows: ours, and napari with the same layers and a plain Qt table.

Both get the same events and show the same regions in the same order. In the control nothing of
ours runs: its layers' data were made before, and are set where ours would set them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QTableWidget, QTableWidgetItem

from napari_segsem import _layers
from napari_segsem._benchmark_roles import Hand
from napari_segsem._contour_lines import Segments, joined, lines_by_source, region_lines
from napari_segsem._heartbeat_run import STILL_DRAWING, Wait
from napari_segsem.widgets.region_table import COLUMNS, WIDTHS
from napari_segsem.widgets.review import ReviewPanel
from segsem.core.contour import Source
from segsem.export.results import read_results
from segsem.export.reviewed import find_lot, open_review
from segsem.review.item import ItemKey, ReviewItem

REJECTED_EVERY = 5
"""One region of so many is rejected, the others accepted."""

DOCK = "Review and export (SegSEM)"


class OurReview:
    """The panel, by keyboard alone."""

    def __init__(self, viewer: Any, folder: Path) -> None:
        self._folder = folder
        self.panel = ReviewPanel(viewer)
        viewer.window.add_dock_widget(self.panel, name=DOCK)
        self.hand: Hand

    @property
    def table(self) -> Any:
        """The queue."""
        return self.panel.table

    def open(self) -> Wait:
        """Open the lot; its least sure region comes into sight."""
        self.panel.open_results(self._folder)
        return lambda: self.panel.desk.lot is not None and self.is_in_sight()

    def is_in_sight(self) -> bool:
        """Whether the current region's image is shown with its contours."""
        lot, review = self.panel.desk.lot, self.panel.session.review
        current = None if lot is None else lot.current
        return (
            current is not None
            and review is not None
            and review.lot is lot
            and review.image_id == current.image_id
        )

    def decide(self, number: int) -> None:
        """Press the key."""
        reject = number % REJECTED_EVERY == REJECTED_EVERY - 1
        self.hand.key(Qt.Key.Key_R if reject else Qt.Key.Key_A)

    def n_open(self) -> int:
        """Regions without a decision."""
        lot = self.panel.desk.lot
        return -1 if lot is None else lot.counts.open

    def close(self) -> None:
        """End what runs."""
        self.panel.session.close()


@dataclass(slots=True)
class _Shown:
    """What the layers show of one image."""

    grey: Any
    labels: Any
    contours: dict[Source, Segments]
    regions: dict[int, tuple[Segments, tuple[float, float]]]


class ControlReview:
    """The same layers and a table of the same words."""

    def __init__(self, viewer: Any, folder: Path) -> None:
        self._viewer = viewer
        lot = find_lot([folder])
        review = open_review(lot)
        self._items: list[ReviewItem] = list(review.queue.items)
        self._folders = {result.image_id: result for result in lot}
        self._known: dict[str, _Shown] = {}
        self._made: dict[str, Any] = {}
        self._at = 0
        self.hand: Hand
        self.table = _plain_table(self._items, review.reason)
        viewer.window.add_dock_widget(self.table, name=DOCK)

    def prepare(self, n_decisions: int) -> None:
        """Make what will be shown, before times are taken."""
        for item in self._items[: n_decisions + 1]:
            self._shown_of(item.key)

    def open(self) -> Wait:
        """Show the first image."""
        shown = self._shown_of(self._items[0].key)
        add = self._viewer.add_layer
        self._image = self._viewer.add_image(shown.grey, name="image")
        lines = {
            _layers.DOUBTFUL: _layers.doubtful_layer(),
            _layers.CURRENT: _layers.lines_layer(_layers.CURRENT, _layers.CURRENT_COLOR),
            **{
                _layers.CONTOURS[source]: _layers.contour_layer(source) for source in shown.contours
            },
        }
        self._made = {name: add(layer) for name, layer in lines.items()}
        regions = np.zeros_like(shown.labels)
        self._labels = add(_layers.labels_layer(_layers.REGIONS, regions, "white", 0))
        self._viewer.layers.selection.active = self._labels
        self._show(self._items[0].key, is_new=True)
        return STILL_DRAWING

    def is_in_sight(self) -> bool:
        """Always: what is shown is there."""
        return True

    def decide(self, number: int) -> None:
        """Show what comes next."""
        before, self._at = self._items[self._at].key, min(self._at + 1, len(self._items) - 1)
        key = self._items[self._at].key
        self._show(key, is_new=key.image_id != before.image_id)

    def n_open(self) -> int:
        """Regions that were not shown yet."""
        return len(self._items) - 1 - self._at

    def close(self) -> None:
        """There is nothing to end."""

    def _show(self, key: ItemKey, *, is_new: bool) -> None:
        shown = self._shown_of(key)
        if is_new:
            self._image.data, self._labels.data = shown.grey, shown.labels
            for source, lines in shown.contours.items():
                self._made[_layers.CONTOURS[source]].data = lines
        lines, centre = shown.regions[key.region_id]
        doubtful = [found for found, _ in list(shown.regions.values())[:8]]
        self._made[_layers.DOUBTFUL].data = joined(doubtful)
        self._made[_layers.CURRENT].data = lines
        self._viewer.scene.camera.center = centre
        self.table.selectRow(self._at)

    def _shown_of(self, key: ItemKey) -> _Shown:
        if key.image_id not in self._known:
            result = self._folders[key.image_id]
            found = read_results(result.folder)
            regions = {
                region.region_id: (region_lines(region).lines, _middle(region.bbox_rc))
                for region in found.regions
            }
            path = Path(str(found.provenance["image_path"]))
            lines = lines_by_source(found.regions, 3.0)
            contours = {source: made for source, made in lines.items() if len(made)}
            self._known[key.image_id] = _Shown(
                tifffile.imread(path), found.labels(), contours, regions
            )
        return self._known[key.image_id]


Reviewer = OurReview | ControlReview


def _middle(box_rc: tuple[int, int, int, int]) -> tuple[float, float]:
    return (box_rc[0] + box_rc[2]) / 2, (box_rc[1] + box_rc[3]) / 2


def _plain_table(items: list[ReviewItem], reason: Callable[[ItemKey], str]) -> QTableWidget:
    table = QTableWidget(len(items), len(COLUMNS))
    table.setHorizontalHeaderLabels(list(COLUMNS))
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    for column, width in enumerate(WIDTHS):
        table.setColumnWidth(column, width)
    for row, item in enumerate(items):
        words = (
            item.key.image_id,
            str(item.key.region_id),
            item.source.value,
            f"{item.confidence:.2f}",
            "–",
            reason(item.key),
        )
        for column, word in enumerate(words):
            table.setItem(row, column, QTableWidgetItem(word))
    return table
