from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from segsem.benchmark import training_child
from segsem.benchmark.beside_training import ALONE, BESIDE, benchmark_beside_training
from segsem.benchmark.subject import Options
from segsem.benchmark.training_child import TrainingChild
from segsem.core.exceptions import TaskError
from segsem.core.priority import NICENESS
from segsem.core.progress import run_to_completion

STAND_IN = """
import pathlib, subprocess, sys, time
folder = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
folder.mkdir(parents=True)
(folder / "history.csv").write_text("step\\n")
time.sleep(600)
"""
"""What the child looks like from outside: it has a child of its own, and writes its history."""


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(training_child, "COMMAND", ("-c", STAND_IN))
    made = TrainingChild(tmp_path)
    yield made
    made.end()


def states(child: TrainingChild) -> set[str]:
    return {process.status() for process in child._family()}


def wait_for(child: TrainingChild, wanted: bool) -> set[str]:
    """Signals take a moment to arrive."""
    limit = 1000
    while limit and (states(child) == {psutil.STATUS_STOPPED}) is not wanted:
        psutil.wait_procs(child._family(), timeout=0.01)
        limit -= 1
    return states(child)


def test_it_and_its_children_are_paused_and_go_on(child: TrainingChild) -> None:
    child.wait_until_training()
    assert len(child._family()) == 2

    child.pause()
    assert wait_for(child, True) == {psutil.STATUS_STOPPED}

    child.go_on()
    assert psutil.STATUS_STOPPED not in wait_for(child, False)


def test_nothing_is_left_of_it(child: TrainingChild) -> None:
    child.wait_until_training()
    family = child._family()
    child.pause()

    child.end()

    assert not any(process.is_running() for process in family)


def test_one_that_ends_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_child, "COMMAND", ("-c", "raise SystemExit('no space left')"))
    made = TrainingChild(tmp_path)
    try:
        with pytest.raises(TaskError, match="no space left"):
            made.wait_until_training()
    finally:
        made.end()


@pytest.mark.slow
def test_beside_a_real_training_run() -> None:
    report = run_to_completion(benchmark_beside_training(Options(model="nano", repeats=1)))

    assert set(report.times) == {ALONE, BESIDE}
    assert report.ratios["beside training / alone"].of_medians > 0
    niceness = max(NICENESS, psutil.Process().nice())
    assert report.facts["settings"]["niceness_of_training"] == niceness
