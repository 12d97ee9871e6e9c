"""The training set: counts, copies of one picture, cut objects, what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from segsem.core.contour import Source
from segsem.core.exceptions import InputError
from segsem.core.progress import run_to_completion
from segsem.dataset.content import fingerprint
from segsem.dataset.training_set import (
    FEWEST_IMAGES,
    FEWEST_OBJECTS,
    GOOD_IMAGES,
    TrainingSummary,
    member_rows,
    read_member,
    summarise,
)
from segsem.imaging.image import SEMImage
from segsem.imaging.read import read_image
from segsem.project.label_edit import LabelObject
from segsem.project.labelled_image import LabelledImage
from segsem.project.project import Project

SHAPE = (60, 80)
Annotate = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project.create(tmp_path / "project")
    yield made
    made.close()


@pytest.fixture
def annotate(project: Project, tmp_path: Path) -> Annotate:
    """Put an image with objects into the training set."""

    def make(name: str, boxes: list[tuple[int, int, int, int]], grey=None, class_name="") -> Path:
        seed = sum(name.encode())
        if grey is None:
            grey = np.random.default_rng(seed).integers(0, 255, SHAPE).astype(np.uint8)
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, grey)
        image, labelled = read_image(path), LabelledImage(SHAPE)
        for number, (row0, col0, row1, col1) in enumerate(boxes, start=1):
            made = {
                number: LabelObject(number, 0, (0, 0, 0, 0), Source.SAM2, class_name=class_name)
            }
            after = np.full((row1 - row0, col1 - col0), number, np.int32)
            edit = labelled.edit("object", (row0, col0), after, made)
            labelled.apply(edit)
            project.store(image).note("do", edit)
        project.mark(image, {"training": True})
        return path

    return make


def summary(project: Project) -> TrainingSummary:
    return run_to_completion(summarise(project))


def test_an_empty_training_set_misses_everything(project: Project) -> None:
    found = summary(project)
    assert (found.n_images, found.n_objects) == (0, 0)
    assert found.missing[0].startswith(f"{FEWEST_IMAGES} more images")
    assert found.missing[1].startswith(f"{FEWEST_OBJECTS} more objects")


def test_objects_are_counted_and_those_that_are_cut(project: Project, annotate: Annotate) -> None:
    annotate("a", [(0, 5, 10, 15), (20, 5, 30, 15), (20, 20, 30, 80)])
    annotate("b", [(50, 5, 60, 15), (5, 0, 15, 3), (1, 20, 59, 79)])
    found = summary(project)
    assert (found.n_images, found.n_objects, found.n_border) == (2, 6, 4)
    assert found.classes == {}
    assert [row.image_id for row in member_rows(project)] == ["a", "b"]


def test_images_out_of_the_set_do_not_count(project: Project, annotate: Annotate) -> None:
    path = annotate("a", [(5, 5, 10, 15)])
    project.mark(read_image(path), {"training": False})
    assert summary(project).n_images == 0


def test_the_same_picture_in_two_files_is_told(project: Project, annotate: Annotate) -> None:
    grey = np.random.default_rng(0).integers(0, 255, SHAPE).astype(np.uint8)
    annotate("eight", [(5, 5, 10, 15)], grey)
    annotate("sixteen", [(5, 5, 10, 15)], grey.astype(np.uint16) * 257)
    annotate("other", [(5, 5, 10, 15)])
    found = summary(project)
    assert found.duplicates == (("eight", "sixteen"),)
    # One picture teaches once.
    assert found.missing[0].startswith(f"{FEWEST_IMAGES - 2} more image")
    # The second look needs no image.
    for path in project.folder.parent.glob("*.tif"):
        path.unlink()
    assert summary(project).duplicates == found.duplicates


def test_another_data_bar_is_the_same_picture() -> None:
    grey = np.random.default_rng(0).integers(0, 255, (90, 80)).astype(np.uint8)
    one = SEMImage(grey, "one", data_bar_row=60)
    other = grey.copy()
    other[60:] = 0
    assert fingerprint(one) == fingerprint(SEMImage(other, "other", data_bar_row=60))
    assert fingerprint(one) != fingerprint(SEMImage(other, "other"))


def test_classes_are_counted_where_they_are_named(project: Project, annotate: Annotate) -> None:
    annotate("a", [(5, 5, 10, 15), (20, 5, 25, 15)], class_name="hole")
    annotate("b", [(5, 5, 10, 15)])
    assert summary(project).classes == {"": 1, "hole": 2}


def test_enough_is_enough_and_more_is_better(project: Project, annotate: Annotate) -> None:
    boxes = [(10 * row + 2, 20, 10 * row + 8, 40) for row in range(5)]
    for number in range(FEWEST_IMAGES):
        annotate(f"image{number}", boxes)
    found = summary(project)
    assert found.n_objects == FEWEST_OBJECTS
    assert found.missing == ()
    assert str(GOOD_IMAGES) in found.advice[0]
    for number in range(FEWEST_IMAGES, GOOD_IMAGES):
        annotate(f"image{number}", boxes)
    assert summary(project).advice == ()


def test_images_without_objects_do_not_help(project: Project, annotate: Annotate) -> None:
    for number in range(FEWEST_IMAGES):
        annotate(f"image{number}", [])
    found = summary(project)
    assert len(found.empty) == FEWEST_IMAGES
    assert found.missing[0].startswith(f"{FEWEST_IMAGES} more images")


def test_a_member_is_read_as_it_is_now(project: Project, annotate: Annotate) -> None:
    path = annotate("a", [(5, 5, 10, 15)])
    (row,) = member_rows(project)
    member = read_member(project, row)
    assert np.count_nonzero(member.labels == 1) == 50
    assert member.read().sha256 == row.sha256
    project.compact("a")
    np.testing.assert_array_equal(read_member(project, row).labels, member.labels)
    tifffile.imwrite(path, np.zeros(SHAPE, np.uint8))
    with pytest.raises(InputError, match="another image than the one"):
        member.read()


def test_a_member_that_is_gone_is_told_and_the_others_count(
    project: Project, annotate: Annotate
) -> None:
    annotate("a", [(5, 5, 10, 15)]).unlink()
    annotate("b", [(5, 5, 10, 15)])
    found = summary(project)
    assert len(found.problems) == 1
    assert "a.tif" in found.problems[0]
    assert found.n_objects == 1
