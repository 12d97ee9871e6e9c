"""What keys and buttons of the review do while a region is edited, and to edit it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from napari_segsem._actions import Actions, review_actions
from napari_segsem._pen import Pen
from napari_segsem._review_desk import ReviewDesk
from napari_segsem._review_edit import STEP_PX, UNFINISHED, RegionEdit
from napari_segsem._review_edit_layers import EditLayers
from napari_segsem._review_edit_tools import HINTS
from napari_segsem._review_layers import ReviewLayers
from napari_segsem._review_switch import Switching
from napari_segsem._review_training import put_into_training_set
from napari_segsem._session import Session

NEEDS_EDIT = "No region is being edited: E begins"


def edit_actions(
    session: Session,
    desk: ReviewDesk,
    edit: RegionEdit,
    layers: EditLayers,
    switching: Switching,
    review_layers: ReviewLayers,
    pen: Pen,
) -> Actions:
    """All actions of the review, by the names of the keymap.

    Parameters
    ----------
    session : Session
    desk : ReviewDesk
    edit : RegionEdit
    layers : EditLayers
    switching : Switching
    review_layers : ReviewLayers
    pen : Pen
    """

    def at_rest(act: Callable[[], None]) -> None:
        """Decide and move on only where no edit would be lost by it."""
        if edit.is_active:
            session.tell(UNFINISHED.format(edit.region_id))
        else:
            act()

    def in_edit(act: Callable[[], None]) -> None:
        if edit.is_active:
            act()
        else:
            session.tell(NEEDS_EDIT)

    def before_after() -> None:
        session.tell(review_layers.toggle_before())

    plain = review_actions(desk)
    resting: Actions = {
        name: partial(at_rest, plain[name])
        for name in ("accept", "reject", "reopen", "next", "previous")
    }
    resting["switch_source"] = partial(at_rest, switching.switch)
    resting["to_training_set"] = partial(at_rest, lambda: put_into_training_set(session, desk))
    walks: Actions = {
        "undo": lambda: edit.undo() if edit.is_active else plain["undo"](),
        "redo": lambda: edit.redo() if edit.is_active else plain["redo"](),
    }
    tools: Actions = {name: partial(layers.take, name) for name in HINTS}
    within: Actions = {
        "snap": partial(in_edit, edit.snap),
        "grow": partial(in_edit, lambda: edit.grow(STEP_PX)),
        "shrink": partial(in_edit, lambda: edit.grow(-STEP_PX)),
        "edit_done": partial(in_edit, edit.done),
        "edit_cancel": partial(in_edit, edit.cancel),
    }
    return {
        **plain, **resting, **walks, **tools, **within,
        "edit": lambda: layers.take("brush"),
        "before_after": before_after,
        "pen_larger": pen.larger,
        "pen_smaller": pen.smaller,
    }  # fmt: skip
