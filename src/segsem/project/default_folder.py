"""Where work is kept when the user has chosen no project."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from segsem.project.description import is_project
from segsem.project.lock import ProjectInUseError
from segsem.project.project import Project

VARIABLE = "SEGSEM_WORK"
NAME = "default"
MOST_WINDOWS = 20


def work_folder() -> Path:
    """Folder of the default projects: `$SEGSEM_WORK`, or `segsem` in the user's data folder."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    return _data_folder() / "segsem"


def open_default(parent: Path | None = None) -> Project:
    """Open the default project, made where it is not there.

    Where another window works in it, this one gets the next: `default-2` and so on, so that
    nobody's work is lost or mixed.

    Parameters
    ----------
    parent : Path, optional
        `work_folder()` if not given.

    Raises
    ------
    InputError
        If it cannot be made or is damaged, or too many windows are open.
    """
    parent = parent or work_folder()
    in_use: ProjectInUseError | None = None
    for number in range(1, MOST_WINDOWS + 1):
        folder = parent / (NAME if number == 1 else f"{NAME}-{number}")
        try:
            if not is_project(folder):
                return Project.create(folder, folder.name)
            return Project.open(folder)
        except ProjectInUseError as error:
            in_use = in_use or error
    raise in_use or ProjectInUseError(str(parent))


def _data_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
