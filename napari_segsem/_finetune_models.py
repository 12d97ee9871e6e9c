"""The fine-tuned models of a project, and the run that was not finished. Knows no Qt."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segsem.core.exceptions import SegSemError
from segsem.models.project_models import FOLDER, project_models
from segsem.models.store import DESCRIPTION_FILE, read_description
from segsem.training.adoption import BETTER

RUN_FILE = "run.json"
CHECKPOINT = "checkpoint.pt"
STEM = "tuned"

MEASURES = {
    "click_iou": "IoU, one click",
    "box_iou": "IoU, box",
    "click_boundary_f1": "Boundary F1, one click",
    "box_boundary_f1": "Boundary F1, box",
    "edge_px": "Edge error, mean of both in px",
}
"""In the order in which they are shown; more is better for all but the last."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Interval:
        """Take it from JSON."""
        return cls(float(value["mean"]), float(value["low"]), float(value["high"]))


@dataclass(frozen=True, slots=True)
class TunedModel:
    """A model of the project, and what its held-out images said.

    Attributes
    ----------
    name : str
    folder : Path
    base : str
        Name of the model that it began with.
    is_better : bool
    gain : Interval or None
        Of the mean of IoU and boundary F1.
    before, after : dict of str to Interval
        By the names of `MEASURES`.
    held_out_ids : tuple of str
    seconds : float
    calibration_note : str
        What is to be thought of its confidence.
    """

    name: str
    folder: Path
    base: str
    is_better: bool
    gain: Interval | None
    before: dict[str, Interval]
    after: dict[str, Interval]
    held_out_ids: tuple[str, ...]
    seconds: float
    calibration_note: str = ""


def read_tuned(folder: Path) -> TunedModel:
    """Read what a model's folder says of it.

    Raises
    ------
    ModelError
        If its description cannot be read.
    """
    said = read_description(folder).provenance
    held_out = {name: one for name, one in said.get("held_out", {}).items() if name in MEASURES}
    return TunedModel(
        name=folder.name,
        folder=folder,
        base=Path(str(said.get("base", ""))).name,
        is_better=said.get("verdict") == BETTER,
        gain=Interval.of(said["gain"]) if said.get("gain") else None,
        before={name: Interval.of(one["before"]) for name, one in held_out.items()},
        after={name: Interval.of(one["after"]) for name, one in held_out.items()},
        held_out_ids=tuple(said.get("split", {}).get("held_out", ())),
        seconds=float(said.get("seconds", 0.0)),
        calibration_note=str(said.get("calibration", {}).get("note", "")),
    )


def tuned_models(project: Path) -> list[TunedModel]:
    """Give the fine-tuned models of a project, the newest last; damaged ones are left out."""
    found = []
    folders = project_models(project).values()
    for folder in sorted(folders, key=lambda path: (path / DESCRIPTION_FILE).stat().st_mtime):
        try:
            found.append(read_tuned(folder))
        except (SegSemError, KeyError, TypeError, ValueError):
            continue
    return found


def unfinished(project: Path) -> str | None:
    """Name of the newest run that was begun and can be gone on with; None where there is none."""
    runs = [
        path
        for path in (project / FOLDER).glob(f"*/{RUN_FILE}")
        if not (path.parent / DESCRIPTION_FILE).exists() and (path.parent / CHECKPOINT).exists()
    ]
    return max(runs, key=lambda path: path.stat().st_mtime).parent.name if runs else None


def free_name(project: Path) -> str:
    """Name for the next model: `tuned-1`, `tuned-2`, and so on."""
    number = 1
    while (project / FOLDER / f"{STEM}-{number}").exists():
        number += 1
    return f"{STEM}-{number}"


def drop_unfinished(project: Path, name: str) -> None:
    """Remove a run that was begun; never a finished model."""
    folder = project / FOLDER / name
    if name and not (folder / DESCRIPTION_FILE).exists():
        shutil.rmtree(folder, ignore_errors=True)
