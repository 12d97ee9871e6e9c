"""Progress of long work: a generator yields it, the command line and the GUI show it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of long work.

    Attributes
    ----------
    done, total : int
        Steps done and steps in all; total 0 means not known.
    message : str
        What is going on, in the user's words.
    """

    done: int
    total: int
    message: str = ""


def run_to_completion(
    steps: Generator[Progress, None, T], on_progress: Callable[[Progress], None] | None = None
) -> T:
    """Drain a progress generator and return its result.

    Parameters
    ----------
    steps : generator of Progress
        The long work; cancelling is closing it.
    on_progress : callable, optional
        Called with each step.

    Returns
    -------
    The generator's return value.
    """
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            result: T = stop.value
            return result
        if on_progress is not None:
            on_progress(step)
