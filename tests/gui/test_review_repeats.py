"""The page of repeats: one place in three images, by clicks in a real window."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QPoint, Qt

from napari_segsem import _review_repeats
from napari_segsem._region_pictures import draw_part
from segsem.core.appearance import SOURCE_STYLES
from segsem.core.contour import Contour, Region, Source
from segsem.core.extraction import Extraction
from segsem.export.outputs import write_results
from segsem.imaging.read import read_image
from segsem.project.image_table import ImageRow
from segsem.project.project import Project
from segsem.review.item import ItemKey
from segsem.review.outline import OutlineLine
from segsem.review.repeat_places import Presence

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
PIXEL_NM = 2.5
SHAPE = (300, 400)
SHIFT = (4, -6)
PADS = ((40, 40), (40, 170), (180, 40))
SITE = {"wafer": "W7", "site": "A3"}


def pad(region_id: int, source: Source, row: int, col: int, side: int) -> Region:
    """A square pad, outlined along its pixels every 2 px."""
    along = np.arange(0.0, side, 2.0)
    zero = np.zeros_like(along)
    turn = np.stack(
        [[along, zero], [zero + side, along], [side - along, zero + side], [zero, side - along]]
    )
    ring = turn.transpose(0, 2, 1).reshape(-1, 2) + np.array([row - 0.5, col - 0.5])
    flat = np.zeros(len(ring))
    normals = [[0.0, -1.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
    contour = Contour(
        contour_id=region_id, vertices_rc=ring, raw_vertices_rc=ring,
        normals_rc=np.repeat(normals, len(along), axis=0), closed=True, is_hole=False,
        sigma_px=flat + 0.1, slope=flat + 10, contrast=flat + 80, confidence=flat + 0.9,
        source_code=np.full(len(ring), int(source is Source.SAUVOLA), np.uint8),
        flags=np.zeros(len(ring), np.uint8),
    )  # fmt: skip
    mask = np.ones((side, side), bool)
    return Region(region_id, (row, col), mask, (contour,), source, 0.9 - region_id / 100)


def write_image(folder: Path, name: str, regions: list[Region], groups: dict[str, str]) -> None:
    """Results of one image, and the image."""
    grey = np.full(SHAPE, 60, np.uint8)
    for region in regions:
        row0, col0, row1, col1 = region.bbox_rc
        grey[row0:row1, col0:col1] = 190
    grey[0, 0] = len(name) + sum(map(ord, name)) % 200
    path = folder / "images" / f"{name}.tif"
    path.parent.mkdir(exist_ok=True, parents=True)
    tifffile.imwrite(path, grey)
    said = {"threshold": 0.8, "image_path": str(path), "image_sha256": read_image(path).sha256}
    said |= {"groups": groups, "tone": "bright"}
    size, field = (PIXEL_NM, PIXEL_NM), np.ones(SHAPE, np.float32)
    found = Extraction(name, SHAPE, (0, SHAPE[0]), size, "user", tuple(regions), field, said)
    write_results(found, folder / "out")


@pytest.fixture
def site_lot(tmp_path: Path) -> Path:
    """One site three times: in the second shifted, its first pad larger; the third lacks that."""
    sources = (Source.SAM2, Source.SAUVOLA, Source.SAM2)
    plain = [pad(n, s, *at, 50) for n, s, at in zip((1, 2, 3), sources, PADS, strict=True)]
    moved = [
        pad(n, s, at[0] + SHIFT[0], at[1] + SHIFT[1], 52 if n == 1 else 50)
        for n, s, at in zip((1, 2, 3), sources, PADS, strict=True)
    ]
    write_image(tmp_path, "site_1", plain, SITE)
    write_image(tmp_path, "site_2", moved, SITE)
    write_image(tmp_path, "site_3", plain[1:], SITE)
    write_image(tmp_path, "site_9", plain, {**SITE, "site": "B1"})
    return tmp_path / "out"


@pytest.fixture
def panel(dock: Any, site_lot: Path, until: Any) -> Any:
    """The review panel, region 1 of the first image in sight."""
    made = dock("Review and export")
    made.open_results(site_lot)
    until(lambda: made.desk.lot is not None and made.session.review is not None)
    made.desk.choose(ItemKey("site_1", 1))
    until(lambda: made.session.review is not None and made.session.review.image_id == "site_1")
    return made


@pytest.fixture
def box(panel: Any, until: Any, qtbot: Any) -> Any:
    """The page, opened by a click on its tab, compared, measured and drawn."""
    bar = panel.pages.tabBar()
    at = panel.pages.indexOf(panel.repeats_page)
    qtbot.mouseClick(bar, LEFT, NONE, bar.tabRect(at).center())
    until(lambda: panel.repeats_box.isVisible() and is_shown(panel))
    return panel.repeats_box


def is_shown(panel: Any) -> bool:
    """Whether the current region is compared, and all pictures are there."""
    repeats, current = panel.repeats_box.repeats, panel.desk.lot.current
    found = repeats.comparison
    return (
        found is not None
        and found.shown.key == current
        and all(repeats.picture(one) is not None for one in found.regions)
        and not panel.repeats_box._measures.is_busy
    )


def lines(box: Any, row: int) -> list[str]:
    return str(box.list.item(row).text()).split("\n")


def click_row(box: Any, row: int, qtbot: Any) -> None:
    item = box.list.item(row)
    box.list.scrollToItem(item)
    place = box.list.visualItemRect(item).center()
    qtbot.mouseClick(box.list.viewport(), LEFT, NONE, place)


def test_a_region_stands_beside_itself_in_its_repeats(box: Any) -> None:
    # The other site is no repeat.
    assert box.list.count() == 3
    assert box.summary.text().startswith("wafer W7, site A3: in 2 of 3 images")
    # 50 px and 52 px of 2.5 nm: 125 and 130 nm; mean 127.5, 3 sigma 3 * 5 / sqrt(2).
    assert "CD 127.50 nm, 3σ 10.61 (2 images)" in box.summary.text()
    assert lines(box, 0) == [
        "site_1", "SAM2, 0.89, open", "CD 125.00 nm", "Area 15,625 nm²", "shown now",
    ]  # fmt: skip
    assert lines(box, 1)[:4] == [
        "site_2", "SAM2, 0.89, open", "CD +5.00 nm", "Area +1,275 nm² (+8.2 %)",
    ]  # fmt: skip
    assert lines(box, 1)[4].startswith("by image position, overlap 0.")
    assert lines(box, 2) == ["site_3", "missing here", "by image position"]
    assert "error of the stage" in box.note.text()
    assert box.list.currentRow() == 0


def test_a_click_goes_to_the_region_in_that_image(
    panel: Any, box: Any, until: Any, qtbot: Any, viewer: Any
) -> None:
    click_row(box, 1, qtbot)
    assert panel.desk.lot.current == ItemKey("site_2", 1)
    until(lambda: panel.session.document.image.name == "site_2")
    until(lambda: panel.session.review is not None and panel.session.review.current_id == 1)

    def is_in_view() -> bool:
        centre = np.asarray(viewer.scene.camera.center)[-2:] / PIXEL_NM
        size = np.asarray(viewer.canvas.size) / viewer.scene.camera.zoom / PIXEL_NM
        middle = np.array(PADS[0]) + SHIFT + 25.5
        return bool(np.all(np.abs(centre - middle) <= size / 2))

    until(is_in_view)
    # Rows stay where they are; differences are told from the other side.
    until(lambda: is_shown(panel))
    assert box.list.currentRow() == 1
    assert lines(box, 0)[2] == "CD -5.00 nm"
    assert lines(box, 1)[4] == "shown now"


def test_a_click_on_a_missing_one_goes_where_it_should_be(
    panel: Any, box: Any, until: Any, qtbot: Any
) -> None:
    missing = box.repeats.comparison.regions[2]
    assert missing.presence is Presence.MISSING
    click_row(box, 2, qtbot)
    # Of the two other pads, the one to the right is 80 px away, the one below 90.
    assert panel.desk.lot.current == ItemKey("site_3", 2)
    until(lambda: panel.session.document.image.name == "site_3")
    assert "missing here" in panel.footer.text()


def test_a_decision_shows_in_the_row_and_leaves_the_mean(
    panel: Any, box: Any, until: Any, qtbot: Any
) -> None:
    qtbot.mouseClick(panel.reject_button, LEFT)
    until(lambda: panel.desk.lot.status(ItemKey("site_1", 1)).value == "rejected")
    panel.desk.choose(ItemKey("site_2", 1))
    until(lambda: is_shown(panel) and box.list.currentRow() == 1)
    assert lines(box, 0)[1] == "SAM2, 0.89, rejected"
    assert "Area 16,900 nm² (1 image)" in box.summary.text()


def test_outlines_have_the_colours_and_lines_of_their_sources(
    panel: Any, box: Any, until: Any
) -> None:
    def colours(row: int) -> np.ndarray:
        region = box.repeats.comparison.regions[row]
        return np.asarray(box.repeats.picture(region).reshape(-1, 3).astype(int))

    def near(row: int, source: Source) -> int:
        wanted = np.array(SOURCE_STYLES[source].rgb)
        return int((np.abs(colours(row) - wanted).sum(axis=1) < 60).sum())

    assert near(1, Source.SAM2) > 100
    assert near(1, Source.SAUVOLA) == 0
    # Where the pad is missing nothing is drawn: grey ground alone.
    assert len(np.unique(colours(2), axis=0)) == 1
    panel.desk.choose(ItemKey("site_1", 2))
    until(lambda: is_shown(panel))
    assert near(1, Source.SAUVOLA) > 60
    assert near(1, Source.SAM2) == 0


def test_dashes_leave_gaps_and_oblong_pixels_are_drawn_to_scale() -> None:
    # 40 rows and 20 columns of the same length in nm: the square outline is one in the picture.
    corners = np.array([[9.5, 4.5], [29.5, 4.5], [29.5, 14.5], [9.5, 14.5]])
    outline = (OutlineLine(corners, closed=True, is_hole=False),)
    grey = np.zeros((40, 20), np.uint8)

    def line(source: Source) -> np.ndarray:
        picture = draw_part(grey, (0, 0, 40, 20), 80, [(outline, SOURCE_STYLES[source])])
        on = picture.max(axis=2) > 100
        rows, cols = np.flatnonzero(on.any(axis=1)), np.flatnonzero(on.any(axis=0))
        # 9.5 of 40 rows are 20 of 80 px, 29.5 are 60; lines have a width.
        for place, end in ((20, 0), (60, -1)):
            assert max(abs(rows[end] - place), abs(cols[end] - place)) <= 2
        return np.asarray(on)

    solid, dashed = line(Source.SAM2), line(Source.SAUVOLA)
    # Drawn 6 widths, left out 3.5, of which the round ends take 1.
    assert dashed.sum() == pytest.approx(7 / 9.5 * solid.sum(), rel=0.15)


def test_nothing_is_read_before_somebody_looks_nor_in_the_window_s_thread(
    panel: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []

    def recorded(name: str) -> Any:
        original = getattr(_review_repeats, name)

        def call(*arguments: Any, **more: Any) -> Any:
            threads.append(threading.current_thread())
            return original(*arguments, **more)

        return call

    for name in ("compare_repeats", "outlines_within", "draw_part", "read_project_groups"):
        monkeypatch.setattr(_review_repeats, name, recorded(name))
    panel.desk.choose(ItemKey("site_1", 2))
    panel.desk.choose(ItemKey("site_1", 1))
    panel.reject_button.click()
    until(lambda: not panel.repeats_box._pause._timer.isActive())
    assert not threads
    panel.repeats_page.expand()
    until(lambda: is_shown(panel))
    assert len(threads) >= 5
    assert all(thread is not threading.main_thread() for thread in threads)
    panel.regions_page.expand()
    done = len(threads)
    panel.desk.choose(ItemKey("site_1", 3))
    panel.numbers_page.expand()
    until(lambda: not panel.repeats_box._measures.is_busy and bool(panel.numbers_box.numbers.keys))
    assert len(threads) == done


def test_why_there_are_none_is_one_line(panel: Any, box: Any, until: Any) -> None:
    panel.desk.choose(ItemKey("site_9", 1))
    until(lambda: "no other image" in box.note.text())
    assert box.note.text() == "No repeats: of wafer W7, site B1 there is no other image."
    assert not box.list.isVisible()
    assert not box.summary.isVisible()
    panel.desk.choose(ItemKey("site_1", 1))
    until(lambda: box.list.isVisible() and is_shown(panel))
    assert box.list.count() == 3


def test_an_image_that_has_gone_keeps_its_row(panel: Any, site_lot: Path, until: Any) -> None:
    (site_lot.parent / "images" / "site_2.tif").unlink()
    panel.repeats_page.expand()
    box = panel.repeats_box
    until(lambda: box.list.count() == 3 and not box.repeats._drawing)
    until(lambda: box.repeats.picture(box.repeats.comparison.regions[2]) is not None)
    assert box.repeats.picture(box.repeats.comparison.regions[1]) is None
    assert lines(box, 1)[0] == "site_2"


def test_damaged_results_are_one_line(panel: Any, site_lot: Path, until: Any) -> None:
    (site_lot / "site_2" / "labels.tif").write_bytes(b"nothing")
    panel.repeats_page.expand()
    box = panel.repeats_box
    until(lambda: "labels.tif" in box.note.text())
    assert "\n" not in box.note.text()
    assert not box.list.isVisible()


def test_the_panel_may_be_closed_while_it_compares(panel: Any, viewer: Any, until: Any) -> None:
    gone: list[bool] = []
    panel.destroyed.connect(lambda: gone.append(True))
    box = panel.repeats_box
    panel.repeats_page.expand()
    viewer.window.remove_dock_widget(panel)
    until(lambda: bool(gone))
    assert box.repeats._closed


def test_all_of_the_page_is_in_sight_in_a_small_window(
    panel: Any, box: Any, viewer: Any, until: Any
) -> None:
    viewer.window.resize(1280, 800)
    window = panel.window()

    def in_sight(widget: Any) -> bool:
        corner = widget.mapTo(window, QPoint(widget.width(), widget.height()))
        return corner.x() <= window.width() and corner.y() <= window.height()

    bar = panel.pages.tabBar()
    until(lambda: in_sight(box) and in_sight(panel.accept_button))
    assert bar.tabRect(bar.count() - 1).right() <= bar.width()


def put_into_project(lot: Path, groups: dict[str, dict[str, str]]) -> Path:
    """Make the folder around a lot a project that says what its images show."""
    project = Project.create(lot.parent / "project")
    for name, own in groups.items():
        path = lot.parent / "images" / f"{name}.tif"
        row = ImageRow(name, str(path), read_image(path).sha256, SHAPE, groups=own)
        project.images.put(row)
    project.images.write()
    project.close()
    return Path(lot.rename(project.folder / "results"))


def test_the_project_says_what_images_show(dock: Any, site_lot: Path, until: Any) -> None:
    # By the extraction site_1 and site_9 are of two sites; the project knows better.
    results = put_into_project(site_lot, {"site_1": {"site": "Z"}, "site_9": {"site": "Z"}})
    panel = dock("Review and export")
    panel.open_results(results)
    until(lambda: panel.desk.lot is not None and panel.session.review is not None)
    assert panel.desk.lot.review.images["site_9"].groups == {"wafer": "W7", "site": "Z"}
    panel.desk.choose(ItemKey("site_1", 1))
    panel.repeats_page.expand()
    box = panel.repeats_box
    until(lambda: box.repeats.comparison is not None and box.list.count() == 2)
    assert [one.image_id for one in box.repeats.comparison.regions] == ["site_1", "site_9"]


def test_a_damaged_image_table_keeps_nobody_from_reviewing(
    dock: Any, site_lot: Path, until: Any
) -> None:
    results = put_into_project(site_lot, {})
    (results.parent / "images.csv").write_text("no,such\ncolumns,here\n", encoding="utf-8")
    panel = dock("Review and export")
    panel.open_results(results)
    until(lambda: panel.desk.lot is not None and panel.session.review is not None)
    panel.repeats_page.expand()
    until(lambda: "images.csv" in panel.repeats_box.note.text())
    assert "\n" not in panel.repeats_box.note.text()
