"""Signed distances drawn along lines: SAM2 against Sauvola, contours against the design.

Results hold the contour that stands and, for each point, the method it stands on; what the other
method would have put there is not kept. Sauvola's contours are therefore made anew, by
`segsem extract --fallback-only` with the tone and the edge definition of the results; SAM2's are
not: where a region stands on Sauvola or on a hand, nothing is drawn. Errors against the design
are those in `epe.csv` of `segsem measure`, drawn along the design's own edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from napari_segsem._contour_lines import NONE, Segments, joined
from napari_segsem._layers import segments
from segsem.core.contour import SOURCE_CODES, Contour, Region, ReviewStatus, Source
from segsem.core.coordinates import nm_per_px_along
from segsem.core.extraction import Extraction
from segsem.core.types import FloatArray, PixelSize
from segsem.metrics.normal_epe import cut_rays, segments_of
from segsem.metrics.polyline import Polyline
from segsem.metrology.region_measures import DesignPoints

REACH_PX = 12.0
"""From further away no edge of the other method is meant."""

NEXT_PX = 2.5
"""Points of the design that are nearer to each other are neighbours on one edge."""

LIMIT_PERCENTILE = 98.0
LEAST_LIMIT_PX = 0.25

NEGATIVE, MIDDLE, POSITIVE = (0, 114, 178), (245, 245, 245), (213, 94, 0)
"""Blue, nearly white, vermilion (Okabe-Ito): told apart by colour-blind people, on dark ground and
on bright."""

NOT_FOUND = (204, 121, 167)
"""Reddish purple of the same palette."""

SAM2_CODE = SOURCE_CODES.index(Source.SAM2)

Colors = npt.NDArray[np.float64]


class MapKind(StrEnum):
    """What may be shown over the image; the value is what a reviewer reads."""

    NONE = "No map"
    CONFIDENCE = "Confidence"
    DISTANCE = "SAM2 minus Sauvola"
    EPE = "EPE against design"


@dataclass(frozen=True, slots=True)
class LineMap:
    """Values along lines.

    Attributes
    ----------
    lines : (N, 2, 2) array
        Segments as start and step in (row, column) px.
    values : (N,) array
        Of each segment, in `unit`; NaN where there is nothing to compare with.
    unit : str
        nm, or px where the pixel size is not known.
    limit : float
        Colours reach from minus this to plus this.
    positive, negative, nothing : str
        What the colours mean.
    note : str
        What is not shown, and why.
    """

    lines: Segments
    values: FloatArray
    unit: str
    limit: float
    positive: str
    negative: str
    nothing: str
    note: str = ""

    @property
    def n_missing(self) -> int:
        """Segments without a value."""
        return int(np.isnan(self.values).sum())

    def colors(self) -> Colors:
        """(N, 4) red, green, blue, alpha in [0, 1]."""
        found = np.ones((len(self.values), 4))
        part = np.nan_to_num(self.values) / self.limit
        found[:, :3] = diverging(part)
        found[np.isnan(self.values), :3] = np.array(NOT_FOUND) / 255
        return found


def diverging(part: npt.ArrayLike) -> Colors:
    """Give colours (N, 3) in [0, 1] for values from -1 to 1; what lies beyond has the end's."""
    at = np.clip(np.asarray(part, dtype=np.float64), -1.0, 1.0)[:, None]
    middle = np.array(MIDDLE)
    end = np.where(at < 0, np.array(NEGATIVE), np.array(POSITIVE))
    return np.asarray((middle + np.abs(at) * (end - middle)) / 255)


def distance_map(
    extraction: Extraction, sauvola: Sequence[Contour], size: PixelSize | None
) -> LineMap:
    """Compare the stretches that stand on SAM2 with Sauvola's contours of the same image.

    Parameters
    ----------
    extraction : Extraction
        As it stands; rejected regions are left out.
    sauvola : sequence of Contour
        Contours that Sauvola alone gives, placed by the same edge definition.
    size : (float, float) or None
        (y, x) pixel size in nm.

    Returns
    -------
    LineMap
        Positive where SAM2's contour lies further out of its feature than Sauvola's.
    """
    regions = [r for r in extraction.regions if r.status is not ReviewStatus.REJECTED]
    contours = [c for region in regions for c in region.contours if len(c) > 1]
    other = segments_of([Polyline.from_contour(c) for c in sauvola if len(c) > 1])
    lines, values = [], [np.empty(0)]
    for contour in contours:
        own = np.asarray(contour.source_code) == SAM2_CODE
        ends = REACH_PX * contour.normals_rc
        start, end = contour.vertices_rc - ends, contour.vertices_rc + ends
        cuts = cut_rays(start, end, other, contour.normals_rc)
        nearest = cuts.nearest_to(0.5, len(contour))
        hit = nearest >= 0
        distance = np.full(len(contour), np.nan)
        distance[hit] = -(cuts.along[nearest[hit]] - 0.5) * 2 * REACH_PX
        if size is not None:
            distance *= nm_per_px_along(contour.normals_rc, size)
        pieces = segments(contour.vertices_rc, closed=contour.closed)
        kept = own & np.roll(own, -1)
        lines.append(pieces[kept[: len(pieces)]])
        values.append(distance[: len(pieces)][kept[: len(pieces)]])
    found = np.concatenate(values)
    scale = 1.0 if size is None else float(np.sqrt(size[0] * size[1]))
    return LineMap(
        lines=joined(lines) if lines else NONE,
        values=found,
        unit="px" if size is None else "nm",
        limit=_limit(found, LEAST_LIMIT_PX * scale),
        positive="SAM2 further out",
        negative="Sauvola further out",
        nothing=f"no Sauvola edge within {REACH_PX:g} px",
        note=_distance_note(regions),
    )


def design_map(points: DesignPoints, pixel_nm: float) -> LineMap:
    """Draw the errors against the design along its edge.

    Parameters
    ----------
    points : DesignPoints
        In the order in which they follow the edges.
    pixel_nm : float
        Size of a pixel.
    """
    step = np.diff(points.points_rc, axis=0)
    near = np.hypot(*step.T) < NEXT_PX
    lines = np.stack([points.points_rc[:-1], step], axis=1)[near]
    values = points.epe_nm[:-1][near]
    missing = int(np.isnan(points.epe_nm).sum())
    return LineMap(
        lines=np.asarray(lines, dtype=np.float64),
        values=values,
        unit="nm",
        limit=_limit(points.epe_nm[~points.corner], LEAST_LIMIT_PX * pixel_nm),
        positive="printed too large",
        negative="printed too small",
        nothing="no contour found",
        note=f"{missing} of {len(points.epe_nm)} points have no contour" if missing else "",
    )


def _limit(values: FloatArray, least: float) -> float:
    """Round range that holds nearly all values."""
    known = np.abs(values[np.isfinite(values)])
    wanted = max(float(np.percentile(known, LIMIT_PERCENTILE)) if len(known) else 0.0, least)
    power = 10.0 ** np.floor(np.log10(wanted))
    return float(next(n * power for n in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if n * power >= wanted))


def _distance_note(regions: Sequence[Region]) -> str:
    others = [region for region in regions if region.source in (Source.SAUVOLA, Source.MANUAL)]
    mixed = sum(region.source is Source.MIXED for region in regions)
    parts = []
    if others:
        noun = "region stands" if len(others) == 1 else "regions stand"
        parts.append(f"{len(others)} {noun} on Sauvola or a hand")
    if mixed:
        parts.append(f"{mixed} in part")
    return f"Not drawn, as no SAM2 contour is kept: {', '.join(parts)}" if parts else ""
