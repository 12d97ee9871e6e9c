"""Sub-pixel placement: the image says where along its normals a traced contour lies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from segsem.contours.border import end_at_border
from segsem.contours.chains import Blocks, Chains
from segsem.contours.coarse import MIN_CONTRAST_NOISE, Fit, blur, coarse_bases, edge_reach
from segsem.contours.edge_definition import RIM_REACH_PX, levels_around, locate, steepest
from segsem.contours.edges import fit_edges, inverse_fit
from segsem.contours.fill import fill, median_along
from segsem.contours.inverse import ImageModel
from segsem.contours.matched import Template, match
from segsem.contours.profiles import (
    STEP_PX,
    EdgeImage,
    average_along,
    average_blocks,
    averaging_gain,
    refined,
    sample_offsets,
    sample_profiles,
)
from segsem.contours.trace import Polyline
from segsem.core.contour import Contour, PointFlag
from segsem.core.params import EdgeMethod, EdgeParams
from segsem.core.types import FloatArray, FloatImage, PointsRC

BORDER_PX = 4.0
"""Points nearer to the border than this are flagged: their profiles are cut off."""

TEMPLATE_SIGMA_PX = 20.0
"""How far the mean profile reaches along the edge, to which the edge definition is applied."""

FINE_SEARCH_PX = 3.0

BLOCK_PX = 4.0
"""One mean profile for this much edge: it reaches over ten times as much."""

FINENESS = 2
"""The image is sampled at twice `STEP_PX`, finer than it has detail; mean profiles are refined."""

BATCH_POINTS = 16_000
FAR_PX = 1e6

CORNER_RADIUS_PX = 8.0


@dataclass(frozen=True, slots=True)
class PlacedLine:
    """A contour placed by the image; all arrays have one row for each point.

    Fields are those of `segsem.core.contour.Contour`. `unsmoothed_px` is None where the method
    keeps no raw positions.
    """

    vertices_rc: PointsRC
    raw_vertices_rc: PointsRC
    normals_rc: PointsRC
    closed: bool
    is_hole: bool
    sigma_px: FloatArray
    slope: FloatArray
    contrast: FloatArray
    flags: npt.NDArray[np.uint8]
    unsmoothed_px: FloatArray | None = None

    def as_contour(
        self, contour_id: int, source_code: npt.NDArray[np.uint8], confidence: FloatArray
    ) -> Contour:
        """Make it a contour, given the source and the confidence of each point."""
        return Contour(
            contour_id=contour_id,
            vertices_rc=self.vertices_rc,
            raw_vertices_rc=self.raw_vertices_rc,
            normals_rc=self.normals_rc,
            closed=self.closed,
            is_hole=self.is_hole,
            sigma_px=self.sigma_px,
            slope=self.slope,
            contrast=self.contrast,
            confidence=confidence,
            source_code=source_code,
            flags=self.flags,
            unsmoothed_px=self.unsmoothed_px,
        )


def place(
    image: EdgeImage,
    line: Polyline,
    bright: bool,
    params: EdgeParams,
    model: ImageModel | None = None,
) -> PlacedLine:
    """Move one traced contour onto the edge that the image shows; see `place_all`.

    For the inverse line scan this contour alone decides on the look of its edge where no model
    is given.
    """
    return place_all(image, [line], bright, params, model)[0]


def place_all(
    image: EdgeImage,
    lines: Sequence[Polyline],
    bright: bool,
    params: EdgeParams,
    model: ImageModel | None = None,
) -> list[PlacedLine]:
    """Move traced contours onto the edges that the image shows.

    Two passes: the first takes out what segmentation got wrong, averaging far along the edge;
    the second, along the normals of the first, gives the precise place. Each contour is placed
    as if it were alone; many at once are only quicker.

    Parameters
    ----------
    image : EdgeImage
        The prepared grey image.
    lines : sequence of Polyline
        Traced contours.
    bright : bool
        Whether the features are material (brighter, with the rim) or gaps in it.
    params : EdgeParams
        Edge definition and distances.
    model : ImageModel, optional
        For the inverse line scan: what the image's edges have in common (`fit_edges`); that of
        these contours where it is not given.

    Returns
    -------
    list of PlacedLine
        In the order of `lines`. Where the image shows no edge, points stay on the (interpolated)
        course of their neighbours with NaN sigma and `LOW_SLOPE`.
    """
    if not lines:
        return []
    if params.edge_method is EdgeMethod.INVERSE and model is None:
        model = fit_edges(image, lines, bright, params)
    placed: list[PlacedLine | None] = [None] * len(lines)
    for look, chosen in _batches(image, lines, params, model):
        some = [lines[index] for index in chosen]
        chains, moved = coarse_bases(image, some, bright, params)
        if params.edge_method is EdgeMethod.INVERSE:
            fine = inverse_fit(image, chains, moved, bright, params, look)
        else:
            fine = _match_fit(image, chains, moved, bright, params)
        done = _assemble(image, some, chains, moved, fine)
        for index, line in zip(chosen, done, strict=True):
            placed[index] = line
    return [line for line in placed if line is not None]


def _batches(
    image: EdgeImage, lines: Sequence[Polyline], params: EdgeParams, model: ImageModel | None
) -> Iterator[tuple[ImageModel | None, list[int]]]:
    """Contours for one go, with the look of their edges.

    Not too many, and those whose profiles leave the image by themselves: samples that are not
    there cost a second averaging.
    """
    reach = max(params.search_px, FINE_SEARCH_PX) + 2.0 + RIM_REACH_PX + params.search_px
    limit = np.asarray(image.grey.shape) - 1 - reach
    groups: dict[tuple[int, bool], list[int]] = {}
    for index, line in enumerate(lines):
        low, high = line.vertices_rc.min(axis=0), line.vertices_rc.max(axis=0)
        leaves = bool(np.any(low < reach) or np.any(high > limit))
        side = 0 if model is None else model.side(line)
        groups.setdefault((side, leaves), []).append(index)
    for (side, _), group in groups.items():
        look = model if model is None or side == 0 else model.sides[side]
        batch: list[int] = []
        points = 0.0
        for index in group:
            batch.append(index)
            # A traced line has about 1.3 vertices for each px.
            points += len(lines[index].vertices_rc) / params.step_px
            if points >= BATCH_POINTS:
                yield look, batch
                batch, points = [], 0.0
        if batch:
            yield look, batch


def _match_fit(
    image: EdgeImage, chains: Chains, base: PointsRC, bright: bool, params: EdgeParams
) -> Fit:
    """Place the edge by comparing each profile with the mean profile around it."""
    search = min(params.search_px, FINE_SEARCH_PX)
    offsets = sample_offsets(search + 2.0 + RIM_REACH_PX, FINENESS * STEP_PX)
    raw = sample_profiles(image, base, chains.normals_rc(base), offsets)
    if not bright:
        raw = np.ascontiguousarray(raw[:, ::-1])
    step = params.step_px
    sigma_points = params.smooth_px / step
    blocks = chains.blocks(max(1, round(BLOCK_PX / step)))
    template = _template(image, raw, blocks, offsets, params, search)
    levels, edge = template.levels, template.edge_px
    found = match(average_along(raw, chains, sigma_points), template, blocks.of_point)
    noise = image.noise * averaging_gain(sigma_points, step)
    mean_noise = image.noise * averaging_gain(TEMPLATE_SIGMA_PX / step, step)
    lost = ~np.isfinite(edge) | (levels.contrast < MIN_CONTRAST_NOISE * max(noise, 1e-6))
    position = blocks.spread(np.where(lost, np.nan, edge)) + found.shift_px
    slope, contrast = blocks.spread(template.slope), blocks.spread(levels.contrast)
    positive = np.where(contrast > 0, contrast, np.nan)
    # Of the profile against the mean one, and of the edge on the mean one.
    of_match = noise / positive / np.sqrt(np.maximum(found.precision, 1e-9))
    of_mean = mean_noise / np.where(slope > 0, slope, np.nan)
    sigma = np.hypot(of_match, of_mean)
    return Fit(position if bright else -position, slope, contrast, sigma)


def _template(
    image: EdgeImage,
    raw: FloatImage,
    blocks: Blocks,
    offsets_px: FloatArray,
    params: EdgeParams,
    search_px: float,
) -> Template:
    """Mean profiles along contours, and where the edge definition puts their edges."""
    chains = blocks.chains
    points = TEMPLATE_SIGMA_PX / params.step_px / max(1, round(BLOCK_PX / params.step_px))
    coarse = average_along(average_blocks(raw, blocks), chains, points)
    mean, offsets = refined(coarse, offsets_px, FINENESS)
    rough = steepest(blur(mean, 1.0 / STEP_PX), offsets, search_px)
    rough = median_along(chains, rough, 3)
    reach = edge_reach(mean, chains, offsets, search_px)[chains.owner]
    levels = levels_around(mean, offsets, rough, reach)
    edge, slope = locate(mean, offsets, levels, rough, params.edge_method, params.edge_side, reach)
    edge = np.where(np.abs(edge - rough) > reach + RIM_REACH_PX, np.nan, edge)
    return Template(mean, offsets, FINENESS, levels, edge, slope, reach)


def _assemble(
    image: EdgeImage, lines: Sequence[Polyline], chains: Chains, base: PointsRC, fit: Fit
) -> list[PlacedLine]:
    shift, flags = fill(chains, fit.shift_px)
    vertices = base + shift[:, None] * chains.normals_rc(base)
    usable = (flags & np.uint8(PointFlag.LOW_SLOPE | PointFlag.OUTLIER)) == 0
    sigma = np.where(usable, fit.sigma_px, np.nan)
    slope, contrast = np.nan_to_num(fit.slope), np.nan_to_num(fit.contrast)
    shape = image.grey.shape
    ended = [
        end_at_border(vertices[rows], bool(closed), shape)
        for rows, closed in zip(chains.slices(), chains.closed, strict=True)
    ]
    final, points = Chains.of(
        [Polyline(v, bool(c)) for (_, v), c in zip(ended, chains.closed, strict=True)]
    )
    source = np.concatenate(
        [start + index for start, (index, _) in zip(chains.starts[:-1], ended, strict=True)]
    )
    normals = final.normals_rc(points)
    flags = flags[source] | _geometry_flags(final, points, shape)
    unsmoothed = None if fit.unsmoothed_px is None else fit.unsmoothed_px[source]
    raw_vertices = _nearest_on(lines, final, points)
    sigma, slope, contrast = sigma[source], slope[source], contrast[source]
    return [
        PlacedLine(
            vertices_rc=points[rows],
            raw_vertices_rc=raw_vertices[rows],
            normals_rc=normals[rows],
            closed=bool(closed),
            is_hole=line.is_hole,
            sigma_px=sigma[rows],
            slope=slope[rows],
            contrast=contrast[rows],
            flags=flags[rows],
            unsmoothed_px=None if unsmoothed is None else unsmoothed[rows],
        )
        for line, rows, closed in zip(lines, final.slices(), final.closed, strict=True)
    ]


def _geometry_flags(
    chains: Chains, vertices: PointsRC, shape: tuple[int, ...]
) -> npt.NDArray[np.uint8]:
    flags = np.zeros(len(vertices), dtype=np.uint8)
    high = np.asarray(shape, dtype=np.float64) - 0.5 - vertices
    flags[np.minimum(vertices + 0.5, high).min(axis=1) < BORDER_PX] |= np.uint8(PointFlag.BORDER)
    curvature = np.abs(chains.curvature(vertices, 2.0))
    flags[curvature > 1.0 / CORNER_RADIUS_PX] |= np.uint8(PointFlag.CORNER)
    return flags


def _nearest_on(lines: Sequence[Polyline], chains: Chains, points_rc: PointsRC) -> PointsRC:
    """Nearest vertex of its own traced line for each placed point."""
    # One tree for all: contours are kept apart by a third coordinate.
    apart = FAR_PX * np.arange(len(lines), dtype=np.float64)
    traced = np.concatenate([line.vertices_rc for line in lines])
    owner = np.repeat(apart, [len(line.vertices_rc) for line in lines])
    tree = cKDTree(np.column_stack([traced, owner]))
    _, index = tree.query(np.column_stack([points_rc, apart[chains.owner]]))
    return np.asarray(traced[index])
