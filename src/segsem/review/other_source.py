"""The same region as the other method sees it: SAM2 where Sauvola stands, and the reverse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from skimage.measure import label as label_pieces

from segsem.contours.place import PlacedLine
from segsem.contours.trace import Polyline
from segsem.core.contour import SOURCE_CODES, Contour, Region, Source
from segsem.core.types import FloatImage, LabelArray, MaskArray
from segsem.editing.errors import EditError
from segsem.editing.window import Slices, box_of
from segsem.review.ground import Ground
from segsem.review.redraw import composed, contour_of, window_of
from segsem.segmentation.auto_prompts import deepest_points
from segsem.segmentation.candidates import Candidates, find_candidates
from segsem.segmentation.outlines import outlines
from segsem.segmentation.prompts import FOREGROUND, Prompts

OWN_SHARE = 0.5
"""A piece belongs to a region if so much of it lies in the region."""

LEAST_OVERLAP = 0.2
"""Or if it is the one that overlaps it most, by so much of both together."""

FAINT = np.float32(1e-3)
LOGIT_SCALE = 4.0
NAMES = {Source.SAM2: "SAM2", Source.SAUVOLA: "Sauvola"}


def other_source(region: Region) -> Source:
    """Which method a switch of a region asks for."""
    return Source.SAM2 if region.source is Source.SAUVOLA else Source.SAUVOLA


def candidates_of(ground: Ground) -> Candidates:
    """Everything that Sauvola sees in an image; takes a while.

    Raises
    ------
    EditError
        If the image shows no two grey levels apart from its noise.
    """
    if ground.scale is None:
        raise EditError(_nothing(Source.SAUVOLA))
    params = ground.params
    return find_candidates(
        ground.edges.grey, ground.edges.noise, ground.scale, params.sauvola, params.min_area_px
    )


def sauvola_region(
    ground: Ground, region: Region, candidates: Candidates, labels: LabelArray
) -> Region:
    """Give a region the outline that Sauvola's threshold has there.

    Parameters
    ----------
    ground : Ground
    region : Region
        As it stands.
    candidates : Candidates
        From `candidates_of`.
    labels : (H, W) int32
        All regions of the image: others are in its way.

    Raises
    ------
    EditError
        If Sauvola sees nothing there.
    """
    return _region(ground, region, candidates.labels, candidates.field, labels, Source.SAUVOLA)


def sam2_prompts(region: Region) -> Prompts:
    """Ask the model for a region as the extraction does: its box, and points deep inside."""
    row, col = region.offset_rc
    rows, cols = np.nonzero(region.mask)
    row0, col0 = float(rows.min() + row), float(cols.min() + col)
    row1, col1 = float(rows.max() + row), float(cols.max() + col)
    points = tuple((r + row, c + col) for r, c in deepest_points(region.mask, 3))
    box = (row0, col0, max(row1, row0 + 1), max(col1, col0 + 1))
    return Prompts(points, (FOREGROUND,) * len(points), box)


def sam2_region(
    ground: Ground,
    region: Region,
    logits: FloatImage,
    offset_rc: tuple[int, int],
    labels: LabelArray,
) -> Region:
    """Give a region the outline of the model's answer to `sam2_prompts`.

    Parameters
    ----------
    ground : Ground
    region : Region
        As it stands.
    logits : (h, w) float32
        In a window of the image, positive inside.
    offset_rc : (int, int)
        Row and column of the window's first pixel.
    labels : (H, W) int32
        All regions of the image: others are in its way.

    Raises
    ------
    EditError
        If the model sees nothing there.
    """
    field = np.full(ground.shape, -1.0, dtype=np.float32)
    row, col = offset_rc
    part = field[row : row + logits.shape[0], col : col + logits.shape[1]]
    part[...] = np.clip(logits / LOGIT_SCALE, -1.0, 1.0)[: part.shape[0], : part.shape[1]]
    pieces = np.asarray(label_pieces(field > 0, connectivity=1), dtype=np.int32)
    return _region(ground, region, pieces, field, labels, Source.SAM2)


def _region(
    ground: Ground,
    region: Region,
    pieces: LabelArray,
    field: FloatImage,
    labels: LabelArray,
    source: Source,
) -> Region:
    chosen = _own_pieces(region, pieces)
    if not chosen:
        raise EditError(_nothing(source))
    window = window_of(region, ground, [box_of(np.isin(pieces, chosen))])
    around = labels[window]
    taken = (around > 0) & (around != region.region_id)
    inside = np.isin(pieces[window], chosen) & ~taken
    lines = _traced(field[window], inside, window)
    if not lines:
        raise EditError(_nothing(source))
    contours = [_contour(line, source) for line in ground.place(lines)]
    made = composed(region, contours, inside, around, window, ground.edge.search_px + 2.0)
    return replace(made, source=source, fallback_reason=f"{NAMES[source]} by the reviewer's choice")


def _own_pieces(region: Region, pieces: LabelArray) -> list[int]:
    row0, col0, row1, col1 = region.bbox_rc
    under = pieces[row0:row1, col0:col1][region.mask[: pieces.shape[0] - row0]]
    ids, shared = np.unique(under[under > 0], return_counts=True)
    if len(ids) == 0:
        return []
    areas = np.bincount(pieces.ravel(), minlength=int(ids.max()) + 1)[ids]
    own = shared >= OWN_SHARE * areas
    best = int(np.argmax(shared))
    union = region.area_px + areas[best] - shared[best]
    own[best] |= shared[best] >= LEAST_OVERLAP * union
    return [int(number) for number in ids[own]]


def _traced(field: FloatImage, inside: MaskArray, window: Slices) -> list[Polyline]:
    """Trace the field where it is the region's; everything else counts as outside."""
    own = np.where(inside, np.maximum(field, FAINT), np.minimum(field, -FAINT))
    own[~inside & (field > 0)] = -FAINT
    return outlines(own.astype(np.float32), inside, (window[0].start, window[1].start))


def _contour(line: PlacedLine, source: Source) -> Contour:
    codes = np.full(len(line.vertices_rc), SOURCE_CODES.index(source), dtype=np.uint8)
    # Confidence is calibrated for what the router chose, not for what a person did.
    return contour_of(line, codes, np.full(len(codes), np.nan))


def _nothing(source: Source) -> str:
    return f"{NAMES[source]} sees no feature here: the region stays as it is"
