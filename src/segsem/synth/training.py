"""Random labelled crops, quick enough to be drawn anew for every training step."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from segsem.core.exceptions import UsageError
from segsem.synth.training_look import RIMS_ALONE, random_look
from segsem.synth.training_shapes import MARGIN_PX, Field, random_distance

_MIN_SIDE_PX = 32
_MIN_AREA_PX = 12
_TRIES = 8
_DATA_BAR_SHARE = 0.03


def _without_specks(distance: Field) -> Field:
    """Push what is too small to be a feature below the edge, so that it is not drawn either."""
    inside = (distance > 0).astype(np.uint8)
    _, parts, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=4)
    speck = stats[:, cv2.CC_STAT_AREA] < _MIN_AREA_PX
    speck[0] = False
    cleaned: Field = np.where(speck[parts], -np.abs(distance) - np.float32(0.5), distance)
    return cleaned


def _features(inside: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Label the 4-connected features 1..N; slivers that the border leaves are dropped."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8), connectivity=4)
    kept = stats[:, cv2.CC_STAT_AREA] >= _MIN_AREA_PX
    kept[0] = False
    renumbered = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    labels: NDArray[np.int32] = renumbered[parts]
    return labels


def _pattern(rng: np.random.Generator, size_px: int) -> Field:
    """Draw a signed distance whose crop holds both feature and background."""
    side = size_px + 2 * MARGIN_PX
    cut = slice(MARGIN_PX, -MARGIN_PX)
    for _ in range(_TRIES):
        distance = _without_specks(random_distance(rng, side))
        if 0.04 < np.mean(distance[cut, cut] > 0) < 0.94:
            return distance
    axis = np.arange(side, dtype=np.float32) - np.float32(side / 2)
    radius: Field = np.hypot(axis[:, None], axis[None, :])
    return np.float32(size_px / 4) - radius


def _data_bar(rng: np.random.Generator, image: NDArray[np.uint8]) -> int:
    """Write what is left of a data bar over the bottom rows, in place; return its first row."""
    size = int(image.shape[0])
    first: int = size - int(rng.uniform(0.04, 0.15) * size) - 1
    dark = rng.random() < 0.8
    image[first:] = 0 if dark else 255
    text = "".join(rng.choice(list("0123456789 kVnmxSEWD.="), 40))
    where = (int(rng.integers(-40, 10)), size - 3)
    cv2.putText(image, text, where, cv2.FONT_HERSHEY_SIMPLEX, 0.4, 255 if dark else 0, 1)
    return first


def random_crop(
    rng: np.random.Generator, size_px: int, rims: float = RIMS_ALONE
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Draw one random SEM crop and the instances in it.

    Lines and spaces, rectilinear metal, contact and pillar arrays, free-form shapes, wandering
    bands and unlike polygons, from 5 to 120 px wide, as bright features, as dark trenches or
    holes in bright material, or by their rims alone. Made for training: varied rather than
    metrologically exact.

    Parameters
    ----------
    rng : numpy.random.Generator
        The only source of chance: the same state gives the same crop.
    size_px : int
        Side S of the square crop in px, 32 or more.
    rims : float
        Chance that the crop shows rims alone.

    Returns
    -------
    image : (S, S) uint8 array
        Grey values; debris and a data bar may be in it and are never labelled.
    labels : (S, S) int32 array
        0 for the background, 1..N for the 4-connected features, which the border may cut.

    Raises
    ------
    UsageError
        If the crop is to be smaller than 32 px.
    """
    if size_px < _MIN_SIDE_PX:
        raise UsageError(
            f"a training crop has at least {_MIN_SIDE_PX} px a side, got {size_px}: ask for more"
        )
    distance = _pattern(rng, size_px)
    image = random_look(rng, distance, MARGIN_PX, rims)
    inside = distance[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX] > 0
    if rng.random() < _DATA_BAR_SHARE:
        inside[_data_bar(rng, image) :] = False
    return image, _features(inside)
