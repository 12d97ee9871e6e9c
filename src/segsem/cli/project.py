"""`segsem project`: make a project folder, and look through one."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from segsem.core.exceptions import InputError

if TYPE_CHECKING:
    from segsem.project.check import ProjectReport

Folder = Annotated[Path, typer.Argument(metavar="PROJECT", help="The project's folder.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    group = typer.Typer(help="Project folders: make one, look through one.", no_args_is_help=True)
    group.command()(new)
    group.command()(check)
    app.add_typer(group, name="project")


def new(
    project: Folder,
    name: Annotated[str, typer.Option(help="Its name; the folder's if not given.")] = "",
) -> None:
    """Make a project folder.

    Exit codes: 0 made, 2 there is one already, 3 the folder cannot be written to.
    """
    from segsem.project.project import Project

    made = Project.create(project, name)
    made.save()
    made.close()
    Console(highlight=False, soft_wrap=True).print(
        Text(f"Project {made.name} in {made.folder}: open images in napari, or drop it on a panel")
    )


def check(
    project: Folder,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look through a project: images found and unchanged, annotations whole. Changes nothing.

    Exit codes: 0 all is well, 2 usage, 3 no project, or something is damaged or missing.
    """
    from segsem.cli.progress_bar import shown
    from segsem.project.check import check_project

    report: ProjectReport = shown(check_project(project))
    if as_json:
        typer.echo(json.dumps(asdict(report), indent=1))
    else:
        _print(report)
    if report.errors:
        raise typer.Exit(InputError.exit_code)


def _print(report: ProjectReport) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(report.name, style="bold"))
    console.print(
        f"  {report.n_images} images, {report.n_annotated} with {report.n_objects} objects, "
        f"{report.n_done} done, {report.n_training} in the training set"
    )
    for note in report.notes:
        console.print(Text.assemble(("  note  ", "yellow"), note))
    for error in report.errors:
        console.print(Text.assemble(("  error ", "bold red"), error))
    if not report.errors:
        console.print("  all is well")
