"""Long work in the background steps back: whoever sits before the screen comes first."""

from __future__ import annotations

import os
import sys

NICENESS = 10
"""On POSIX. Beside a training run of the same priority, answers take several times as long."""

ENGINE_NICENESS = 4
"""On POSIX. While the engine looks ahead, the window's own thread is not to wait for a processor;
a training run has to, for both."""


def step_aside() -> None:
    """Let the window's thread go first, and everything else not. POSIX only."""
    if sys.platform != "win32":
        os.nice(max(ENGINE_NICENESS - os.nice(0), 0))


def step_back() -> None:
    """Lower this process's priority, and keep its threads from spinning while they wait.

    To be called before torch is loaded, by a process that does one thing and ends: priority cannot
    be raised again. Processes that it starts take both over.
    """
    # Two OpenMP programs that spin on few cores slow each other several times.
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    if sys.platform == "win32":
        import psutil

        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        return
    os.nice(max(NICENESS - os.nice(0), 0))
