"""Models of a project: `models/<name>/` in its folder."""

from __future__ import annotations

from pathlib import Path

from segsem.core.exceptions import UsageError
from segsem.models.store import DESCRIPTION_FILE, MODEL_NAME

FOLDER = "models"


def project_models(project: Path) -> dict[str, Path]:
    """Names and folders of the finished models of a project."""
    files = sorted((project / FOLDER).glob(f"*/{DESCRIPTION_FILE}"))
    return {file.parent.name: file.parent for file in files}


def project_model_folder(project: Path, name: str) -> Path:
    """Where a project's model of that name is, or would be.

    Raises
    ------
    UsageError
        If the name cannot be a folder's name.
    """
    if not MODEL_NAME.fullmatch(name):
        msg = f"Expected a model name of letters, digits and . _ + -, but got {name!r}"
        raise UsageError(msg)
    return project / FOLDER / name


def model_in_project(project: Path, name_or_dir: str) -> str:
    """Return what `load_predictor` takes for a model that a project's user names.

    Parameters
    ----------
    project : Path
    name_or_dir : str
        Of the project's own models, of all others, or a model folder.
    """
    own = project_models(project).get(name_or_dir)
    return name_or_dir if own is None else str(own)
