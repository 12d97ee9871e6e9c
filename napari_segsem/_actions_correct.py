"""What the keys and buttons of corrections do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from napari_segsem._actions import Actions
from napari_segsem._corrections import Corrections
from napari_segsem._pen import Pen
from napari_segsem._session import Session
from napari_segsem._toolbox import Toolbox

STEP_PX = 0.25
"""How far one press of the key moves an outline."""

TOOL_HINTS = {
    "brush": "Brush: paint on an object to extend it, on background to make one; Ctrl erases",
    "eraser": "Eraser: start on the object to erase from; hold Shift to erase from all",
    "cut": "Cut: drag right across an object; hold Shift to remove the smaller part",
    "split": "Split: drag from one part of an object to the other",
    "merge": "Merge: drag from one object to another, or click on both",
}


def correct_actions(
    session: Session,
    corrections: Corrections,
    toolbox: Toolbox,
    pen: Pen,
    start_drawing: Callable[[], None],
    pixel_under_cursor: Callable[[], tuple[int, int] | None],
) -> Actions:
    """Actions of corrections, by the names of the keymap.

    Parameters
    ----------
    session : Session
    corrections : Corrections
    toolbox : Toolbox
        Holds the tools that `TOOL_HINTS` names.
    pen : Pen
    start_drawing : callable
        Makes the mouse in the image that of the tool in hand.
    pixel_under_cursor : callable
        Gives the pixel of the image under the mouse; None outside it.
    """

    def take(name: str) -> None:
        toolbox.take(name)
        start_drawing()
        session.tell(TOOL_HINTS[name])

    def at_object(do: Callable[[int], None]) -> None:
        point = pixel_under_cursor()
        annotation = session.annotation
        object_id = 0 if point is None or annotation is None else int(annotation.labels[point])
        if object_id:
            do(object_id)
        else:
            session.tell("No accepted object is under the mouse: point at one")

    def fill() -> None:
        point = pixel_under_cursor()
        if point is None:
            session.tell("Point at a hole, or at the object that has it")
        else:
            corrections.fill(point)

    tools: Actions = {name: partial(take, name) for name in TOOL_HINTS}
    objects: Actions = {
        name: partial(at_object, do) for name, do in object_actions(corrections).items()
    }
    pens: Actions = {"pen_larger": pen.larger, "pen_smaller": pen.smaller}
    return tools | objects | pens | {"fill_hole": fill}


def object_actions(corrections: Corrections) -> dict[str, Callable[[int], None]]:
    """Corrections of one object, by the names of the keymap."""
    return {
        "fill_hole": corrections.fill_all,
        "split_object": corrections.split,
        "snap": corrections.snap,
        "grow": lambda object_id: corrections.grow(object_id, STEP_PX),
        "shrink": lambda object_id: corrections.grow(object_id, -STEP_PX),
    }
