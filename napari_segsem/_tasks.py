"""The only place that starts threads: waiting on a child process, and writing files."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from napari.qt.threading import create_worker
from superqt.utils import ensure_main_thread

from napari_segsem._child import Child
from segsem.core.exceptions import SegSemError, TaskError


@ensure_main_thread  # type: ignore[untyped-decorator]
def in_gui_thread(action: Callable[[], None]) -> None:
    """Run a callable in the GUI thread; the caller does not wait."""
    action()


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
        self._worker.errored.connect(self._errored)
        self._worker.start()

    def cancel(self) -> None:
        """End the child and its children; nothing is called any more."""
        self._cancelled = True
        self._worker.quit()
        self._child.kill()

    def _returned(self, result: Any) -> None:
        if not self._cancelled:
            self._on_done(result)

    def _errored(self, error: Exception) -> None:
        if not self._cancelled:
            self._on_failed(str(error))


def run_in_background(
    work: Callable[[], Any], on_done: Callable[[Any], None], on_failed: Callable[[str], None]
) -> None:
    """Run something that writes files beside the GUI; both callbacks come in the GUI thread."""

    def outcome() -> tuple[Any, str | None]:
        try:
            return work(), None
        except SegSemError as error:
            return None, str(error)

    def told(result: tuple[Any, str | None]) -> None:
        value, error = result
        if error is None:
            on_done(value)
        else:
            on_failed(error)

    worker = create_worker(outcome, _start_thread=False)
    worker.returned.connect(told)
    worker.start()


def _relay(child: Child, finish: Callable[[], Any]) -> Generator[dict[str, Any], None, Any]:
    # A generator worker swallows RuntimeError, so that no error may leave as one.
    try:
        yield from child.events()
        return None if child.killed else finish()
    except SegSemError:
        raise
    except RuntimeError as error:
        raise TaskError(str(error)) from error
    finally:
        child.kill()
