"""The window must not stand still: what runs in its thread, and the tool that measures it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt, QTimer

from napari_segsem import _document, _documents
from napari_segsem._heartbeat import LIMIT_MS, compare, pads, summarise
from napari_segsem._heartbeat_gaps import Heartbeat
from segsem.engine import answers, link


class Calls:
    """Which functions were called in the GUI's thread, and which elsewhere."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self.here: list[str] = []
        self.elsewhere: list[str] = []

    def watch(self, owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def watched(*arguments: Any, **options: Any) -> Any:
            main = threading.current_thread() is threading.main_thread()
            (self.here if main else self.elsewhere).append(name)
            return original(*arguments, **options)

        self._patch.setattr(owner, name, watched)


@pytest.fixture
def heavy(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Everything that takes time in proportion to the image."""
    calls = Calls(monkeypatch)
    for owner, name in (
        (_documents, "read_image"),
        (_document, "normalise"),
        (_document, "grey_limits"),
        (link, "write_message"),
        (link, "read_message"),
        (answers, "outline_of"),
    ):
        calls.watch(owner, name)
    return calls


@pytest.fixture
def two_files(pads_file: Path, pads: np.ndarray, tmp_path: Path) -> list[Path]:
    import tifffile

    other = tmp_path / "other.tif"
    tifffile.imwrite(other, np.ascontiguousarray(pads[::-1]))
    return [pads_file, other]


def visit(panel: Any, files: list[Path], hand: Any, until: Callable[..., None]) -> None:
    """Open, click, accept, turn the page, click."""
    session = panel.session
    session.open_files(files)
    until(lambda: session.document is not None and not panel.resume_button.isVisible())
    hand.click(65, 195)
    until(lambda: session.annotation.candidates is not None)
    hand.key(Qt.Key.Key_Return)
    assert session.annotation.objects
    session.step(1)
    until(lambda: session.position[0] == 2)
    session.annotation.add_point((65.0, 195.0), 1)
    until(lambda: session.annotation.candidates is not None)


def test_nothing_heavy_runs_in_the_windows_thread(
    heavy: Calls, dock: Any, two_files: list[Path], hand: Any, until: Any
) -> None:
    visit(dock("Annotate"), two_files, hand, until)
    assert heavy.here == []
    assert set(heavy.elsewhere) == {
        "read_image",
        "normalise",
        "grey_limits",
        "write_message",
        "read_message",
        "outline_of",
    }


def test_the_windows_thread_never_waits_for_an_answer(
    dock: Any, two_files: list[Path], hand: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[str] = []

    def watch(name: str) -> None:
        original = getattr(Future, name)

        def watched(future: Future[Any], timeout: float | None = None) -> Any:
            if threading.current_thread() is threading.main_thread() and not future.done():
                waits.append(name)
            return original(future, timeout)

        monkeypatch.setattr(Future, name, watched)

    watch("result")
    watch("exception")
    visit(dock("Annotate"), two_files, hand, until)
    assert waits == []


def test_a_click_hands_the_window_a_small_array(
    dock: Any, viewer: Any, two_files: list[Path], hand: Any, until: Any
) -> None:
    panel = dock("Annotate")
    panel.session.open_files(two_files[:1])
    until(lambda: panel.session.document is not None and not panel.resume_button.isVisible())
    hand.click(65, 195)
    until(lambda: panel.session.annotation.candidates is not None)
    shown = viewer.layers["SegSEM preview"].data
    # The pad is 50 px wide; the window that it was found in, 256 px.
    assert 0 < max(shown.shape) < 70
    assert max(panel.session.annotation.candidates.logits.shape) == 256


def test_accepting_draws_only_the_object(
    dock: Any,
    viewer: Any,
    two_files: list[Path],
    hand: Any,
    until: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    panel = dock("Annotate")
    panel.session.open_files(two_files[:1])
    until(lambda: panel.session.document is not None and not panel.resume_button.isVisible())
    hand.click(65, 195)
    until(lambda: panel.session.annotation.candidates is not None)
    layer = viewer.layers["SegSEM objects"]
    whole: list[int] = []
    monkeypatch.setattr(type(layer), "refresh", lambda self, *a, **k: whole.append(id(self)))
    parts: list[tuple[int, ...]] = []
    layer.events.labels_update.connect(lambda event: parts.append(event.data.shape))
    hand.key(Qt.Key.Key_Return)
    assert id(layer) not in whole
    assert len(parts) == 1
    assert max(parts[0]) < 70
    assert np.count_nonzero(layer.data) == pytest.approx(2500, abs=150)


def test_a_window_that_stands_still_is_caught(qtbot: Any) -> None:
    beat = Heartbeat()
    beat.enter("still")
    done = []

    def stand_still() -> None:
        until = time.perf_counter() + 1.5 * LIMIT_MS / 1e3
        while time.perf_counter() < until:
            pass
        done.append(True)

    QTimer.singleShot(0, stand_still)
    qtbot.waitUntil(lambda: bool(done) and bool(beat.gaps["still"]), timeout=60_000)
    assert summarise(beat.gaps["still"])["longest_ms"] >= 1.5 * LIMIT_MS
    beat.enter("after")
    assert beat.gaps["after"] == []


def gap(ms: float, where: str | None = None) -> dict[str, Any]:
    return {"ms": ms, "cpu_ms": ms / 2, "where": where, "collecting_ms": 0.0}


def test_only_gaps_that_the_control_has_not_are_ours() -> None:
    runs = {
        "ours": [
            {"gaps": {"open": [gap(400.0)], "click": [gap(30.0), gap(120.0, "_session.py:1 ask")]}},
            {"gaps": {"open": [gap(300.0)], "click": [gap(20.0)]}},
        ],
        "control": [
            {"gaps": {"open": [gap(350.0)], "click": [gap(90.0)]}},
            {"gaps": {"open": [], "click": [gap(60.0)]}},
        ],
    }
    found = compare(runs)
    assert found["excess"] == ["click"]
    assert found["phases"]["open"]["ours"]["longest_ms"] == 400.0
    assert found["phases"]["click"]["ours"] == {
        "longest_ms": 120.0,
        "longest_cpu_ms": 60.0,
        "above_limit": 1,
        "kept": 3,
    }
    assert [blame["where"] for blame in found["blame"]] == [None, "_session.py:1 ask", None]


def test_the_test_image_is_what_it_says() -> None:
    image = pads((200, 300), 1)
    assert image.shape == (200, 300)
    assert image[17, 17] > 120 > image[50, 50]
    np.testing.assert_array_equal(image, pads((200, 300), 1))


def test_the_tool_runs(display: None, tmp_path: Path) -> None:
    out = tmp_path / "gaps.json"
    command = [sys.executable, "-m", "napari_segsem._heartbeat", "--json", str(out)]
    command += ["--repeats", "1", "--clicks", "1", "--size", "300x400"]
    run = subprocess.run(command, capture_output=True, check=False, text=True, timeout=500)
    assert run.returncode == 0, run.stderr
    found = json.loads(out.read_text(encoding="utf-8"))
    assert list(found["phases"]) == [
        "open",
        "first click",
        "clicks",
        "quick clicks",
        "moves",
        "accept",
        "next image",
        "engine killed",
    ]
    assert {run["role"] for runs in found["runs"].values() for run in runs} == {"ours", "control"}


def test_where_the_mouse_rests_is_encoded_before_the_click(
    dock: Any, two_files: list[Path], hand: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = dock("Annotate")
    session = panel.session
    session.open_files(two_files[:1])
    until(lambda: session.document is not None and not panel.resume_button.isVisible())
    looked: list[tuple[float, float]] = []
    warm = session._engine.warm

    def watched(image_id: str, point_rc: tuple[float, float] | None = None) -> Any:
        if point_rc is not None:
            looked.append(point_rc)
        return warm(image_id, point_rc)

    monkeypatch.setattr(session._engine, "warm", watched)
    hand.move(65, 195)
    until(lambda: bool(looked))
    assert looked == [pytest.approx((65, 195), abs=1.5)]
    hand.move(-30, 195)
    session.annotation.add_point((65.0, 195.0), 1)
    until(lambda: session.annotation.candidates is not None)
    session.foresight.look_at((65.0, 195.0))
    session.foresight.look_at((-5.0, 195.0))
    assert len(looked) == 1


def test_a_box_is_looked_at_while_it_is_drawn(
    dock: Any, two_files: list[Path], hand: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = dock("Annotate")
    session = panel.session
    session.open_files(two_files[:1])
    until(lambda: session.document is not None and not panel.resume_button.isVisible())
    looked: list[Any] = []
    warm_box = session._engine.warm_box

    def watched(image_id: str, box_rc: Any) -> Any:
        looked.append((box_rc, warm_box(image_id, box_rc)))
        return looked[-1][1]

    monkeypatch.setattr(session._engine, "warm_box", watched)

    def looks_at(*box_rc: float) -> bool:
        # Where two moves come at once, napari leaves one out.
        hand.drag_to(*box_rc[2:])
        return bool(looked) and looked[-1][0] == pytest.approx(box_rc, abs=1.5)

    hand.press(40, 150)
    until(lambda: looks_at(40, 150, 70, 190))
    until(lambda: looks_at(40, 150, 90, 230))
    until(lambda: looked[-1][1].done())
    assert session.annotation.candidates is None
    until(lambda: not session.foresight._looking)
    times = len(looked)
    hand.release(90, 230)
    until(lambda: session.annotation.candidates is not None)
    assert session.annotation.state.box_rc == pytest.approx((40, 150, 90, 230), abs=1.5)
    assert len(looked) == times
