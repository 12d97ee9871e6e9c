"""The training set as files for other programs: COCO or label TIFFs, read back and compared."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segsem.core.exceptions import ExportError, InputError
from segsem.core.files import atomic_path
from segsem.core.progress import Progress
from segsem.core.types import MaskArray
from segsem.dataset.additions import same_objects
from segsem.dataset.coco_polygons import polygons_of
from segsem.dataset.coco_read import UNNAMED, masks_of, read_coco
from segsem.dataset.coco_rle import counts_to_text, encode_counts
from segsem.dataset.kinds import Shapes
from segsem.dataset.mask_files import LABELS_MARK, read_masks
from segsem.dataset.training_set import Member, member_rows, read_member
from segsem.imaging.plane_tiff import write_plane
from segsem.project.label_edit import LabelObject
from segsem.project.project import Project

COCO_FILE = "annotations.json"


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes
    ----------
    path : Path
        The COCO file, or the folder of label images.
    images, objects : int
    """

    path: Path
    images: int
    objects: int


def export_coco(
    project: Project, path: Path, shapes: Shapes = Shapes.RLE
) -> Generator[Progress, None, Exported]:
    """Write the training set as a COCO instance file.

    Parameters
    ----------
    project : Project
    path : Path
        Of the file; images are named relative to its folder.
    shapes : Shapes
        Polygons know no holes: objects that have some are written as run lengths in either case.

    Raises
    ------
    ExportError
        If it cannot be written, or does not read back as it was; there is no file then.
    InputError
        If the training set holds no objects, or a member is damaged.
    """
    members = yield from _members(project)
    names = sorted({known.class_name for member in members for known in member.objects.values()})
    categories = {name: number for number, name in enumerate(names, start=1)}
    annotations: list[dict[str, Any]] = []
    images = []
    for number, member in enumerate(members, start=1):
        images.append(_image_json(path.parent, number, member))
        for known in member.objects.values():
            found = _object_json(member, known, shapes)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": categories[known.class_name],
                    **found,
                }
            )
    content = {
        "info": {"description": project.name},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": i, "name": name or UNNAMED} for name, i in categories.items()],
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
        _compare_coco(temporary, members)
    return Exported(path, len(members), len(annotations))


def export_labels(project: Project, folder: Path) -> Generator[Progress, None, Exported]:
    """Write the training set as one label TIFF for each image, ID.tif, and their classes.

    `classes.json` names classes by image and label, where there are any.

    Raises
    ------
    ExportError
        If one cannot be written, or does not read back as it was.
    InputError
        If the training set holds no objects, or a member is damaged.
    """
    members = yield from _members(project)
    classes = {}
    for member in members:
        path = folder / f"{member.row.image_id}.tif"
        fits = member.labels.max() <= np.iinfo(np.uint16).max
        labels = member.labels.astype(np.uint16) if fits else member.labels
        write_plane(path, labels, LABELS_MARK)
        if not same_objects(read_masks(path, member.shape), member.labels):
            path.unlink(missing_ok=True)
            msg = f"{path} did not read back as it was written"
            raise ExportError(msg)
        named = {
            str(i): known.class_name for i, known in member.objects.items() if known.class_name
        }
        if named:
            classes[member.row.image_id] = named
    if classes:
        with atomic_path(folder / "classes.json") as temporary:
            temporary.write_text(json.dumps(classes, indent=1), encoding="utf-8")
    return Exported(folder, len(members), sum(len(member.objects) for member in members))


def _members(project: Project) -> Generator[Progress, None, list[Member]]:
    rows = member_rows(project)
    found = []
    for number, row in enumerate(rows):
        yield Progress(number, len(rows), row.image_id)
        member = read_member(project, row)
        if member.objects:
            found.append(member)
    if not found:
        msg = f"The training set of {project.folder} holds no objects: add images with masks first"
        raise InputError(msg)
    return found


def _image_json(folder: Path, number: int, member: Member) -> dict[str, Any]:
    name = f"{member.row.image_id}.tif"
    if member.path is not None:
        try:
            name = Path(os.path.relpath(member.path, folder.resolve())).as_posix()
        except ValueError:
            # On another drive.
            name = member.path.as_posix()
    return {
        "id": number,
        "file_name": name,
        "height": member.shape[0],
        "width": member.shape[1],
        "segsem_id": member.row.image_id,
        "segsem_groups": dict(member.row.groups),
    }


def _object_json(member: Member, known: LabelObject, shapes: Shapes) -> dict[str, Any]:
    row0, col0, row1, col1 = known.bbox
    mask = np.asarray(member.labels == known.object_id)
    return {
        "segmentation": _segmentation(mask, shapes),
        "area": int(known.area_px),
        "bbox": [col0, row0, col1 - col0, row1 - row0],
        "iscrowd": 0,
        "segsem_source": known.source.value,
    }


def _segmentation(mask: MaskArray, shapes: Shapes) -> Any:
    polygons = polygons_of(mask) if shapes is Shapes.POLYGON else None
    if polygons is not None:
        return [polygon.ravel().tolist() for polygon in polygons]
    return {"size": list(mask.shape), "counts": counts_to_text(encode_counts(mask))}


def _compare_coco(path: Path, members: Sequence[Member]) -> None:
    try:
        found = [masks_of(image) for image in read_coco(path).images]
    except InputError as error:
        msg = f"The COCO file did not read back as it was written: {error}"
        raise ExportError(msg) from error
    for masks, member in zip(found, members, strict=True):
        if masks.notes or not same_objects(masks.labels, member.labels):
            msg = f"{member.row.image_id} did not read back as it was written"
            raise ExportError(msg)
