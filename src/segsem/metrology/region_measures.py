"""The tables of `segsem measure` read back: of each region, and along a design."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from segsem.core.coordinates import xy_px_to_rc
from segsem.core.exceptions import InputError
from segsem.core.types import FloatArray, MaskArray, PointsRC, PointsXY
from segsem.metrology.statistics import Stats, root_mean_square

CD_CSV = "cd.csv"
EPE_CSV = "epe.csv"
ROUGHNESS_CSV = "roughness.csv"

NOT_MEASURED = float("nan")


@dataclass(frozen=True, slots=True)
class RegionMeasures:
    """What was measured on one region, in nm; NaN where nothing was.

    Attributes
    ----------
    cd_nm, cd_min_nm, cd_max_nm : float
        Mean, least and greatest width along the direction in which the region is narrower.
    epe_nm, epe_three_sigma_nm : float
        Of the points of the design away from its corners that the region's contours are nearest
        to; positive outwards.
    ler_nm, lwr_nm : float
        3 sigma, unbiased: root mean square over the region's edges.
    """

    cd_nm: float = NOT_MEASURED
    cd_min_nm: float = NOT_MEASURED
    cd_max_nm: float = NOT_MEASURED
    epe_nm: float = NOT_MEASURED
    epe_three_sigma_nm: float = NOT_MEASURED
    ler_nm: float = NOT_MEASURED
    lwr_nm: float = NOT_MEASURED


@dataclass(frozen=True, slots=True)
class DesignPoints:
    """Points along the registered design in one image.

    Attributes
    ----------
    points_rc : (N, 2) array
        In the image.
    normals_xy : (N, 2) array
        Outwards, in the design's frame (y up).
    epe_nm : (N,) array
        Positive outwards; NaN where no contour was found.
    corner : (N,) bool
        Near a corner of the design.
    """

    points_rc: PointsRC
    normals_xy: PointsXY
    epe_nm: FloatArray
    corner: MaskArray


ByRegion = dict[str, dict[int, RegionMeasures]]
"""By image id and region id."""


def read_region_measures(folder: Path) -> ByRegion:
    """Read what was measured on regions.

    Parameters
    ----------
    folder : Path
        What `segsem measure` wrote.

    Raises
    ------
    InputError
        If a table is damaged.
    """
    found: dict[str, dict[int, RegionMeasures]] = defaultdict(dict)
    _take_cds(folder / CD_CSV, found)
    _take_epe(folder / EPE_CSV, found)
    _take_roughness(folder / ROUGHNESS_CSV, found)
    return dict(found)


def read_design_points(folder: Path, image_id: str) -> DesignPoints | None:
    """Read the errors along the design of one image; None where it was not compared with one.

    Raises
    ------
    InputError
        If the table is damaged.
    """
    names = ("image_id", "gauge", "x_px", "y_px", "nx", "ny", "epe_nm", "corner")
    rows = [
        [_number(text) for text in row[2:]]
        for row in _rows(folder / EPE_CSV, names)
        # Gauges are points of their own.
        if row[0] == image_id and not row[1]
    ]
    if not rows:
        return None
    table = np.array(rows)
    return DesignPoints(
        xy_px_to_rc(table[:, :2]), table[:, 2:4], table[:, 4], np.asarray(table[:, 5] > 0)
    )


def _take_cds(path: Path, found: Mapping[str, dict[int, RegionMeasures]]) -> None:
    names = ("image_id", "name", "kind", "mean_nm", "min_nm", "max_nm")
    for image_id, name, kind, *texts in _rows(path, names):
        # Gauges have names of their own.
        number = name.removeprefix("region ")
        mean, low, high = (_number(text) for text in texts)
        if kind != "feature" or not number.isdigit() or np.isnan(mean):
            continue
        known = found[image_id].get(int(number), RegionMeasures())
        if not known.cd_nm <= mean:
            found[image_id][int(number)] = replace(known, cd_nm=mean, cd_min_nm=low, cd_max_nm=high)


def _take_epe(path: Path, found: Mapping[str, dict[int, RegionMeasures]]) -> None:
    errors: dict[tuple[str, int], list[float]] = defaultdict(list)
    names = ("image_id", "gauge", "region_id", "corner", "epe_nm")
    for image_id, gauge, number, corner, text in _rows(path, names):
        if not gauge and number.isdigit() and corner == "0":
            errors[image_id, int(number)].append(_number(text))
    for (image_id, region_id), values in errors.items():
        stats = Stats.of(np.array(values))
        known = found[image_id].get(region_id, RegionMeasures())
        found[image_id][region_id] = replace(
            known, epe_nm=stats.mean, epe_three_sigma_nm=stats.three_sigma
        )


def _take_roughness(path: Path, found: Mapping[str, dict[int, RegionMeasures]]) -> None:
    edges: dict[tuple[str, int], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    names = ("image_id", "region_id", "kind", "three_sigma_unbiased_nm")
    for image_id, number, kind, text in _rows(path, names):
        # The line for all edges of an image is not one of a region.
        if number.isdigit():
            edges[image_id, int(number)][kind].append(_number(text))
    for (image_id, region_id), by_kind in edges.items():
        known = found[image_id].get(region_id, RegionMeasures())
        ler, lwr = (root_mean_square(np.array(by_kind.get(k, []))) for k in ("LER", "LWR"))
        found[image_id][region_id] = replace(known, ler_nm=ler, lwr_nm=lwr)


def _rows(path: Path, names: Sequence[str]) -> Iterator[list[str]]:
    """Columns of a table, in this order; nothing where there is no such table."""
    if not path.is_file():
        return
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            missing = [name for name in names if name not in header]
            if missing:
                msg = f"it lacks the column {missing[0]}"
                raise ValueError(msg)
            places = [header.index(name) for name in names]
            for row in reader:
                if len(row) != len(header):
                    msg = f"line {reader.line_num} has {len(row)} columns, not {len(header)}"
                    raise ValueError(msg)
                yield [row[place] for place in places]
    except (OSError, ValueError, csv.Error) as error:
        msg = f"Cannot read {path} of `segsem measure`: {error}"
        raise InputError(msg) from error


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return NOT_MEASURED
