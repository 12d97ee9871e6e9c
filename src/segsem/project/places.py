"""`series.json`: which images were gone through, and where one stopped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segsem.core.files import write_json

FILE = "series.json"
FORMAT_VERSION = 1
MOST_PLACES = 50


@dataclass(frozen=True, slots=True)
class Place:
    """Where one stopped in a series.

    Attributes
    ----------
    inputs : tuple of str
        What was opened: a folder, a manifest, files.
    current : str
        The image that was shown last.
    """

    inputs: tuple[str, ...]
    current: str


def read_places(folder: Path) -> list[Place]:
    """Read the places of a project, the last one first; none where the file is not readable.

    Losing one's place is no reason to be stopped by an error.
    """
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if content["version"] != FORMAT_VERSION:
            return []
        return [
            Place(tuple(str(path) for path in place["inputs"]), str(place["current"]))
            for place in content["places"]
        ]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def write_places(folder: Path, places: Sequence[Place]) -> None:
    """Write the places of a project, the last one first.

    Raises
    ------
    ExportError
        If the file cannot be written.
    """
    kept = [{"inputs": list(p.inputs), "current": p.current} for p in places[:MOST_PLACES]]
    write_json(folder / FILE, {"version": FORMAT_VERSION, "places": kept})
