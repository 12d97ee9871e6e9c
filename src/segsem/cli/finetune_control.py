"""`pause`, `resume` and `cancel`, a line each on stdin, for whoever started `segsem finetune`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable


class Cancelled(Exception):  # noqa: N818 - not an error
    """The run was to end."""


class Control:
    """Hears commands in a thread of its own; the run asks between its steps.

    The end of the lines changes nothing, but that a paused run goes on: nobody could ever tell it
    to. So a run with nothing on its stdin trains to its end.

    Parameters
    ----------
    lines : iterable of str
        Such as `sys.stdin`.

    Attributes
    ----------
    thread : threading.Thread
        That listens.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._going = threading.Event()
        self._going.set()
        self._cancelled = False
        self.thread = threading.Thread(target=self._listen, args=(lines,), daemon=True)
        self.thread.start()

    def between_steps(self, tell: Callable[[str], None]) -> None:
        """Wait while paused.

        Parameters
        ----------
        tell : callable
            Takes `paused` and `resumed`.

        Raises
        ------
        Cancelled
        """
        if not self._going.is_set() and not self._cancelled:
            tell("paused")
            self._going.wait()
            if not self._cancelled:
                tell("resumed")
        if self._cancelled:
            raise Cancelled

    def _listen(self, lines: Iterable[str]) -> None:
        for line in lines:
            command = line.strip().lower()
            if command == "pause":
                self._going.clear()
            elif command == "resume":
                self._going.set()
            elif command == "cancel":
                self._cancelled = True
                break
        self._going.set()
