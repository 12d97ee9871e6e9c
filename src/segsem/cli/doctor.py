"""`segsem doctor`: what is installed, what works here, and what to do about the rest."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
from dataclasses import dataclass
from typing import Any

import typer
from rich.console import Console

from segsem import __version__
from segsem.core.exceptions import ModelError, SegSemError

_PACKAGES = ("torch", "sam2", "numpy", "scikit-image", "gdstk", "napari")
_QT_BINDINGS = ("PyQt5", "PyQt6")
DEFAULT_MODEL = "segsem-nano"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes
    ----------
    name, value : str
        What was looked at, and what it is.
    fix : str
        What to do; empty where nothing needs doing.
    essential : bool
        Whether extraction cannot work while it stands so.
    """

    name: str
    value: str
    fix: str = ""
    essential: bool = False


def register(app: typer.Typer) -> None:
    """Add `segsem doctor`."""
    app.command(name="doctor")(doctor)


def doctor() -> None:
    """Show versions, devices, models and display, and what to fix."""
    findings = [*_versions(), _devices(), _model(), _display(), _qt()]
    console = Console(soft_wrap=True, highlight=False)
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        mark = "[green]ok[/]" if not finding.fix else "[yellow]--[/]"
        console.print(f"{mark}  {finding.name:<{width}}  {finding.value}")
        if finding.fix:
            console.print(f"    {'':<{width}}  to fix: {finding.fix}", markup=False)
    broken = [finding.name for finding in findings if finding.fix and finding.essential]
    if broken:
        msg = f"Extraction with SAM2 cannot work here yet: {', '.join(broken)}"
        raise ModelError(msg)


def _versions() -> list[Finding]:
    found = [
        Finding("segsem", __version__),
        Finding("Python", f"{platform.python_version()} on {platform.platform(terse=True)}"),
    ]
    for package in _PACKAGES:
        try:
            found.append(Finding(package, importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            found.append(Finding(package, "missing", f"pip install {package}", essential=True))
    return found


def _devices() -> Finding:
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        # By name, since the command line itself never depends on torch.
        torch: Any = importlib.import_module("torch")
    except (ImportError, OSError) as error:
        fix = "install torch as constraints.txt names it"
        return Finding("devices", f"{cpus} CPU; torch does not load: {error}", fix, essential=True)
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return Finding("devices", ", ".join([f"{cpus} CPU", *gpus]))


def _model() -> Finding:
    load: Any = importlib.import_module("segsem.models.load")
    try:
        predictor = load.load_predictor(DEFAULT_MODEL)
    except SegSemError as error:
        fix = "segsem models verify, or reinstall napari-segsem"
        return Finding("model", f"{DEFAULT_MODEL}: {error}", fix, essential=True)
    return Finding("model", f"{predictor.name}, weights {predictor.weights_sha256[:12]}")


def _display() -> Finding:
    for variable in ("WAYLAND_DISPLAY", "DISPLAY"):
        if os.environ.get(variable):
            return Finding("display", f"{variable}={os.environ[variable]}")
    return Finding("display", "none", "the command line needs none; napari needs a desktop session")


def _qt() -> Finding:
    found = [name for name in _QT_BINDINGS if importlib.util.find_spec(name) is not None]
    if not found:
        return Finding("Qt", "none", "for napari: pip install 'napari-segsem[pyqt5]'")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in found]
    return Finding("Qt", ", ".join(versions))
