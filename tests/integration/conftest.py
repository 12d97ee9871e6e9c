"""The real command line, as a user starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Segsem = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def segsem() -> Segsem:
    """Run `segsem ARGUMENTS...` in a process of its own; returns what it said and its exit code."""

    def run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "FORCE_COLOR")}
        environment |= {"GOMP_SPINCOUNT": "0", "COLUMNS": "100", "PYTHONWARNINGS": "default"}
        return subprocess.run(
            [sys.executable, "-m", "segsem", *map(str, arguments)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            timeout=300,
            check=False,
        )

    return run
