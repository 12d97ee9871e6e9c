"""Which image is shown when reading takes its time; needs no window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_segsem._documents import Documents, run_now
from segsem.core.exceptions import InputError


class Slow:
    """Work in the background that ends when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def __call__(self, work: Any, on_done: Any, on_failed: Any) -> None:
        self.waiting.append(lambda: run_now(work, on_done, on_failed))

    def finish(self, index: int = 0) -> None:
        self.waiting.pop(index)()


class Desk:
    """Documents, and what they told."""

    def __init__(self) -> None:
        self.slow = Slow()
        self.shown: list[str] = []
        self.errors: list[str] = []
        self.documents = Documents(self.slow, self._note, self.errors.append)

    def _note(self) -> None:
        assert self.documents.current is not None
        self.shown.append(self.documents.current.image.name)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{name}.tif" for name in "abc"]
    for i, path in enumerate(paths):
        tifffile.imwrite(path, np.full((40, 50), 10 * i, np.uint8))
    return paths


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_the_first_file_is_shown_once_it_is_read(desk: Desk, files: list[Path]) -> None:
    desk.documents.open_files(files)
    assert desk.documents.current is None
    desk.slow.finish()
    assert desk.shown == ["a"]
    assert desk.documents.position == (1, 3)
    assert desk.slow.waiting == []


def test_what_was_wished_last_is_shown(desk: Desk, files: list[Path]) -> None:
    desk.documents.open_files(files[:1])
    desk.documents.open_files(files[1:])
    desk.slow.finish(1)
    desk.slow.finish()
    assert desk.shown == ["b"]
    assert desk.documents.position[1] == 3


def test_quick_steps_add_up(desk: Desk, files: list[Path]) -> None:
    desk.documents.open_files(files)
    desk.slow.finish()
    desk.documents.step(1)
    desk.documents.step(1)
    desk.slow.finish()
    assert desk.shown == ["a"]
    desk.slow.finish()
    assert desk.shown == ["a", "c"]
    desk.documents.step(1)
    assert desk.shown == ["a", "c", "a"]


def test_a_file_is_read_once(desk: Desk, files: list[Path]) -> None:
    desk.documents.open_files(files)
    desk.slow.finish()
    ahead: list[str] = []
    desk.documents.read_ahead(lambda document: ahead.append(document.image.name))
    desk.documents.step(1)
    assert len(desk.slow.waiting) == 2
    desk.slow.finish()
    assert (ahead, desk.shown) == (["b"], ["a", "b"])
    desk.slow.finish()
    assert ahead == ["b", "c"]


def test_reading_ahead_finds_what_is_beside(desk: Desk, files: list[Path]) -> None:
    ahead: list[str] = []
    desk.documents.read_ahead(lambda document: ahead.append(document.image.name))
    desk.documents.open_files(files[:1])
    desk.slow.finish()
    desk.documents.read_ahead(lambda document: ahead.append(document.image.name))
    assert (ahead, desk.slow.waiting) == ([], [])
    desk.documents.open_files(files[1:2])
    desk.slow.finish()
    desk.documents.read_ahead(lambda document: ahead.append(document.image.name))
    assert ahead == ["a"]


def test_a_file_that_cannot_be_read_is_told_when_it_is_reached(
    desk: Desk, files: list[Path]
) -> None:
    files[1].write_bytes(b"no image")
    desk.documents.open_files(files)
    desk.slow.finish()
    desk.documents.read_ahead(lambda document: None)
    desk.slow.finish()
    desk.slow.finish()
    assert desk.errors == []
    desk.documents.step(1)
    desk.slow.finish()
    assert len(desk.errors) == 1
    assert "b.tif" in desk.errors[0]
    # The image that is shown is still the first: the next step goes on from there.
    desk.documents.step(-1)
    assert desk.shown == ["a", "c"]


def test_no_memory_for_an_image_is_told(
    desk: Desk, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> Any:
        raise MemoryError

    monkeypatch.setattr("napari_segsem._documents.read_image", fail)
    desk.documents.open_files(files)
    desk.slow.finish()
    assert "Not enough memory to open a.tif" in desk.errors[0]


def test_nobody_is_called_after_the_end(desk: Desk, files: list[Path]) -> None:
    desk.documents.open_files(files)
    desk.documents.close()
    desk.slow.finish()
    assert desk.shown == []


def test_work_at_once_tells_both_ways() -> None:
    told: list[Any] = []

    def fail() -> None:
        msg = "no"
        raise InputError(msg)

    run_now(lambda: 1, told.append, told.append)
    run_now(fail, told.append, told.append)
    assert told == [1, "no"]
