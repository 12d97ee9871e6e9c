"""What fine-tuning would do with the training set as it is now: who teaches, who checks."""

from __future__ import annotations

from segsem.core.exceptions import InputError
from segsem.dataset.splits import SplitImage, make_split
from segsem.dataset.training_set import TrainingSummary, member_rows
from segsem.project.project import Project

NAMED = 3
"""So many images are named in a line; the others are counted."""


def obstacles(summary: TrainingSummary) -> list[str]:
    """Say what keeps the training set from being learnt from, one line each."""
    lines = list(summary.missing)
    lines += [f"Same picture twice: {', '.join(ids)}; take one out" for ids in summary.duplicates]
    return [*lines, *summary.problems]


def split_lines(project: Project, summary: TrainingSummary, seed: int = 0) -> list[str]:
    """Say which images teach and which are held out, and what makes the check worth less.

    The images are told apart by their ids and groups alone: none is read.
    """
    rows = [row for row in member_rows(project) if row.image_id not in summary.empty]
    try:
        split = make_split([SplitImage.of(row, row.sha256, row.shape) for row in rows], seed)
    except InputError as error:
        return [str(error)]
    teach, held = len(split.train), split.held_out
    line = (
        f"{teach} {'teaches' if teach == 1 else 'teach'}, {len(held)} "
        f"{'is' if len(held) == 1 else 'are'} held out for before and after: {names(held)}"
    )
    return [line, *split.warnings]


def names(ids: tuple[str, ...]) -> str:
    """Name the first images, count the others."""
    more = len(ids) - NAMED
    return ", ".join(ids[:NAMED]) + (f" and {more} more" if more > 0 else "")
