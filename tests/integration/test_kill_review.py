"""`kill -9` at any moment costs no decision."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from segsem.core.contour import Contour, Region, Source
from segsem.core.extraction import Extraction
from segsem.export.outputs import write_results
from segsem.export.results import read_results
from segsem.export.reviewed import find_lot, open_review
from segsem.review.review import Review

CHILD = Path(__file__).with_name("review_child.py")
N_KILLS = 20
MOST_LINES = 200


@pytest.fixture(scope="module")
def child_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("review_child", CHILD)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def square(region_id: int) -> Region:
    corner = np.array([10.0, 15.0 * region_id])
    vertices = corner + np.array([[9.0, 0.0], [9.0, 9.0], [0.0, 9.0], [0.0, 0.0]])
    flat = np.ones(4)
    contour = Contour(
        region_id, vertices, vertices, np.tile([0.6, 0.8], (4, 1)), True, False, flat, flat, flat,
        flat, np.zeros(4, np.uint8), np.zeros(4, np.uint8),
    )  # fmt: skip
    offset = (10, 15 * region_id)
    mask = np.ones((9, 9), bool)
    return Region(region_id, offset, mask, (contour,), Source.SAM2, 0.12 * region_id)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    shape = (30, 120)
    made = Extraction(
        "a", shape, (0, 30), None, None, tuple(square(n) for n in range(1, 7)),
        np.ones(shape, np.float32), {"image_sha256": "x"},
    )  # fmt: skip
    for name in ("a", "b"):
        write_results(replace(made, image_id=name), tmp_path / "results")
    return tmp_path / "results"


def run_and_kill(results: Path, seed: int, n_lines: int) -> list[list[str]]:
    """Let the child work, kill it once it has said so much, and give all that it said."""
    child = subprocess.Popen(
        [sys.executable, str(CHILD), str(results), str(seed)], stdout=subprocess.PIPE, text=True
    )
    with child:
        lines = [child.stdout.readline() for _ in range(n_lines)]
        os.kill(child.pid, signal.SIGKILL)
        lines += child.stdout.readlines()
    assert child.returncode == -signal.SIGKILL
    return [line.rstrip("\n").split("\t") for line in lines if line.endswith("\n")]


class Mirror:
    """Does what the child says that it does, on a copy, in a process that is not killed."""

    def __init__(self, module: ModuleType, results: Path) -> None:
        self._module = module
        self._copy = results.with_name("copy")
        shutil.copytree(results, self._copy)
        lot = find_lot([self._copy])
        self._region = read_results(lot[0].folder).regions[0]
        self.review = open_review(lot, write=True)
        self._pending: int | None = None
        self.n_steps = 0

    def digest(self) -> str:
        return self._module.digest(self.review)

    def follow(self, lines: list[list[str]]) -> None:
        for kind, *words in lines:
            if kind == "before":
                assert self.digest() == words[0]
                self._pending = int(words[1])
            else:
                self._act()
                assert self.digest() == words[0]

    def settle(self, restored: Review) -> None:
        """The step in work was kept or not; nothing else may differ."""
        found = self._module.digest(restored)
        if found != self.digest() and self._pending is not None:
            self._act()
        self._pending = None
        assert found == self.digest()

    def _act(self) -> None:
        random = np.random.default_rng(self._pending)
        self._module.act(self.review, self._region, random)
        self._pending = None
        self.n_steps += 1


@pytest.mark.slow
def test_killed_at_random_moments_no_decision_is_lost(
    results: Path, child_module: ModuleType
) -> None:
    random = np.random.default_rng(7)
    before = {path: path.read_bytes() for path in results.glob("?/*")}
    mirror = Mirror(child_module, results)
    for seed in range(N_KILLS):
        mirror.follow(run_and_kill(results, seed, int(random.integers(1, MOST_LINES))))
        restored = open_review(find_lot([results]), write=seed % 2 == 0)
        mirror.settle(restored)
        restored.close()
    mirror.review.close()
    assert mirror.n_steps > 5 * N_KILLS
    assert {path: path.read_bytes() for path in results.glob("?/*")} == before
