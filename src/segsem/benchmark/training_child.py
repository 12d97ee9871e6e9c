"""A real training run as a child process, which can be paused."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from segsem.core.exceptions import TaskError

COMMAND = ("-m", "segsem", "models", "train-nano", "--steps", "100000", "--seed", "1")
HISTORY_FILE = "history.csv"

START_LIMIT_S = 300.0
_POLL_S = 0.2
_END_S = 5.0


class TrainingChild:
    """`segsem models train-nano`, as anybody starts it.

    Parameters
    ----------
    folder : Path
        Where it writes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = (folder / "log.txt").open("wb")
        self._popen = subprocess.Popen(
            [sys.executable, *COMMAND, "--out", str(folder / "model")],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._process = psutil.Process(self._popen.pid)

    def wait_until_training(self) -> None:
        """Wait until it has made steps.

        Raises
        ------
        TaskError
            If it ends before, or takes too long.
        """
        limit = time.monotonic() + START_LIMIT_S
        history = self._folder / "model" / HISTORY_FILE
        while not history.is_file() or history.stat().st_size == 0:
            self.check()
            if time.monotonic() > limit:
                msg = f"Expected training to start within {START_LIMIT_S:.0f} s, but it did not."
                raise TaskError(msg)
            time.sleep(_POLL_S)

    def check(self) -> None:
        """Make sure that it still runs.

        Raises
        ------
        TaskError
            If it has ended; its last words are in the message.
        """
        if self._popen.poll() is not None:
            text = (self._folder / "log.txt").read_text(encoding="utf-8", errors="replace")
            last = text.strip().splitlines()[-1:] or [f"exit code {self._popen.returncode}"]
            msg = f"The training run beside which was to be measured has ended: {last[0]}"
            raise TaskError(msg)

    @property
    def niceness(self) -> int:
        """Priority that it has given itself."""
        return int(self._process.nice())

    def pause(self) -> None:
        """Stop it and its children where they are."""
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def go_on(self) -> None:
        """Let it go on."""
        self.check()
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def end(self) -> None:
        """End it and its children, and wait until they are gone."""
        family = self._family()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=_END_S)
        self._popen.wait()
        self._log.close()

    def _family(self) -> list[psutil.Process]:
        try:
            return [self._process, *self._process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


@contextmanager
def training_child() -> Iterator[TrainingChild]:
    """Run a training child while the block lasts; what it writes is thrown away.

    Yields
    ------
    TrainingChild
        That has begun to train.
    """
    with tempfile.TemporaryDirectory(prefix="segsem-benchmark-") as folder:
        child = TrainingChild(Path(folder))
        try:
            child.wait_until_training()
            yield child
        finally:
            child.end()
