"""What the review panel shows of a lot: pictures of regions, pages, decisions in sight."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt

from napari_segsem import _review_thumbnails
from napari_segsem._review_thumbnails import SIDE_PX, draw_thumbnail
from napari_segsem.widgets.region_table import PICTURE, RegionModel
from segsem.core.appearance import SOURCE_STYLES
from segsem.core.contour import Source
from segsem.review.outline import OutlineLine


def icon(panel: Any, row: int) -> Any:
    model = panel.table.model()
    return model.data(model.index(row, PICTURE), Qt.ItemDataRole.DecorationRole)


def test_a_thumbnail_has_the_outline_where_the_region_is() -> None:
    grey = np.zeros((300, 400), np.uint8)
    grey[100:120, 200:220] = 100
    corners = np.array([[99.5, 199.5], [99.5, 219.5], [119.5, 219.5], [119.5, 199.5]])
    outline = (OutlineLine(corners, closed=True, is_hole=False),)
    style = SOURCE_STYLES[Source.SAM2]
    picture = draw_thumbnail(grey, (100, 200, 120, 220), outline, style)
    assert picture.shape == (SIDE_PX, SIDE_PX, 3)
    # The part that is shown is 26 px wide: the square's sides lie at 3/26 and 23/26 of it.
    near = [round(SIDE_PX * part / 26) for part in (3, 23)]
    for place in near:
        found = picture[SIDE_PX // 2, place - 1 : place + 2].astype(int)
        assert np.abs(found - np.array(style.rgb)).sum(axis=1).min() < 60
    assert tuple(picture[SIDE_PX // 2, SIDE_PX // 2]) == (100, 100, 100)
    assert tuple(picture[0, 0]) == (0, 0, 0)


def test_a_region_at_the_border_has_a_thumbnail() -> None:
    grey = np.full((30, 40), 90, np.uint8)
    picture = draw_thumbnail(grey, (0, 0, 30, 40), (), SOURCE_STYLES[Source.MANUAL])
    assert picture[0].max() == 0
    assert picture[SIDE_PX // 2, SIDE_PX // 2].tolist() == [90, 90, 90]


def test_rows_in_sight_get_pictures_and_only_they(lot_panel: Any, until: Any) -> None:
    until(lambda: icon(lot_panel, 0) is not None)
    assert icon(lot_panel, 0).availableSizes()[0].width() == SIDE_PX
    image = icon(lot_panel, 0).pixmap(SIDE_PX, SIDE_PX).toImage()
    seen = {image.pixelColor(x, y).name() for x in range(SIDE_PX) for y in range(SIDE_PX)}
    # Grey values and the blue of SAM2 around them.
    assert any(name[1:3] != name[5:7] for name in seen)


def test_long_queues_scroll_without_reading_in_the_window_s_thread(
    lot_panel: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    drawn = _review_thumbnails.draw_thumbnail

    def recorded(*arguments: Any) -> Any:
        threads.append(threading.current_thread())
        return drawn(*arguments)

    monkeypatch.setattr(_review_thumbnails, "draw_thumbnail", recorded)
    current = lot_panel.desk.lot
    current.shown = current.shown * 420
    lot_panel.table.rows.show(current)
    thumbnails = lot_panel.thumbnails
    assert isinstance(lot_panel.table.model(), RegionModel)
    for row in range(0, 5040, 40):
        lot_panel.table.scrollTo(lot_panel.table.rows.index(row, 1))
        lot_panel.table.grab()
        assert len(thumbnails._waiting) <= _review_thumbnails.WAITING_AT_MOST
    until(lambda: not thumbnails._waiting and not thumbnails._busy)
    # 12 regions, however often they are seen.
    assert len(threads) <= 12
    assert all(thread is not threading.main_thread() for thread in threads)


def test_a_missing_image_leaves_rows_without_pictures(
    dock: Any, pads_lot: Path, until: Any
) -> None:
    for path in (pads_lot.parent / "images").iterdir():
        path.unlink()
    panel = dock("Review and export")
    panel.open_results(pads_lot)
    until(lambda: panel.desk.lot is not None)
    panel.table.grab()
    until(lambda: not panel.thumbnails._waiting and not panel.thumbnails._busy)
    assert icon(panel, 0) is None


def test_decisions_are_in_sight_in_a_small_window(lot_panel: Any, viewer: Any, until: Any) -> None:
    viewer.window.resize(1280, 800)
    buttons = (
        lot_panel.accept_button,
        lot_panel.reject_button,
        lot_panel.undo_button,
        lot_panel.next_button,
    )

    def in_sight(widget: Any) -> bool:
        window = widget.window()
        corner = widget.mapTo(window, QPoint(widget.width(), widget.height()))
        return corner.x() <= window.width() and corner.y() <= window.height()

    for index in range(lot_panel.pages.count()):
        lot_panel.pages.setCurrentIndex(index)
        until(lambda: all(made.isVisible() and in_sight(made) for made in buttons))
