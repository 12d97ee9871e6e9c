"""The training set image by image, and the split that fine-tuning would use."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from segsem.core.exceptions import InputError
from segsem.core.progress import Progress
from segsem.dataset.content import content_fingerprint
from segsem.dataset.splits import GROUP_NAMES, SplitImage
from segsem.dataset.training_set import (
    TrainingSummary,
    member_rows,
    read_member,
    read_objects,
    summarise,
)
from segsem.project.project import Project

SMALLEST_OBJECT_PX = 16
"""Objects with fewer px teach nothing; `segsem finetune` leaves them out as well."""


@dataclass(frozen=True, slots=True)
class ListedImage:
    """One image of the training set.

    Attributes
    ----------
    image_id, path : str
    shape : (int, int)
        (H, W) in px.
    objects, cut : int
        All, and those that the field of view cuts.
    groups : dict of str to str
        Wafer, site, tool, layout, where known.
    problem : str
        Why it cannot be used; empty where it can.
    """

    image_id: str
    path: str
    shape: tuple[int, int]
    objects: int
    cut: int
    groups: dict[str, str]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """All images, and what is to be said of them together."""

    images: tuple[ListedImage, ...]
    summary: TrainingSummary


def list_images(project: Project) -> Generator[Progress, None, Listing]:
    """Look through the training set of a project, image by image.

    Yields
    ------
    Progress
    """
    images = []
    for row in member_rows(project):
        objects = cut = 0
        problem = ""
        try:
            found = read_objects(project, row)
            objects, cut = len(found.objects), len(found.border_ids())
            content_fingerprint(project, row)
        except InputError as error:
            problem = str(error)
        groups = {name: row.groups[name] for name in GROUP_NAMES if row.groups.get(name)}
        images.append(ListedImage(row.image_id, row.path, row.shape, objects, cut, groups, problem))
    summary = yield from summarise(project)
    return Listing(tuple(images), summary)


def split_images(project: Project) -> Generator[Progress, None, list[SplitImage]]:
    """Give the images that a split is made of: those that `segsem finetune` would learn from.

    Yields
    ------
    Progress

    Raises
    ------
    InputError
        If a member is damaged, gone, or another image now.
    """
    rows = sorted(member_rows(project), key=lambda row: row.image_id)
    found = []
    for number, row in enumerate(rows):
        yield Progress(number, len(rows), row.image_id)
        member = read_member(project, row)
        if not member.objects:
            continue
        end = member.read().valid_rows[1]
        sizes = np.bincount(member.labels[:end].ravel())
        if (sizes[1:] >= SMALLEST_OBJECT_PX).any():
            shape = (end, row.shape[1])
            found.append(SplitImage.of(row, content_fingerprint(project, row), shape))
    return found
