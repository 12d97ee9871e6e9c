"""What may be asked of the engine, and what gives way to what."""

from __future__ import annotations

from enum import StrEnum

from segsem.engine.messages import Message


class Request(StrEnum):
    """Values of a request's `request`."""

    HELLO = "hello"
    LOAD = "load"
    IMAGE = "image"
    PREDICT = "predict"
    PREDICT_MANY = "predict_many"
    """Many objects in one go; what is known is told window by window."""
    REPEAT = "repeat"
    """Find the other instances of an object."""
    STATS = "stats"
    CANCEL = "cancel"
    """Nobody waits for predictions of an older generation any more; not answered."""
    WARM = "warm"
    """Encode of an image what will be asked for, while nothing else is to do."""
    PREFETCH = "prefetch"
    """The same for an image that comes along, which is not shown yet."""
    CANCEL_IDLE = "cancel_idle"
    """Nobody wants older `warm` and `prefetch` any more; not answered."""


IDLE = frozenset({Request.WARM, Request.PREFETCH, Request.CANCEL_IDLE})
"""Asked while nobody waits: they give way to everything else."""

QUESTIONS = frozenset({Request.PREDICT, Request.PREDICT_MANY, Request.REPEAT})
"""Somebody waits for their answers; the newest overtakes those before."""

CANCELS = frozenset({Request.CANCEL, Request.CANCEL_IDLE})


def kind(request: Message) -> str:
    """What is asked for."""
    return str(request.header.get("request", ""))


def is_idle(request: Message) -> bool:
    """Whether the request gives way to others."""
    return kind(request) in IDLE


def is_question(request: Message) -> bool:
    """Whether somebody waits for masks."""
    return kind(request) in QUESTIONS


def is_pointed(request: Message) -> bool:
    """Whether the request is for where the mouse is: the next prompt is likely to be there."""
    header = request.header
    given = header.get("point_rc") is not None or header.get("box_rc") is not None
    return kind(request) == Request.WARM and given


def generation(request: Message) -> int:
    """Number by which newer requests overtake older ones; 0 for what is never overtaken."""
    value = request.header.get("generation", 0)
    return value if isinstance(value, int) else 0
