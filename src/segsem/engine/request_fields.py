"""What requests carry, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from segsem.core.exceptions import InputError, UsageError
from segsem.engine.messages import Message
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.window import Window


def image_id_of(request: Message) -> str:
    """Name of the image that is asked about.

    Raises
    ------
    UsageError
        If there is none.
    """
    image_id = request.header.get("image_id")
    if not isinstance(image_id, str) or not image_id:
        msg = f"Expected `image_id` to be a text, but got {image_id!r}"
        raise UsageError(msg)
    return image_id


def image_of(request: Message) -> npt.NDArray[np.uint8]:
    """(H, W) uint8 image that comes along.

    Raises
    ------
    InputError
        If there is none, or it is no such image.
    """
    image = request.arrays.get("image")
    if image is None or image.ndim != 2 or image.dtype != np.uint8 or image.size == 0:
        msg = "Expected `image` to be a (H, W) uint8 array"
        raise InputError(msg)
    return image


def prompts_of(request: Message) -> Prompts:
    """Prompts in the image's frame.

    Raises
    ------
    UsageError
        If they cannot be used.
    """
    return prompts_from(request.header.get("prompts"))


def expected_box_of(request: Message) -> Prompts:
    """A box that may be asked for, as prompts.

    Raises
    ------
    UsageError
        If it is none.
    """
    return prompts_from({"box_rc": request.header.get("box_rc")})


def prompts_from(header: Any) -> Prompts:
    """Prompts out of their JSON values.

    Raises
    ------
    UsageError
        If they cannot be used.
    """
    given: Any = header or {}
    try:
        points = tuple((float(row), float(col)) for row, col in given.get("points_rc", ()))
        labels = tuple(int(label) for label in given.get("point_labels", ()))
        box = given.get("box_rc")
        if box is None:
            return Prompts(points, labels)
        row0, col0, row1, col1 = (float(value) for value in box)
        return Prompts(points, labels, (row0, col0, row1, col1))
    except (TypeError, ValueError, AttributeError) as error:
        msg = f"Cannot use these prompts: {error}"
        raise UsageError(msg) from error


def point_of(request: Message) -> tuple[float, float] | None:
    """(row, column) that is pointed at; None where nothing is.

    Raises
    ------
    UsageError
        If it is not two finite numbers.
    """
    given = request.header.get("point_rc")
    if given is None:
        return None
    try:
        row, col = (float(value) for value in given)
    except (TypeError, ValueError) as error:
        msg = f"Expected `point_rc` to be two numbers, but got {given!r}"
        raise UsageError(msg) from error
    if not (np.isfinite(row) and np.isfinite(col)):
        msg = f"Expected a finite `point_rc`, but got {given!r}"
        raise UsageError(msg)
    return row, col


def window_of(request: Message) -> Window | None:
    """Window that the last prompts of this image were answered in; None where there was none.

    Raises
    ------
    UsageError
        If it is not four whole numbers.
    """
    given = request.header.get("window")
    if given is None:
        return None
    if not isinstance(given, list) or [type(value) for value in given] != [int] * 4:
        msg = f"Expected `window` to be four whole numbers, but got {given!r}"
        raise UsageError(msg)
    return Window(*given)
