"""The tables of `segsem measure`: one row a measurement, with the edge definition in each."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from segsem.core.coordinates import rc_to_xy_px
from segsem.core.files import atomic_path
from segsem.metrology.design_epe import DesignEPE, RepeatMean
from segsem.metrology.gauge_table import GaugeSummary
from segsem.metrology.gauges import GaugeKind, GaugeValue
from segsem.metrology.measure import ImageMeasures, Measures
from segsem.metrology.measured import MeasuredImage
from segsem.metrology.statistics import Stats, root_mean_square

DEFINITION = ("edge_method", "edge_side", "offset_nm")

CD_COLUMNS = (
    "image_id", "name", "kind", "axis_deg", "n", "mean_nm", "median_nm", "three_sigma_nm", "min_nm",
    "max_nm", "sigma_nm", "reference_nm", "error_nm", *DEFINITION,
)  # fmt: skip
EPE_COLUMNS = (
    "image_id", "gauge", "x_nm", "y_nm", "nx", "ny", "x_px", "y_px", "epe_nm", "sigma_nm", "n",
    "three_sigma_nm", "corner", "region_id", "contour_id", "source", "confidence", *DEFINITION,
)  # fmt: skip
GAUGE_COLUMNS = (
    "gauge", "kind", "of", "images", "n", "mean_nm", "three_sigma_nm", "three_sigma_of",
    "sigma_nm", "reference_nm", "error_nm", "positive", *DEFINITION,
)  # fmt: skip
ROUGHNESS_COLUMNS = (
    "image_id", "kind", "region_id", "contour_id", "edges", "n", "length_nm", "step_nm", "mean_nm",
    "sigma_biased_nm", "three_sigma_biased_nm", "sigma_unbiased_nm", "three_sigma_unbiased_nm",
    "sigma_unbiased_error_nm", "noise_sigma_nm", "xi_nm", "xi_error_nm", "hurst", "hurst_error",
    "sigma_fit_nm", *DEFINITION, "warnings",
)  # fmt: skip
PSD_COLUMNS = ("image_id", "kind", "edges", "frequency_per_nm", "psd_nm3", "fit_nm3")
TOPOLOGY_COLUMNS = ("image_id", "fault", "number", "x_nm", "y_nm", "area_nm2")
MEAN_COLUMNS = (
    "point", "x_nm", "y_nm", "nx", "ny", "epe_nm", "n", "sigma_nm", "standard_error_nm", "corner",
)  # fmt: skip

Cell = str | int | float


def write_tables(out: Path, measures: Measures) -> list[Path]:
    """Write the tables that there is something for; cd.csv and roughness.csv always.

    Returns
    -------
    list of Path
        What was written.
    """
    images = measures.images
    with_design = any(one.epe is not None for one in images)
    ep = any(v.gauge.kind is GaugeKind.EP for one in images for v in one.gauges)
    tables: list[tuple[str, Sequence[str], Iterable[list[Cell]]]] = [
        ("cd.csv", CD_COLUMNS, (row for one in images for row in _cd_rows(one))),
        ("roughness.csv", ROUGHNESS_COLUMNS, (r for one in images for r in _roughness_rows(one))),
        ("psd.csv", PSD_COLUMNS, (row for one in images for row in _psd_rows(one))),
    ]
    if with_design or ep:
        tables.append(("epe.csv", EPE_COLUMNS, (r for one in images for r in _epe_rows(one))))
    if with_design:
        rows = (row for one in images for row in _topology_rows(one))
        tables.append(("topology.csv", TOPOLOGY_COLUMNS, rows))
    if measures.gauges:
        definition = _shared_definition(images)
        rows = (_gauge_row(gauge, definition) for gauge in measures.gauges)
        tables.append(("gauges.csv", GAUGE_COLUMNS, rows))
    if measures.repeats is not None:
        tables.append(("epe_mean.csv", MEAN_COLUMNS, _mean_rows(measures.repeats)))
    for name, columns, table in tables:
        _write(out / name, columns, table)
    return [out / name for name, _, _ in tables]


def _write(path: Path, columns: Sequence[str], rows: Iterable[list[Cell]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_text(cell) for cell in row] for row in rows)


def _text(cell: Cell) -> str:
    if not isinstance(cell, float):
        return str(cell)
    return f"{cell:.6g}" if math.isfinite(cell) else ""


def _definition(image: MeasuredImage) -> list[Cell]:
    """Edge definition, and the mean offset that was applied."""
    offsets = [c.offset_nm for c in image.contours if c.offset_nm is not None]
    mean = float(np.mean(np.concatenate(offsets))) if offsets else 0.0
    names = image.edge_definition()
    return [names["edge_method"], names["edge_side"], mean]


def _shared_definition(images: Sequence[ImageMeasures]) -> list[Cell]:
    """Return what all images have in common; `mixed` where they differ."""
    columns = zip(*(_definition(one.image) for one in images), strict=True)
    return [values[0] if len(set(values)) == 1 else "mixed" for values in columns]


def _stats(stats: Stats) -> list[Cell]:
    return [stats.n, stats.mean, stats.median, stats.three_sigma, stats.low, stats.high]


def _cd_rows(one: ImageMeasures) -> Iterable[list[Cell]]:
    definition = _definition(one.image)
    nothing = [float("nan")] * 3
    for cd in one.features:
        name = f"region {cd.region_id}"
        head: list[Cell] = [one.image_id, name, cd.of, cd.axis_deg]
        yield [*head, *_stats(cd.stats), *nothing, *definition]
    for value in one.gauges:
        if value.gauge.kind is GaugeKind.CD:
            stats, reference = Stats.of(value.values_nm), value.gauge.reference_nm
            head = [one.image_id, value.gauge.name, value.of or "not found", float("nan")]
            sigma = root_mean_square(value.sigma_nm)
            yield [*head, *_stats(stats), sigma, reference, stats.mean - reference, *definition]


def _epe_rows(one: ImageMeasures) -> Iterable[list[Cell]]:
    definition = _definition(one.image)
    if one.epe is not None:
        yield from _point_rows(one, one.epe, definition)
    for value in one.gauges:
        if value.gauge.kind is GaugeKind.EP:
            yield [*_ep_row(one.image_id, value), *definition]


def _point_rows(one: ImageMeasures, epe: DesignEPE, definition: list[Cell]) -> Iterable[list[Cell]]:
    image = one.image
    xy_px = rc_to_xy_px(epe.points_rc)
    for index in np.flatnonzero(epe.inside).tolist():
        place: list[Cell] = [
            *epe.edges.points_nm[index].tolist(),
            *epe.edges.normals_xy[index].tolist(),
            *xy_px[index].tolist(),
        ]
        values: list[Cell] = [float(epe.epe_nm[index]), float(epe.sigma_nm[index])]
        number = int(epe.contour[index])
        whose: list[Cell] = ["", "", "", ""]
        if number >= 0:
            contour = image.contours[number]
            region = image.regions[int(image.region_of[number])]
            whose = [region.region_id, contour.contour_id, region.source.value, region.confidence]
        found = int(np.isfinite(epe.epe_nm[index]))
        corner = int(epe.edges.corner[index])
        yield [
            one.image_id, "", *place, *values, found, float("nan"), corner, *whose, *definition
        ]  # fmt: skip


def _ep_row(image_id: str, value: GaugeValue) -> list[Cell]:
    gauge, stats = value.gauge, Stats.of(value.values_nm)
    x, y = gauge.start_xy
    normal = (gauge.end_xy[0] - x, gauge.end_xy[1] - y)
    in_px = gauge.frame.value == "image_px"
    nowhere = float("nan")
    nm = [nowhere] * 4 if in_px else [x, y, *normal]
    px = [x, y] if in_px else [nowhere, nowhere]
    sigma = root_mean_square(value.sigma_nm)
    head: list[Cell] = [image_id, gauge.name, *nm, *px, stats.mean, sigma, stats.n]
    return [*head, stats.three_sigma, 0, "", "", "", ""]


def _gauge_row(found: GaugeSummary, definition: list[Cell]) -> list[Cell]:
    repeated = found.images >= 2
    spread = found.repeats.three_sigma if repeated else found.cuts.three_sigma
    positive = "outward" if found.gauge.kind is GaugeKind.EP else "width"
    return [
        found.gauge.name, found.gauge.kind.value, found.of, found.images, found.cuts.n,
        found.mean_nm, spread, "images" if repeated else "cuts", found.sigma_nm,
        found.gauge.reference_nm, found.error_nm, positive, *definition,
    ]  # fmt: skip


def _roughness_rows(one: ImageMeasures) -> Iterable[list[Cell]]:
    definition = _definition(one.image)
    nowhere = float("nan")
    for rough in one.roughness:
        fit = rough.fit
        of_fit = [nowhere] * 5
        if fit is not None:
            told = math.isfinite(rough.xi_nm), math.isfinite(rough.hurst)
            of_fit = [
                rough.xi_nm, fit.xi_error_nm if told[0] else nowhere,
                rough.hurst, fit.hurst_error if told[1] else nowhere, fit.sigma_nm,
            ]  # fmt: skip
        step = rough.spectrum.step_nm
        edges, length = rough.spectrum.edges, rough.spectrum.length_nm * rough.spectrum.edges
        points = round(length / step)
        mean = float(np.mean([edge.mean_nm for edge in rough.edges]))
        yield [
            one.image_id, rough.kind, "all", "all", edges, points, length, step, mean,
            rough.biased_nm, 3 * rough.biased_nm, rough.unbiased_nm, 3 * rough.unbiased_nm,
            rough.unbiased_error_nm, rough.noise_nm, *of_fit, *definition,
            "; ".join(rough.warnings),
        ]  # fmt: skip
        for edge in rough.edges:
            yield [
                one.image_id, rough.kind, edge.region_id, edge.contour_id, 1, edge.points,
                edge.length_nm, step, edge.mean_nm, edge.biased_nm, 3 * edge.biased_nm,
                edge.unbiased_nm, 3 * edge.unbiased_nm, nowhere, rough.noise_nm,
                *[nowhere] * 5, *definition, "",
            ]  # fmt: skip


def _psd_rows(one: ImageMeasures) -> Iterable[list[Cell]]:
    for rough in one.roughness:
        spectrum = rough.spectrum
        model = np.full(len(spectrum.frequency), np.nan)
        if rough.fit is not None:
            model = rough.fit.psd(spectrum.frequency, spectrum.step_nm)
        columns = (spectrum.frequency.tolist(), spectrum.psd.tolist(), model.tolist())
        for values in zip(*columns, strict=True):
            yield [one.image_id, rough.kind, spectrum.edges, *values]


def _topology_rows(one: ImageMeasures) -> Iterable[list[Cell]]:
    for fault in one.faults:
        yield [one.image_id, fault.fault.value, fault.number, *fault.centre_nm, fault.area_nm2]


def _mean_rows(mean: RepeatMean) -> Iterable[list[Cell]]:
    error = mean.standard_error_nm
    for index in np.flatnonzero(mean.n > 0).tolist():
        yield [
            index, *mean.edges.points_nm[index].tolist(), *mean.edges.normals_xy[index].tolist(),
            float(mean.epe_nm[index]), int(mean.n[index]), float(mean.sigma_nm[index]),
            float(error[index]), int(mean.edges.corner[index]),
        ]  # fmt: skip
