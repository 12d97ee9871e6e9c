"""`segsem models download`: published models, under a bar that shows bytes."""

from __future__ import annotations

import importlib
from collections.abc import Generator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bar

from segsem.core.exceptions import UsageError
from segsem.core.progress import Progress

DOWNLOAD_MODULE = "segsem.models.download"
INTERRUPTED = 130
"""Exit code of what the user ended by Ctrl-C."""


def download(
    names: Annotated[
        list[str], typer.Argument(help="tiny, small, base_plus or large, or full names.")
    ],
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="URL",
            help="Mirror: a folder or a .pt file. By default $SEGSEM_MODEL_URL, or Meta's server.",
        ),
    ] = None,
) -> None:
    """Download published models, check them and make them ready; a cut download goes on."""
    downloads: Any = importlib.import_module(DOWNLOAD_MODULE)
    specs = list(dict.fromkeys(downloads.downloadable(name) for name in names))
    addresses = {downloads.address_of(spec, source) for spec in specs}
    if len(addresses) < len(specs):
        msg = f"Expected the address of a folder for {len(specs)} models, but got that of one file"
        raise UsageError(msg)
    for spec in specs:
        try:
            folder = _shown(downloads.download_model(spec.name, source))
        except KeyboardInterrupt:
            kept_mb = downloads.kept_bytes(spec) / 1e6
            typer.echo(
                f"stopped: {kept_mb:.1f} MB of {spec.name} are kept "
                f"({downloads.part_of(spec)}); the same command goes on from there",
                err=True,
            )
            raise typer.Exit(INTERRUPTED) from None
        typer.echo(f"{spec.name} is here: {folder}")


def _shown(steps: Generator[Progress, None, Path]) -> Path:
    """Drain a download under a progress bar on stderr, and return its result."""
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    words = TextColumn("{task.description}")
    # In a log a bar is noise: there the last line tells, or the error.
    hidden = not console.is_terminal
    with Bar(*columns, words, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=None)
        while True:
            try:
                step = next(steps)
            except StopIteration as stop:
                result: Path = stop.value
                return result
            bar.update(
                task, completed=step.done, total=step.total or None, description=step.message
            )
