"""What an image shows, whatever file it is in: the same picture saved twice is one image."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segsem.core.exceptions import SegSemError
from segsem.core.files import write_json
from segsem.imaging.image import SEMImage
from segsem.imaging.normalise import normalise
from segsem.project.project import Project

if TYPE_CHECKING:
    from segsem.dataset.training_set import Member

CACHE = "fingerprints.json"
VERSION = 1


def fingerprint(image: SEMImage) -> str:
    """Hash of the grey values that a model sees, the data bar left out.

    The same picture gives the same hash as 8 and as 16 bits, with and without its data bar, and
    whatever the file says besides.
    """
    grey = np.ascontiguousarray(normalise(image)[: image.valid_rows[1]])
    return hashlib.sha256(f"{grey.shape}".encode() + grey.tobytes()).hexdigest()


def content_fingerprint(project: Project, member: Member) -> str:
    """Fingerprint of a member, remembered in the project by the hash of its file.

    Raises
    ------
    InputError
        If the image cannot be read.
    """
    path = project.folder / CACHE
    known = _read(path)
    sha256 = member.row.sha256
    if sha256 not in known:
        if member.path is None:
            return sha256
        known[sha256] = fingerprint(member.read())
        _write(path, known)
    return known[sha256]


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
