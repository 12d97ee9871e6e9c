"""The only place that starts threads: waiting on a child process, and writing files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from typing import Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QTimer
from superqt.utils import ensure_main_thread

from napari_segsem._child import Child
from segsem.core.exceptions import SegSemError

Outcome = tuple[Any, str | None]
"""A result, or a message for the user."""

POLITE_S = 0.0005
"""How long other threads may keep Python from the GUI's while work goes on beside it.

By default it is ten times as much, and the GUI's thread asks again after each call of Qt."""


class _Manners:
    """Has threads change more often while any work goes on in the background."""

    def __init__(self) -> None:
        self._running, self._usual_s = 0, sys.getswitchinterval()

    def begin(self) -> None:
        """Work begins; called in the GUI's thread."""
        if not self._running:
            self._usual_s = sys.getswitchinterval()
            sys.setswitchinterval(min(POLITE_S, self._usual_s))
        self._running += 1

    def end(self) -> None:
        """Work has ended; called in the GUI's thread."""
        self._running -= 1
        if not self._running:
            sys.setswitchinterval(self._usual_s)


_manners = _Manners()


@ensure_main_thread  # type: ignore[untyped-decorator]
def in_gui_thread(action: Callable[[], None]) -> None:
    """Run a callable in the GUI thread; the caller does not wait."""
    action()


def soon(action: Callable[[], None]) -> None:
    """Run a callable once what is going on in the GUI thread is done."""
    QTimer.singleShot(0, action)


class Pause:
    """Runs a callable in the GUI thread once nothing was asked of it for a while.

    Parameters
    ----------
    milliseconds : int
        How long.
    """

    def __init__(self, milliseconds: int) -> None:
        self._action: Callable[[], None] | None = None
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(milliseconds)
        self._timer.timeout.connect(self._run)

    def restart(self, action: Callable[[], None]) -> None:
        """Run this one, instead of what waits."""
        self._action = action
        self._timer.start()

    def stop(self) -> None:
        """Run nothing any more."""
        self._timer.stop()

    def _run(self) -> None:
        if self._action is not None:
            self._action()


class ChildTask:
    """A child process whose events arrive in the GUI thread.

    Parameters
    ----------
    child : Child
        Not started yet.
    on_event : callable
        Called with each event.
    on_done : callable
        Called with what `finish` returned.
    on_failed : callable
        Called with a message for the user; not after a cancel.
    finish : callable
        Run in the thread when the child ended well, e.g. to read what it wrote.
    """

    def __init__(
        self,
        child: Child,
        on_event: Callable[[dict[str, Any]], None],
        on_done: Callable[[Any], None],
        on_failed: Callable[[str], None],
        finish: Callable[[], Any],
    ) -> None:
        self._child = child
        self._cancelled = False
        self._on_done, self._on_failed = on_done, on_failed
        self._worker = create_worker(_relay, child, finish, _start_thread=False)
        self._worker.yielded.connect(on_event)
        self._worker.returned.connect(self._returned)
        self._worker.start()

    def cancel(self) -> None:
        """End the child and its children; nothing is called any more."""
        self.drop()
        self._child.kill()

    def drop(self) -> None:
        """Call nothing any more; somebody else ends the child."""
        self._cancelled = True
        self._worker.quit()

    def _returned(self, outcome: Outcome) -> None:
        result, error = outcome
        if self._cancelled:
            return
        if error is None:
            self._on_done(result)
        else:
            self._on_failed(error)


def run_in_background(
    work: Callable[[], Any], on_done: Callable[[Any], None], on_failed: Callable[[str], None]
) -> None:
    """Run something that writes files beside the GUI; both callbacks come in the GUI thread."""

    def told(outcome: Outcome) -> None:
        _manners.end()
        result, error = outcome
        if error is None:
            on_done(result)
        else:
            on_failed(error)

    worker = create_worker(_outcome, work, _start_thread=False)
    worker.returned.connect(told)
    worker.errored.connect(lambda _error: _manners.end())
    _manners.begin()
    worker.start()


def _relay(child: Child, finish: Callable[[], Any]) -> Generator[dict[str, Any], None, Outcome]:
    # Errors are returned, not raised: a generator worker swallows RuntimeError without a word.
    try:
        yield from child.events()
    except (SegSemError, RuntimeError) as error:
        return None, str(error)
    finally:
        child.kill()
    return (None, None) if child.killed else _outcome(finish)


def _outcome(work: Callable[[], Any]) -> Outcome:
    try:
        return work(), None
    except (SegSemError, RuntimeError) as error:
        return None, str(error)
