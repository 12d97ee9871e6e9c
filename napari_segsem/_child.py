"""A child process that tells its progress in JSON lines, and that dies as a whole when asked."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import IO, Any

import psutil

from segsem.core.exceptions import TaskError

PROGRAM = (sys.executable, "-m", "segsem")

_GRACE_S = 1.0
_SIGKILL = 9
LAST_LINES = 5


class Child:
    """`python -m segsem ...` run beside the viewer.

    Parameters
    ----------
    arguments : sequence of str
        Command line behind `segsem`.
    listens : bool
        Whether it takes commands, a line each.
    """

    def __init__(self, arguments: Sequence[str], *, listens: bool = False) -> None:
        self._arguments = [*PROGRAM, *arguments]
        self._stdin = subprocess.PIPE if listens else subprocess.DEVNULL
        self._popen: subprocess.Popen[str] | None = None
        self._errors: deque[str] = deque(maxlen=LAST_LINES)
        self._killed = False

    @property
    def pid(self) -> int | None:
        """Process id; None before it is started."""
        return None if self._popen is None else self._popen.pid

    @property
    def killed(self) -> bool:
        """Whether it was ended by `kill`."""
        return self._killed

    def events(self) -> Iterator[dict[str, Any]]:
        """Start the process and give its events until it ends.

        Raises
        ------
        TaskError
            If it cannot be started or ends with an error; the message is its own.
        """
        if self._killed:
            return
        try:
            self._popen = subprocess.Popen(
                self._arguments,
                stdin=self._stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            msg = f"Cannot start segsem ({error}): check the Python installation"
            raise TaskError(msg) from error
        errors = threading.Thread(target=self._keep_errors, args=(self._popen.stderr,), daemon=True)
        errors.start()
        told: str | None = None
        try:
            for event in _parsed(self._popen.stdout):
                if event.get("event") == "error":
                    told = str(event.get("message", ""))
                else:
                    yield event
            code = self._popen.wait()
        finally:
            self._hang_up()
        errors.join(timeout=_GRACE_S)
        if code != 0 and not self._killed:
            raise TaskError(told or self._last_words(code))

    def say(self, command: str) -> None:
        """Give a child that listens a command; one that is gone hears nothing."""
        stream = None if self._popen is None else self._popen.stdin
        try:
            if stream is not None:
                stream.write(f"{command}\n")
                stream.flush()
        except (OSError, ValueError):
            # Gone, or its pipe is closed already.
            return

    def kill(self) -> None:
        """End the process and all its children."""
        if self._popen is not None and self._popen.poll() is not None:
            return
        self._killed = True
        if self._popen is None:
            return
        try:
            parent = psutil.Process(self._popen.pid)
            family = [*parent.children(recursive=True), parent]
        except psutil.NoSuchProcess:
            return
        for process in family:
            _end(process.terminate)
        _, alive = psutil.wait_procs(family, timeout=_GRACE_S)
        for process in alive:
            _end(process.kill)
        psutil.wait_procs(alive, timeout=_GRACE_S)

    def _hang_up(self) -> None:
        """Let go of the pipe to a child that is gone."""
        stream = None if self._popen is None else self._popen.stdin
        try:
            if stream is not None:
                stream.close()
        except OSError:
            return

    def _keep_errors(self, stream: IO[str] | None) -> None:
        if stream is not None:
            self._errors.extend(line.strip() for line in stream if line.strip())
            stream.close()

    def _last_words(self, code: int) -> str:
        if code == -_SIGKILL:
            # As the system does where memory runs out.
            return (
                "segsem was ended from outside, as the system does where memory runs out: close "
                "other programs, then try again"
            )
        last = self._errors[-1].removeprefix("error: ") if self._errors else ""
        return last or f"segsem ended with exit code {code}: run `segsem doctor`"


def _end(how: Any) -> None:
    try:
        how()
    except psutil.NoSuchProcess:
        return


def _parsed(stream: IO[str] | None) -> Iterator[dict[str, Any]]:
    if stream is None:
        return
    with stream:
        for line in stream:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                yield event
