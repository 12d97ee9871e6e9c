"""Means over objects with intervals over images, by whatever the objects are grouped by."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segsem.core.types import FloatArray
from segsem.evaluation.heldout import ObjectScores
from segsem.evaluation.protocol import Score

BOOTSTRAP_DRAWS = 2000
_SEED = 20_240_101
GOOD_IOU = 0.85
"""Above it an object counts as found."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over objects.

    Attributes
    ----------
    value : float
    low, high : float
        95 % interval by bootstrap over images: objects of one image are alike.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"


@dataclass(frozen=True, slots=True)
class Summary:
    """Scores of one kind of prompt over a group of objects.

    Attributes
    ----------
    group, kind : str
    objects, images : int
    iou, best_iou, boundary_f1 : Mean
        Of the first mask, of the best of the three, of the first mask.
    over_85 : float
        Share of first masks with an IoU above 0.85.
    """

    group: str
    kind: str
    objects: int
    images: int
    iou: Mean
    best_iou: Mean
    boundary_f1: Mean
    over_85: float


def summarise(group: str, kind: str, found: Sequence[ObjectScores]) -> Summary:
    """Summarise one kind of prompt over objects."""
    keys = [(item.set_name, item.image) for item in found]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    image = np.array([numbers[key] for key in keys], dtype=np.intp)

    def mean(value: Callable[[Score], float]) -> Mean:
        values = np.array([value(item.scores[kind]) for item in found], dtype=np.float64)
        return bootstrap_mean(values, image)

    good = [item.scores[kind].iou > GOOD_IOU for item in found]
    return Summary(
        group,
        kind,
        len(found),
        len(numbers),
        mean(lambda score: score.iou),
        mean(lambda score: score.best_iou),
        mean(lambda score: score.boundary_f1),
        float(np.mean(good)),
    )


def bootstrap_mean(values: FloatArray, cluster: npt.NDArray[np.intp]) -> Mean:
    """Mean of values (N,) with a 95 % percentile interval, whole clusters drawn with replacement.

    Parameters
    ----------
    values : (N,) float64
    cluster : (N,) int
        Number of the image that each value comes from, 0, 1, 2, ...

    References
    ----------
    B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993.
    """
    count = int(cluster.max()) + 1
    sums = np.bincount(cluster, values, count)
    sizes = np.bincount(cluster, minlength=count)
    rng = np.random.default_rng([_SEED, count, len(values)])
    drawn = rng.multinomial(count, np.full(count, 1 / count), BOOTSTRAP_DRAWS)
    means = (drawn @ sums) / (drawn @ sizes)
    low, high = np.percentile(means, [2.5, 97.5])
    return Mean(float(values.mean()), float(low), float(high))


def grouped(
    found: Iterable[ObjectScores], key: Callable[[ObjectScores], str | None]
) -> dict[str, list[ObjectScores]]:
    """Objects by a key, in the order of first appearance; None leaves an object out."""
    groups: dict[str, list[ObjectScores]] = {}
    for item in found:
        name = key(item)
        if name is not None:
            groups.setdefault(name, []).append(item)
    return groups


def band(value: float, limits: Sequence[float], unit: str) -> str:
    """Name of the band of a value: below the first limit, between two, or from the last on."""
    if value < limits[0]:
        return f"< {limits[0]:g}{unit}"
    for low, high in itertools.pairwise(limits):
        if value < high:
            return f"{low:g}-{high:g}{unit}"
    return f">= {limits[-1]:g}{unit}"
