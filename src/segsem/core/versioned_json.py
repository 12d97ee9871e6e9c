"""Reading of JSON files that say their format and version."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from segsem.core.exceptions import InputError

ModelT = TypeVar("ModelT", bound=BaseModel)


def read_versioned(
    path: Path, model: type[ModelT], expected: str, versions: Collection[int], remedy: str
) -> ModelT:
    """Read a JSON file and check its format, then its version, then its content.

    Parameters
    ----------
    path : Path
        The file.
    model : type of BaseModel
        What it holds.
    expected : str
        Its format.
    versions : collection of int
        Those that can be read.
    remedy : str
        What to do about a file of another version.

    Returns
    -------
    BaseModel
        Its content, of the class `model`.

    Raises
    ------
    InputError
        If it cannot be read, is of another format or version, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        msg = f"Cannot read {path} as JSON: {error}"
        raise InputError(msg) from error
    _check_header(path, content, expected, versions, remedy)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        msg = f"{path} is not a valid {expected} file: {first_problem(error)}"
        raise InputError(msg) from error


def first_problem(error: ValidationError) -> str:
    """Give the first of a validation's problems in one line: where, and what."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else str(problem["msg"])


def _check_header(
    path: Path, content: Any, expected: str, versions: Collection[int], remedy: str
) -> None:
    if not isinstance(content, dict) or content.get("format") != expected:
        msg = f"Expected {path} to be a file of the format {expected!r}, but it is not"
        raise InputError(msg)
    if content.get("version") not in versions:
        readable = ", ".join(str(version) for version in versions)
        got = content.get("version")
        msg = f"Expected {path} to be of version {readable}, but got {got!r}: {remedy}"
        raise InputError(msg)
