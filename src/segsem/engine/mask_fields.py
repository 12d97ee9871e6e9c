"""Masks in messages: where each lies is told in the header, their bits follow in one array."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from segsem.core.exceptions import UsageError
from segsem.core.mask_patch import MaskPatch
from segsem.core.types import MaskArray
from segsem.engine.messages import Message, ProtocolError
from segsem.engine.request_fields import prompts_from
from segsem.segmentation.questions import ObjectAnswer, Question

BITS = "bits"
"""Name of the array that holds the bits of all masks of a message, one after the other."""

TAKEN = "taken"
"""Name of the array that holds, as bits, where an image's objects are."""

_Placed = list[int]


def joined(masks: Iterable[MaskPatch]) -> npt.NDArray[np.uint8]:
    """Bits of masks in one array."""
    return np.frombuffer(b"".join(mask.bits for mask in masks), dtype=np.uint8)


def placed(mask: MaskPatch) -> _Placed:
    """Row, column, height and width of a mask, for a header."""
    return [*mask.offset_rc, *mask.shape]


class MaskReader:
    """Takes masks out of a message, in the order in which they were put in.

    Raises
    ------
    ProtocolError
        From `read`, where the array is too short, or a place is none.
    """

    def __init__(self, message: Message) -> None:
        bits = message.arrays.get(BITS)
        self._bits = b"" if bits is None else np.ascontiguousarray(bits).tobytes()
        self._at = 0

    def read(self, place: Any) -> MaskPatch:
        """Take the next mask, of which the header says where it lies."""
        if not isinstance(place, list) or [type(value) for value in place] != [int] * 4:
            msg = f"Expected a mask's place as four whole numbers, but got {place!r}"
            raise ProtocolError(msg)
        row, col, height, width = place
        end = self._at - (-height * width // 8)
        if min(height, width) < 0 or end > len(self._bits):
            msg = f"Expected {height} x {width} bits of a mask, but the message holds fewer"
            raise ProtocolError(msg)
        bits, self._at = self._bits[self._at : end], end
        return MaskPatch((row, col), (height, width), bits)


def with_questions(header: dict[str, Any], questions: Sequence[Question]) -> Message:
    """Make a request of questions."""
    masks = [question.known for question in questions if question.known is not None]
    listed = [
        {
            "prompts": question.prompts.as_json(),
            "mask": None if question.known is None else placed(question.known),
        }
        for question in questions
    ]
    return Message({**header, "questions": listed}, {BITS: joined(masks)})


def questions_of(request: Message) -> list[Question]:
    """Read the questions of a request.

    Raises
    ------
    UsageError
        If there are none, or one cannot be used.
    """
    given = request.header.get("questions")
    if not isinstance(given, list) or not given:
        msg = f"Expected `questions` to be a list of at least one, but got {given!r}"
        raise UsageError(msg)
    reader, questions = MaskReader(request), []
    for each in given:
        if not isinstance(each, dict):
            msg = f"Expected a question to hold `prompts`, but got {each!r}"
            raise UsageError(msg)
        known = None if each.get("mask") is None else reader.read(each["mask"])
        prompts = prompts_from(each.get("prompts"))
        if known is not None and prompts.box_rc is None:
            msg = "Expected a question with a mask to hold its box, but got none"
            raise UsageError(msg)
        questions.append(Question(prompts, known))
    return questions


def mask_of(request: Message) -> MaskPatch | None:
    """Read the mask that a single prompt comes with; None where there is none."""
    place = request.header.get("mask")
    return None if place is None else MaskReader(request).read(place)


def with_answers(header: dict[str, Any], answers: Sequence[ObjectAnswer]) -> Message:
    """Make a message of answers."""
    listed = [
        {
            "index": answer.index,
            "masks": [placed(mask) for mask in answer.masks],
            "iou_pred": list(answer.iou_pred),
            "complete": answer.complete,
            "match": answer.match,
            "from_template": answer.from_template,
        }
        for answer in answers
    ]
    bits = joined(mask for answer in answers for mask in answer.masks)
    return Message({**header, "answers": listed}, {BITS: bits})


def answers_of(message: Message) -> list[ObjectAnswer]:
    """Read the answers of a message; empty where it holds none."""
    reader = MaskReader(message)
    return [
        ObjectAnswer(
            int(each["index"]),
            tuple(reader.read(place) for place in each["masks"]),
            tuple(float(value) for value in each["iou_pred"]),
            bool(each["complete"]),
            None if each.get("match") is None else float(each["match"]),
            bool(each.get("from_template", False)),
        )
        for each in message.header.get("answers", ())
    ]


def taken_of(request: Message, shape: tuple[int, int]) -> MaskArray | None:
    """Read where objects are accepted already; None where that is not told.

    Raises
    ------
    UsageError
        If it does not fit the image's (H, W).
    """
    bits = request.arrays.get(TAKEN)
    if bits is None:
        return None
    count = shape[0] * shape[1]
    if bits.dtype != np.uint8 or bits.size != -(-count // 8):
        msg = f"Expected {count} bits of accepted objects, but got {bits.size} bytes"
        raise UsageError(msg)
    return np.unpackbits(bits.ravel(), count=count).reshape(shape).astype(bool)
