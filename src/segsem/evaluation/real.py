"""Ask a model for objects of real images that have a reference.

Two references, neither of them made by a model: the Otsu masks that come with the silicon shapes
of `prefab_soi_ebl`, and outlines measured from line scans for `uuhy_resist`, kept as JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from skimage.draw import polygon2mask

from segsem.core.exceptions import InputError
from segsem.core.progress import Progress
from segsem.core.types import MaskArray
from segsem.evaluation.engine_session import Answer, EngineSession
from segsem.evaluation.protocol import Score, ask_for, depth_px
from segsem.imaging.image import SEMImage
from segsem.imaging.normalise import normalise
from segsem.imaging.read import read_image
from segsem.segmentation.predictor import Predictor
from segsem.segmentation.prompts import Prompts

SILICON_IMAGES = ("0.03_1", "0.03_2", "0.05_1", "0.07_1")
"""The four coarsest."""

SILICON_OBJECTS = 40
MIN_AREA_PX2 = 1000
MIN_DEPTH_PX = 8.0
"""What is smaller or thinner is a flake, not a shape."""

OPENING_PX, OPENING_SHARE = 9, 0.9
"""A piece that falls apart under an opening by a disc of this size is two shapes joined by a neck:
whether one click means one or both is open, so it is not asked for. One that loses more than a
tenth of its area is a fringe of the threshold."""

MATRIX_SHARE = 0.25
"""Pieces larger than this part of an image are told apart: they are what surrounds the shapes."""

_SEED = 770_077_002
_OUTLINES_VERSION = 1


@dataclass(frozen=True, slots=True)
class RealObject:
    """An object of a real image.

    Attributes
    ----------
    name, kind : str
        Where it is; `silicon`, `oxide`, `matrix`, `line`, `space` or `pillar`.
    mask : (h, W) bool
        In the first h rows of the image, which show the sample.
    """

    name: str
    kind: str
    mask: MaskArray


@dataclass(frozen=True, slots=True)
class RealScores:
    """The answers for one object.

    Attributes
    ----------
    image, name, kind : str
    area_px : int
    scores : dict of str to Score
        By kind of prompt.
    """

    image: str
    name: str
    kind: str
    area_px: int
    scores: dict[str, Score]


def score_real(
    predictor: Predictor, data: Path, outlines: Path | None = None
) -> Generator[Progress, None, list[RealScores]]:
    """Ask for 40 silicon shapes and gaps, and for all objects that have outlines.

    Parameters
    ----------
    predictor : Predictor
    data : Path
        Folder with `real_sem/prefab_soi_ebl` and `real_sem/uuhy_resist`.
    outlines : Path, optional
        Folder of outlines; without it only the silicon is asked for.

    Yields
    ------
    Progress
        After each image.

    Returns
    -------
    list of RealScores

    Raises
    ------
    InputError
        If an image or its reference is not there, or they do not belong together.
    """
    session = EngineSession(predictor)
    found: list[RealScores] = []
    for number, (image, objects) in enumerate(real_images(data, outlines), start=1):
        found += score_objects(session, image, objects)
        yield Progress(number, 0, image.name)
    return found


def score_objects(
    session: EngineSession, image: SEMImage, objects: list[RealObject]
) -> list[RealScores]:
    """Ask for objects of one image; what lies below their rows does not count."""
    session.show(np.ascontiguousarray(normalise(image)[: image.valid_rows[1]]))
    found = []
    for number, item in enumerate(objects):

        def ask(prompts: Prompts, rows: int = len(item.mask)) -> Answer:
            return Answer(session.ask(prompts).masks[:, :rows])

        scores = ask_for(ask, item.mask, np.random.default_rng([_SEED, number]))
        found.append(RealScores(image.name, item.name, item.kind, int(item.mask.sum()), scores))
    return found


def real_images(data: Path, outlines: Path | None) -> Iterator[tuple[SEMImage, list[RealObject]]]:
    """Every image with its objects."""
    folder = data / "real_sem" / "prefab_soi_ebl"
    stems = [f"random_lpass_{number}.png" for number in SILICON_IMAGES]
    references = [_read(folder / "otsu_reference" / stem).data > 127 for stem in stems]
    pieces = [pieces_of(reference) for reference in references]
    shares = shared_out(SILICON_OBJECTS, [len(found) for found in pieces])
    for stem, found, count in zip(stems, pieces, shares, strict=True):
        yield _read(folder / "SEM" / stem), spread_over_sizes(found, count)
    if outlines is not None:
        for file in sorted(outlines.glob("*.json")):
            yield outlined_objects(file, data / "real_sem" / "uuhy_resist")


def outlined_objects(file: Path, folder: Path) -> tuple[SEMImage, list[RealObject]]:
    """Read outlines and the image that they belong to.

    Raises
    ------
    InputError
        If the file is not of this format, or the image is not the one it was made from.
    """
    try:
        reference: Any = json.loads(file.read_text(encoding="utf-8"))
        version = reference["format_version"]
        if version != _OUTLINES_VERSION:
            msg = f"Expected version {_OUTLINES_VERSION} in {file}, but got {version}"
            raise InputError(msg)
        path, rows = folder / reference["image"], int(reference["valid_rows"])
        given = [(o["name"], o["kind"], np.array(o["outline_rc"])) for o in reference["objects"]]
        sha256 = reference["image_sha256"]
    except (ValueError, KeyError, TypeError) as error:
        msg = f"Expected outlines in {file}, but cannot read them: {error}"
        raise InputError(msg) from error
    image = _read(path)
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        msg = f"{path} is not the image that the outlines in {file} were made from."
        raise InputError(msg)
    shape = (rows, image.shape[1])
    return image, [
        RealObject(name, kind, np.asarray(polygon2mask(shape, points), dtype=bool))
        for name, kind, points in given
    ]


def shared_out(wanted: int, available: list[int]) -> list[int]:
    """Share a number out evenly; who has less gives all, and the others make up for it."""
    shares = [0] * len(available)
    left = wanted
    order = sorted(range(len(available)), key=lambda index: available[index])
    for place, index in enumerate(order):
        shares[index] = min(available[index], left // (len(order) - place))
        left -= shares[index]
    return shares


def spread_over_sizes(objects: list[RealObject], count: int) -> list[RealObject]:
    """Pick `count` objects at even ranks of area, the smallest and the largest among them."""
    ranked = sorted(objects, key=lambda item: (int(item.mask.sum()), item.name))
    chosen = np.round(np.linspace(0, len(ranked) - 1, count)).astype(int)
    return [ranked[index] for index in chosen]


def pieces_of(silicon: MaskArray) -> list[RealObject]:
    """Connected pieces of silicon (by edges) and of the oxide between them (by corners too)."""
    found = []
    for kind, part, connectivity in (("silicon", silicon, 4), ("oxide", ~silicon, 8)):
        count, labels = cv2.connectedComponents(part.astype(np.uint8), connectivity=connectivity)
        for label in range(1, count):
            mask = np.asarray(labels == label)
            area = int(mask.sum())
            if area < MIN_AREA_PX2 or depth_px(mask).max() < MIN_DEPTH_PX or not _is_one(mask):
                continue
            rows, cols = np.nonzero(mask)
            name = f"{kind} {area} px at ({rows.mean():.0f}, {cols.mean():.0f})"
            large = area > MATRIX_SHARE * mask.size
            found.append(RealObject(name, "matrix" if large else kind, mask))
    return found


def _is_one(mask: MaskArray) -> bool:
    """Whether an opening leaves a piece in one, and most of it."""
    opened = _opened(mask)
    _, _, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    cores = int(np.count_nonzero(stats[1:, cv2.CC_STAT_AREA] >= MIN_AREA_PX2 // 2))
    return cores == 1 and bool(opened.sum() >= OPENING_SHARE * mask.sum())


def _opened(mask: MaskArray) -> npt.NDArray[np.uint8]:
    """Opening by a disc that has to lie in the image."""
    padded = np.pad(mask.astype(np.uint8), OPENING_PX)
    opened = cv2.morphologyEx(padded, cv2.MORPH_OPEN, _disc())
    return np.asarray(opened[OPENING_PX:-OPENING_PX, OPENING_PX:-OPENING_PX], dtype=np.uint8)


def _disc() -> npt.NDArray[np.uint8]:
    size = (OPENING_PX, OPENING_PX)
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, size), dtype=np.uint8)


def _read(path: Path) -> SEMImage:
    if not path.is_file():
        msg = f"Expected an image at {path}, but there is none."
        raise InputError(msg)
    return read_image(path)
