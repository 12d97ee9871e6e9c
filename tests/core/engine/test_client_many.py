"""The client asked for many objects at once, with masks, and while the mouse rests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from segsem.core.exceptions import ModelError
from segsem.core.mask_patch import MaskPatch
from segsem.engine.answers import StaleAnswerError
from segsem.engine.client import EngineClient
from segsem.engine.messages import Message
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.questions import ObjectAnswer, Question

WAIT_S = 60.0
ON_SQUARE = Prompts([(60.0, 60.0)], [1])


def boxes_on_squares() -> list[Question]:
    near = [Prompts(box_rc=(38.0, 38.0, 81.0, 81.0)), Prompts(box_rc=(45.0, 45.0, 60.0, 60.0))]
    return [Question(p) for p in (*near, Prompts(box_rc=(298.0, 498.0, 341.0, 541.0)))]


def test_many_boxes_are_answered_in_one_go_as_they_come(client: EngineClient, squares: Any) -> None:
    client.start().result(WAIT_S)
    client.set_image("a", squares)
    parts: list[list[ObjectAnswer]] = []
    answers = client.predict_many("a", boxes_on_squares(), parts.append).result(WAIT_S)
    assert [answer.index for answer in answers] == [0, 1, 2]
    assert [len(part) for part in parts] == [2, 1]
    assert answers[0].masks[0] == MaskPatch.of(np.ones((40, 40), dtype=bool), (40, 40))
    assert answers[2].masks[0].offset_rc == (300, 500)
    assert answers[2].iou_pred == pytest.approx((0.9, 0.7, 0.5))
    assert client.stats().result(WAIT_S)["encoded"] == 2


def test_the_newest_question_overtakes_a_batch(
    gate: Path, client: EngineClient, squares: Any
) -> None:
    client.start()
    client.set_image("a", squares)
    batch = client.predict_many("a", boxes_on_squares())
    single = client.predict("a", ON_SQUARE)
    later = client.predict_many("a", boxes_on_squares()[:1])
    gate.touch()
    assert len(later.result(WAIT_S)) == 1
    for overtaken in (batch, single):
        assert isinstance(overtaken.exception(WAIT_S), StaleAnswerError)


def test_a_batch_can_be_cancelled(gate: Path, client: EngineClient, squares: Any) -> None:
    client.start()
    client.set_image("a", squares)
    parts: list[Any] = []
    batch = client.predict_many("a", boxes_on_squares(), parts.append)
    client.cancel()
    gate.touch()
    assert isinstance(batch.exception(WAIT_S), StaleAnswerError)
    assert parts == []


def test_a_batch_survives_the_death_of_the_engine(client: EngineClient, squares: Any) -> None:
    client.start()
    client.set_image("a", squares)
    batch = client.predict_many("a", boxes_on_squares())
    assert client.pid is not None
    psutil.Process(client.pid).kill()
    assert [answer.index for answer in batch.result(WAIT_S)] == [0, 1, 2]


def test_a_mask_goes_along_with_a_prompt(client: EngineClient, squares: Any) -> None:
    client.start().result(WAIT_S)
    client.set_image("a", squares)
    known = MaskPatch.of(np.ones((30, 30), dtype=bool), (45, 45))
    answer = client.predict("a", Prompts(box_rc=known.box_rc), known=known).result(WAIT_S)
    assert MaskPatch.of(answer.mask(0), answer.offset_rc) == known
    many = client.predict_many("a", [Question(Prompts(box_rc=known.box_rc), known)])
    assert many.result(WAIT_S)[0].masks[0] == known


@pytest.mark.parametrize(
    "questions",
    [
        None,
        [],
        [3],
        [{"prompts": {}}],
        [{"prompts": {"points_rc": [[1, 1]], "point_labels": [1]}, "mask": [0, 0, 9, 9]}],
    ],
)
def test_questions_that_are_none_are_refused(
    client: EngineClient, squares: Any, questions: Any
) -> None:
    client.start().result(WAIT_S)
    client.set_image("a", squares)
    header = {"request": "predict_many", "image_id": "a", "questions": questions}
    error = client._submit(Message(header)).exception(WAIT_S)
    assert isinstance(error, ModelError)
    assert "Expected" in str(error) or "Cannot use" in str(error)


def test_hovering_shows_what_a_click_would_give(client: EngineClient, squares: Any) -> None:
    client.start().result(WAIT_S)
    client.set_image("a", squares)
    shown = client.hover("a", (60.0, 60.0)).result(WAIT_S)
    assert shown is not None
    assert shown.masks == (MaskPatch.of(np.ones((40, 40), dtype=bool), (40, 40)),)
    assert client.pace_s is not None
    assert all(seconds > 0 for seconds in client.pace_s)
    assert client.hover("never sent", (60.0, 60.0)).result(WAIT_S) is None


def test_hovering_gives_way_to_a_question(gate: Path, client: EngineClient, squares: Any) -> None:
    client.start()
    client.set_image("a", squares)
    hovers = [client.hover("a", (60.0, 60.0 + i)) for i in range(3)]
    question = client.predict("a", ON_SQUARE)
    last = client.hover("a", (60.0, 63.0))
    # Each is told so when the next one is read: then the question has been read as well.
    for overtaken in hovers:
        assert isinstance(overtaken.exception(WAIT_S), StaleAnswerError)
    gate.touch()
    assert question.result(WAIT_S).mask(0).any()
    assert last.result(WAIT_S) is not None


def test_the_others_like_an_object_are_found(client: EngineClient) -> None:
    image = np.full((300, 400), 40, dtype=np.uint8)
    corners = [(r, c) for r in (40, 140, 240) for c in (30, 130, 230, 330)]
    for row, col in corners:
        image[row : row + 30, col : col + 30] = 200
    client.start().result(WAIT_S)
    client.set_image("a", image)
    known = MaskPatch.of(np.ones((30, 30), dtype=bool), corners[0])
    taken = np.zeros(image.shape, dtype=bool)
    taken[40:70, 130:160] = True
    told: list[tuple[int, float]] = []
    found = client.repeat(
        "a", known, taken, on_part=lambda answers, least: told.append((len(answers), least))
    ).result(WAIT_S)
    assert {answer.masks[0].offset_rc for answer in found} == set(corners[2:])
    assert all(answer.match > 0.95 and not answer.from_template for answer in found)
    assert told[0][0] == 0
    assert sum(count for count, _ in told) == len(found)
    assert {least for _, least in told} == {told[0][1]}


def test_an_object_that_is_none_has_no_others(client: EngineClient, squares: Any) -> None:
    client.start().result(WAIT_S)
    client.set_image("a", squares)
    tiny = client.repeat("a", MaskPatch.of(np.ones((2, 2), dtype=bool), (50, 50)))
    assert "Expected an object" in str(tiny.exception(WAIT_S))
    known = MaskPatch.of(np.ones((9, 9), dtype=bool), (50, 50))
    wrong = client.repeat("a", known, np.zeros((3, 3), dtype=bool))
    assert "bits of accepted objects" in str(wrong.exception(WAIT_S))
