"""`kill -9` of the viewer itself, at any moment: what was accepted is there again."""

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

from segsem.imaging.read import read_image
from segsem.project.project import Project

CHILD = Path(__file__).with_name("window_child.py")
N_KILLS = int(os.environ.get("SEGSEM_WINDOW_KILLS", "3"))
"""Each takes a viewer's start; more where somebody asks for it."""

MOST_CHANGES = 60


@pytest.fixture(scope="module")
def child_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("window_child", CHILD)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def annotate_and_die(image: Path, seed: int, changes: int, told: str) -> list[str]:
    """Let the child annotate, kill it after so many changes; give the states it told of."""
    command = [sys.executable, str(CHILD), str(image), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        said: list[str] = []
        while sum(line.startswith(told) for line in said) < changes and child.poll() is None:
            said.append(child.stdout.readline())
        family = psutil.Process(child.pid).children(recursive=True)
        child.kill()
        said += child.stdout.readlines()
        psutil.wait_procs(family, timeout=30)
    assert child.returncode == -9
    # A line that was being written when it died says nothing.
    return [line.strip() for line in said if line.startswith(told) and line.endswith("\n")]


def before_last_change(timeline: Any, digest: Any) -> set[str]:
    """States from which one change leads to what is kept: a step done, or one undone."""
    image, found = timeline.image, set()
    if timeline.done:
        image.revert(timeline.done[-1].edit)
        found.add(digest(image.labels, image.objects))
        image.apply(timeline.done[-1].edit)
    if timeline.undone:
        image.apply(timeline.undone[-1].edit)
        found.add(digest(image.labels, image.objects))
        image.revert(timeline.undone[-1].edit)
    return found


def kept(folder: Path, image: Path) -> Any:
    """What a project holds of an image, as a viewer takes it up."""
    project = Project.open(folder, write=False)
    try:
        row = project.images.find(read_image(image).sha256)
        stored = None if row is None else project.read(row.image_id)
    finally:
        project.close()
    if stored is None:
        return None
    assert stored.problem == ""
    return stored.snapshot.timeline


@pytest.mark.slow
def test_a_killed_viewer_loses_nothing(
    pads_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, child_module: ModuleType
) -> None:
    monkeypatch.setenv("SEGSEM_WORK", str(tmp_path / "work"))
    chance = np.random.default_rng(3)
    before, changes = pads_file.read_bytes(), 0
    last = None
    for seed in range(N_KILLS):
        count = int(chance.integers(2, MOST_CHANGES))
        said = annotate_and_die(pads_file, seed, count, child_module.TOLD)
        told = [line.removeprefix(child_module.TOLD) for line in said]
        assert last in (None, told[0])
        changes += len(told) - 1
        timeline = kept(tmp_path / "work" / "default", pads_file)
        last = child_module.digest(timeline.image.labels, timeline.image.objects)
        # Or one change was kept that it had no time to tell of.
        assert last == told[-1] or told[-1] in before_last_change(timeline, child_module.digest)
    assert changes > 5 * N_KILLS
    assert pads_file.read_bytes() == before
