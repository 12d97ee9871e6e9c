"""The bar that long commands draw on stderr."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from segsem.core.progress import Progress


def shown(steps: Generator[Progress, None, Any]) -> Any:
    """Drain long work under a progress bar on stderr, and return its result."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, TextColumn("{task.description}"), console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None)
        while True:
            try:
                step = next(steps)
            except StopIteration as stop:
                return stop.value
            bar.update(
                task, completed=step.done, total=step.total or None, description=step.message
            )
