"""What `segsem extract` says while it works and when it is done: to a person, or to a program."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar
from rich.text import Text

from segsem.batch_report import BatchReport, ImageOutcome, ImageStatus, ImageStep
from segsem.core.contour import Source
from segsem.core.progress import Progress
from segsem.export.summary_csv import SummaryRow

_MOST_FOLDERS_NAMED = 12


class Presenter(Protocol):
    """Who is told."""

    def step(self, step: Progress) -> None:
        """Show a step between or within images."""
        ...

    def image(self, outcome: ImageOutcome, n_images: int) -> None:
        """Show what became of one image."""
        ...

    def report(self, report: BatchReport) -> None:
        """Show what became of all."""
        ...


class Lines:
    """Plain lines: results on stdout, warnings and errors on stderr."""

    def step(self, step: Progress) -> None:
        """Say nothing: a log file has no use for steps."""

    def image(self, outcome: ImageOutcome, n_images: int) -> None:
        """One line for the image, one for each warning; a lone image's error comes at the end."""
        if outcome.status is not ImageStatus.FAILED:
            self._say(f"{outcome.image_id}: {describe(outcome)}")
        for warning in outcome.warnings:
            self._say(f"warning: {outcome.image_id}: {warning}", err=True)
        if outcome.error is not None and n_images > 1:
            self._say(f"error: {outcome.image_id}: {outcome.error}", err=True)

    def report(self, report: BatchReport) -> None:
        """Name the files and sum up."""
        for line in files_written(report):
            self._say(line)
        if any(outcome.folder is not None for outcome in report.outcomes):
            self._say(sum_up(report))

    def _say(self, line: str, *, err: bool = False) -> None:
        typer.echo(line, err=err)


class Bar(Lines):
    """The same lines above a progress bar."""

    def __init__(self, bar: ProgressBar) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None, doing="")

    def step(self, step: Progress) -> None:
        """Move the bar between images, and say what is going on within one."""
        if isinstance(step, ImageStep):
            self._bar.update(self._task, doing=f"{step.image_id}: {step.message}")
        else:
            self._bar.update(self._task, total=step.total, completed=step.done, doing=step.message)

    def _say(self, line: str, *, err: bool = False) -> None:
        if err and not sys.stderr.isatty():
            super()._say(line, err=True)
        else:
            # Through the bar's own console, which moves the bar out of the way.
            self._bar.console.print(Text(line), soft_wrap=True)


class Events:
    """One JSON object a line on stdout, for the viewer and for schedulers."""

    def step(self, step: Progress) -> None:
        """Tell a step; one within an image names the image and counts within it."""
        image_id = step.image_id if isinstance(step, ImageStep) else None
        self._tell(
            "progress", done=step.done, total=step.total, message=step.message, image_id=image_id
        )

    def image(self, outcome: ImageOutcome, n_images: int) -> None:
        """Tell what became of the image."""
        row = outcome.row
        self._tell(
            "image",
            image_id=outcome.image_id,
            status=outcome.status.value,
            folder=None if outcome.folder is None else str(outcome.folder),
            regions=row.regions,
            sources=_sources(row),
            needs_human=row.needs_human,
            design_faults=outcome.faults,
            warnings=list(outcome.warnings),
            error=None if outcome.error is None else str(outcome.error),
        )

    def report(self, report: BatchReport) -> None:
        """Tell the end."""
        self._tell(
            "done",
            out=str(report.out),
            files=[str(path) for path in report.files],
            images=len(report.outcomes),
            failed=[outcome.image_id for outcome in report.failed],
            exit_code=report.exit_code,
        )

    def error(self, message: str, exit_code: int) -> None:
        """Tell what ended the work."""
        self._tell("error", message=message, exit_code=exit_code)

    @staticmethod
    def _tell(event: str, **values: Any) -> None:
        typer.echo(json.dumps({"event": event, **values}, ensure_ascii=False))
        sys.stdout.flush()


@contextmanager
def person_presenter() -> Iterator[Presenter]:
    """Give a bar in a terminal, plain lines anywhere else."""
    console = Console()
    if not console.is_terminal:
        yield Lines()
        return
    columns = (
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[doing]}", markup=False),
    )
    with ProgressBar(*columns, console=console, transient=True) as bar:
        yield Bar(bar)


def describe(outcome: ImageOutcome) -> str:
    """Say in one line what was found in an image."""
    row = outcome.row
    parts = [_count(row.regions or 0, "region")]
    if row.regions:
        parts[0] += f" ({_by_source(_sources(row))})"
    if row.needs_human:
        parts.append(f"{row.needs_human} doubtful")
    if outcome.faults is not None:
        parts.append(against_design(outcome.faults))
    parts.append(_pixel_size(row))
    if outcome.status is ImageStatus.KEPT:
        parts.append("complete from an earlier run")
    elif row.seconds is not None:
        parts.append(f"{row.seconds:.1f} s")
    return ", ".join(parts)


def files_written(report: BatchReport) -> list[str]:
    """Name the result folders with what is in them, and the files for all images."""
    folders = [outcome.folder for outcome in report.outcomes if outcome.folder is not None]
    lines = [f"{folder}/: {', '.join(_names(folder))}" for folder in folders]
    if len(folders) > _MOST_FOLDERS_NAMED:
        names = sorted({name for folder in folders for name in _names(folder)})
        lines = [f"{report.out}/IMAGE-ID/, {len(folders)} folders: {', '.join(names)}"]
    return [*lines, *(str(path) for path in report.files)]


def sum_up(report: BatchReport) -> str:
    """Sum up a batch in one line."""
    rows = [outcome.row for outcome in report.outcomes if outcome.folder is not None]
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update(_sources(row))
    doubtful = sum(row.needs_human or 0 for row in rows)
    parts = [
        f"{_count(len(rows), 'image')}: {_count(sum(row.regions or 0 for row in rows), 'region')}",
        _by_source(counts) or "no source",
        f"{doubtful} doubtful",
        *_against_designs(report),
        _pixel_sizes(rows),
    ]
    return ", ".join(parts)


def against_design(faults: Mapping[str, int]) -> str:
    """Say how an image differs from its design: `design: 1 missing, 2 extra`."""
    told = ", ".join(f"{count} {kind}" for kind, count in faults.items() if count)
    return f"design: {told or 'as drawn'}"


def _against_designs(report: BatchReport) -> list[str]:
    compared = [outcome.faults for outcome in report.outcomes if outcome.faults is not None]
    if not compared:
        return []
    total: Counter[str] = Counter()
    for faults in compared:
        total.update(faults)
    without = sum(o.folder is not None for o in report.outcomes) - len(compared)
    told = against_design(total)
    return [told if not without else f"{told} ({_count(without, 'image')} without)"]


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def _sources(row: SummaryRow) -> dict[str, int]:
    return {source.value: getattr(row, source.value) or 0 for source in Source}


def _by_source(counts: dict[str, int] | Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count)


def _pixel_size(row: SummaryRow) -> str:
    if row.pixel_size_y_nm is None or row.pixel_size_x_nm is None:
        return "pixel size unknown"
    if row.pixel_size_y_nm == row.pixel_size_x_nm:
        return f"{row.pixel_size_x_nm:.4g} nm/px"
    return f"{row.pixel_size_y_nm:.4g} x {row.pixel_size_x_nm:.4g} nm/px"


def _pixel_sizes(rows: Sequence[SummaryRow]) -> str:
    told = {_pixel_size(row) for row in rows}
    if len(told) == 1:
        return told.pop()
    known = [row.pixel_size_x_nm for row in rows if row.pixel_size_x_nm is not None]
    text = f"{min(known):.4g} to {max(known):.4g} nm/px"
    unknown = len(rows) - len(known)
    return text if unknown == 0 else f"{text}, unknown for {_count(unknown, 'image')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
