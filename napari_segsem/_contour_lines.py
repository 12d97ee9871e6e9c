"""Contours as line segments for the viewer, dashed by their source."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_segsem._layers import segments
from segsem.core.appearance import SOURCE_STYLES
from segsem.core.contour import SOURCE_CODES, Contour, Region, Source
from segsem.core.types import PointsRC
from segsem.export.dashes import split_into_dashes

Segments = npt.NDArray[np.float64]
NONE: Segments = np.zeros((0, 2, 2))

LINES_PER_VIEW = 330.0
"""A line is this part of the image's longer side wide, so that it reads in the whole view."""


@dataclass(frozen=True, slots=True)
class RegionLines:
    """One region's contours, undashed, for the band under them.

    Attributes
    ----------
    region_id : int
        The region.
    lines : (N, 2, 2) array
        Segments as start and step in (row, column) px.
    """

    region_id: int
    lines: Segments


@dataclass(frozen=True, slots=True)
class DrawnRegion:
    """One region as it is drawn.

    Attributes
    ----------
    dashes : mapping of Source to (N, 2, 2) arrays
        Its contours in the dashes of what each stretch stands on.
    outline : (N, 2, 2) array
        Its contours undashed.
    """

    dashes: Mapping[Source, Segments]
    outline: Segments


def line_width_px(shape: tuple[int, int]) -> float:
    """Width in image px of a line that reads where an image of this shape is seen whole."""
    return max(1.0, max(shape) / LINES_PER_VIEW)


def drawn(regions: Iterable[Region], width_px: float) -> dict[int, DrawnRegion]:
    """Cut regions into lines, by their ids; a hundred take a while: not in the GUI's thread."""
    return {
        region.region_id: DrawnRegion(
            lines_by_source([region], width_px), region_lines(region).lines
        )
        for region in regions
    }


def lines_by_source(regions: Iterable[Region], dash_unit_px: float) -> dict[Source, Segments]:
    """Cut all contours into the dashes of the source that each stretch stands on.

    Parameters
    ----------
    regions : iterable of Region
        With placed contours.
    dash_unit_px : float
        Length in image px of one line width, which dashes are measured in.

    Returns
    -------
    dict of Source to (N, 2, 2) arrays
        Segments as start and step in (row, column) px.
    """
    found: dict[Source, list[Segments]] = {source: [] for source in Source}
    for region in regions:
        for contour in region.contours:
            for code, line in stretches(contour):
                source = SOURCE_CODES[code]
                dashes = SOURCE_STYLES[source].dashes
                found[source] += [
                    segments(piece) for piece in split_into_dashes(line, dashes, dash_unit_px)
                ]
    return {source: joined(parts) for source, parts in found.items()}


def stretches(contour: Contour) -> list[tuple[int, PointsRC]]:
    """Cut a contour where its source changes; neighbours share the point between them."""
    line = np.asarray(contour.vertices_rc)
    codes = np.asarray(contour.source_code)
    if len(line) < 2:
        return []
    if contour.closed:
        line, codes = np.vstack([line, line[:1]]), np.append(codes, codes[0])
    cuts = [0, *(np.flatnonzero(np.diff(codes)) + 1), len(codes)]
    parts = [
        (int(codes[start]), line[start : stop + 1]) for start, stop in itertools.pairwise(cuts)
    ]
    return [(code, part) for code, part in parts if len(part) > 1]


def region_lines(region: Region) -> RegionLines:
    """Outline of a region, undashed."""
    parts = [
        segments(contour.vertices_rc, closed=contour.closed)
        for contour in region.contours
        if len(contour) > 1
    ]
    return RegionLines(region.region_id, joined(parts))


def joined(parts: Sequence[Segments]) -> Segments:
    """Put segments together."""
    return np.concatenate(parts) if parts else NONE
