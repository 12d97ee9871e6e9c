"""The images that fine-tuning learns from and checks on, as they were when it began."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segsem.core.exceptions import InputError
from segsem.core.files import atomic_path
from segsem.core.progress import Progress
from segsem.core.types import LabelArray
from segsem.dataset.content import content_fingerprint
from segsem.dataset.splits import SplitImage
from segsem.dataset.training_set import member_rows, read_member
from segsem.imaging.normalise import normalise
from segsem.project.project import Project

SMALLEST_OBJECT_PX = 16
"""Smaller objects are too little for any prompt to be meant for them."""


@dataclass(frozen=True, slots=True)
class FewShotImage:
    """An image of the training set, without its data bar.

    Attributes
    ----------
    about : SplitImage
    grey : (H, W) uint8
        As inference sees it.
    labels : (H, W) uint8, uint16 or int32
        0 where there is no object; the smallest type that holds them.
    """

    about: SplitImage
    grey: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.integer]

    @property
    def image_id(self) -> str:
        """Of the image in its project."""
        return self.about.image_id


def read_images(project: Project) -> Generator[Progress, None, list[FewShotImage]]:
    """Read the members of a project's training set that have objects.

    Yields
    ------
    Progress

    Returns
    -------
    list of FewShotImage
        In the order of their ids.

    Raises
    ------
    InputError
        If the training set is empty, or a member is damaged, gone, another image now, or has
        labels of another size.
    """
    rows = sorted(member_rows(project), key=lambda row: row.image_id)
    if not rows:
        msg = (
            f"The training set of {project.folder} is empty: mark images with correct masks as "
            "training images first"
        )
        raise InputError(msg)
    found = []
    for number, row in enumerate(rows):
        yield Progress(number, len(rows), f"reading {row.image_id}")
        member = read_member(project, row)
        if not member.objects:
            continue
        image = member.read()
        if image.shape != member.labels.shape:
            msg = (
                f"{row.image_id}: the masks are {_size(member.labels.shape)} px, the image is "
                f"{_size(image.shape)}: expected one size; annotate that image anew"
            )
            raise InputError(msg)
        end = image.valid_rows[1]
        about = SplitImage.of(row, content_fingerprint(project, row), (end, image.shape[1]))
        labels = _without_specks(member.labels[:end])
        if labels.any():
            found.append(FewShotImage(about, np.ascontiguousarray(normalise(image)[:end]), labels))
    return found


def specks_of(project: Project) -> list[str]:
    """Say, one line for each image, how many objects are too small to learn from."""
    lines = []
    for row in member_rows(project):
        areas = [known.area_px for known in read_member(project, row).objects.values()]
        small = sum(area < SMALLEST_OBJECT_PX for area in areas)
        if small:
            objects = "object has" if small == 1 else "objects have"
            lines.append(
                f"{row.image_id}: {small} {objects} fewer than {SMALLEST_OBJECT_PX} px and "
                "will not be learnt from"
            )
    return lines


def write_snapshot(path: Path, images: Iterable[FewShotImage]) -> None:
    """Keep labels as they are now: annotation goes on while a model learns.

    Raises
    ------
    ExportError
        If it cannot be written.
    """
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for image in images:
            content = io.BytesIO()
            np.savez_compressed(content, grey=image.grey, labels=image.labels)
            archive.writestr(f"{image.image_id}.npz", content.getvalue())


def read_snapshot(path: Path, abouts: Iterable[SplitImage]) -> list[FewShotImage]:
    """Read what `write_snapshot` wrote.

    Raises
    ------
    InputError
        If it is not there or damaged.
    """
    images = []
    try:
        with zipfile.ZipFile(path) as archive:
            for about in abouts:
                content = io.BytesIO(archive.read(f"{about.image_id}.npz"))
                with np.load(content, allow_pickle=False) as arrays:
                    images.append(FewShotImage(about, arrays["grey"], arrays["labels"]))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        msg = f"{path} cannot be read ({error}): start anew under another name"
        raise InputError(msg) from error
    return images


def _without_specks(labels: LabelArray) -> npt.NDArray[np.integer]:
    sizes = np.bincount(labels.ravel())
    kept = sizes >= SMALLEST_OBJECT_PX
    kept[0] = False
    names = np.where(kept, np.cumsum(kept), 0)
    kind = np.min_scalar_type(int(names.max()))
    return np.asarray(names.astype(kind)[labels])


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} x {shape[1]}"
