"""What an image shows, whatever file it is in: the same picture saved twice is one image."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from segsem.core.exceptions import InputError, SegSemError
from segsem.core.files import write_json
from segsem.imaging.image import SEMImage
from segsem.imaging.normalise import normalise
from segsem.imaging.read import read_image
from segsem.project.image_table import ImageRow
from segsem.project.project import Project

CACHE = "fingerprints.json"
VERSION = 1


def fingerprint(image: SEMImage) -> str:
    """Hash of the grey values that a model sees, the data bar left out.

    The same picture gives the same hash as 8 and as 16 bits, with and without its data bar, and
    whatever the file says besides.
    """
    grey = np.ascontiguousarray(normalise(image)[: image.valid_rows[1]])
    return hashlib.sha256(f"{grey.shape}".encode() + grey.tobytes()).hexdigest()


def read_source(row: ImageRow, path: Path | None) -> SEMImage:
    """Read an image of a project, and make sure that it is the one that was annotated.

    Raises
    ------
    InputError
        If it is not where it was, or is another one now.
    """
    if path is None:
        msg = f"{row.image_id} comes from no file: save it as one, and annotate that"
        raise InputError(msg)
    image = read_image(path, pixel_size_nm=row.pixel_size_nm)
    if image.sha256 != row.sha256:
        msg = f"{path} is another image than the one that was annotated"
        raise InputError(msg)
    return image


def content_fingerprint(project: Project, row: ImageRow) -> str:
    """Fingerprint of an image, remembered in the project by the hash of its file.

    Raises
    ------
    InputError
        If the image cannot be read.
    """
    cache, path = project.folder / CACHE, project.images.path_of(row)
    known = _read(cache)
    if row.sha256 not in known:
        if path is None:
            return row.sha256
        known[row.sha256] = fingerprint(read_source(row, path))
        _write(cache, known)
    return known[row.sha256]


def _read(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            return {}
        return {str(key): str(value) for key, value in content["fingerprints"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        # It is made again.
        return {}


def _write(path: Path, known: dict[str, str]) -> None:
    try:
        write_json(path, {"version": VERSION, "fingerprints": known})
    except SegSemError:
        # It only saves time.
        return
