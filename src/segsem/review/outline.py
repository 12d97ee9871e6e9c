"""Outlines of regions, simplified: for thumbnails, and to know a region again.

Contours of an image are large; what a reviewer looked at is kept beside the decisions in a
hundredth of the space, so that results which are made anew can be compared with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from segsem.core.contour import Contour, Region
from segsem.core.exceptions import InputError
from segsem.core.files import write_text
from segsem.core.types import PointsRC

FORMAT = "segsem-outlines"
FORMAT_VERSION = 1
SIMPLIFIED_BY_PX = 0.1
_UNITS_PER_PX = 20


@dataclass(frozen=True, slots=True)
class OutlineLine:
    """One contour: (K, 2) points (row, column) in px, the first not repeated where closed."""

    points_rc: PointsRC
    closed: bool
    is_hole: bool


Outline = tuple[OutlineLine, ...]
"""All contours of one region."""


def outline_of(contours: Sequence[Contour]) -> Outline:
    """Simplify the contours of a region: no vertex lies further than 0.15 px from the outline."""
    return tuple(_simplified(contour) for contour in contours if len(contour) >= 2)


def outlines_of(regions: Sequence[Region]) -> dict[int, Outline]:
    """Simplify the contours of all regions of an image."""
    return {region.region_id: outline_of(region.contours) for region in regions}


def outline_distance_px(one: Outline, other: Outline) -> float:
    """Say how far two outlines are apart at most (Hausdorff); infinite where only one has lines."""
    first, second = _geometry(one), _geometry(other)
    if first.is_empty or second.is_empty:
        return 0.0 if first.is_empty and second.is_empty else float("inf")
    return float(shapely.hausdorff_distance(first, second))


def outline_bounds(outline: Outline) -> tuple[float, float, float, float]:
    """Give (r0, c0, r1, c1) in px; NaN for an outline without lines."""
    if not outline:
        return (float("nan"),) * 4
    points = np.concatenate([line.points_rc for line in outline])
    low, high = points.min(axis=0), points.max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def write_outlines(path: Path, outlines: Mapping[int, Outline], image_sha256: str) -> None:
    """Write the outlines of one image's results.

    Raises
    ------
    ExportError
        If the file cannot be written.
    """
    content = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "image_sha256": image_sha256,
        "unit": f"1/{_UNITS_PER_PX} px, row and column in turn, each as the step from the last",
        "regions": {
            str(region_id): [_line_to_json(line) for line in outline]
            for region_id, outline in outlines.items()
        },
    }
    write_text(path, json.dumps(content, separators=(",", ":")) + "\n")


def read_outlines(path: Path) -> tuple[dict[int, Outline], str]:
    """Read the outlines of one image's results, and the hash of the image.

    Raises
    ------
    InputError
        If the file is missing, damaged or of another format.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT or content["version"] != FORMAT_VERSION:
            msg = f"format {content['format']!r}, version {content['version']!r}"
            raise ValueError(msg)
        found = {
            int(region_id): tuple(_line_from_json(line) for line in lines)
            for region_id, lines in content["regions"].items()
        }
        return found, str(content["image_sha256"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        msg = f"Expected the outlines of reviewed regions in {path}, but they cannot be read: "
        raise InputError(f"{msg}{error}") from error


def _simplified(contour: Contour) -> OutlineLine:
    points = np.asarray(contour.vertices_rc, dtype=np.float64)
    ring = np.vstack([points, points[:1]]) if contour.closed else points
    kept = shapely.get_coordinates(
        shapely.simplify(shapely.linestrings(ring), SIMPLIFIED_BY_PX, preserve_topology=False)
    )
    if contour.closed:
        # A speck of an outline may have nothing left.
        kept = kept[:-1] if len(kept) > 3 else points
    rounded = np.rint(kept * _UNITS_PER_PX) / _UNITS_PER_PX
    return OutlineLine(rounded, contour.closed, contour.is_hole)


def _geometry(outline: Outline) -> Any:
    lines = [
        shapely.linestrings(
            np.vstack([line.points_rc, line.points_rc[:1]]) if line.closed else line.points_rc
        )
        for line in outline
        if len(line.points_rc) >= 2
    ]
    return shapely.multilinestrings(lines)


def _line_to_json(line: OutlineLine) -> list[Any]:
    units = np.rint(line.points_rc * _UNITS_PER_PX).astype(np.int64)
    steps = np.diff(units, axis=0, prepend=np.zeros((1, 2), dtype=np.int64))
    return [int(line.closed), int(line.is_hole), steps.ravel().tolist()]


def _line_from_json(value: Any) -> OutlineLine:
    closed, is_hole, steps = value
    units = np.cumsum(np.array(steps, dtype=np.int64).reshape(-1, 2), axis=0)
    return OutlineLine(units / _UNITS_PER_PX, bool(closed), bool(is_hole))
