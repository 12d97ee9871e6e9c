"""What the plugin remembers of a user between two starts of napari: a small file of its own."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol

from segsem.core.exceptions import SegSemError
from segsem.core.files import write_json

FILE = "view.json"
FORMAT = "segsem-view"
VERSION = 1

WAIT_MS = 500
"""Several changes in a row are one write."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Remembered:
    """How the plugin was left.

    Attributes
    ----------
    panels : tuple of str
        Names of the panels that were open.
    image : str
        Path of the image that was shown; empty where it came from no file.
    look : str
        How objects were drawn.
    hidden_layers : tuple of str
        Names of our layers that the user had hidden.
    hints_read : bool
        Whether the hints for the first object were put away.
    """

    panels: tuple[str, ...] = ()
    image: str = ""
    look: str = "outline"
    hidden_layers: tuple[str, ...] = ()
    hints_read: bool = False


class Later(Protocol):
    """Runs the last of several wishes a moment later."""

    def restart(self, action: Callable[[], None]) -> None:
        """Run this one, instead of what waits."""
        ...

    def stop(self) -> None:
        """Run nothing any more."""
        ...


class Memory:
    """The remembered state and its file.

    Parameters
    ----------
    later : Later
        When to write.
    folder : Path, optional
        Where the file is; `config_folder()` by default.
    """

    def __init__(self, later: Later, folder: Path | None = None) -> None:
        self._path = (folder or config_folder()) / FILE
        self._later = later
        self.state = _read(self._path)
        self._written = self.state

    def remember(self, **changes: Any) -> None:
        """Change something; it is written a moment later."""
        self.state = replace(self.state, **changes)
        if self.state != self._written:
            self._later.restart(self.write)

    def write(self) -> None:
        """Write now what is not written yet."""
        self._later.stop()
        if self.state == self._written:
            return
        try:
            write_json(self._path, {"format": FORMAT, "version": VERSION, **asdict(self.state)})
        except SegSemError as error:
            # Of no harm to the work: the next start looks as the one before.
            logger.warning("%s", error)
        self._written = self.state


def config_folder() -> Path:
    """Folder of settings: `$SEGSEM_CONFIG_HOME`, or `segsem` where the system keeps them."""
    given = os.environ.get("SEGSEM_CONFIG_HOME")
    if given:
        return Path(given)
    if sys.platform == "win32":
        base = os.environ.get("APPDATA")
        return (Path(base) if base else Path.home() / "AppData" / "Roaming") / "segsem"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "segsem"
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "segsem"


def _read(path: Path) -> Remembered:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Remembered()
    if not isinstance(kept, dict) or kept.get("format") != FORMAT:
        return Remembered()
    known: dict[str, Any] = {}
    for field in fields(Remembered):
        value, default = kept.get(field.name), getattr(Remembered(), field.name)
        if isinstance(default, tuple) and isinstance(value, list):
            known[field.name] = tuple(str(item) for item in value)
        elif type(value) is type(default):
            known[field.name] = value
    return Remembered(**known)
