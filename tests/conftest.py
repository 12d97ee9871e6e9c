"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Deadlines measure how busy the machine is; derandomised, a run says the same every time.
settings.register_profile("segsem", deadline=None, derandomize=True)
settings.load_profile("segsem")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of third-party SEM images, or a skip that says where it was looked for."""
    folder = Path(os.environ.get("SEGSEM_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"third-party images not found: {folder} (set SEGSEM_SHARED_DATA)")
    return folder


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """Folder of the synthetic images that the project ships."""
    return REPOSITORY / "sample_data"


@pytest.fixture(autouse=True)
def work_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where work is kept that belongs to no project: never the home of who runs the tests."""
    folder = tmp_path_factory.mktemp("work")
    monkeypatch.setenv("SEGSEM_WORK", str(folder))
    return folder
