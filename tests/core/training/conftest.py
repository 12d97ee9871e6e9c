"""Projects with a few small images whose masks are exact."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from segsem.core.contour import Source
from segsem.core.progress import run_to_completion
from segsem.imaging.read import read_image
from segsem.project.label_edit import LabelObject
from segsem.project.labelled_image import LabelledImage
from segsem.project.project import Project
from segsem.training.few_shot_images import FewShotImage, read_images

SHAPE = (96, 112)
SMALL_RUN = {
    "epochs": 1,
    "frames_per_image": 1,
    "frames_per_step": 2,
    "objects_per_frame": 2,
    "corrections": 0,
    "calibration_sites": 0,
}
"""Parameters of runs that take about a second."""


def picture(number: int, shape: tuple[int, int] = SHAPE) -> tuple[np.ndarray, np.ndarray]:
    """Grey values and labels of an image with four squares."""
    rng = np.random.default_rng(number)
    labels = np.zeros(shape, dtype=np.int32)
    for label, (row, col) in enumerate([(6, 8), (8, 66), (56, 10), (58, 70)], start=1):
        top, left = row + int(rng.integers(4)), col + int(rng.integers(6))
        labels[top : top + 26, left : left + 28] = label
    grey = np.where(labels > 0, 190, 60) + rng.normal(0, 8, shape)
    return np.clip(grey, 0, 255).astype(np.uint8), labels


def add_image(
    project: Project,
    name: str,
    grey: np.ndarray,
    labels: np.ndarray,
    groups: dict[str, str] | None = None,
) -> Path:
    """Put an image with its masks into the training set."""
    path = project.folder.parent / f"{name}.tif"
    tifffile.imwrite(path, grey)
    image, labelled = read_image(path), LabelledImage(labels.shape)
    names = [int(v) for v in np.unique(labels) if v]
    made = {v: LabelObject(v, 0, (0, 0, 0, 0), Source.MANUAL) for v in names}
    edit = labelled.edit("all", (0, 0), labels, made)
    if edit is not None:
        project.store(image).note("do", edit)
    project.mark(image, {"training": True})
    if groups:
        project.images.change(project.register(image).image_id, groups=groups)
    return path


def make_project(folder: Path, count: int, groups: bool = False) -> Path:
    """Make a project of so many images."""
    project = Project.create(folder)
    for number in range(count):
        site = {"wafer": "W1", "site": str(number // 2)} if groups else None
        add_image(project, f"image{number}", *picture(number), site)
    project.save()
    project.close()
    return folder


def images_of(folder: Path) -> list[FewShotImage]:
    """What fine-tuning reads of a project."""
    project = Project.open(folder, write=False)
    try:
        return run_to_completion(read_images(project))
    finally:
        project.close()


@pytest.fixture(scope="session")
def few_shot() -> SimpleNamespace:
    """Functions that make projects and images."""
    return SimpleNamespace(
        shape=SHAPE,
        small_run=SMALL_RUN,
        picture=picture,
        add_image=add_image,
        make_project=make_project,
        images_of=images_of,
    )


@pytest.fixture(scope="session")
def five_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of five images; tests may make models in it, each of its own name."""
    return make_project(tmp_path_factory.mktemp("few") / "project", 5)
