"""What must stay light stays light: checked in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HEAVY = ("torch", "cv2", "napari", "qtpy", "PyQt5", "PyQt6")


def loaded_by(program: str, *arguments: str) -> set[str]:
    """Top-level modules that a program leaves loaded."""
    report = "\nimport sys; print('LOADED', *{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", program + report, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return set(done.stdout.rsplit("LOADED", 1)[1].split())


RUN_SEGSEM = """
import sys
from segsem.cli.app import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""


def test_import_segsem_is_light() -> None:
    assert not loaded_by("import segsem") & {*HEAVY, "numpy", "pydantic"}


@pytest.mark.parametrize("arguments", [["--help"], ["extract", "--help"]])
def test_help_is_light(arguments: list[str]) -> None:
    assert not loaded_by(RUN_SEGSEM, *arguments) & set(HEAVY)


def test_info_needs_no_torch(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.full((32, 32), 9, dtype=np.uint8)).save(path)
    assert "torch" not in loaded_by(RUN_SEGSEM, "info", str(path))


def test_names_at_the_top_level_resolve() -> None:
    program = "import segsem\nfor name in segsem.__all__: getattr(segsem, name)"
    assert not loaded_by(program) & {"napari", "qtpy", "PyQt5", "PyQt6"}
