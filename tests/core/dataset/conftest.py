"""Images with masks in files, as they come from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from segsem.core.types import LabelArray
from segsem.project.project import Project

SHAPE = (40, 50)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project.create(tmp_path / "project")
    yield made
    made.close()


def write_image(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    grey = np.random.default_rng([*name.encode()]).integers(0, 255, SHAPE).astype(np.uint8)
    tifffile.imwrite(folder / f"{name}.tif", grey)
    return folder / f"{name}.tif"


def some_labels(holes: bool = False) -> LabelArray:
    """Three objects: one at the corner, one in two parts, and a frame around another one."""
    labels = np.zeros(SHAPE, np.int32)
    labels[:6, :9] = 1
    labels[10:14, 10:14] = 2
    labels[14:18, 14:18] = 2
    labels[20:36, 20:44] = 3
    if holes:
        labels[24:32, 24:40] = 0
        labels[26:30, 30:34] = 4
    return labels


def labels_in(project: Project, image_id: str) -> LabelArray:
    stored = project.read(image_id)
    assert stored is not None
    return stored.snapshot.timeline.image.labels
