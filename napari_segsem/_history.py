"""Undo and redo as a list of steps that can be applied and taken back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a person did.

    Attributes
    ----------
    name : str
        In the user's words, for "Undo ...".
    apply, revert : callable
        Do it (again); take it back.
    """

    name: str
    apply: Callable[[], None]
    revert: Callable[[], None]


class History:
    """Steps done and steps taken back."""

    def __init__(self) -> None:
        self._done: list[Step] = []
        self._undone: list[Step] = []

    @property
    def undo_name(self) -> str | None:
        """Name of the step that undo takes back."""
        return self._done[-1].name if self._done else None

    @property
    def redo_name(self) -> str | None:
        """Name of the step that redo does again."""
        return self._undone[-1].name if self._undone else None

    def do(self, step: Step) -> None:
        """Apply a step; what was undone before can no longer be redone."""
        step.apply()
        self._done.append(step)
        self._undone.clear()

    def restore(self, done: list[Step], undone: list[Step]) -> None:
        """Take over the steps of an earlier visit, the next ones last; nothing is applied."""
        self._done, self._undone = done, undone

    def undo(self) -> str | None:
        """Take the last step back and return its name; None where there is none."""
        if not self._done:
            return None
        step = self._done.pop()
        step.revert()
        self._undone.append(step)
        return step.name

    def redo(self) -> str | None:
        """Do the last undone step again and return its name; None where there is none."""
        if not self._undone:
            return None
        step = self._undone.pop()
        step.apply()
        self._done.append(step)
        return step.name
