"""The child process itself: started by subprocess, killed for sure, its last words kept."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from typing import IO, BinaryIO, cast

from segsem.core.exceptions import ModelError

logger = logging.getLogger(__name__)

LAST_LINES = 20
KILLED = (
    "killed by the system, most likely for lack of memory: close other programs, prompt a smaller "
    "object, or choose a smaller model"
)
SIGKILL = 9
"""By number: not every platform has the name."""
_STOP_S = 1.0


class EngineProcess:
    """`python -m segsem.engine` with its pipes.

    Parameters
    ----------
    arguments : sequence of str
        More arguments for the engine.

    Raises
    ------
    ModelError
        If it cannot be started.
    """

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        command = [sys.executable, "-m", "segsem.engine", *arguments]
        environment = {"GOMP_SPINCOUNT": "0", **os.environ}
        try:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
            )
        except OSError as error:
            msg = f"Cannot start the inference engine ({error}): check the Python installation"
            raise ModelError(msg) from error
        self._last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._stderr_reader = threading.Thread(target=self._drain, daemon=True)
        self._stderr_reader.start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._popen.pid

    @property
    def requests(self) -> BinaryIO:
        """Where requests are written."""
        return cast("BinaryIO", self._popen.stdin)

    @property
    def answers(self) -> BinaryIO:
        """Where answers are read."""
        return cast("BinaryIO", self._popen.stdout)

    @property
    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self._popen.poll() is None

    def last_words(self) -> str:
        """Say why the process ended: killed, its last line on stderr, or its exit code.

        Whoever kills it otherwise, the kernel does it where memory runs out, without a word.
        """
        self._stderr_reader.join(timeout=_STOP_S)
        if self._exit_code() == -SIGKILL:
            return KILLED
        lines = [line for line in self._last_lines if line.strip()]
        return lines[-1] if lines else f"exit code {self._popen.poll()}"

    def _exit_code(self) -> int | None:
        # Its output ends a moment before the process does.
        try:
            return self._popen.wait(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """End the process and wait until it is gone."""
        self._popen.kill()
        self._popen.wait()
        for stream in (self._popen.stdin, self._popen.stdout):
            _close(stream)

    def _drain(self) -> None:
        stderr = cast("BinaryIO", self._popen.stderr)
        for line in stderr:
            text = line.decode(errors="replace").rstrip()
            self._last_lines.append(text)
            logger.debug("engine: %s", text)
        stderr.close()


def _close(stream: IO[bytes] | None) -> None:
    if stream is None:
        return
    try:
        stream.close()
    except (BrokenPipeError, ValueError):
        # Closing flushes what the dead process never read.
        return
