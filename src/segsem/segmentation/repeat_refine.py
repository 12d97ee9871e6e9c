"""Instances of an object, refined by the model: each is asked for by its box and its mask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from segsem.core.mask_patch import MaskPatch
from segsem.segmentation.many import answer_many
from segsem.segmentation.predictor import Predictor
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.questions import ObjectAnswer, Question
from segsem.segmentation.repeat import Instance, Repeats
from segsem.segmentation.window_asker import Encode

LEAST_AGREEMENT = 0.75
"""IoU with the object's moved mask below which the model's answer is something else."""

LEAST_SHOWN = 0.5
"""Score below which nothing is offered, however low the threshold is set."""

FEW_MORE = 20
"""Places below the threshold that are offered too, or as many as lie above it."""


def offered(repeats: Repeats) -> list[Instance]:
    """Instances to be refined: all of the object's kind, then some that are less alike."""
    own = [each for each in repeats.instances if each.score >= repeats.threshold]
    rest = [each for each in repeats.instances if LEAST_SHOWN <= each.score < repeats.threshold]
    return own + rest[: max(FEW_MORE, len(own))]


def refine_many(
    predictor: Predictor, encode: Encode, instances: Sequence[Instance], shape: tuple[int, int]
) -> Iterator[list[ObjectAnswer]]:
    """Refine instances; where the model sees something else, the object's moved mask stands.

    Parameters
    ----------
    predictor : Predictor
    encode : callable
        Gives the embedding of a window of the image.
    instances : sequence of Instance
    shape : (int, int)
        (H, W) of the image in px.

    Yields
    ------
    list of ObjectAnswer
        With one mask each, as they come; `index` counts the instances.
    """
    questions = [Question(Prompts(box_rc=each.mask.box_rc), each.mask) for each in instances]
    for part in answer_many(predictor, encode, questions, shape):
        yield [_judged(answer, instances[answer.index]) for answer in part]


def agreement(one: MaskPatch, other: MaskPatch) -> float:
    """IoU of two masks; 0 where both are empty."""
    row0 = min(one.offset_rc[0], other.offset_rc[0])
    col0 = min(one.offset_rc[1], other.offset_rc[1])
    row1 = max(patch.offset_rc[0] + patch.shape[0] for patch in (one, other))
    col1 = max(patch.offset_rc[1] + patch.shape[1] for patch in (one, other))
    first, second = (p.within(row0, col0, (row1 - row0, col1 - col0)) for p in (one, other))
    either = int(np.count_nonzero(first | second))
    return int(np.count_nonzero(first & second)) / either if either else 0.0


def _judged(answer: ObjectAnswer, instance: Instance) -> ObjectAnswer:
    for mask, score in zip(answer.masks, answer.iou_pred, strict=True):
        if agreement(mask, instance.mask) >= LEAST_AGREEMENT:
            return ObjectAnswer(
                answer.index, (mask,), (score,), answer.complete, match=instance.score
            )
    return ObjectAnswer(
        answer.index, (instance.mask,), (0.0,), match=instance.score, from_template=True
    )
