"""Put images and masks into a project: all of them, or none.

Everything is read and checked first. Then each image's masks become one edit in its journal, as a
person's are: it can be undone in the viewer, and stands under the project's lock. If one cannot be
written, those before it are taken back. A program that is ended in between leaves whole images
only, and the same command again adds the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from segsem.core.contour import Source
from segsem.core.exceptions import InputError, SegSemError
from segsem.core.progress import Progress
from segsem.core.types import LabelArray
from segsem.dataset.content import fingerprint
from segsem.imaging.image import SEMImage
from segsem.imaging.manifest import Manifest
from segsem.imaging.read import read_image
from segsem.project.image_table import ImageRow
from segsem.project.label_edit import LabelEdit, LabelObject
from segsem.project.labelled_image import LabelledImage
from segsem.project.project import Project, content_hash

NOT_GROUPS = ("truth", "design", "mask")
"""Columns of a manifest that name files."""

ORIGIN = "from"
"""Where `LabelObject.prompts` says what an object was imported from."""


@dataclass(frozen=True, slots=True)
class NewMasks:
    """Objects of one image as a file holds them.

    Attributes
    ----------
    labels : (H, W) int32
        1..N, 0 where there is no object.
    classes : mapping of int to str
        Class names by label; unnamed where one is missing.
    origin : mapping of str to object
        What they come from, as JSON values.
    notes : tuple of str
        What the user has to know of them.
    """

    labels: LabelArray
    classes: Mapping[int, str] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Addition:
    """One image that is to be a member of the training set.

    Attributes
    ----------
    path : Path
    load : callable or None
        Reads its masks, given the image; None where it comes without.
    manifest : Manifest or None
    groups : mapping of str to str
        Wafer, site and the like, beside those of the manifest.
    """

    path: Path
    load: Callable[[SEMImage], NewMasks] | None = None
    manifest: Manifest | None = None
    groups: Mapping[str, str] = field(default_factory=dict)

    def read(self) -> SEMImage:
        """Read the image with what the manifest says of it."""
        image = read_image(self.path, manifest=self.manifest)
        groups = {
            str(name): str(value)
            for name, value in {**image.metadata.get("groups", {}), **self.groups}.items()
            if name not in NOT_GROUPS
        }
        return replace(image, metadata={**image.metadata, "groups": groups})


@dataclass(slots=True)
class Added:
    """What was done.

    Attributes
    ----------
    image_ids : list of str
    new_images, new_objects, unchanged : int
        Images that the project did not know; objects; images whose masks were there already.
    notes : list of str
    """

    image_ids: list[str] = field(default_factory=list)
    new_images: int = 0
    new_objects: int = 0
    unchanged: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Done:
    """What has to be known to take one image back."""

    image: SEMImage
    image_id: str
    before: ImageRow | None
    edit: LabelEdit | None


def add_all(
    project: Project,
    additions: Sequence[Addition],
    *,
    replacing: bool = False,
    name: str = "import",
) -> Generator[Progress, None, Added]:
    """Add images with their masks to the training set of a project.

    Parameters
    ----------
    project : Project
        Open for writing.
    additions : sequence of Addition
    replacing : bool
        Whether objects that are there already give way; undo brings them back.
    name : str
        Of the edits, in the user's words.

    Yields
    ------
    Progress

    Raises
    ------
    InputError
        If anything cannot be read or does not fit; the project is as it was then.
    ExportError
        If the project cannot be written; what was added before is taken back.
    """
    total = 2 * len(additions)
    added = Added()
    pictures: dict[str, Path] = {}
    for number, addition in enumerate(additions):
        yield Progress(number, total, f"checking {addition.path.name}")
        _check(project, addition, replacing, pictures, added)
    done: list[_Done] = []
    try:
        for number, addition in enumerate(additions, start=len(additions)):
            yield Progress(number, total, f"adding {addition.path.name}")
            _add(project, addition, name, done, added)
        project.save()
    except BaseException:
        # Also where the user cancels: the generator is closed.
        for step in reversed(done):
            _take_back(project, step)
        project.save()
        raise
    for image_id in added.image_ids:
        project.compact(image_id)
    project.save()
    return added


def _check(
    project: Project,
    addition: Addition,
    replacing: bool,
    pictures: dict[str, Path],
    added: Added,
) -> None:
    image = addition.read()
    shown = fingerprint(image)
    if shown in pictures:
        msg = (
            f"{addition.path} shows the same picture as {pictures[shown]}: give one of them, or "
            "one would teach and the other check"
        )
        raise InputError(msg)
    pictures[shown] = addition.path
    masks = None if addition.load is None else addition.load(image)
    row = project.images.find(content_hash(image))
    if masks is None:
        return
    if masks.labels.shape != image.shape:
        msg = f"The masks of {addition.path} are {masks.labels.shape}, the image is {image.shape}"
        raise InputError(msg)
    labelled = LabelledImage(image.shape) if row is None else _current(project, row)
    if labelled.objects and not replacing and not same_objects(labelled.labels, masks.labels):
        msg = (
            f"{addition.path.name} has {len(labelled.objects)} objects in the project already: say "
            "--replace to have others in their place (undo brings them back)"
        )
        raise InputError(msg)
    added.notes += masks.notes
    if masks.labels[image.valid_rows[1] :].any():
        added.notes.append(f"{addition.path.name}: masks reach into the data bar")


def _add(project: Project, addition: Addition, name: str, done: list[_Done], added: Added) -> None:
    image = addition.read()
    before = project.images.find(content_hash(image))
    masks = None if addition.load is None else addition.load(image)
    image_id = project.register(image).image_id
    # Known to `done` before anything is written: what follows may fail half-way.
    done.append(_Done(image, image_id, before, None))
    if before is not None:
        groups = {**before.groups, **image.metadata["groups"]}
        project.images.change(image_id, groups=groups)
    if masks is not None:
        labelled = _current(project, project.register(image))
        edit = None if same_objects(labelled.labels, masks.labels) else _edit(labelled, masks, name)
        if edit is not None:
            done[-1] = replace(done[-1], edit=edit)
            project.store(image).note("do", edit)
            added.new_objects += int(masks.labels.max())
        else:
            added.unchanged += 1
    if before is None or not before.training:
        project.mark(image, {"training": True})
    added.image_ids.append(image_id)
    added.new_images += before is None


def _take_back(project: Project, step: _Done) -> None:
    if step.before is None:
        project.forget(step.image_id)
        return
    try:
        if step.edit is not None:
            project.store(step.image).note("undo", step.edit)
        project.mark(step.image, {"training": step.before.training})
    except SegSemError:
        # The disk is full: the journal keeps it in memory, and writes it with what comes next.
        pass
    project.images.put(step.before)


def _current(project: Project, row: ImageRow) -> LabelledImage:
    stored = project.read(row.image_id)
    if stored is None:
        return LabelledImage(row.shape)
    if stored.problem:
        raise InputError(stored.problem)
    return stored.snapshot.timeline.image


def _edit(labelled: LabelledImage, masks: NewMasks, name: str) -> LabelEdit | None:
    # Numbers that no object has, so that nothing of the old ones lives on in the new ones.
    first = labelled.next_id
    after = np.where(masks.labels > 0, masks.labels + (first - 1), 0).astype(np.int32)
    prompts = {ORIGIN: dict(masks.origin)} if masks.origin else {}
    made = {
        first + label - 1: LabelObject(
            first + label - 1,
            0,
            (0, 0, 0, 0),
            Source.MANUAL,
            prompts=prompts,
            class_name=masks.classes.get(label, ""),
        )
        for label in range(1, int(masks.labels.max()) + 1)
    }
    return labelled.edit(name, (0, 0), after, made)


def same_objects(one: LabelArray, other: LabelArray) -> bool:
    """Whether two (H, W) label images hold the same objects, whatever their numbers."""
    if one.shape != other.shape:
        return False
    pairs = np.unique(one.ravel().astype(np.int64) << 32 | other.ravel())
    first, second = pairs >> 32, pairs & 0xFFFFFFFF
    is_one_to_one = len(np.unique(first)) == len(pairs) == len(np.unique(second))
    return is_one_to_one and not bool(((first == 0) != (second == 0)).any())
