"""`segsem`: registers the commands and turns our errors into one line and an exit code."""

from __future__ import annotations

import importlib
import sys

import typer
from rich.console import Console
from rich.text import Text

from segsem.core.exceptions import SegSemError

COMMAND_MODULES: tuple[str, ...] = (
    "info",
    "extract",
    "export",
    "report",
    "synth",
    "doctor",
    "models",
    "project",
    "dataset",
    "finetune",
    "benchmark",
    "evaluate",
    "measure",
)
"""Each has a `register(app)`; they are light, heavy imports happen when a command runs."""


def build_app() -> typer.Typer:
    """Build the command line with all its commands."""
    app = typer.Typer(
        name="segsem",
        help="SEM images of chips to sub-pixel contours in nanometres.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    for name in COMMAND_MODULES:
        importlib.import_module(f"segsem.cli.{name}").register(app)
    return app


def _root() -> None:
    """SEM images of chips to sub-pixel contours in nanometres."""


def _run() -> None:
    try:
        build_app()()
    except ImportError as error:
        if sys.argv[1:2] != ["doctor"]:
            msg = f"A package does not load ({error}): run `segsem doctor`"
            raise SegSemError(msg) from error
        # What tells which one must work without it, even where typer itself needs it.
        importlib.import_module("segsem.cli.doctor").doctor(as_json="--json" in sys.argv)


def main() -> None:
    """Entry point of the `segsem` command."""
    try:
        _run()
    except SegSemError as error:
        Console(stderr=True, soft_wrap=True, highlight=False).print(
            Text.assemble(("error: ", "bold red"), str(error))
        )
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
