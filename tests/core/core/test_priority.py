from __future__ import annotations

import os
import subprocess
import sys

import pytest

from segsem.core.priority import ENGINE_NICENESS, NICENESS

REPORT = """
import os, subprocess, sys
from segsem.core.priority import step_back
{before}
step_back()
step_back()
child = "import os; print(os.nice(0), os.environ['GOMP_SPINCOUNT'])"
print(os.nice(0), subprocess.check_output([sys.executable, "-c", child], text=True).strip())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="priorities are classes there")
@pytest.mark.parametrize("already", [0, NICENESS + 5])
def test_a_process_and_its_children_step_back_and_never_forward(already: int) -> None:
    script = REPORT.format(before=f"os.nice({already})")
    niceness = max(NICENESS, os.nice(0) + already)
    environment = {"PATH": "/usr/bin:/bin"}

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True
    )

    own, child, spins = done.stdout.split()
    assert (int(own), int(child), spins) == (niceness, niceness, "0")


@pytest.mark.skipif(sys.platform == "win32", reason="priorities are classes there")
def test_the_engine_steps_aside_and_less_far_than_long_work() -> None:
    script = "import os; from segsem.core import priority as p; p.step_aside(); print(os.nice(0))"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) == max(ENGINE_NICENESS, os.nice(0))
    assert 0 < ENGINE_NICENESS < NICENESS
