"""`segsem doctor`: what is installed, what works here, and what to do about the rest."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from segsem import __version__
from segsem.cli.doctor_report import Check, Finding, run_checks
from segsem.core.exceptions import ModelError

_SYSTEM = "segsem.cli.doctor_system"
_MODELS = "segsem.cli.doctor_models"
CHECKS = (
    Check("versions", _SYSTEM, "look_at_versions"),
    Check("OpenCV", _SYSTEM, "look_at_opencv"),
    Check("libraries", _SYSTEM, "look_at_imports", essential=True),
    Check("processor", _MODELS, "look_at_torch", essential=True),
    Check("memory", _SYSTEM, "look_at_memory"),
    Check("cache", _SYSTEM, "look_at_home"),
    Check("models", _MODELS, "look_at_models", essential=True),
    Check("engine", _MODELS, "look_at_engine", essential=True),
    Check("display", "segsem.cli.doctor_display", "look_at_display"),
)
"""In the order of the report."""

_MARKS = {
    "ok": ("ok", "green"),
    "skipped": ("  ", ""),
    "warning": ("--", "yellow"),
    "error": ("!!", "bold red"),
}


def register(app: typer.Typer) -> None:
    """Add `segsem doctor`."""
    app.command(name="doctor")(doctor)


def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="For programs rather than people.")
    ] = False,
) -> None:
    """Show versions, processor, memory, GPU, models, engine and display, and what to fix.

    Exit code 4 where contours cannot be extracted with SAM2; what only napari needs, a display
    among it, is told and no failure.
    """
    # What the engine's client logs while it tries again is no more than the report says.
    logging.getLogger("segsem").addHandler(logging.NullHandler())
    findings = run_checks(CHECKS)
    broken = [finding.name for finding in findings if finding.state == "error"]
    if as_json:
        typer.echo(_json(findings, can_extract=not broken))
    else:
        _print(findings)
    if broken:
        msg = f"Extraction with SAM2 cannot work here yet: {', '.join(broken)}"
        raise ModelError(msg)


def _print(findings: Sequence[Finding]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        mark, style = _MARKS[finding.state]
        console.print(Text.assemble((mark, style), f"  {finding.name:<{width}}  {finding.value}"))
        if finding.fix:
            console.print(Text(f"    {'':<{width}}  to fix: {finding.fix}"))


def _json(findings: Sequence[Finding], *, can_extract: bool) -> str:
    report = {
        "segsem": __version__,
        "can_extract": can_extract,
        "findings": [{**asdict(finding), "state": finding.state} for finding in findings],
    }
    return json.dumps(report, indent=1, ensure_ascii=False)
