"""A process whose features differ from their surroundings by texture alone, learnt from a few."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage as ndi

from segsem.core.contour import Source
from segsem.imaging.read import read_image
from segsem.project.label_edit import LabelObject
from segsem.project.labelled_image import LabelledImage
from segsem.project.project import Project
from segsem.training.finetune import Request, finetune

SIDE = 128


def texture(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Four rectangles grained across in a ground that is grained along, of one mean grey."""
    rng = np.random.default_rng([99, number])
    labels = np.zeros((SIDE, SIDE), dtype=np.int32)
    for label in range(1, 5):
        row, col = (62 * at for at in divmod(label - 1, 2))
        height, width = rng.integers(26, 42, 2)
        top, left = row + int(rng.integers(4, 16)), col + int(rng.integers(4, 16))
        labels[top : top + height, left : left + width] = label
    noise = rng.normal(0, 1, labels.shape)
    across, along = (ndi.gaussian_filter(noise, sigma) for sigma in ((0.6, 4.0), (4.0, 0.6)))
    grain = np.where(labels > 0, across / across.std(), along[::-1] / along.std())
    return np.clip(128 + 38 * grain, 0, 255).astype(np.uint8), labels


def make_project(folder: Path, count: int) -> None:
    project = Project.create(folder)
    for number in range(count):
        grey, labels = texture(number)
        path = folder.parent / f"texture{number}.tif"
        tifffile.imwrite(path, grey)
        image, labelled = read_image(path), LabelledImage(labels.shape)
        made = {v: LabelObject(v, 0, (0, 0, 0, 0), Source.MANUAL) for v in range(1, 5)}
        edit = labelled.edit("all", (0, 0), labels, made)
        assert edit is not None
        project.store(image).note("do", edit)
        project.mark(image, {"training": True})
    project.save()
    project.close()


@pytest.mark.slow
def test_a_few_images_lift_what_is_found_on_others(tmp_path: Path) -> None:
    make_project(tmp_path / "project", 8)
    params = {
        "epochs": 4,
        "patience": 9,
        "frames_per_image": 6,
        "objects_per_frame": 4,
        "corrections": 1,
    }
    *_, done = finetune(Request(tmp_path / "project", "tuned", params=params))

    assert done.values["verdict"] == "better"
    assert done.values["gain"]["mean"] > 0.05
