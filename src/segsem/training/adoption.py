"""Which model a project works with: take a fine-tuned one if it is better, or go back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from segsem.core.exceptions import ModelError, UsageError
from segsem.models.project_models import project_model_folder, project_models
from segsem.models.registry import NANO_CONFIG
from segsem.models.store import ModelDescription, verify, write_description
from segsem.project.description import write_description as write_project
from segsem.project.project import Project

BETTER = "better"


class NotBetterError(UsageError):
    """A model that is not better on held-out images was to be adopted."""


def adopt(project: Project, name: str, *, insist: bool = False) -> ModelDescription:
    """Have a project work with one of its own models.

    Parameters
    ----------
    project : Project
        Open for writing.
    name : str
    insist : bool
        Also where it is not better than the model it began with.

    Returns
    -------
    ModelDescription
        Of the adopted model.

    Raises
    ------
    ModelError
        If the project has no such model, or it is damaged.
    NotBetterError
        If it is not better on held-out images, and nobody insists.
    ExportError
        If the project's folder cannot be written to.
    """
    own = project_models(project.folder)
    if name not in own:
        known = ", ".join(own) or "none yet: make one with `segsem finetune`"
        msg = f"The project has no model {name!r}; its models: {known}"
        raise ModelError(msg)
    description = verify(own[name])
    found = description.provenance
    if found.get("verdict") != BETTER and not insist:
        msg = (
            f"{name} is not better than {found.get('base', 'its base model')} on held-out images "
            f"({_gain(found)}): insist (--insist) to work with it all the same"
        )
        raise NotBetterError(msg)
    before = project.description
    if before.model != name:
        history = (*before.models_before, before.model or NANO_CONFIG)
        _set(project, name, history)
    _note(project, name, adopted=True)
    return description


def go_back(project: Project) -> str:
    """Have a project work with the model it had before; its name is returned.

    Raises
    ------
    UsageError
        If there was none before.
    ExportError
        If the project's folder cannot be written to.
    """
    now = project.description
    if not now.models_before:
        msg = f"The project works with {now.model or NANO_CONFIG}, and had no other model before"
        raise UsageError(msg)
    *history, model = now.models_before
    _set(project, model, tuple(history))
    _note(project, now.model, adopted=False)
    return model


def _set(project: Project, model: str, history: tuple[str, ...]) -> None:
    changed = replace(project.description, model=model, models_before=history)
    write_project(project.folder, changed)
    project.description = changed


def _note(project: Project, name: str, *, adopted: bool) -> None:
    """Have a model's own description say whether it is in use."""
    if name not in project_models(project.folder):
        return
    folder = project_model_folder(project.folder, name)
    description = verify(folder)
    said = {**description.provenance, "adopted": adopted}
    if said != description.provenance:
        write_description(folder, replace(description, provenance=said))


def _gain(provenance: dict[str, Any]) -> str:
    gain = provenance.get("gain")
    if not gain:
        return "nothing is known of it"
    return f"gain {gain['mean']:+.3f}, 95 % interval {gain['low']:+.3f} to {gain['high']:+.3f}"
