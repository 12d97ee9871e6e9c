"""`segsem project`: exit codes and one line for what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import tifffile

from segsem.imaging.read import read_image
from segsem.project.project import Project


def segsem(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "segsem", "project", *map(str, arguments)],
        capture_output=True,
        check=False,
        text=True,
    )


def test_new_then_check(tmp_path: Path) -> None:
    made = segsem("new", tmp_path / "p", "--name", "Etch")
    assert made.returncode == 0, made.stderr
    assert "Project Etch" in made.stdout
    checked = segsem("check", tmp_path / "p")
    assert checked.returncode == 0
    assert "all is well" in checked.stdout
    again = segsem("new", tmp_path / "p")
    assert again.returncode == 2
    assert again.stderr.count("\n") == 1


def test_check_of_something_else_is_bad_input(tmp_path: Path) -> None:
    run = segsem("check", tmp_path)
    assert run.returncode == 3
    assert "is no project" in run.stderr
    assert "Traceback" not in run.stderr


def test_check_tells_a_missing_image(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((40, 50), np.uint8))
    project = Project.create(tmp_path / "p")
    project.mark(read_image(tmp_path / "a.tif"), {"training": True})
    project.save()
    project.close()
    (tmp_path / "a.tif").unlink()
    run = segsem("check", tmp_path / "p", "--json")
    assert run.returncode == 3
    report = json.loads(run.stdout)
    assert (report["n_images"], report["n_training"]) == (1, 1)
    assert len(report["errors"]) == 1
