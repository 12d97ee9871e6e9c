"""Limits of the QA gates: `[qa]` in `project.toml`, defaults where none are given."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from segsem.core.exceptions import InputError
from segsem.project.description import FILE as PROJECT_FILE

TABLE = "qa"
_LOWER_IS_WORSE = ("snr", "confidence_median")

Limit = tuple[float, float]


class QALimits(BaseModel):
    """For each check the value that warns and the value that fails."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    snr: Limit = Field((4.0, 2.0), description="edge-peak signal-to-noise ratio, at least")
    blur_px: Limit = Field((3.0, 5.0), description="blur (sigma) of edges in px, at most")
    saturated_fraction: Limit = Field((0.003, 0.03), description="share of clipped pixels, at most")
    registration_residual_px: Limit = Field(
        (1.0, 2.0), description="rms distance of contours from the registered design, at most"
    )
    topology_faults: Limit = Field(
        (0.0, 0.0), description="missing, broken, bridged and extra features, at most"
    )
    fallback_share: Limit = Field(
        (0.2, 0.5), description="share of regions that stand on Sauvola, wholly or in part, at most"
    )
    doubtful_share: Limit = Field(
        (0.05, 0.2), description="share of regions below the confidence threshold, at most"
    )
    confidence_median: Limit = Field(
        (0.9, 0.7), description="median confidence of the regions, at least"
    )
    outlier_z: float = Field(
        6.0, ge=2, description="robust z-score of area or CD above which a region is an outlier"
    )
    outlier_share: Limit = Field((0.0, 0.05), description="share of outliers not looked at")
    open_regions: Limit = Field(
        (0.0, 1.0), description="share of regions without a decision, at most"
    )

    @model_validator(mode="after")
    def _ordered(self) -> QALimits:
        for name in type(self).model_fields:
            value = getattr(self, name)
            if not isinstance(value, tuple):
                continue
            warn, fail = value
            if (warn < fail) if name in _LOWER_IS_WORSE else (warn > fail):
                msg = f"{name}: the limit that fails, {fail:g}, must be worse than {warn:g}"
                raise ValueError(msg)
        return self


def read_limits(path: Path | None) -> QALimits:
    """Read the limits of a project.

    Parameters
    ----------
    path : Path or None
        A `project.toml` or a file that holds a table ``[qa]``; the defaults without one.

    Raises
    ------
    InputError
        If the file cannot be read, or a limit is unknown or makes no sense.
    """
    if path is None:
        return QALimits()
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"Cannot read the QA limits in {path}: {error}"
        raise InputError(" ".join(msg.split())) from error
    try:
        return QALimits.model_validate(content.get(TABLE, {}))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        known = ", ".join(QALimits.model_fields)
        said = problem["msg"].removeprefix("Value error, ")
        msg = f"[{TABLE}] in {path} cannot be used: {where} {said}. Expected limits out of {known}"
        raise InputError(" ".join(msg.split())) from error


def project_file_near(folder: Path) -> Path | None:
    """Find the `project.toml` of the project that results lie in; None where they lie in none."""
    for parent in (folder.resolve(), *folder.resolve().parents[:3]):
        if (parent / PROJECT_FILE).is_file():
            return parent / PROJECT_FILE
    return None
