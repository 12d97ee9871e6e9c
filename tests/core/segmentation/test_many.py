"""Many prompts at once answer as each alone does, and share what is encoded."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy import ndimage as ndi

from segsem.core.mask_patch import MaskPatch
from segsem.segmentation import native
from segsem.segmentation.many import CHUNK, answer_many, shared_windows
from segsem.segmentation.predictor import ImageEmbedding, MaskPrediction
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.questions import Question

SIDE = 64


class Pieces:
    """Answers with the bright pieces under point or box; counts what it does."""

    name, weights_sha256, frame_px = "pieces", "0" * 64, SIDE

    def __init__(self, image: np.ndarray) -> None:
        self.image = image
        self.encoded: Counter[object] = Counter()
        self.batches: list[int] = []
        self.mask_inputs: list[np.ndarray | None] = []

    def window(self, window):
        self.encoded[window] += 1
        part = window.crop(self.image)
        return ImageEmbedding(part.shape, part.shape, part, "")

    def encode(self, image):
        return ImageEmbedding(image.shape, image.shape, image, "")

    def decode(self, embedding, prompts):
        self.mask_inputs.append(prompts.mask_input)
        pieces, _ = ndi.label(embedding.features > 128)
        mask = np.zeros(embedding.shape, dtype=bool)
        for row, col in prompts.points_rc:
            mask |= (pieces > 0) & (pieces == pieces[round(row), round(col)])
        if prompts.box_rc is not None:
            row0, col0, row1, col1 = (round(value) for value in prompts.box_rc)
            inside = pieces[row0 : row1 + 1, col0 : col1 + 1]
            mask[row0 : row1 + 1, col0 : col1 + 1] = inside > 0
        logits = np.where(mask, 5.0, -5.0).astype(np.float32)[None]
        return MaskPrediction(logits, np.zeros((1, 16, 16), np.float32), np.float32([0.9]))

    def decode_batch(self, embedding, prompts):
        self.batches.append(len(prompts))
        return [self.decode(embedding, prompt) for prompt in prompts]


@pytest.fixture
def dots() -> np.ndarray:
    """(200, 200): 10 px squares every 20 px, and a bar longer than a frame."""
    image = np.zeros((200, 200), dtype=np.uint8)
    for row in range(5, 160, 20):
        for col in range(5, 200, 20):
            image[row : row + 10, col : col + 10] = 255
    image[170:180, 20:190] = 255
    return image


def boxes() -> list[Question]:
    return [
        Question(Prompts(box_rc=(r - 1.0, c - 1.0, r + 10.0, c + 10.0)))
        for r in range(5, 160, 20)
        for c in range(5, 200, 20)
    ]


def answers(image, questions):
    predictor = Pieces(image)
    parts = list(answer_many(predictor, predictor.window, questions, image.shape))
    found = {answer.index: answer for part in parts for answer in part}
    assert len(found) == sum(len(part) for part in parts) == len(questions)
    return predictor, found


def test_each_box_is_answered_with_its_own_square(dots):
    questions = boxes()
    predictor, found = answers(dots, questions)
    for index, question in enumerate(questions):
        row, col = (round(value) + 1 for value in question.prompts.box_rc[:2])
        assert found[index].masks[0] == MaskPatch.of(np.ones((10, 10), bool), (row, col))
        assert found[index].iou_pred == pytest.approx((0.9,))
    assert max(predictor.encoded.values()) <= -(-max(predictor.batches) // CHUNK)
    assert len(predictor.encoded) < len(questions) / 2


def test_the_answer_does_not_depend_on_what_else_is_asked(dots):
    questions = boxes()
    together = shared_windows(questions, dots.shape, SIDE)
    for window, indices in together.items():
        for index in indices:
            assert list(shared_windows([questions[index]], dots.shape, SIDE)) == [window]


def test_clicks_and_boxes_answer_as_each_alone(dots):
    questions = [
        Question(Prompts([(174.0, 100.0)], [1])),
        Question(Prompts([(10.0, 10.0)], [1])),
        Question(Prompts([(10.0, 30.0), (30.0, 30.0)], [1, 1])),
        Question(Prompts(box_rc=(165.0, 10.0, 185.0, 195.0))),
    ]
    _, found = answers(dots, questions)
    for index, question in enumerate(questions):
        predictor = Pieces(dots)
        alone = native.answer(predictor, predictor.window, question.prompts, dots.shape)
        expected = MaskPatch.of(alone.logits[0] > 0, alone.offset_rc)
        assert found[index].masks[0] == expected
        assert found[index].complete == alone.complete
    assert found[0].masks[0].shape == (10, 170)


def test_a_known_mask_comes_as_mask_input(dots):
    known = MaskPatch.of(np.ones((12, 16), dtype=bool), (4, 4))
    predictor, _ = answers(dots, [Question(Prompts(box_rc=known.box_rc), known)])
    told = predictor.mask_inputs[-1]
    assert told.shape == (16, 16)
    np.testing.assert_array_equal(np.argwhere(told > 0).min(axis=0), (1, 1))
    np.testing.assert_array_equal(np.argwhere(told > 0).max(axis=0), (3, 4))
    assert told.max() == pytest.approx(6, abs=0.01)
    assert told.min() == pytest.approx(-6, abs=0.01)
    alone = Pieces(dots)
    native.answer(alone, alone.window, Prompts(box_rc=known.box_rc), dots.shape, known=known)
    np.testing.assert_array_equal(alone.mask_inputs[-1], told)


def test_an_object_in_the_gap_between_windows_gets_one_of_its_own(dots):
    wide = Prompts(box_rc=(20.0, 20.0, 70.0, 70.0))
    (window,) = shared_windows([Question(wide)], dots.shape, SIDE)
    assert window.contains(wide)
