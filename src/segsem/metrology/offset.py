"""Offset of our edges against a reference tool: fitted per layer, stored, applied to contours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from segsem.core.contour import Contour, Region
from segsem.core.coordinates import nm_per_px_along
from segsem.core.exceptions import CalibrationError, InputError
from segsem.core.extraction import Extraction
from segsem.core.types import PixelSize
from segsem.metrology.deming import LEAST_POINTS, deming
from segsem.metrology.feature_cd import measure_features
from segsem.metrology.measured import MeasuredImage


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class LayerOffset(_Record):
    """Calibration of one layer: ``reference CD = slope * our CD + intercept_nm``.

    `offset_nm` is what an edge moves outwards if the slope is taken for 1: half of the mean
    difference. Intervals are 95 %; None where fewer than 3 pairs allow only the mean.
    """

    slope: float
    intercept_nm: float
    slope_interval: tuple[float, float] | None
    intercept_interval_nm: tuple[float, float] | None
    offset_nm: float
    offset_interval_nm: tuple[float, float] | None
    residual_nm: float | None
    n: int = Field(ge=1)
    cd_range_nm: tuple[float, float]

    @property
    def tells_slope(self) -> bool:
        """Whether the slope is another one than 1, as far as its interval tells."""
        return self.slope_interval is not None and not (
            self.slope_interval[0] <= 1.0 <= self.slope_interval[1]
        )

    def edge_offset_nm(self, cd_nm: float) -> float:
        """How far an edge of a feature moves outwards: half of what its CD lacks.

        The slope counts only where the calibration tells one, and no farther than its CDs reach.
        """
        if not (self.tells_slope and math.isfinite(cd_nm)):
            return self.offset_nm
        within = min(max(cd_nm, self.cd_range_nm[0]), self.cd_range_nm[1])
        return (self.intercept_nm + (self.slope - 1.0) * within) / 2


class OffsetFile(_Record):
    """`offset.json`."""

    format: Literal["segsem-offset"] = "segsem-offset"
    version: Literal[1] = 1
    variance_ratio: float = Field(gt=0)
    edge_method: str | None = None
    edge_side: str | None = None
    table: str = ""
    layers: dict[str, LayerOffset] = Field(min_length=1)

    def layer(self, name: str | None) -> LayerOffset:
        """Look a layer up; the only one where none is named.

        Raises
        ------
        InputError
            If there is no such layer, or several and none was named.
        """
        if name is None and len(self.layers) == 1:
            return next(iter(self.layers.values()))
        if name is None or name not in self.layers:
            known = ", ".join(self.layers)
            msg = f"Expected one of the calibrated layers ({known}), but got {name!r}"
            raise InputError(msg)
        return self.layers[name]


@dataclass(frozen=True, slots=True)
class CdPairs:
    """Our CDs and the reference tool's of one layer, in nm."""

    measured_nm: np.ndarray[Any, np.dtype[np.float64]]
    reference_nm: np.ndarray[Any, np.dtype[np.float64]]


def calibrate_offset(
    pairs: Mapping[str, CdPairs],
    *,
    variance_ratio: float = 1.0,
    edge: Mapping[str, str] | None = None,
    table: str = "",
) -> OffsetFile:
    """Fit each layer.

    Parameters
    ----------
    pairs : mapping
        Layer name to its CDs.
    variance_ratio : float
        Variance of the reference's errors over that of ours.
    edge : mapping, optional
        `edge_method` and `edge_side` of our CDs: the offset holds for no other.
    table : str
        Name of the table, for the record.

    Raises
    ------
    InputError
        If a layer has no pairs, or its CDs allow no fit.
    """
    layers = {name: _calibrated(name, one, variance_ratio) for name, one in pairs.items()}
    if not layers:
        msg = "Expected pairs of CDs to calibrate with, but got none"
        raise InputError(msg)
    edge = edge or {}
    return OffsetFile(
        variance_ratio=variance_ratio,
        edge_method=edge.get("edge_method"),
        edge_side=edge.get("edge_side"),
        table=table,
        layers=layers,
    )


def _calibrated(name: str, pairs: CdPairs, ratio: float) -> LayerOffset:
    difference = pairs.reference_nm - pairs.measured_nm
    n = len(difference)
    if n == 0:
        msg = f"Layer {name!r}: expected pairs of CDs, but got none"
        raise InputError(msg)
    offset = float(difference.mean()) / 2
    reach = 1.96 * float(difference.std(ddof=1)) / 2 / math.sqrt(n) if n > 1 else None
    span = (float(pairs.measured_nm.min()), float(pairs.measured_nm.max()))
    interval = None if reach is None else (offset - reach, offset + reach)
    if n < LEAST_POINTS or span[1] - span[0] < 1e-6 * max(1.0, span[1]):
        # One size tells an offset and no slope.
        return LayerOffset(
            slope=1.0, intercept_nm=2 * offset, slope_interval=None, intercept_interval_nm=None,
            offset_nm=offset, offset_interval_nm=interval, residual_nm=None, n=n, cd_range_nm=span,
        )  # fmt: skip
    try:
        line = deming(pairs.measured_nm, pairs.reference_nm, ratio)
    except InputError as error:
        msg = f"Layer {name!r}: {error}"
        raise InputError(msg) from error
    return LayerOffset(
        slope=line.slope,
        intercept_nm=line.intercept,
        slope_interval=line.slope_interval,
        intercept_interval_nm=line.intercept_interval,
        offset_nm=offset,
        offset_interval_nm=interval,
        residual_nm=line.residual,
        n=n,
        cd_range_nm=span,
    )


def apply_offset(
    extraction: Extraction, offset: OffsetFile, layer: str | None = None
) -> Extraction:
    """Move all contours along their normals by a layer's calibrated offset.

    Where the calibration tells a slope, each region moves by what its own narrower CD asks for;
    else all edges move by the one `offset_nm`. Masks stay as they are.

    Parameters
    ----------
    extraction : Extraction
        Without an offset so far.
    offset : OffsetFile
        The calibration.
    layer : str, optional
        Which of its layers.

    Returns
    -------
    Extraction
        With `Contour.offset_nm` set, and the calibration in its provenance.

    Raises
    ------
    InputError
        If an offset was applied before, or edges were placed by another definition.
    CalibrationError
        If the pixel size is unknown.
    """
    if extraction.pixel_size_nm is None:
        msg = (
            f"{extraction.image_id}: expected a pixel size to apply an offset in nm, but none is "
            "known: extract the image again with --pixel-size NM"
        )
        raise CalibrationError(msg)
    if any(c.offset_nm is not None for region in extraction.regions for c in region.contours):
        msg = f"{extraction.image_id}: an offset was applied before; start from the extraction"
        raise InputError(msg)
    _check_definition(extraction, offset)
    own = offset.layer(layer)
    cds = _narrower_cds(extraction) if own.tells_slope else {}
    regions = tuple(
        _moved(
            region,
            own.edge_offset_nm(cds.get(region.region_id, math.nan)),
            extraction.pixel_size_nm,
        )
        for region in extraction.regions
    )
    record = {**offset.model_dump(mode="json"), "applied_layer": layer}
    return replace(
        extraction,
        regions=regions,
        provenance={**extraction.provenance, "offset": record},
    )


def _narrower_cds(extraction: Extraction) -> dict[int, float]:
    cds: dict[int, float] = {}
    for found in measure_features(MeasuredImage.of(extraction)):
        if found.of == "feature":
            known = cds.get(found.region_id, math.inf)
            cds[found.region_id] = min(known, found.stats.median)
    return cds


def _check_definition(extraction: Extraction, offset: OffsetFile) -> None:
    params = extraction.provenance.get("params")
    edge = params.get("edge", {}) if isinstance(params, dict) else {}
    for name in ("edge_method", "edge_side"):
        wanted, own = getattr(offset, name), edge.get(name)
        if wanted is not None and own is not None and wanted != own:
            msg = (
                f"{extraction.image_id}: the offset was calibrated for {name} {wanted}, but the "
                f"edges were placed with {own}: extract again, or calibrate for {own}"
            )
            raise InputError(msg)


def _moved(region: Region, offset_nm: float, pixel_size_nm: PixelSize) -> Region:
    return replace(
        region,
        contours=tuple(_moved_contour(c, offset_nm, pixel_size_nm) for c in region.contours),
    )


def _moved_contour(contour: Contour, offset_nm: float, pixel_size_nm: PixelSize) -> Contour:
    per_px = nm_per_px_along(contour.normals_rc, pixel_size_nm)
    shift = np.nan_to_num(offset_nm / per_px)
    return replace(
        contour,
        vertices_rc=contour.vertices_rc + shift[:, None] * contour.normals_rc,
        offset_nm=np.where(np.isfinite(per_px), offset_nm, 0.0),
    )
