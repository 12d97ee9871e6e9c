"""`registration.json`: where in a design the images lie, with a version and a checked reader."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from segsem.core.files import write_json
from segsem.core.versioned_json import read_versioned
from segsem.layout.registration import Place, Registration, Verdict

FORMAT = "segsem-registration"
VERSION = 1
READABLE_VERSIONS = (1,)

FRAME_NOTE = (
    "design = scale * R(rotation_deg, counter-clockwise) * (image - centre_nm) + position_nm; "
    "image: nm, x = (col + 0.5) * px_x, y = (H - 0.5 - row) * px_y, y up; design: the layout's own "
    "frame. mean_epe_nm is positive outwards."
)

_Pair = tuple[float, float]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class _PlaceRecord(_Record):
    centre_nm: _Pair
    position_nm: _Pair
    rotation_deg: float
    scale: float = Field(gt=0)


class _ImageRecord(_Record):
    shape_px: tuple[int, int]
    pixel_size_nm: _Pair
    place: _PlaceRecord
    verdict: Verdict
    score: float
    second_score: float | None
    second_position_nm: _Pair | None
    undetermined_xy: _Pair | None
    residual_rms_nm: float | None
    residual_rms_px: float | None
    mean_epe_nm: float | None
    points: int = Field(ge=0)
    matched: float
    scale_fitted: bool
    design_width_nm: float | None
    absorbed_cd_nm: float | None


class RegistrationFile(_Record):
    """The whole file."""

    format: Literal["segsem-registration"]
    version: Literal[1]
    design: dict[str, Any]
    images: dict[str, _ImageRecord]

    def registrations(self) -> dict[str, Registration]:
        """Image id to registration."""
        return {name: _registration(record) for name, record in self.images.items()}


def write_registrations(
    path: Path | str, registrations: Mapping[str, Registration], design: Mapping[str, Any]
) -> None:
    """Write the registrations of images to one design.

    Parameters
    ----------
    path : path
        The file.
    registrations : mapping
        Image id to registration.
    design : mapping
        What tells the design again: file, sha256, cell, layer.
    """
    write_json(
        path,
        {
            "format": FORMAT,
            "version": VERSION,
            "frame": FRAME_NOTE,
            "design": dict(design),
            "images": {name: registration_record(found) for name, found in registrations.items()},
        },
    )


def read_registrations(path: Path | str) -> RegistrationFile:
    """Read and check a `registration.json`.

    Raises
    ------
    InputError
        If it cannot be read, is of another format or version, or holds something else.
    """
    return read_versioned(
        Path(path), RegistrationFile, FORMAT, READABLE_VERSIONS, "update segsem, or measure again"
    )


def registration_record(found: Registration) -> dict[str, Any]:
    """Give a registration as plain JSON values; `FRAME_NOTE` says what they mean."""
    place = found.place
    return {
        "shape_px": list(found.shape),
        "pixel_size_nm": list(found.pixel_size_nm),
        "place": {
            "centre_nm": list(place.centre_nm),
            "position_nm": list(place.position_nm),
            "rotation_deg": place.rotation_deg,
            "scale": place.scale,
        },
        "shift_nm": list(found.shift_nm),
        "verdict": found.verdict.value,
        "score": found.score,
        "second_score": _number(found.second_score),
        "second_position_nm": found.second_position_nm and list(found.second_position_nm),
        "undetermined_xy": found.undetermined_xy and list(found.undetermined_xy),
        "residual_rms_nm": _number(found.residual_rms_nm),
        "residual_rms_px": _number(found.residual_rms_px),
        "mean_epe_nm": _number(found.mean_epe_nm),
        "points": found.points,
        "matched": found.matched,
        "scale_fitted": found.scale_fitted,
        "design_width_nm": _number(found.design_width_nm),
        "absorbed_cd_nm": _number(found.absorbed_cd_nm),
    }


def registration_of(record: object) -> Registration | None:
    """Read back what `registration_record` gave; None where it is none."""
    try:
        return _registration(_ImageRecord.model_validate(record))
    except ValidationError:
        return None


def _registration(record: _ImageRecord) -> Registration:
    place = record.place
    return Registration(
        shape=record.shape_px,
        pixel_size_nm=record.pixel_size_nm,
        place=Place(place.centre_nm, place.position_nm, place.rotation_deg, place.scale),
        verdict=record.verdict,
        score=record.score,
        second_score=_or_nan(record.second_score),
        second_position_nm=record.second_position_nm,
        undetermined_xy=record.undetermined_xy,
        residual_rms_nm=_or_nan(record.residual_rms_nm),
        residual_rms_px=_or_nan(record.residual_rms_px),
        mean_epe_nm=_or_nan(record.mean_epe_nm),
        points=record.points,
        matched=record.matched,
        scale_fitted=record.scale_fitted,
        design_width_nm=_or_nan(record.design_width_nm),
    )


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value
