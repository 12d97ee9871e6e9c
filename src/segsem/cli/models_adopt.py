"""`segsem models adopt` and `back`: which model a project works with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from segsem.project.project import Project

Folder = Annotated[Path, typer.Argument(metavar="PROJECT", help="The project's folder.")]


def adopt(
    project: Folder,
    name: Annotated[str, typer.Argument(help="One of the project's own models.")],
    insist: Annotated[
        bool, typer.Option("--insist", help="Also where it is not better on held-out images.")
    ] = False,
) -> None:
    """Have a project work with one of its fine-tuned models."""
    from segsem.training.adoption import adopt as adopt_model

    with _opened(project) as opened:
        adopt_model(opened, name, insist=insist)
    typer.echo(f"{project} works with {name}; back with: segsem models back {project}")


def back(project: Folder) -> None:
    """Have a project work with the model it had before."""
    from segsem.training.adoption import go_back

    with _opened(project) as opened:
        name = go_back(opened)
    typer.echo(f"{project} works with {name}")


@contextmanager
def _opened(folder: Path) -> Iterator[Project]:
    from segsem.project.project import Project

    project = Project.open(folder)
    try:
        yield project
    finally:
        project.close()
