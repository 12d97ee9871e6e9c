"""Answers at the image's own resolution, however large the object is.

A model sees one frame at a time. A prompt is answered in the native window around it. Where the
mask leaves that window, it is followed: the next window shares a strip with the last one, gets
what is known in the strip as its `mask_input` and points of the object in it, and says how the
object goes on (`continuation`). An object too broad for that, which fills its window from side to
side, and a box larger than a frame are seen as a whole first, in a reduced window, and then
natively along their outline (`refinement`). A model that can divide its frames tells which part of
the image a box means (`box_parts`), and is then clicked there as well. Answers of overlapping
windows are blended (`mosaic`).

Only the candidate that the model ranks first is followed; the others stay in the first window.
"""

from __future__ import annotations

from collections.abc import Iterator

from segsem.core.mask_patch import MaskPatch
from segsem.segmentation.box_parts import CERTAIN_FIT, BoxPart, part_of_box
from segsem.segmentation.division import Divides
from segsem.segmentation.large_object import (
    MAX_GROWTHS,
    LargeObject,
    NativeAnswer,
    positive_points,
    prompts_in,
)
from segsem.segmentation.predictor import MaskPrediction, Predictor
from segsem.segmentation.prompts import FOREGROUND, Prompts
from segsem.segmentation.window import Window, window_around, window_for_prompts
from segsem.segmentation.window_asker import Encode, WindowAsker

__all__ = [
    "MAX_GROWTHS",
    "MAX_WINDOWS",
    "NativeAnswer",
    "answer",
    "answers",
    "first_window",
    "going_on",
]

MAX_WINDOWS = 24
"""Windows asked for one prompt. What lies beyond them is left out, or stays coarse."""


def answer(
    predictor: Predictor,
    encode: Encode,
    prompts: Prompts,
    shape: tuple[int, int],
    window: Window | None = None,
    max_windows: int = MAX_WINDOWS,
    known: MaskPatch | None = None,
) -> NativeAnswer:
    """Answer a prompt at native resolution.

    Whoever wants to stop between windows lets `encode` or the predictor raise.

    Parameters
    ----------
    predictor : Predictor
        Answers prompts in windows.
    encode : callable
        Gives the embedding of a window of the image.
    prompts : Prompts
        In the image's frame.
    shape : (int, int)
        (H, W) of the image (without the data bar) in px.
    window : Window, optional
        Where to look first; chosen about the prompts by default.
    max_windows : int
        Windows that may be looked at.
    known : MaskPatch, optional
        A mask of the object in the image's frame; the prompts hold its box.

    Returns
    -------
    NativeAnswer
    """
    *_, last = answers(predictor, encode, prompts, shape, window, max_windows, known)
    return last


def answers(
    predictor: Predictor,
    encode: Encode,
    prompts: Prompts,
    shape: tuple[int, int],
    window: Window | None = None,
    max_windows: int = MAX_WINDOWS,
    known: MaskPatch | None = None,
) -> Iterator[NativeAnswer]:
    """Answer a prompt step by step: what the first window shows, then the whole object.

    Parameters are those of `answer`. Yields one answer where one window is enough, else two.
    """
    asker = WindowAsker(predictor, encode, shape, max_windows)
    first = window or first_window(prompts, shape, predictor.frame_px)
    part = None if known is not None else _part_meant(predictor, encode, prompts, shape)
    if part is not None and max(first.shape) <= predictor.frame_px:
        prompts = Prompts([part.point_rc], [FOREGROUND], prompts.box_rc)
    elif part is not None and part.fit >= CERTAIN_FIT:
        clicked = Prompts([part.point_rc], [FOREGROUND])
        found = answer(predictor, encode, clicked, shape, max_windows=max_windows)
        if prompts.box_rc is not None and found.fits(prompts.box_rc):
            yield found
            return
    asked = first.to_window(prompts_in(prompts, first) or prompts)
    if known is not None:
        asked = asker.told(first, asked, known)
    prediction = asker.ask_in_turn(first, asked)
    yield from going_on(asker, prompts, first, prediction)


def going_on(
    asker: WindowAsker, prompts: Prompts, first: Window, prediction: MaskPrediction
) -> Iterator[NativeAnswer]:
    """Give what the first window showed, then the whole object where it goes on."""
    found = LargeObject(asker, prompts, first, prediction)
    reduced = max(first.shape) > asker.predictor.frame_px
    yield found.as_seen(complete=not reduced)
    if reduced:
        found.refine(first, prediction.best_logits)
    elif prompts.box_rc is None:
        found.go_on()
    if asker.asked > 1:
        yield found.whole()


def _part_meant(
    predictor: Predictor, encode: Encode, prompts: Prompts, shape: tuple[int, int]
) -> BoxPart | None:
    """Part of the image that a box means, where there is nothing but the box."""
    alone = prompts.box_rc is not None and not prompts.points_rc and prompts.mask_input is None
    if not alone or not isinstance(predictor, Divides) or prompts.box_rc is None:
        return None
    return part_of_box(predictor, encode, predictor.frame_px, prompts.box_rc, shape)


def first_window(prompts: Prompts, shape: tuple[int, int], frame_px: int) -> Window:
    """Window to look at first: that of all prompts, or of the first point's neighbourhood.

    Points farther apart than a frame lie on an object that is followed from the first of them.
    """
    window = window_for_prompts(prompts, shape, frame_px)
    if prompts.box_rc is None and max(window.shape) > frame_px:
        begin = (positive_points(prompts) or list(prompts.points_rc))[0]
        return window_around(begin, shape, frame_px)
    return window
