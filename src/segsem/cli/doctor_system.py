"""What the machine is: packages, memory, and the folder where segsem keeps its files."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import shutil
import tempfile
from pathlib import Path
from typing import Any

from segsem import __version__
from segsem.cli.doctor_report import Finding, run_child
from segsem.models.store import home_folder

GIB = 1 << 30
LOW_MEMORY_GIB = 4.0
LOW_DISK_GIB = 2.0
"""The largest published model is 0.9 GB, and lies there twice while it is converted."""

_SHOWN = ("torch", "sam2", "napari")
_OTHERS = ("numpy", "scipy", "scikit-image", "gdstk", "shapely", "safetensors", "npe2", "magicgui")
_OPENCV = ("opencv-python-headless", "opencv-contrib-python-headless")
_OPENCV_WITH_QT = ("opencv-python", "opencv-contrib-python")
_IMPORTS = ("numpy", "scipy.ndimage", "skimage.measure", "cv2", "tifffile", "PIL.Image", "pydantic")
_IMPORTS_TOO = ("gdstk", "shapely", "safetensors", "requests")
_IMPORT_ALL = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
    print(name, flush=True)
"""
_IMPORT_S = 60.0
_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Limit and use of memory in a container, version 2 and 1."""


def look_at_versions() -> list[Finding]:
    """Versions of segsem, Python and the packages that matter."""
    python = f"{platform.python_version()} on {platform.platform(terse=True)}"
    found = [Finding("segsem", __version__), Finding("Python", python)]
    for package in _SHOWN:
        version = version_of(package)
        fix = "" if version else f"pip install {package}"
        found.append(Finding(package, version or "missing", fix))
    others = [f"{name} {version_of(name) or 'missing'}" for name in _OTHERS]
    opencv = [f"{name} {version_of(name)}" for name in _OPENCV if version_of(name)]
    missing = [name for name in _OTHERS if not version_of(name)]
    fix = f"pip install {' '.join(missing)}" if missing else ""
    return [*found, Finding("packages", ", ".join([*others, *opencv]), fix)]


def look_at_opencv() -> list[Finding]:
    """Find the OpenCV whose own Qt ends a PyQt5 program."""
    clashing = [name for name in _OPENCV_WITH_QT if version_of(name)]
    if not clashing:
        return []
    fix = (
        f"its own Qt can end napari: pip uninstall {' '.join(clashing)}; "
        "pip install --force-reinstall opencv-python-headless"
    )
    return [Finding("OpenCV", ", ".join(f"{n} {version_of(n)}" for n in clashing), fix)]


def look_at_imports() -> list[Finding]:
    """See whether what extraction is built on loads; a compiled package may end its process."""
    names = (*_IMPORTS, *_IMPORTS_TOO)
    end = run_child(["-c", _IMPORT_ALL, *names], _IMPORT_S)
    if not end.failure:
        return [Finding("libraries", f"{len(names)} of {len(names)} load")]
    loaded = end.output.split()
    culprit = names[min(len(loaded), len(names) - 1)]
    fix = f"reinstall it: pip install --force-reinstall {_distribution(culprit)}"
    return [Finding("libraries", f"{culprit} does not load: {end.failure}", fix, essential=True)]


def look_at_memory() -> list[Finding]:
    """Memory that is there, within a container's limit."""
    psutil: Any = importlib.import_module("psutil")
    memory = psutil.virtual_memory()
    total, free, limited = float(memory.total), float(memory.available), ""
    for limit, used in map(_cgroup_bytes, _CGROUPS):
        if limit < total:
            total, free, limited = limit, min(free, limit - used), " (limit of this container)"
    value = f"{free / GIB:.1f} of {total / GIB:.1f} GiB free{limited}"
    fix = ""
    if free < LOW_MEMORY_GIB * GIB:
        fix = (
            "less than 4 GiB are free: close other programs; the large models and large images "
            "need more"
        )
    return [Finding("memory", value, fix)]


def look_at_home() -> list[Finding]:
    """See whether the folder of models and caches can be written, and what is free there."""
    folder = home_folder()
    existing = _existing_parent(folder)
    elsewhere = "or set SEGSEM_HOME to a folder of yours"
    if not existing.is_dir():
        value = f"{folder} cannot be made: {existing} is no folder"
        return [Finding("cache", value, f"remove {existing}, {elsewhere}")]
    try:
        with tempfile.TemporaryFile(dir=existing):
            free = shutil.disk_usage(existing).free / GIB
    except OSError as error:
        value = f"{folder} cannot be written: {error.strerror}"
        return [Finding("cache", value, f"make {existing} writable, {elsewhere}")]
    fix = f"free some space there, {elsewhere}: models need it" if free < LOW_DISK_GIB else ""
    return [Finding("cache", f"{folder} is writable, {free:.1f} GiB free", fix)]


def cpu_count() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def version_of(package: str) -> str:
    """Version of an installed package; empty where it is not."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _distribution(module: str) -> str:
    top = module.partition(".")[0]
    others = {"skimage": "scikit-image", "cv2": "opencv-python-headless", "PIL": "pillow"}
    return others.get(top, top)


def _cgroup_bytes(files: tuple[str, str]) -> tuple[float, float]:
    try:
        limit, used = (Path(file).read_text(encoding="ascii").strip() for file in files)
        return float(limit), float(used)
    except (OSError, ValueError):
        # No such control group, or `max`: no limit.
        return float("inf"), 0.0


def _existing_parent(folder: Path) -> Path:
    folder = folder.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
