"""Series, training set and restart, without a window where none is needed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt

from napari_segsem import _documents
from napari_segsem._annotation import Made
from napari_segsem._documents import run_now
from napari_segsem._session import Session
from napari_segsem._thumbnails import SIDE_PX, Thumbnails
from napari_segsem._workplace import Workplace
from segsem.core.contour import Source
from segsem.imaging.image import SEMImage
from segsem.project.label_edit import LabelObject
from segsem.project.project import Project

SHAPE = (60, 80)
SHIFT = Qt.KeyboardModifier.ShiftModifier


class Visit:
    """A session with a workplace, and what it told."""

    def __init__(self) -> None:
        self.session = Session(
            lambda action: action(), background=run_now, workplace=Workplace(run_now)
        )
        self.told: list[str] = []
        self.errors: list[str] = []
        self.session.message.connect(
            lambda text, is_error: (self.errors if is_error else self.told).append(text)
        )

    @property
    def series(self) -> Any:
        return self.session.series

    @property
    def shown(self) -> str | None:
        return None if self.session.document is None else self.session.document.image.name

    def accept(self, row: int = 5, col: int = 5) -> None:
        origin = LabelObject(0, 0, (0, 0, 0, 0), Source.SAM2, 0.9)
        mask = np.ones((10, 12), dtype=bool)
        assert self.session.annotation.add("object", [Made((row, col), mask, origin)])

    def statuses(self) -> list[str]:
        return [self.series.entry(i).status.value for i in range(len(self.series))]


@pytest.fixture
def visit() -> Iterator[Callable[[], Visit]]:
    """Start a visit; the one before ends first, well."""
    visits: list[Visit] = []

    def start() -> Visit:
        for before in visits:
            before.session.close()
        visits.append(Visit())
        return visits[-1]

    yield start
    for made in visits:
        made.session.close()


def test_a_folder_is_a_series(visit: Any, folder: Path) -> None:
    here = visit()
    here.session.open_files([folder])
    assert (here.shown, here.session.position) == ("a", (1, 4))
    assert here.statuses() == ["untouched"] * 4
    assert here.errors == []


def test_a_manifest_is_a_series_with_its_pixel_sizes(visit: Any, folder: Path) -> None:
    (folder / "list.csv").write_text("path,pixel_size_nm\nc.tif,2.5\nb.tif,3.5\n")
    here = visit()
    here.session.open_files([folder / "list.csv"])
    assert (here.shown, here.session.position) == ("c", (1, 2))
    assert here.session.document.scale == (2.5, 2.5)
    here.session.step(1)
    assert here.session.document.scale == (3.5, 3.5)


def test_a_folder_takes_the_place_of_what_is_open_and_files_do_not(
    visit: Any, folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(folder / "a.tif", other / "z.tif")
    here = visit()
    here.session.open_files([folder])
    here.session.open_files([other])
    assert here.session.position == (1, 1)
    here.session.open_files([folder / "b.tif"])
    assert (here.shown, here.session.position) == ("b", (2, 2))


def test_a_folder_without_images_is_told(visit: Any, folder: Path, tmp_path: Path) -> None:
    here = visit()
    here.session.open_files([folder])
    (tmp_path / "empty").mkdir()
    here.session.open_files([tmp_path / "empty"])
    assert "holds no images" in here.errors[0]
    assert here.shown == "a"


def test_what_was_accepted_comes_back_with_undo(visit: Any, folder: Path) -> None:
    here = visit()
    here.session.open_files([folder])
    here.accept()
    here.accept(row=30)
    before = here.session.annotation.labels.copy()
    objects = dict(here.session.annotation.objects)
    again = visit()
    again.session.open_files([folder])
    annotation = again.session.annotation
    np.testing.assert_array_equal(annotation.labels, before)
    assert annotation.objects == objects
    assert annotation.history.undo() == "object 2"
    assert annotation.history.undo() == "object 1"
    assert annotation.history.undo() is None
    assert not annotation.labels.any()
    annotation.history.redo()
    third = visit()
    third.session.open_files([folder])
    assert list(third.session.annotation.objects) == [1]
    assert third.session.annotation.history.redo_name == "object 2"


def test_looking_at_an_image_leaves_no_trace_in_the_project(
    visit: Any, folder: Path, work_folder: Path
) -> None:
    here = visit()
    here.session.open_files([folder])
    here.session.step(1)
    here.session.close()
    project = Project.open(work_folder / "default", write=False)
    assert len(project.images) == 0
    assert not (project.folder / "annotations").exists()


def test_one_goes_on_where_one_stopped(visit: Any, folder: Path) -> None:
    here = visit()
    here.session.open_files([folder])
    here.session.step(1)
    here.session.step(1)
    assert here.shown == "c"
    again = visit()
    again.session.open_files([folder])
    assert (again.shown, again.session.position) == ("c", (3, 4))
    third = visit()
    third.session.workplace.start()
    assert third.series.resume()
    assert (third.shown, third.session.position) == ("c", (3, 4))
    fourth = visit()
    fourth.series.come_back(folder / "c.tif")
    assert fourth.session.position == (3, 4)
    fifth = visit()
    fifth.series.come_back(folder / "a.tif")
    assert (fifth.shown, fifth.session.position) == ("a", (1, 1))


def test_next_unfinished_passes_over_what_is_done(visit: Any, folder: Path) -> None:
    here = visit()
    here.session.open_files([folder])
    here.series.toggle_done()
    here.session.step(1)
    here.series.toggle_done()
    here.session.step(1)
    here.accept()
    assert here.statuses() == ["done", "done", "in work", "untouched"]
    here.series.next_unfinished()
    assert here.shown == "d"
    here.series.toggle_done()
    here.series.next_unfinished()
    assert here.shown == "c"
    here.series.next_unfinished()
    assert "only image that is not done" in here.told[-1]
    here.series.toggle_done()
    here.series.next_unfinished()
    assert here.told[-1] == "All images are done"
    here.series.toggle_done()
    assert here.statuses()[2] == "in work"
    assert here.series.count_done() == 3
    again = visit()
    again.session.open_files([folder])
    assert again.statuses() == ["done", "done", "in work", "done"]
    assert [again.series.entry(i).n_objects for i in range(4)] == [0, 0, 1, 0]
    assert again.series.count_done() == 3


def test_into_the_training_set_and_out(visit: Any, folder: Path) -> None:
    here = visit()
    here.session.open_files([folder])
    here.series.toggle_training()
    assert "Accept an object first" in here.told[-1]
    here.accept()
    here.series.toggle_training()
    assert here.series.entry(0).in_training_set
    again = visit()
    again.session.open_files([folder])
    assert again.series.is_in_training_set
    again.series.toggle_training()
    assert not again.series.entry(0).in_training_set


def test_an_image_from_memory_comes_back_too(visit: Any) -> None:
    grey = np.random.default_rng(3).integers(0, 255, SHAPE).astype(np.uint8)
    here = visit()
    here.session.open_image(SEMImage(grey, "memory"))
    here.accept()
    again = visit()
    again.session.open_image(SEMImage(grey.copy(), "memory"))
    assert list(again.session.annotation.objects) == [1]


def test_a_copy_that_is_open_too_is_the_same_image(visit: Any, folder: Path) -> None:
    shutil.copy(folder / "a.tif", folder / "a copy.tif")
    here = visit()
    here.session.open_files([folder / "a.tif", folder / "a copy.tif"])
    here.accept()
    here.session.step(1)
    assert here.session.position == (2, 2)
    here.accept(row=30)
    assert list(here.session.annotation.objects) == [1, 2]
    again = visit()
    again.session.open_files([folder / "a copy.tif"])
    assert list(again.session.annotation.objects) == [1, 2]


def test_the_users_pixel_size_comes_back(visit: Any, folder: Path) -> None:
    here = visit()
    here.session.open_files([folder])
    here.session.set_pixel_size(1.75)
    again = visit()
    again.session.open_files([folder])
    assert again.session.document.image.pixel_size_nm == (1.75, 1.75)
    assert again.session.document.image.pixel_size_source == "user"


def test_images_no_longer_looked_at_are_dropped_and_come_back(
    visit: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_documents, "KEPT_BYTES", 1)
    for number in range(4):
        grey = np.full(SHAPE, 40 + number, np.uint8)
        tifffile.imwrite(folder / f"e{number}.tif", grey)
    here = visit()
    here.session.open_files([folder])
    first = here.session.document
    here.accept()
    for _ in range(4):
        here.session.step(1)
    documents = here.session.documents
    in_memory = [key for key in documents.keys if documents.in_memory(key) is not None]
    assert len(in_memory) <= 4
    assert folder / "a.tif" not in in_memory
    here.session.documents.go_to(0)
    assert here.session.document is not first
    assert list(here.session.annotation.objects) == [1]
    assert here.session.annotation.history.undo_name == "object 1"


def test_an_image_with_prompts_in_work_is_not_dropped(
    visit: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_documents, "KEPT_BYTES", 1)
    monkeypatch.setattr(_documents, "KEPT_AT_LEAST", 1)
    here = visit()
    monkeypatch.setattr(here.session, "ask", lambda: None)
    here.session.open_files([folder])
    here.session.annotation.add_point((3.0, 4.0), 1)
    first = here.session.document
    here.session.step(1)
    here.session.step(1)
    here.session.documents.go_to(0)
    assert here.session.document is first


def test_another_project_has_other_work(visit: Any, folder: Path, tmp_path: Path) -> None:
    made = Project.create(tmp_path / "etch", "Etch")
    made.close()
    here = visit()
    here.session.open_files([folder])
    here.accept()
    here.session.open_files([tmp_path / "etch"])
    assert here.session.document is None
    assert here.series.project.name == "Etch"
    here.session.open_files([folder])
    assert here.session.annotation.objects == {}
    here.accept()
    here.accept(row=30)
    here.session.step(1)
    again = visit()
    again.session.open_files([folder])
    assert list(again.session.annotation.objects) == [1]
    again.session.open_files([tmp_path / "etch"])
    assert again.shown == "b"
    again.session.step(-1)
    assert list(again.session.annotation.objects) == [1, 2]


def test_a_project_in_use_is_told_and_nothing_changes(
    visit: Any, folder: Path, tmp_path: Path
) -> None:
    held = Project.create(tmp_path / "etch")
    here = visit()
    here.session.open_files([folder])
    here.session.open_files([tmp_path / "etch"])
    assert "in use by process" in here.errors[0]
    assert here.shown == "a"
    held.close()


def test_a_second_window_keeps_its_work_too(folder: Path, work_folder: Path) -> None:
    first, second = Visit(), Visit()
    for window in (first, second):
        window.session.open_files([folder])
        window.accept()
    assert any("default-2" in text for text in second.told)
    assert (work_folder / "default-2" / "project.toml").exists()
    second.session.close()
    first.session.close()


def test_a_home_that_cannot_be_written_is_told_and_work_goes_on(
    visit: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SEGSEM_WORK", str(tmp_path / "file" / "work"))
    here = visit()
    here.session.open_files([folder])
    assert "What you do is not kept" in here.errors[0]
    here.accept()
    assert list(here.session.annotation.objects) == [1]


def test_damaged_work_is_told_and_not_written_over(
    visit: Any, folder: Path, work_folder: Path
) -> None:
    here = visit()
    here.session.open_files([folder])
    here.accept()
    here.session.close()
    regions = work_folder / "default" / "annotations" / "a" / "regions.json"
    regions.write_text("{")
    again = visit()
    again.session.open_files([folder / "b.tif"])
    again.session.open_files([folder / "a.tif"])
    assert "regions.json cannot be read" in again.errors[0]
    assert again.shown == "b"
    assert regions.read_text() == "{"


def test_thumbnails_are_made_once_and_kept(folder: Path, tmp_path: Path) -> None:
    tifffile.imwrite(folder / "wide.tif", np.full((300, 900), 9, np.uint16))
    (folder / "broken.tif").write_bytes(b"no image")
    thumbnails = Thumbnails(run_now, lambda: tmp_path / "kept")
    arrived: list[str] = []
    thumbnails.arrived.connect(lambda path: arrived.append(path.name))
    assert thumbnails.get(folder / "wide.tif") is None
    picture = thumbnails.get(folder / "wide.tif")
    assert picture.shape == (SIDE_PX // 3, SIDE_PX)
    assert thumbnails.get(folder / "broken.tif") is None
    assert arrived == ["wide.tif", "broken.tif"]
    (kept,) = (tmp_path / "kept").iterdir()
    again = Thumbnails(run_now, lambda: tmp_path / "kept")
    before = kept.stat().st_mtime_ns
    again.get(folder / "wide.tif")
    np.testing.assert_array_equal(again.get(folder / "wide.tif"), picture)
    assert kept.stat().st_mtime_ns == before
