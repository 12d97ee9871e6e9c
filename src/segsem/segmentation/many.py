"""Many prompts on one image: windows are shared, and what a window holds is decoded in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from segsem.core.mask_patch import MaskPatch
from segsem.core.types import FloatImage, MaskArray
from segsem.segmentation import native
from segsem.segmentation.large_object import NativeAnswer
from segsem.segmentation.predictor import MASK_THRESHOLD, ImageEmbedding, MaskPrediction, Predictor
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.questions import ObjectAnswer, Question
from segsem.segmentation.window import Window, tiles
from segsem.segmentation.window_asker import Encode, WindowAsker, cells_of, mask_of_window

HALO_FRACTION = 1 / 4
"""Windows overlap by twice this part of a frame, so that most objects lie well inside one."""

MARGIN_FRACTION = 1 / 16
"""An object nearer than this part of a frame to an open side of its window gets one of its own."""

BROAD = 1 / 2
"""A box is broad from this part of a frame on."""

CHUNK = 16
"""Objects decoded in one pass: what is known is told after each, and a cancel is heeded."""


def answer_many(
    predictor: Predictor, encode: Encode, questions: Sequence[Question], shape: tuple[int, int]
) -> Iterator[list[ObjectAnswer]]:
    """Answer questions window by window; each window is encoded once.

    Whoever wants to stop lets `encode` or the predictor raise.

    Parameters
    ----------
    predictor : Predictor
    encode : callable
        Gives the embedding of a window of the image.
    questions : sequence of Question
    shape : (int, int)
        (H, W) of the image (without the data bar) in px.

    Yields
    ------
    list of ObjectAnswer
        As they come; each question is answered once.
    """
    for window, indices in shared_windows(questions, shape, predictor.frame_px).items():
        alone = [i for i in indices if not _is_decoded_at_once(questions[i], window, predictor)]
        together = [i for i in indices if i not in set(alone)]
        for start in range(0, len(together), CHUNK):
            chunk = together[start : start + CHUNK]
            embedding = encode(window)
            predictions = predictor.decode_batch(
                embedding, _prompts_of(predictor, embedding, window, [questions[i] for i in chunk])
            )
            found = []
            for index, prediction in zip(chunk, predictions, strict=True):
                asker = WindowAsker(predictor, encode, shape, native.MAX_WINDOWS, 1)
                asker.cells = cells_of(prediction)
                found.append(_followed(index, questions[index], asker, window, prediction))
            yield found
        for index in alone:
            question = questions[index]
            whole = native.answer(
                predictor, encode, question.prompts, shape, window, known=question.known
            )
            yield [_of_native(index, whole)]


def shared_windows(
    questions: Sequence[Question], shape: tuple[int, int], frame_px: int
) -> dict[Window, list[int]]:
    """Choose a window for each question, few in all.

    A question's window depends on nothing but itself: whatever else is asked for, and in whatever
    order, its answer is the same.

    Parameters
    ----------
    questions : sequence of Question
    shape : (int, int)
        (H, W) of the image in px.
    frame_px : int
        Side of the model's frame.

    Returns
    -------
    dict of Window to list of int
        Indices of the questions that are answered in each window, from top to bottom.
    """
    covering = [window for window, _ in tiles(shape, frame_px, int(frame_px * HALO_FRACTION))]
    chosen: dict[Window, list[int]] = {}
    for index, question in enumerate(questions):
        prompts = question.prompts
        best = max(covering, key=lambda window: _room(window, prompts, shape))
        if _room(best, prompts, shape) < frame_px * MARGIN_FRACTION:
            best = native.first_window(prompts, shape, frame_px)
        chosen.setdefault(best, []).append(index)
    return dict(sorted(chosen.items(), key=lambda item: (item[0].row0, item[0].col0)))


def _room(window: Window, prompts: Prompts, shape: tuple[int, int]) -> float:
    """Least distance of prompts from the sides of a window that are not the image's own."""
    points = list(prompts.points_rc)
    if prompts.box_rc is not None:
        points += [prompts.box_rc[:2], prompts.box_rc[2:]]
    rows, cols = [point[0] for point in points], [point[1] for point in points]
    far = float(sum(shape))
    return min(
        min(rows) - window.row0 if window.row0 > 0 else far,
        min(cols) - window.col0 if window.col0 > 0 else far,
        window.row1 - 1 - max(rows) if window.row1 < shape[0] else far,
        window.col1 - 1 - max(cols) if window.col1 < shape[1] else far,
    )


def _is_decoded_at_once(question: Question, window: Window, predictor: Predictor) -> bool:
    """Whether decoding the window once answers it.

    A broad box may hold parts of neighbours: which part it means is looked for (`native`), one
    box at a time. In small ones there is little else than the object, and speed counts.
    """
    box = question.prompts.box_rc
    points = len(question.prompts.points_rc)
    one_turn = points == 0 if box is not None else points == 1
    if box is not None and max(box[2] - box[0], box[3] - box[1]) > predictor.frame_px * BROAD:
        one_turn = one_turn and question.known is not None
    return one_turn and max(window.shape) <= predictor.frame_px


def _prompts_of(
    predictor: Predictor, embedding: ImageEmbedding, window: Window, questions: Sequence[Question]
) -> list[Prompts]:
    asked = [window.to_window(question.prompts) for question in questions]
    if all(question.known is None for question in questions):
        return asked
    cells = embedding.cells or cells_of(predictor.decode(embedding, asked[0]))
    return [
        prompts
        if question.known is None
        else replace(prompts, mask_input=mask_of_window(question.known, window, embedding, cells))
        for prompts, question in zip(asked, questions, strict=True)
    ]


def _followed(
    index: int, question: Question, asker: WindowAsker, window: Window, prediction: MaskPrediction
) -> ObjectAnswer:
    if question.prompts.box_rc is None:
        *_, whole = native.going_on(asker, question.prompts, window, prediction)
        return _of_native(index, whole)
    masks = []
    for rank in range(len(prediction)):
        # Only the part that holds the mask is brought to the image's resolution.
        (row, col), logits = prediction.around(rank)
        offset = (window.row0 + row, window.col0 + col)
        masks.append(MaskPatch.of(_positive(logits), offset))
    return ObjectAnswer(index, tuple(masks), _scores(prediction.iou_pred))


def _of_native(index: int, answer: NativeAnswer) -> ObjectAnswer:
    masks = tuple(MaskPatch.of(_positive(logits), answer.offset_rc) for logits in answer.logits)
    return ObjectAnswer(index, masks, _scores(answer.iou_pred), answer.complete)


def _positive(logits: FloatImage) -> MaskArray:
    return np.asarray(logits > MASK_THRESHOLD)


def _scores(values: npt.NDArray[np.float32]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
