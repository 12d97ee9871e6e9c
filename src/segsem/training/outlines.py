"""`outlines.json`: what a model and the one before it made of held-out objects, to be looked at.

Loads no torch: the viewer reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segsem.contours.trace import Polyline, resample
from segsem.core.exceptions import InputError
from segsem.core.files import write_json

FILE = "outlines.json"
FORMAT, VERSION = "segsem-outlines", 1
STEP_PX = 2.0
"""Distance of points: these are to be looked at, not measured."""

DECIMALS = 2


@dataclass(frozen=True, slots=True)
class ObjectOutlines:
    """One object as it was found.

    Attributes
    ----------
    before, after : dict of str to tuple of Polyline
        By how it was asked for (`click`, `box`), in (row, column) px of the image.
    """

    before: Mapping[str, tuple[Polyline, ...]]
    after: Mapping[str, tuple[Polyline, ...]]


def write_outlines(folder: Path, images: Mapping[str, Sequence[ObjectOutlines]]) -> None:
    """Write `outlines.json` into a model's folder.

    Raises
    ------
    ExportError
        If the disk is full.
    """
    content = {
        image_id: [{"before": _plain(one.before), "after": _plain(one.after)} for one in objects]
        for image_id, objects in images.items()
    }
    write_json(folder / FILE, {"format": FORMAT, "version": VERSION, "images": content})


def read_outlines(folder: Path) -> dict[str, tuple[ObjectOutlines, ...]]:
    """Read them, by image id; none where the model has none.

    Raises
    ------
    InputError
        If the file is damaged or of a newer format.
    """
    path = folder / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if (content["format"], content["version"]) != (FORMAT, VERSION):
            msg = f"it is {content['format']} version {content['version']}"
            raise ValueError(msg)
        return {
            str(image_id): tuple(
                ObjectOutlines(_lines(one["before"]), _lines(one["after"])) for one in objects
            )
            for image_id, objects in content["images"].items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path} cannot be read ({error}): outlines before and after are not shown"
        raise InputError(msg) from error


def _plain(found: Mapping[str, tuple[Polyline, ...]]) -> dict[str, list[dict[str, Any]]]:
    return {kind: [_one(line) for line in lines] for kind, lines in found.items()}


def _one(line: Polyline) -> dict[str, Any]:
    points = resample(line, STEP_PX).vertices_rc
    return {"closed": line.closed, "rc": np.round(points, DECIMALS).tolist()}


def _lines(content: Mapping[str, Any]) -> dict[str, tuple[Polyline, ...]]:
    return {
        str(kind): tuple(
            Polyline(np.asarray(line["rc"], dtype=np.float64).reshape(-1, 2), bool(line["closed"]))
            for line in lines
        )
        for kind, lines in content.items()
    }
