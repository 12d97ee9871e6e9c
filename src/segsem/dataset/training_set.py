"""The images of a project that a model is to learn from: members, contents, what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from segsem.core.exceptions import InputError
from segsem.core.progress import Progress
from segsem.core.types import LabelArray
from segsem.dataset.content import content_fingerprint
from segsem.imaging.image import SEMImage
from segsem.imaging.read import read_image
from segsem.project.annotation_store import StoredAnnotation
from segsem.project.image_table import ImageRow
from segsem.project.label_edit import LabelObject
from segsem.project.project import Project

FEWEST_IMAGES = 4
"""Three to learn from and one that is held out: with fewer, no image is left to say whether the
new model is better, and one odd image decides all."""

FEWEST_OBJECTS = 20
"""Overlaps of single objects scatter by about 0.2 between good and bad ones; the mean of the
quarter that is held out (5 objects) is then known to 0.1, below which no gain can be told."""

GOOD_IMAGES = 10
"""From here on a gain on images of other sites can be expected."""


@dataclass(frozen=True, slots=True)
class Member:
    """One image of the training set, as it is annotated now.

    Attributes
    ----------
    row : ImageRow
        Id, path, hash, pixel size and groups.
    path : Path or None
        Where the image is; None for one that comes from no file.
    shape : (int, int)
        (H, W) in px.
    valid_rows : (int, int)
        Half-open range of rows that show the sample.
    labels : (H, W) int32
    objects : mapping of int to LabelObject
    """

    row: ImageRow
    path: Path | None
    shape: tuple[int, int]
    valid_rows: tuple[int, int]
    labels: LabelArray
    objects: Mapping[int, LabelObject]

    def read(self) -> SEMImage:
        """Read the image.

        Raises
        ------
        InputError
            If it is not where it was, or is another one now.
        """
        if self.path is None:
            msg = f"{self.row.image_id} comes from no file: save it as one, and annotate that"
            raise InputError(msg)
        image = read_image(self.path, pixel_size_nm=self.row.pixel_size_nm)
        if image.sha256 != self.row.sha256:
            msg = f"{self.path} is another image than the one that was annotated"
            raise InputError(msg)
        return image

    @property
    def border_objects(self) -> list[int]:
        """Ids of the objects that the field of view cuts."""
        (top, bottom), width = self.valid_rows, self.shape[1]
        return [
            known.object_id
            for known in self.objects.values()
            if known.bbox[0] <= top
            or known.bbox[1] <= 0
            or known.bbox[2] >= bottom
            or known.bbox[3] >= width
        ]


@dataclass(frozen=True, slots=True)
class TrainingSummary:
    """What is in a training set.

    Attributes
    ----------
    n_images, n_objects : int
    n_border : int
        Objects that the field of view cuts: their outline is not known beyond it.
    classes : dict of str to int
        Objects by class, where classes are named at all; the unnamed under an empty name.
    duplicates : tuple of tuple of str
        Ids of images that show the same, in files that differ.
    empty : tuple of str
        Members without objects.
    missing : tuple of str
        What keeps it from being trained on, one line each; empty where nothing does.
    advice : tuple of str
        What would make it better.
    problems : tuple of str
        Members that cannot be read.
    """

    n_images: int = 0
    n_objects: int = 0
    n_border: int = 0
    classes: dict[str, int] = field(default_factory=dict)
    duplicates: tuple[tuple[str, ...], ...] = ()
    empty: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def member_rows(project: Project) -> list[ImageRow]:
    """Rows of the images that are in the training set."""
    return [row for row in project.images if row.training]


def read_member(project: Project, row: ImageRow) -> Member:
    """Read a member of the training set as it is annotated now.

    Raises
    ------
    InputError
        If its annotation is damaged.
    """
    stored = project.read(row.image_id)
    if stored is None:
        return Member(
            row, project.images.path_of(row), row.shape, (0, row.shape[0]), _none(row), {}
        )
    if stored.problem:
        raise InputError(stored.problem)
    timeline = stored.snapshot.timeline
    return Member(
        row,
        project.images.path_of(row),
        row.shape,
        _valid_rows(stored),
        timeline.image.labels,
        timeline.image.objects,
    )


def summarise(project: Project) -> Generator[Progress, None, TrainingSummary]:
    """Look through the training set of a project; its images are read to find duplicates."""
    rows = member_rows(project)
    contents: dict[str, list[str]] = {}
    classes: Counter[str] = Counter()
    empty: list[str] = []
    problems: list[str] = []
    n_objects = n_border = 0
    for number, row in enumerate(rows):
        yield Progress(number, len(rows), row.image_id)
        try:
            member = read_member(project, row)
            contents.setdefault(content_fingerprint(project, member), []).append(row.image_id)
        except InputError as error:
            problems.append(str(error))
            continue
        n_objects += len(member.objects)
        n_border += len(member.border_objects)
        classes.update(known.class_name for known in member.objects.values())
        empty += [] if member.objects else [row.image_id]
    duplicates = tuple(tuple(ids) for ids in contents.values() if len(ids) > 1)
    n_different = sum(not set(ids) <= set(empty) for ids in contents.values())
    return TrainingSummary(
        n_images=len(rows),
        n_objects=n_objects,
        n_border=n_border,
        classes=dict(sorted(classes.items())) if set(classes) - {""} else {},
        duplicates=duplicates,
        empty=tuple(empty),
        missing=tuple(_missing(n_different, n_objects)),
        advice=tuple(_advice(n_different)),
        problems=tuple(problems),
    )


def _missing(n_images: int, n_objects: int) -> list[str]:
    lines = []
    if n_images < FEWEST_IMAGES:
        more = FEWEST_IMAGES - n_images
        lines.append(
            f"{_count(more, 'more image')} with objects: {FEWEST_IMAGES} are the fewest that can "
            "be divided into images to learn from and one to check on"
        )
    if n_objects < FEWEST_OBJECTS:
        more = FEWEST_OBJECTS - n_objects
        lines.append(f"{_count(more, 'more object')}: {FEWEST_OBJECTS} are the fewest")
    return lines


def _advice(n_images: int) -> list[str]:
    if FEWEST_IMAGES <= n_images < GOOD_IMAGES:
        return [f"{GOOD_IMAGES} images or more, from several sites, teach more"]
    return []


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _valid_rows(stored: StoredAnnotation) -> tuple[int, int]:
    rows = stored.content.header.get("valid_rows")
    return (int(rows[0]), int(rows[1])) if rows else stored.snapshot.valid_rows


def _none(row: ImageRow) -> LabelArray:
    return np.zeros(row.shape, dtype=np.int32)
