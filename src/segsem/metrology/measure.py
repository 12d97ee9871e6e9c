"""All measurements of some images: registration, EPE, gauges, CDs, roughness, repeats."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field

import numpy as np

from segsem.core.exceptions import InputError
from segsem.core.extraction import Extraction
from segsem.core.progress import Progress
from segsem.layout.design import Design, sample_edges
from segsem.layout.register import CORNER_PX, RegisterOptions, register
from segsem.layout.registration import Registration, Verdict
from segsem.metrology.design_epe import DesignEPE, RepeatMean, average_repeats, epe_of_design
from segsem.metrology.design_topology import TopologyFault, check_topology
from segsem.metrology.feature_cd import FeatureCD, measure_features
from segsem.metrology.gauge_table import GaugeSummary, summarise_gauges
from segsem.metrology.gauges import Gauge, GaugeValue, check_in_field, measure_gauges
from segsem.metrology.measured import MeasuredImage
from segsem.metrology.offset import OffsetFile, apply_offset
from segsem.metrology.roughness import Roughness, measure_roughness

EPE_REACH_PX = 20.0
SLIVER_PX = 64
"""Features of which less lies in the field may be found or not."""


@dataclass(frozen=True, slots=True)
class MeasureJob:
    """What to measure.

    Attributes
    ----------
    gauges : tuple of Gauge
        May be empty.
    design : Design or None
        The design clip.
    register : RegisterOptions
        How to lay it on the images.
    reach_nm : float or None
        How far from the design an edge is looked for; 20 px, or half the design's width where
        that is less, by default.
    offset : OffsetFile or None
        Applied to all contours before.
    offset_layer : str or None
        Which of its layers.
    average : bool
        The images are repeats of one site.
    """

    gauges: tuple[Gauge, ...] = ()
    design: Design | None = None
    register: RegisterOptions = field(default_factory=RegisterOptions)
    reach_nm: float | None = None
    offset: OffsetFile | None = None
    offset_layer: str | None = None
    average: bool = False


@dataclass(frozen=True, slots=True)
class ImageMeasures:
    """What one image gave; tuples are empty and fields None where nothing was asked or found."""

    image: MeasuredImage
    features: tuple[FeatureCD, ...]
    roughness: tuple[Roughness, ...]
    registration: Registration | None = None
    epe: DesignEPE | None = None
    faults: tuple[TopologyFault, ...] = ()
    gauges: tuple[GaugeValue, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def image_id(self) -> str:
        """Of the image."""
        return self.image.extraction.image_id


@dataclass(frozen=True, slots=True)
class Measures:
    """What all images gave."""

    images: tuple[ImageMeasures, ...]
    gauges: tuple[GaugeSummary, ...]
    repeats: RepeatMean | None


def measure_images(
    extractions: Iterable[Extraction], job: MeasureJob, total: int
) -> Generator[Progress, None, Measures]:
    """Measure images one after the other.

    Parameters
    ----------
    extractions : iterable of Extraction
        Taken one at a time; their confidence maps are not kept.
    job : MeasureJob
        What to measure.
    total : int
        How many there are.

    Yields
    ------
    Progress
        One for each image.

    Raises
    ------
    InputError
        If a pixel size is unknown, no image fits the design, a gauge lies in no image or names
        one that is not there.
    """
    registered: list[tuple[MeasuredImage, Registration | None]] = []
    for number, extraction in enumerate(extractions):
        yield Progress(number, 2 * total, f"register {extraction.image_id}")
        if job.offset is not None:
            extraction = apply_offset(extraction, job.offset, job.offset_layer)
        image = MeasuredImage.of(extraction)
        place = None if job.design is None else _registered(image, job.design, job)
        registered.append((image, place))
    _check_named(registered, job.gauges)
    _check_fit(registered)
    edges = _design_edges(registered, job)
    found = []
    for number, (image, registration) in enumerate(registered):
        yield Progress(total + number, 2 * total, f"measure {image.extraction.image_id}")
        found.append(_measured(image, registration, job, edges))
    values = [value for one in found for value in one.gauges]
    check_in_field(job.gauges, values)
    epes = [one.epe for one in found if one.epe is not None]
    return Measures(
        tuple(found),
        tuple(summarise_gauges(job.gauges, values)),
        average_repeats(epes) if job.average and epes else None,
    )


def _registered(image: MeasuredImage, design: Design, job: MeasureJob) -> Registration:
    extraction = image.extraction
    return register(
        design,
        image.labels() > 0,
        image.pixel_size_nm,
        contours=image.contours,
        valid_rows=extraction.valid_rows,
        options=job.register,
    )


def _check_named(
    registered: list[tuple[MeasuredImage, Registration | None]], gauges: tuple[Gauge, ...]
) -> None:
    known = {image.extraction.image_id for image, _ in registered}
    for gauge in gauges:
        if gauge.image_id and gauge.image_id not in known:
            some = ", ".join(sorted(known)[:5])
            msg = (
                f"Gauge {gauge.name!r} is for the image {gauge.image_id!r}, but the results are of "
                f"other images ({some}{', ...' if len(known) > 5 else ''})"
            )
            raise InputError(msg)


def _check_fit(registered: list[tuple[MeasuredImage, Registration | None]]) -> None:
    found = [one for _, one in registered if one is not None]
    if found and all(one.verdict is Verdict.POOR for one in found):
        best = max(found, key=lambda one: one.score)
        msg = (
            f"Expected an image that lies on the design, but none does (best correlation "
            f"{best.score:.2f}, {100 * best.matched:.0f} % of the design's edge found): check "
            "--cell, --layer and the pixel size, or try --rotate"
        )
        raise InputError(msg)


class DesignPoints:
    """The features near the images' fields, and points along their edges, a pixel apart."""

    def __init__(self, design: Design, pixel_nm: float) -> None:
        self.design = design
        self.edges = sample_edges(design, pixel_nm, CORNER_PX * pixel_nm)


def _design_edges(
    registered: list[tuple[MeasuredImage, Registration | None]], job: MeasureJob
) -> DesignPoints | None:
    fits = [(image, one) for image, one in registered if one is not None and _fits(one)]
    if job.design is None or not fits:
        return None
    corners = []
    for image, registration in fits:
        height, width = image.extraction.shape
        field_rc = np.array([[0.0, 0.0], [0.0, width], [height, 0.0], [height, width]])
        corners.append(registration.rc_to_design_nm(field_rc))
    all_corners = np.concatenate(corners)
    low, high = all_corners.min(axis=0), all_corners.max(axis=0)
    near = job.design.near((float(low[0]), float(low[1]), float(high[0]), float(high[1])))
    if near is None:
        return None
    pixel = float(np.sqrt(np.prod(fits[0][0].pixel_size_nm)))
    return DesignPoints(near, pixel)


def _fits(registration: Registration | None) -> bool:
    return registration is not None and registration.verdict is not Verdict.POOR


def _measured(
    image: MeasuredImage,
    registration: Registration | None,
    job: MeasureJob,
    points: DesignPoints | None,
) -> ImageMeasures:
    usable = registration if _fits(registration) else None
    epe: DesignEPE | None = None
    faults: tuple[TopologyFault, ...] = ()
    warnings = _warnings(image, registration)
    if usable is not None and points is not None:
        epe = epe_of_design(image, usable, points.edges, _reach_nm(job, image, usable))
        faults = tuple(check_topology(image, usable, points.design, SLIVER_PX))
    skipped = registration is not None and usable is None
    return ImageMeasures(
        image=image,
        features=tuple(measure_features(image)),
        roughness=tuple(measure_roughness(image)),
        registration=registration,
        epe=epe,
        faults=faults,
        gauges=() if skipped else tuple(measure_gauges(image, job.gauges, usable)),
        warnings=warnings,
    )


def _reach_nm(job: MeasureJob, image: MeasuredImage, registration: Registration) -> float:
    if job.reach_nm is not None:
        return job.reach_nm
    reach = EPE_REACH_PX * float(np.sqrt(np.prod(image.pixel_size_nm)))
    width = registration.design_width_nm
    return min(reach, 0.5 * width) if np.isfinite(width) else reach


def _warnings(image: MeasuredImage, registration: Registration | None) -> tuple[str, ...]:
    name = image.extraction.image_id
    told = []
    if image.left_out:
        told.append(
            f"{name}: {image.left_out} regions were rejected or need a person's decision and are "
            "not measured"
        )
    if registration is None or registration.verdict is Verdict.GOOD:
        return tuple(told)
    if registration.verdict is Verdict.POOR:
        told.append(f"{name}: does not lie on the design; no EPE (score {registration.score:.2f})")
    if registration.verdict is Verdict.AMBIGUOUS and registration.second_position_nm is not None:
        x, y = registration.second_position_nm
        told.append(
            f"{name}: the pattern repeats: another position ({x:.0f}, {y:.0f} nm) fits nearly as "
            f"well ({registration.second_score:.2f} against {registration.score:.2f}); "
            "give --near X,Y"
        )
    if registration.verdict is Verdict.UNDETERMINED and registration.undetermined_xy is not None:
        x, y = registration.undetermined_xy
        told.append(
            f"{name}: only parallel edges in view: the position along ({x:+.2f}, {y:+.2f}) is not "
            "told by the image"
        )
    return tuple(told)
