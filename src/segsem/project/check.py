"""What is wrong with a project, one line each; nothing is changed."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segsem.core.exceptions import InputError
from segsem.core.progress import Progress
from segsem.project.image_table import ImageRow
from segsem.project.lock import lock_holder
from segsem.project.project import Project


@dataclass(frozen=True, slots=True)
class ProjectReport:
    """What a look through a project gave.

    Attributes
    ----------
    name : str
    n_images, n_annotated, n_objects, n_done, n_training : int
    errors : tuple of str
        What is damaged or cannot be found, one line each.
    notes : tuple of str
        What is worth knowing.
    """

    name: str
    n_images: int
    n_annotated: int
    n_objects: int
    n_done: int
    n_training: int
    errors: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def check_project(folder: Path) -> Generator[Progress, None, ProjectReport]:
    """Look through a project: images found and unchanged, annotations whole.

    Raises
    ------
    InputError
        If the folder is no project, or its tables cannot be read.
    """
    project = Project.open(folder, write=False)
    rows = list(project.images)
    errors: list[str] = []
    notes: list[str] = []
    counts: list[int] = []
    holder = lock_holder(project.folder)
    if holder:
        notes.append(f"in use by {holder}")
    for number, row in enumerate(rows):
        yield Progress(number, len(rows), row.image_id)
        errors += _image_errors(project, row)
        try:
            n_objects, problems, unsaved = _annotation(project, row)
        except InputError as error:
            errors.append(str(error))
            continue
        errors += [f"{row.image_id}: {problem}" for problem in problems]
        counts += [] if n_objects is None else [n_objects]
        if unsaved and not holder:
            notes.append(
                f"{row.image_id}: {unsaved} steps are in the journal only; "
                "they are taken over when the project is opened"
            )
    return ProjectReport(
        name=project.name,
        n_images=len(rows),
        n_annotated=sum(count > 0 for count in counts),
        n_objects=sum(counts),
        n_done=sum(row.done for row in rows),
        n_training=sum(row.training for row in rows),
        errors=tuple(errors),
        notes=tuple(notes),
    )


def _image_errors(project: Project, row: ImageRow) -> list[str]:
    path = project.images.path_of(row)
    if path is None:
        return []
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        detail = error.strerror or str(error)
        return [f"{row.image_id}: {path}: {detail}; open it where it is now to have it found"]
    if sha256 != row.sha256:
        return [f"{row.image_id}: {path} is another image than the one that was annotated"]
    return []


def _annotation(project: Project, row: ImageRow) -> tuple[int | None, list[str], int]:
    """Objects (None where nothing is kept), problems, and records in the journal only."""
    stored = project.read(row.image_id)
    if stored is None:
        return None, [], 0
    image = stored.snapshot.timeline.image
    problems = [stored.problem] if stored.problem else []
    if image.labels.shape != row.shape:
        problems.append(f"labels are {image.labels.shape}, but the image is {row.shape}")
    in_labels = set(np.flatnonzero(np.bincount(image.labels.ravel())).tolist()) - {0}
    if in_labels != set(image.objects):
        problems.append("labels.tif and regions.json name different objects")
    return len(image.objects), problems, len(stored.content.records) if stored.is_ahead else 0
