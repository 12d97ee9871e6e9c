"""`labels.tif`, `regions.json` and `history.jsonl` of one image: an annotation as files.

Each file says up to which record of the journal it goes, and is renamed into place on its own.
So a program may die between any two of them: the journal, which is cut last, brings all of them
to the same point.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from segsem.core.contour import Source
from segsem.core.exceptions import InputError
from segsem.core.files import atomic_path, write_json
from segsem.core.types import LabelArray
from segsem.imaging.plane_tiff import read_described_plane, write_plane
from segsem.project.edit_codec import object_from_json, object_to_json
from segsem.project.journal import FORMAT as JOURNAL_FORMAT
from segsem.project.journal import FORMAT_VERSION as JOURNAL_VERSION
from segsem.project.journal import encode_record, read_journal
from segsem.project.label_edit import LabelObject
from segsem.project.labelled_image import LabelledImage
from segsem.project.timeline import Timeline, Times

FORMAT = "segsem-annotation"
FORMAT_VERSION = 1

LABELS = "labels.tif"
REGIONS = "regions.json"
HISTORY = "history.jsonl"

_SEQ = "segsem_seq"


@dataclass(frozen=True, slots=True)
class RegionsFile:
    """What `regions.json` says.

    Attributes
    ----------
    shape : (int, int)
        (H, W) of the image in px.
    valid_rows : (int, int)
        Half-open range of rows that show the sample.
    seq : int
        Last record of the journal that is contained.
    objects : dict of int to LabelObject
    times : dict of int to Times
    marks : dict
    """

    shape: tuple[int, int]
    valid_rows: tuple[int, int]
    seq: int = 0
    objects: dict[int, LabelObject] = field(default_factory=dict)
    times: dict[int, Times] = field(default_factory=dict)
    marks: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Snapshot:
    """The three files together; `pixels_seq` and `steps_seq` say how far two of them go."""

    timeline: Timeline
    valid_rows: tuple[int, int]
    pixels_seq: int = 0
    objects_seq: int = 0
    steps_seq: int = 0


def read_regions(folder: Path) -> RegionsFile | None:
    """Read `regions.json`; None where there is none.

    Raises
    ------
    InputError
        If it cannot be read, or is of another format or version.
    """
    path = folder / REGIONS
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        msg = f"{path} cannot be read: {error}"
        raise InputError(msg) from error
    _check_version(path, value)
    try:
        found = [(object_from_json(item), item) for item in value["objects"]]
        return RegionsFile(
            shape=_pair(value["shape"]),
            valid_rows=_pair(value["valid_rows"]),
            seq=int(value["seq"]),
            objects={known.object_id: known for known, _ in found},
            times={
                known.object_id: Times(str(item.get("made", "")), str(item.get("changed", "")))
                for known, item in found
            },
            marks=dict(value["marks"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{path} is damaged: expected shape, seq, objects and marks"
        raise InputError(msg) from error


def read_snapshot(folder: Path, shape: tuple[int, int] | None = None) -> Snapshot | None:
    """Read the files of an annotation.

    Parameters
    ----------
    folder : Path
        Of the image in the project.
    shape : (int, int), optional
        (H, W) that the image has; used where there are no files yet.

    Returns
    -------
    Snapshot or None
        None where there are no files and `shape` is not given.

    Raises
    ------
    InputError
        If a file is damaged or does not fit the image.
    """
    regions = read_regions(folder)
    if regions is None:
        if shape is None:
            return None
        # A program that died in its first snapshot left labels only: the journal holds it all.
        return Snapshot(Timeline(LabelledImage(shape)), (0, shape[0]))
    if shape is not None and regions.shape != shape:
        msg = (
            f"{folder / REGIONS} belongs to an image of {regions.shape} px, but this one has "
            f"{shape}: it was made from another file"
        )
        raise InputError(msg)
    image = LabelledImage(regions.shape)
    image.objects = dict(sorted(regions.objects.items()))
    timeline = Timeline(image, times=dict(regions.times), marks=dict(regions.marks))
    labels, pixels_seq = _read_labels(folder / LABELS, regions)
    image.labels = labels
    if pixels_seq is None:
        image.objects, pixels_seq = _measured(labels, image.objects), regions.seq
    timeline.seq = max(regions.seq, pixels_seq)
    made = Snapshot(timeline, regions.valid_rows, pixels_seq, regions.seq)
    made.steps_seq = _read_history(folder / HISTORY, made)
    return made


def write_snapshot(folder: Path, image: dict[str, Any], snapshot: Snapshot, saved: str) -> None:
    """Write the files of an annotation, each at once.

    Parameters
    ----------
    folder : Path
        Of the image in the project.
    image : dict
        What the annotation belongs to (`image_id`, `sha256`), as JSON values.
    snapshot : Snapshot
        All of it is at `timeline.seq`.
    saved : str
        The time, ISO 8601.

    Raises
    ------
    ExportError
        If a file cannot be written; what is there stays readable, with the journal.
    """
    timeline = snapshot.timeline
    labels = timeline.image.labels
    fits = labels.max(initial=0) <= np.iinfo(np.uint16).max
    write_plane(
        folder / LABELS,
        labels.astype(np.uint16) if fits else labels,
        json.dumps({_SEQ: timeline.seq}),
    )
    write_json(
        folder / REGIONS,
        {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            **image,
            "shape": list(labels.shape),
            "valid_rows": list(snapshot.valid_rows),
            "seq": timeline.seq,
            "saved": saved,
            "marks": timeline.marks,
            "objects": [
                {**object_to_json(known), **_times_json(timeline.times.get(known.object_id))}
                for known in timeline.image.objects.values()
            ],
        },
    )
    # Last, so that its steps are never ahead of what they would undo.
    header = {"format": JOURNAL_FORMAT, "version": JOURNAL_VERSION, "seq": timeline.seq}
    with atomic_path(folder / HISTORY) as temporary, temporary.open("wb") as file:
        file.write(encode_record(header))
        for record in timeline.history_records():
            file.write(encode_record(record))


def sync_snapshot(folder: Path) -> None:
    """Wait until the files are on the disk: before the journal that could replace them is cut."""
    for name in (LABELS, REGIONS, HISTORY):
        with (folder / name).open("rb") as file:
            os.fsync(file)


def _times_json(times: Times | None) -> dict[str, str]:
    return {} if times is None else {"made": times.made, "changed": times.changed}


def _read_labels(path: Path, regions: RegionsFile) -> tuple[LabelArray, int | None]:
    """Labels, and the record they go to; None where another program has written them."""
    labels, description = read_described_plane(path)
    if labels.dtype.kind not in "ui" or labels.shape != regions.shape:
        msg = f"Expected whole numbers of shape {regions.shape} in {path}, but got {labels.shape}"
        raise InputError(msg)
    try:
        seq = int(json.loads(description)[_SEQ])
    except (ValueError, KeyError, TypeError):
        return labels.astype(np.int32), None
    return labels.astype(np.int32), seq


def _read_history(path: Path, snapshot: Snapshot) -> int:
    """Rebuild the undo history; without it the labels still stand, so damage is no error.

    Returns the record that it goes to. Where that is none, all that the journal holds is taken.
    """
    scratch = Timeline(snapshot.timeline.image)
    try:
        content = read_journal(path)
        seq = int(content.header["seq"])
        for record in content.records:
            scratch.play(record, pixels=False, objects=False)
    except (InputError, KeyError, TypeError, ValueError):
        return 0
    if content.lost_bytes:
        return 0
    snapshot.timeline.done, snapshot.timeline.undone = scratch.done, scratch.undone
    return seq


def _measured(labels: LabelArray, known: dict[int, LabelObject]) -> dict[int, LabelObject]:
    """Objects as another program left their pixels."""
    areas = np.bincount(labels.ravel()) if labels.size else np.zeros(1, dtype=int)
    found: dict[int, LabelObject] = {}
    for object_id, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        bbox = (box[0].start, box[1].start, box[0].stop, box[1].stop)
        area = int(areas[object_id])
        origin = known.get(object_id, LabelObject(object_id, 0, bbox, Source.MANUAL))
        changed = (origin.area_px, origin.bbox) != (area, bbox)
        source = Source.MANUAL if changed else origin.source
        found[object_id] = replace(origin, area_px=area, bbox=bbox, source=source)
    return found


def _check_version(path: Path, value: Any) -> None:
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        msg = f"{path} is not an annotation of segsem: expected format {FORMAT!r}"
        raise InputError(msg)
    if value.get("version") != FORMAT_VERSION:
        msg = (
            f"{path} has format version {value.get('version')!r}, but this program knows "
            f"{FORMAT_VERSION}: update napari-segsem"
        )
        raise InputError(msg)


def _pair(value: Any) -> tuple[int, int]:
    first, second = value
    return int(first), int(second)
