"""Ask a model for the objects of the held-out sets."""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from segsem.core.progress import Progress
from segsem.core.types import MaskArray
from segsem.evaluation.engine_session import EngineSession
from segsem.evaluation.protocol import ORACLE, Score, ask_for, depth_px, oracle
from segsem.imaging.image import SEMImage
from segsem.imaging.normalise import normalise
from segsem.segmentation.predictor import Predictor
from segsem.synth.heldout import HELDOUT_SEED, HeldoutImage, HeldoutSet, draw_heldout

FULL_OBJECTS = 200
QUICK_OBJECTS = 6
"""Objects of each set at least: of the full measurement, and of the quick one."""

_AHEAD = 3

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ObjectScores:
    """One object and the answers for it.

    Attributes
    ----------
    set_name, group, family, tone, physics : str
        See `HeldoutImage`.
    image, label : int
        Numbers of the image in its set, and of the object in the image.
    edge_snr : float
    area_px : int
    width_px : float
        Twice the greatest depth.
    extent_px : int
        Longer side of its box.
    box_share : float
        Part of its box that it fills.
    cut : bool
        Whether the image's border cuts it.
    scores : dict of str to Score
        By kind of prompt, and of the truth at stride 4.
    """

    set_name: str
    group: str
    family: str
    tone: str
    physics: str
    image: int
    label: int
    edge_snr: float
    area_px: int
    width_px: float
    extent_px: int
    box_share: float
    cut: bool
    scores: dict[str, Score]


def score_heldout(
    predictor: Predictor, sets: Sequence[HeldoutSet], objects: int = FULL_OBJECTS
) -> Generator[Progress, None, list[ObjectScores]]:
    """Ask for at least `objects` objects of each set, in its first images.

    Parameters
    ----------
    predictor : Predictor
    sets : sequence of HeldoutSet
    objects : int
        The set ends with the image that reaches this number.

    Yields
    ------
    Progress
        After each image.

    Returns
    -------
    list of ObjectScores
    """
    session = EngineSession(predictor)
    found: list[ObjectScores] = []
    done: Counter[str] = Counter()
    for number, made in _ahead(_planned(sets, objects)):
        scores = score_image(session, made)
        found += scores
        done[made.set_name] += len(scores)
        share = min(done[made.set_name] / objects, 1.0)
        yield Progress(round(100 * (number + share)), 100 * len(sets), made.set_name)
    return found


def score_image(session: EngineSession, made: HeldoutImage) -> list[ObjectScores]:
    """Ask for the objects of one image."""
    session.show(normalise(SEMImage(made.image, made.set_name)))
    found = []
    for label, mask in made.objects():
        rng = np.random.default_rng([HELDOUT_SEED, made.index, label])
        scores = ask_for(session.ask, mask, rng) | {ORACLE: oracle(mask)}
        found.append(_described(made, label, mask, scores))
    return found


def _described(
    made: HeldoutImage, label: int, mask: MaskArray, scores: dict[str, Score]
) -> ObjectScores:
    rows, cols = np.nonzero(mask)
    height, width = int(np.ptp(rows)) + 1, int(np.ptp(cols)) + 1
    sides = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
    return ObjectScores(
        set_name=made.set_name,
        group=made.group.value,
        family=made.family,
        tone=made.tone,
        physics=made.physics,
        image=made.index,
        label=label,
        edge_snr=round(made.edge_snr, 2),
        area_px=len(rows),
        width_px=round(2 * float(depth_px(mask).max()), 1),
        extent_px=max(height, width),
        box_share=round(len(rows) / (height * width), 3),
        cut=any(bool(side.any()) for side in sides),
        scores=scores,
    )


def _planned(sets: Sequence[HeldoutSet], objects: int) -> Iterator[tuple[int, HeldoutImage]]:
    """Number of the set, and its images 0, 1, 2, ... until they hold enough objects."""
    for number, chosen in enumerate(sets):
        held = 0
        for index in itertools.count():
            made = draw_heldout(chosen, index)
            held += sum(1 for _ in made.objects())
            yield number, made
            if held >= objects:
                break


def _ahead(images: Iterator[T]) -> Iterator[T]:
    """Draw a few ahead of their use in another thread: drawing and asking take as long."""
    with ThreadPoolExecutor(1) as pool:
        waiting = deque(pool.submit(next, images, None) for _ in range(_AHEAD))
        while (made := waiting.popleft().result()) is not None:
            waiting.append(pool.submit(next, images, None))
            yield made
