"""`project.toml`: what says that a folder is a project, and of which format."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from segsem.core.exceptions import InputError
from segsem.core.files import write_text
from segsem.imaging.decoded import one_line

FILE = "project.toml"
FORMAT = "segsem-project"
FORMAT_VERSION = 1

_CONTROL = re.compile("[\x7f-\x9f]")
_TABLE = re.compile(r"^[ \t]*\[[^\[\]]+\][ \t]*(#.*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ProjectDescription:
    """What `project.toml` says.

    Attributes
    ----------
    name : str
    created : str
        ISO 8601 in UTC.
    model : str
        Model that answers prompts in this project; empty for the program's default.
    models_before : tuple of str
        Those that did before, the last one last.
    """

    name: str
    created: str = ""
    model: str = ""
    models_before: tuple[str, ...] = ()


def is_project(folder: Path) -> bool:
    """Whether a folder holds a `project.toml`."""
    try:
        return (folder / FILE).is_file()
    except (OSError, ValueError):
        return False


def read_description(folder: Path) -> ProjectDescription:
    """Read `project.toml`.

    Raises
    ------
    InputError
        If the folder is no project, the file is damaged, or its format is newer.
    """
    path = folder / FILE
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        msg = f"{folder} is no project: it holds no {FILE}; make one with `segsem project new`"
        raise InputError(msg) from None
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read: {one_line(error)}"
        raise InputError(msg) from error
    if content.get("format") != FORMAT:
        msg = f"{path} is not of a segsem project: expected format = {FORMAT!r}"
        raise InputError(msg)
    if content.get("version") != FORMAT_VERSION:
        msg = (
            f"{path} has format version {content.get('version')!r}, but this program knows "
            f"{FORMAT_VERSION}: update napari-segsem"
        )
        raise InputError(msg)
    texts = {key: str(content.get(key, "")) for key in ("name", "created", "model")}
    before = content.get("models_before", [])
    models = tuple(map(str, before)) if isinstance(before, list) else ()
    name = texts["name"] or folder.name
    return ProjectDescription(name, texts["created"], texts["model"], models)


def write_description(folder: Path, description: ProjectDescription) -> None:
    """Write `project.toml`.

    Raises
    ------
    ExportError
        If it cannot be written.
    """
    values: Mapping[str, str | int | list[str]] = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "name": description.name,
        "created": description.created,
        "model": description.model,
        "models_before": list(description.models_before),
    }
    lines = [f"{key} = {_toml(value)}" for key, value in values.items() if value not in ("", [])]
    write_text(folder / FILE, "\n".join(lines) + "\n" + _tables(folder / FILE))


def _tables(path: Path) -> str:
    """Tables that the user wrote into the file, such as `[qa]`: they stay as they are."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    begin = _TABLE.search(text)
    return "" if begin is None else "\n" + text[begin.start() :].rstrip("\n") + "\n"


def _toml(value: str | int | list[str]) -> str:
    # JSON's strings and arrays of them are TOML's, but for some control characters.
    text = json.dumps(value, ensure_ascii=False)
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
