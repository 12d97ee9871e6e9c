"""`kill -9` at any moment costs nothing that was accepted."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tifffile

from napari_segsem._annotation import Annotation
from segsem.core.progress import run_to_completion
from segsem.imaging.read import read_image
from segsem.project.check import check_project
from segsem.project.project import Project

CHILD = Path(__file__).with_name("annotate_child.py")
SHAPE = (160, 200)
N_KILLS = 20
MOST_LINES = 500


@pytest.fixture(scope="module")
def child_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("annotate_child", CHILD)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    random = np.random.default_rng(0)
    for name in "ab":
        grey = random.integers(0, 255, SHAPE).astype(np.uint8)
        tifffile.imwrite(folder / f"{name}.tif", grey)
    return folder


def run_and_kill(images: Path, seed: int, n_lines: int) -> list[list[str]]:
    """Let the child work, kill it once it has said so much, and give all that it said."""
    child = subprocess.Popen(
        [sys.executable, str(CHILD), str(images), str(seed)], stdout=subprocess.PIPE, text=True
    )
    with child:
        lines = [child.stdout.readline() for _ in range(n_lines)]
        os.kill(child.pid, signal.SIGKILL)
        lines += child.stdout.readlines()
    assert child.returncode == -signal.SIGKILL
    # A line that was being written when it died says nothing.
    return [line.rstrip("\n").split("\t") for line in lines if line.endswith("\n")]


class Mirror:
    """Does what the child says that it does, in a process that is not killed."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._annotations: dict[str, Annotation] = {}
        self._pending: tuple[str, int] | None = None
        self.n_steps = 0

    def digest(self, name: str) -> str:
        return self._module.digest(self[name])

    def __getitem__(self, name: str) -> Annotation:
        return self._annotations.setdefault(name, Annotation(SHAPE))

    def follow(self, lines: list[list[str]]) -> None:
        """Do all steps that were done; the last one may be in work."""
        self._pending = None
        for kind, name, *words in lines:
            assert kind in ("before", "after"), (kind, name, *words)
            if kind == "before":
                assert self.digest(name) == words[0]
                self._pending = (name, int(words[1]))
            else:
                self._act()
                assert self.digest(name) == words[0]

    def settle(self, name: str, restored: Annotation) -> None:
        """Decide whether the step in work was kept: either way nothing else may differ."""
        if self._pending and self._pending[0] == name:
            if self._module.digest(restored) != self.digest(name):
                self._act()
            self._pending = None
        np.testing.assert_array_equal(restored.labels, self[name].labels)
        assert restored.objects == self[name].objects
        assert self._module.digest(restored) == self.digest(name)

    def _act(self) -> None:
        name, seed = self._pending
        self._module.act(self[name], np.random.default_rng(seed))
        self._pending = None
        self.n_steps += 1


def reopened(work_folder: Path, path: Path) -> Annotation:
    project = Project.open(work_folder / "default", write=False)
    image = read_image(path)
    row = project.images.find(image.sha256)
    annotation = Annotation(SHAPE)
    stored = None if row is None else project.read(row.image_id)
    if stored is not None:
        assert stored.problem == ""
        timeline = stored.snapshot.timeline
        annotation.restore(
            timeline.image,
            [known.edit for known in timeline.done],
            [known.edit for known in timeline.undone],
        )
    return annotation


@pytest.mark.slow
def test_killed_at_random_moments_nothing_is_lost(
    images: Path, work_folder: Path, child_module: ModuleType
) -> None:
    random = np.random.default_rng(20)
    mirror = Mirror(child_module)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in images.iterdir()}
    for seed in range(N_KILLS):
        mirror.follow(run_and_kill(images, seed, int(random.integers(1, MOST_LINES))))
        for path in sorted(before):
            mirror.settle(path.stem, reopened(work_folder, path))
    assert mirror.n_steps > 10 * N_KILLS
    assert any(mirror[path.stem].objects for path in before)
    report = run_to_completion(check_project(work_folder / "default"))
    assert report.errors == ()
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in images.iterdir()} == (
        before
    )
