"""`kill -9` of the viewer in the middle of a review: what was decided is there again."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import psutil
import pytest

from segsem.export.reviewed import find_lot, open_review

CHILD = Path(__file__).with_name("review_child.py")
N_KILLS = int(os.environ.get("SEGSEM_WINDOW_KILLS", "3"))
"""Each takes a viewer's start; more where somebody asks for it."""

MOST_DECISIONS = 25


@pytest.fixture(scope="module")
def child_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("review_child", CHILD)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def review_and_die(results: Path, seed: int, decisions: int, told: str) -> list[str]:
    """Let the child decide, kill it after so many decisions; give the states it told of."""
    command = [sys.executable, str(CHILD), str(results), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        said: list[str] = []
        while sum(line.startswith(told) for line in said) <= decisions and child.poll() is None:
            said.append(child.stdout.readline())
        family = psutil.Process(child.pid).children(recursive=True)
        child.kill()
        said += child.stdout.readlines()
        psutil.wait_procs(family, timeout=30)
    assert child.returncode == -9
    # A line that was being written when it died says nothing.
    return [line.removeprefix(told).strip() for line in said
            if line.startswith(told) and line.endswith("\n")]  # fmt: skip


def states(results: Path, digest: Any) -> set[str]:
    """How all stands on disk, and how it stood one decision, undo or redo before that."""
    review = open_review(find_lot([results]))
    found = {digest(review)}
    ledger = review._folder.ledger
    for back, forth in ((ledger.undo, ledger.redo), (ledger.redo, ledger.undo)):
        if back() is not None:
            for image_id in review.images:
                review._refresh(image_id)
            found.add(digest(review))
            forth()
    return found


@pytest.mark.slow
def test_a_killed_viewer_loses_no_decision(
    pads_lot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, child_module: ModuleType
) -> None:
    monkeypatch.setenv("SEGSEM_WORK", str(tmp_path / "work"))
    chance, decisions, last = np.random.default_rng(5), 0, None
    for seed in range(N_KILLS):
        count = int(chance.integers(2, MOST_DECISIONS))
        told = review_and_die(pads_lot, seed, count, child_module.TOLD)
        # The window before left exactly this.
        assert last in (None, told[0])
        decisions += len(told) - 1
        review = open_review(find_lot([pads_lot]))
        last = child_module.digest(review)
        # Or one decision was kept that it had no time to tell of.
        assert last == told[-1] or told[-1] in states(pads_lot, child_module.digest)
    assert decisions >= 2 * N_KILLS
