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
from segsem.dataset.content import content_fingerprint, read_source
from segsem.imaging.image import SEMImage
from segsem.project.annotation_store import StoredAnnotation
from segsem.project.image_table import ImageRow
from segsem.project.label_edit import LabelObject
from segsem.project.project import Project
from segsem.project.snapshot import read_regions

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
        return read_source(self.row, self.path)


@dataclass(frozen=True, slots=True)
class MemberObjects:
    """The objects of a member, without its pixels.

    Attributes
    ----------
    objects : mapping of int to LabelObject
    width_px : int
    valid_rows : (int, int)
        Half-open range of rows that show the sample.
    """

    objects: Mapping[int, LabelObject]
    width_px: int
    valid_rows: tuple[int, int]

    def border_ids(self) -> list[int]:
        """Ids of the objects that the field of view cuts."""
        top, bottom = self.valid_rows
        return [
            known.object_id
            for known in self.objects.values()
            if known.bbox[0] <= top
            or known.bbox[1] <= 0
            or known.bbox[2] >= bottom
            or known.bbox[3] >= self.width_px
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


def read_objects(project: Project, row: ImageRow) -> MemberObjects:
    """Read the objects of an image as they are now; its label image only where it must be.

    Raises
    ------
    InputError
        If its annotation is damaged.
    """
    if not project.journal_path(row.image_id).exists():
        regions = read_regions(project.annotation_folder(row.image_id))
        if regions is not None:
            return MemberObjects(regions.objects, row.shape[1], regions.valid_rows)
    member = read_member(project, row)
    return MemberObjects(member.objects, row.shape[1], member.valid_rows)


def summarise(
    project: Project, live: Mapping[str, MemberObjects] | None = None
) -> Generator[Progress, None, TrainingSummary]:
    """Look through the training set of a project.

    Each image is read once, to find the same picture in two files.

    Parameters
    ----------
    project : Project
    live : mapping of str to MemberObjects, optional
        Objects of images that are being worked on, by image id; the others are read.
    """
    rows = member_rows(project)
    contents: dict[str, list[str]] = {}
    classes: Counter[str] = Counter()
    empty: list[str] = []
    problems: list[str] = []
    n_objects = n_border = 0
    for number, row in enumerate(rows):
        yield Progress(number, len(rows), row.image_id)
        try:
            found = (live or {}).get(row.image_id) or read_objects(project, row)
            contents.setdefault(content_fingerprint(project, row), []).append(row.image_id)
        except InputError as error:
            problems.append(str(error))
            continue
        n_objects += len(found.objects)
        n_border += len(found.border_ids())
        classes.update(known.class_name for known in found.objects.values())
        empty += [] if found.objects else [row.image_id]
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
        more = _count(FEWEST_IMAGES - n_images, "more image")
        lines.append(
            f"{more} with objects (at least {FEWEST_IMAGES}: some to learn from, one to check on)"
        )
    if n_objects < FEWEST_OBJECTS:
        more = _count(FEWEST_OBJECTS - n_objects, "more object")
        lines.append(f"{more} (at least {FEWEST_OBJECTS})")
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
