"""A folder of images with exact truth, as `segsem synth` writes it, read for evaluation."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from segsem.core.exceptions import InputError
from segsem.core.types import LabelArray
from segsem.export.labels import read_labels
from segsem.imaging.manifest import ManifestRow, read_manifest
from segsem.metrics.polyline import Polyline

MANIFEST = "manifest.csv"
IMAGE_SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp")
_COLUMNS = ("contour_id", "x_px", "y_px", "region_id", "is_hole", "closed")


@dataclass(frozen=True, slots=True)
class TruthImage:
    """One image of a set, and where its truth lies.

    Attributes
    ----------
    image_id : str
        The image's stem.
    path, truth : Path
        The image; the folder with `contours.csv` and `labels.tif`.
    groups : dict
        What the manifest says besides: `tone`, `family`, `edge_snr`, `blur_px` and the like.
    """

    image_id: str
    path: Path
    truth: Path
    groups: Mapping[str, str] = field(default_factory=dict)

    def number(self, name: str) -> float:
        """Return a number of the manifest; NaN where it says none."""
        try:
            return float(self.groups.get(name, ""))
        except ValueError:
            return math.nan


@dataclass(frozen=True, slots=True)
class Truth:
    """The exact truth of one image.

    Attributes
    ----------
    contours : list of Polyline
        All of them, those near the border too.
    region : (C,) int array
        Region that each of them bounds.
    labels : (H, W) int32
        Regions at pixel centres, 0 background.
    settings : dict
        What the image was made with; empty where it is not told.
    """

    contours: list[Polyline]
    region: np.ndarray[Any, np.dtype[np.int64]]
    labels: LabelArray
    settings: dict[str, Any]


def read_truth_set(folder: Path | str) -> list[TruthImage]:
    """List the images of a set that have truth.

    Parameters
    ----------
    folder : path
        With `manifest.csv` (columns `image` and, optionally, `truth` and whatever images are to
        be grouped by), or with `images/` and `truth/<image's stem>/`.

    Returns
    -------
    list of TruthImage
        In the manifest's order, or by name.

    Raises
    ------
    InputError
        If there is no such folder, no image in it, or an image without truth.
    """
    root = Path(folder)
    if not root.is_dir():
        msg = f"Expected a folder of images with truth, but {root} is not a folder"
        raise InputError(msg)
    if (root / MANIFEST).is_file():
        rows = read_manifest(root / MANIFEST).rows
        found = [_of_row(root, row) for row in rows]
    else:
        files = sorted((root / "images").glob("*"))
        paths = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
        if not paths:
            msg = (
                f"Expected {MANIFEST}, or images/ and truth/, in {root}, but found none: "
                "give a folder as `segsem synth` writes it"
            )
            raise InputError(msg)
        found = [TruthImage(path.stem, path, root / "truth" / path.stem) for path in paths]
    _check(root, found)
    return found


def read_truth(image: TruthImage) -> Truth:
    """Read the truth of one image.

    Raises
    ------
    InputError
        If a file is missing or damaged.
    """
    contours, region = _contours(image.truth / "contours.csv")
    labels = read_labels(image.truth / "labels.tif")
    settings_path = image.truth / "settings.json"
    settings: dict[str, Any] = {}
    if settings_path.is_file():
        try:
            content = json.loads(settings_path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            msg = f"Expected JSON in {settings_path}, but it cannot be read: make the set again"
            raise InputError(msg) from error
        settings = content if isinstance(content, dict) else {}
    return Truth(contours, np.array(region, dtype=np.int64), labels, settings)


def _of_row(root: Path, row: ManifestRow) -> TruthImage:
    truth = row.groups.get("truth") or f"truth/{row.path.stem}"
    tone = {} if row.tone is None else {"tone": row.tone.value}
    return TruthImage(row.path.stem, row.path, root / truth, {**row.groups, **tone})


def _check(root: Path, found: list[TruthImage]) -> None:
    without = [image for image in found if not (image.truth / "contours.csv").is_file()]
    if without:
        msg = (
            f"Expected exact truth (contours.csv) in {without[0].truth}, but found none "
            f"({len(without)} of {len(found)} images in {root} have no truth)"
        )
        raise InputError(msg)
    gone = next((image.path for image in found if not image.path.is_file()), None)
    if gone is not None:
        msg = f"Expected the image {gone} that the set in {root} names, but there is none"
        raise InputError(msg)
    ids = [image.image_id for image in found]
    twice = next((name for name in ids if ids.count(name) > 1), None)
    if twice is not None:
        msg = f"Expected images of different names in {root}, but got {twice} more than once"
        raise InputError(msg)


def _contours(path: Path) -> tuple[list[Polyline], list[int]]:
    points: dict[str, list[tuple[float, float]]] = {}
    told: dict[str, tuple[int, bool]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                key = row["contour_id"]
                points.setdefault(key, []).append((float(row["y_px"]), float(row["x_px"])))
                told[key] = (int(row["region_id"]), row["closed"] == "1")
        kept = [key for key, vertices in points.items() if len(vertices) > 1]
        contours = [Polyline(np.array(points[key]), told[key][1]) for key in kept]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        msg = f"Expected a table with {', '.join(_COLUMNS)} in {path}, but it cannot be read so"
        raise InputError(msg) from error
    return contours, [told[key][0] for key in kept]
