"""One part of the review's benchmark in a process of its own: ours, or the control.

Started by `_benchmark_review`, which writes the lot; prints JSON in its last line.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import napari
from qtpy.QtCore import QEvent, QObject

from napari_segsem._benchmark_review_lot import SHAPE
from napari_segsem._benchmark_review_roles import ControlReview, OurReview, Reviewer
from napari_segsem._benchmark_roles import Hand
from napari_segsem._benchmark_run import WINDOW_PX
from napari_segsem._heartbeat_gaps import Heartbeat
from napari_segsem._heartbeat_run import SETTLE_MS, STILL_DRAWING, Driver, Wait
from segsem.export.reviewed import find_lot, open_review

SAME, OTHER, MANY, SCROLL = "same image", "other image", "among many", "scroll"
MOST_STEPS = 400
STEP_MS = 4.0
AMONG_MANY = 20


@dataclass(slots=True)
class Stage:
    """Where a part is played, and what it says."""

    beat: Heartbeat
    hand: Hand
    role: Reviewer
    images: list[str]
    found: dict[str, Any] = field(default_factory=dict)


def decide_part(stage: Stage) -> Iterator[Wait]:
    """Clear the whole queue by keys."""
    yield from _opened(stage)
    started, cpu = time.perf_counter(), time.process_time()
    for number in range(len(stage.images)):
        here = stage.images[number]
        following = stage.images[min(number + 1, len(stage.images) - 1)]
        yield from _decision(stage, number, SAME if here == following else OTHER)
    yield lambda: stage.role.n_open() == 0
    stage.found |= {
        "decisions": len(stage.images),
        "s": round(time.perf_counter() - started, 2),
        "processor_s": round(time.process_time() - cpu, 2),
    }


def scroll_part(stage: Stage) -> Iterator[Wait]:
    """Scroll from the first region to the last and back, then decide about some."""
    yield from _opened(stage)
    table: Any = stage.role.table
    bar = table.verticalScrollBar()
    step = max(bar.pageStep(), -(-bar.maximum() // MOST_STEPS))
    down = list(range(0, bar.maximum(), step))
    stage.beat.enter(SCROLL)
    times: list[list[float]] = stage.found.setdefault(SCROLL, [])
    painted = _Painted(table.viewport())
    # The first value is the one that is shown: nothing would be painted.
    for value in [*down[1:], *reversed(down[:-1])]:
        painted.expect()
        wall, cpu = time.perf_counter(), time.thread_time()
        bar.setValue(value)
        yield painted.is_done
        times.append(_since(wall, cpu))
        yield STEP_MS
    stage.found["regions"] = len(stage.images)
    stage.found["rows_a_step"] = step
    for number in range(AMONG_MANY):
        yield from _decision(stage, number, MANY)


class _Painted(QObject):
    """Knows when a widget has been painted."""

    def __init__(self, widget: Any) -> None:
        super().__init__(widget)
        self._was_painted = True
        widget.installEventFilter(self)

    def expect(self) -> None:
        """Wait for the next time from now on."""
        self._was_painted = False

    def is_done(self) -> bool:
        """Whether it has been; asked from the event loop, when painting is over."""
        return self._was_painted

    def eventFilter(self, _watched: Any, event: Any) -> bool:  # noqa: N802
        """See what the widget is told."""
        self._was_painted |= event.type() == QEvent.Type.Paint
        return False


def _opened(stage: Stage) -> Iterator[Wait]:
    stage.beat.enter("open")
    yield stage.role.open()
    yield SETTLE_MS


def _decision(stage: Stage, number: int, phase: str) -> Iterator[Wait]:
    """Press the key, and wait until the next region is on the screen."""
    hand, role = stage.hand, stage.role
    stage.beat.enter(phase)
    times: list[list[float]] = stage.found.setdefault(phase, [])
    before = role.n_open()
    cpu = time.thread_time()
    hand.time_frame(role.is_in_sight)
    role.decide(number)
    if before > 1:
        yield hand.shown
        times.append([round(hand.elapsed_ms, 2), round((time.thread_time() - cpu) * 1e3, 2)])
    yield STILL_DRAWING


def _since(wall: float, cpu: float) -> list[float]:
    return [
        round((time.perf_counter() - wall) * 1e3, 2),
        round((time.thread_time() - cpu) * 1e3, 2),
    ]


PARTS: dict[str, Callable[[Stage], Iterator[Wait]]] = {"decide": decide_part, "scroll": scroll_part}


def main() -> None:
    """Play one part and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m napari_segsem._benchmark_review_run")
    parser.add_argument("part", choices=tuple(PARTS))
    parser.add_argument("role", choices=("ours", "control"))
    parser.add_argument("results", type=Path)
    options = parser.parse_args()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*WINDOW_PX)
    items = open_review(find_lot([options.results])).queue.items
    role: Reviewer
    if options.role == "ours":
        role = OurReview(viewer, options.results)
    else:
        role = ControlReview(viewer, options.results)
        role.prepare(len(items) if options.part == "decide" else AMONG_MANY)
    hand = role.hand = Hand(viewer, SHAPE)
    stage = Stage(Heartbeat(), hand, role, [item.key.image_id for item in items])

    def end() -> None:
        said = {"role": options.role, "gaps": stage.beat.gaps, **stage.found}
        said["is_complete"] = driver.is_done
        print(json.dumps(said), flush=True)  # noqa: T201
        role.close()
        viewer.close()

    driver = Driver(PARTS[options.part](stage), end)
    napari.run()


if __name__ == "__main__":
    main()
