"""What keys and buttons do: one function each, whatever it is called by."""

from __future__ import annotations

from collections.abc import Callable

from napari_segsem._review_desk import ReviewDesk
from napari_segsem._session import Session
from segsem.review.decision import Action

Actions = dict[str, Callable[[], None]]


def view_actions(
    session: Session, cycle_look: Callable[[], str], ask_for_help: Callable[[], None]
) -> Actions:
    """Actions that change what is seen, by the names of the keymap.

    Parameters
    ----------
    session : Session
    cycle_look : callable
        Changes how objects are drawn and says how.
    ask_for_help : callable
    """
    return {"cycle_view": lambda: session.tell(cycle_look()), "help": ask_for_help}


def prompt_actions(
    session: Session, object_under_cursor: Callable[[], int], start_prompting: Callable[[], None]
) -> Actions:
    """Actions of Annotate, by the names of the keymap."""

    def accept() -> None:
        annotation = session.annotation
        if annotation is None:
            return
        if annotation.candidates is None:
            session.tell("Nothing to accept yet: click on an object or drag a box around it")
        elif annotation.candidates.partial:
            session.tell("Not yet: the object goes on, and is being followed")
        elif annotation.accept() is None:
            session.tell("This is accepted already: point at the object and press Del to remove it")

    def delete() -> None:
        annotation = session.annotation
        if annotation is not None and not annotation.delete(object_under_cursor()):
            session.tell("No accepted object is under the mouse: point at one and press Del")

    def undo() -> None:
        name = session.annotation.history.undo() if session.annotation else None
        session.tell(f"Undone: {name}" if name else "Nothing to undo")

    def redo() -> None:
        name = session.annotation.history.redo() if session.annotation else None
        session.tell(f"Done again: {name}" if name else "Nothing to redo")

    return {
        "prompt": start_prompting,
        "cycle": lambda: session.annotation.cycle() if session.annotation else None,
        "accept": accept,
        "clear": lambda: session.annotation.clear() if session.annotation else None,
        "undo": undo,
        "redo": redo,
        "delete": delete,
    }


def review_actions(desk: ReviewDesk) -> Actions:
    """Actions of Review, by the names of the keymap."""
    return {
        "accept": lambda: desk.decide(Action.ACCEPT),
        "reject": lambda: desk.decide(Action.REJECT),
        "reopen": lambda: desk.decide(Action.REOPEN),
        "next": lambda: desk.step(1),
        "previous": lambda: desk.step(-1),
        "undo": desk.undo,
        "redo": desk.redo,
    }
