"""Images that the GUI is measured on, and where in them a person would click."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile
from scipy import ndimage as ndi

from napari_segsem._heartbeat import DATA_SEED, PAD_PX, PITCH_PX, pads
from segsem.core.types import LabelArray
from segsem.imaging.normalise import normalise
from segsem.imaging.read import read_image

SHAPE = (1248, 1692)
LARGE_SHAPE = (4096, 4096)
HOLES, HOLE_PITCH_PX, HOLE_RADIUS_PX = 100, 110, 24
SMALLEST_PX2, DEEP_PX = 60, 3.0

Grey = npt.NDArray[np.uint8]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Place:
    """An object that a person may click on.

    Attributes
    ----------
    at_rc : (float, float)
        Well inside it.
    box_rc : (r0, c0, r1, c1)
        Around it, with a little room.
    """

    at_rc: Point
    box_rc: tuple[float, float, float, float]


def write_pair(folder: Path, image: Path | None) -> list[Path]:
    """Write two images that are turned between: of pads, or a user's and its mirror image."""
    if image is None:
        greys = [pads(SHAPE, DATA_SEED + number) for number in range(2)]
    else:
        read = read_image(image)
        grey = normalise(read)[: read.valid_rows[1]]
        greys = [grey, np.ascontiguousarray(grey[::-1])]
    return [_written(folder / f"view_{number}.tif", grey) for number, grey in enumerate(greys)]


def write_holes(folder: Path) -> tuple[Path, LabelArray]:
    """Write an array of contact holes; returns its file and its truth."""
    grey, truth = holes()
    return _written(folder / "holes.tif", grey), truth


def write_large(folder: Path) -> Path:
    """Write an image of thousands of pads."""
    return _written(folder / "large.tif", pads(LARGE_SHAPE, DATA_SEED))


def holes() -> tuple[Grey, LabelArray]:
    """(H, W) image of dark holes with bright rims, and (H, W) int32 with their numbers from 1."""
    across = round(HOLES**0.5)
    rows, cols = np.indices(SHAPE, sparse=True)
    row, col = rows // HOLE_PITCH_PX, (cols - HOLE_PITCH_PX) // HOLE_PITCH_PX
    middle = (HOLE_PITCH_PX - 1) / 2
    radius = np.hypot(rows % HOLE_PITCH_PX - middle, cols % HOLE_PITCH_PX - middle)
    there = (row < across) & (col >= 0) & (col < across)
    truth = np.where(there & (radius < HOLE_RADIUS_PX), row * across + col + 1, 0)
    rim = 70 * np.exp(-(((radius - HOLE_RADIUS_PX - 2) / 2.5) ** 2))
    grey = np.where(truth > 0, 45.0, 120.0 + np.where(there, rim, 0.0))
    grey = ndi.gaussian_filter(grey, 1.0) + np.random.default_rng(DATA_SEED).normal(0, 8, SHAPE)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8), truth.astype(np.int32)


def places_in(grey: Grey) -> list[Place]:
    """Bright parts of an image that do not touch its border; dark ones where there are few."""
    smooth = ndi.gaussian_filter(grey.astype(np.float32), 1.5)
    middle = (np.percentile(smooth, 5) + np.percentile(smooth, 95)) / 2
    bright, dark = _parts(smooth > middle), _parts(smooth <= middle)
    return bright if len(bright) >= len(dark) else dark


def pad_corners(count: int) -> list[tuple[int, int]]:
    """Upper left corners of the first pads of `write_large`."""
    across = LARGE_SHAPE[1] // PITCH_PX
    # Evenly over the image: some are left to be clicked on everywhere.
    numbers = np.linspace(0, across * across - 1, count).astype(int)
    return [(int(n // across) * PITCH_PX, int(n % across) * PITCH_PX) for n in numbers]


def free_pads(taken: list[tuple[int, int]]) -> list[Point]:
    """Centres of the pads that are not among `taken`."""
    known = set(taken)
    steps = range(0, LARGE_SHAPE[0], PITCH_PX)
    half = PAD_PX / 2
    return [(row + half, col + half) for row in steps for col in steps if (row, col) not in known]


def _parts(mask: npt.NDArray[np.bool_]) -> list[Place]:
    labels, _ = ndi.label(mask)
    found = []
    for number, part in enumerate(ndi.find_objects(labels), start=1):
        here = np.pad(labels[part] == number, 1)
        ends = ((part[0].start, part[0].stop, 0), (part[1].start, part[1].stop, 1))
        cut = any(start == 0 or stop == labels.shape[axis] for start, stop, axis in ends)
        if cut or here.sum() < SMALLEST_PX2:
            continue
        depth = ndi.distance_transform_edt(here)
        if depth.max() < DEEP_PX:
            continue
        row, col = np.unravel_index(int(depth.argmax()), depth.shape)
        at = (float(row) + part[0].start - 1, float(col) + part[1].start - 1)
        box = (part[0].start - 3, part[1].start - 3, part[0].stop + 2, part[1].stop + 2)
        found.append(Place(at, (float(box[0]), float(box[1]), float(box[2]), float(box[3]))))
    return found


def _written(path: Path, grey: Grey) -> Path:
    tifffile.imwrite(path, grey)
    return path
