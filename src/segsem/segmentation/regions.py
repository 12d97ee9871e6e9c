"""From the routed image to regions: tracing, placement, source and confidence of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi
from scipy.spatial import cKDTree

from segsem.contours.edges import fit_edges
from segsem.contours.inverse import ImageModel
from segsem.contours.place import PlacedLine, place_all
from segsem.contours.profiles import EdgeImage
from segsem.contours.trace import Polyline, trace
from segsem.core.contour import SOURCE_CODES, Contour, PointFlag, Region, Source
from segsem.core.params import EdgeMethod, EdgeParams
from segsem.core.types import FloatImage, LabelArray, MaskArray
from segsem.segmentation.bands import bands
from segsem.segmentation.canvas import Decision, HybridResult
from segsem.segmentation.cleaning import area_by_label
from segsem.segmentation.evidence import box_around
from segsem.segmentation.outlines import outlines
from segsem.segmentation.pieces import owned_pieces

PAD_PX = 2

BATCH_POINTS = 16_000
"""Contour vertices that are placed in one go."""

RATEABLE_LENGTH_PX = 24.0
"""A feature that the border cuts is left out where it shows less edge than this outside the
border zone: nothing about it could be measured or rated."""

BORDER_BIT = np.uint8(PointFlag.BORDER)

LOW_QUANTILE = 0.1
"""A region is as doubtful as its worst tenth."""


@dataclass(frozen=True, slots=True)
class RegionRules:
    """What becomes a region, and how its edge is placed."""

    bright: bool
    edge: EdgeParams
    smallest_px: int


def build_regions(
    routed: HybridResult, image: EdgeImage, rules: RegionRules
) -> tuple[list[Region], int]:
    """Trace and place every region of a routed image.

    Parameters
    ----------
    routed : HybridResult
        From the router.
    image : EdgeImage
        Prepared grey image, data bar cut off.
    rules : RegionRules
        Tone, edge definition, smallest area.

    Returns
    -------
    regions : list of Region
        By descending area, numbered from 1; contour ids are unique.
    dropped : int
        Pieces left out: specks, and slivers along the border.
    """
    labels = owned_pieces(routed.owner)
    areas = area_by_label(labels, int(labels.max()))
    order = np.argsort(-areas[1:], kind="stable") + 1
    boxes = ndi.find_objects(labels)
    model = _edge_model(routed, image, rules)
    regions: list[Region] = []
    next_contour, dropped = 1, 0
    wanted = (int(piece) for piece in order if areas[piece] >= rules.smallest_px)
    for piece, lines in _placed_pieces(labels, boxes, wanted, routed, image, rules, model):
        region = _build_region(labels, piece, lines, routed, rules, len(regions) + 1, next_contour)
        if region is None:
            dropped += 1
            continue
        next_contour += len(region.contours)
        regions.append(region)
    return regions, dropped + int(np.count_nonzero(areas[1:] < rules.smallest_px))


@dataclass(frozen=True, slots=True)
class _Piece:
    """A connected piece of the routed image, with its surroundings.

    Attributes
    ----------
    number : int
        Its label.
    grown : (slice, slice)
        Its box, and as far around it as an edge may move.
    inside : (h, w) bool
        Where it is in that box.
    """

    number: int
    grown: tuple[slice, slice]
    inside: MaskArray

    @property
    def offset_rc(self) -> tuple[int, int]:
        return self.grown[0].start, self.grown[1].start


def _placed_pieces(
    labels: LabelArray,
    boxes: Sequence[tuple[slice, slice]],
    wanted: Iterable[int],
    routed: HybridResult,
    image: EdgeImage,
    rules: RegionRules,
    model: ImageModel | None,
) -> Iterator[tuple[_Piece, list[PlacedLine]]]:
    """Trace pieces and place their contours, many at a time: one by one is slow."""
    margin = _margin(rules)
    batch: list[tuple[_Piece, list[Polyline]]] = []
    points = 0
    for number in wanted:
        grown = _grow(boxes[number - 1], labels.shape, margin)
        piece = _Piece(number, grown, labels[grown] == number)
        field = _own_field(routed.field[grown], piece.inside, labels[grown])
        batch.append((piece, outlines(field, piece.inside, piece.offset_rc)))
        points += sum(len(line.vertices_rc) for line in batch[-1][1])
        if points >= BATCH_POINTS:
            yield from _placed(batch, image, rules, model)
            batch, points = [], 0
    yield from _placed(batch, image, rules, model)


def _placed(
    batch: list[tuple[_Piece, list[Polyline]]],
    image: EdgeImage,
    rules: RegionRules,
    model: ImageModel | None,
) -> Iterator[tuple[_Piece, list[PlacedLine]]]:
    lines = [line for _, own in batch for line in own]
    placed = iter(place_all(image, lines, rules.bright, rules.edge, model))
    for piece, own in batch:
        yield piece, list(islice(placed, len(own)))


def _margin(rules: RegionRules) -> int:
    return int(np.ceil(rules.edge.search_px)) + PAD_PX


def _edge_model(routed: HybridResult, image: EdgeImage, rules: RegionRules) -> ImageModel | None:
    """What all edges have in common; the inverse line scan alone asks for it."""
    if rules.edge.edge_method is not EdgeMethod.INVERSE:
        return None
    return fit_edges(image, trace(routed.field), rules.bright, rules.edge)


def _is_sliver(lines: list[PlacedLine]) -> bool:
    if all(line.closed for line in lines):
        return False
    inner = sum(int(np.count_nonzero(line.flags & BORDER_BIT == 0)) for line in lines)
    return inner * _mean_step(lines) < RATEABLE_LENGTH_PX


def _mean_step(lines: list[PlacedLine]) -> float:
    steps = [np.linalg.norm(np.diff(line.vertices_rc, axis=0), axis=1) for line in lines]
    return float(np.mean(np.concatenate(steps)))


def _build_region(
    labels: LabelArray,
    piece: _Piece,
    lines: list[PlacedLine],
    routed: HybridResult,
    rules: RegionRules,
    region_id: int,
    first_contour: int,
) -> Region | None:
    grown, inside, offset = piece.grown, piece.inside, piece.offset_rc
    if not lines or _is_sliver(lines):
        return None
    lines.sort(key=lambda line: line.is_hole)
    mask = _placed_mask(inside, lines, offset, _margin(rules))
    mask &= ~_others(labels[grown], piece.number)
    if not mask.any():
        return None
    sources = routed.source_code[grown][inside]
    decisions = routed.decisions.get(_candidate(routed, grown, inside), [])
    contours = tuple(_contour(line, first_contour + i, routed) for i, line in enumerate(lines))
    return Region(
        region_id=region_id,
        offset_rc=offset,
        mask=mask,
        contours=contours,
        source=_source(sources, contours),
        confidence=_confidence(contours),
        fallback_reason=_reason(decisions),
        needs_human=_needs_human(decisions),
        evidence=_mean_evidence(decisions),
        prompts=_prompts(decisions),
    )


def _grow(box: tuple[slice, slice], shape: tuple[int, ...], margin: int) -> tuple[slice, slice]:
    rows, cols = (
        slice(max(span.start - margin, 0), min(span.stop + margin, size))
        for span, size in zip(box, shape, strict=True)
    )
    return rows, cols


def _own_field(field: FloatImage, inside: MaskArray, labels: LabelArray) -> FloatImage:
    """Make the field of one region: other regions count as outside."""
    own = np.asarray(field, dtype=np.float32).copy()
    others = (labels > 0) & ~inside
    own[others] = -np.abs(own[others])
    own[inside] = np.maximum(own[inside], 0.0)
    outside = ~inside
    own[outside] = np.minimum(own[outside], 0.0)
    # Exact zeros would make the tracer walk along pixel centres.
    zero = own == 0
    own[zero & inside] = 1e-3
    own[zero & outside] = -1e-3
    return own


def _others(labels: LabelArray, piece: int) -> MaskArray:
    return np.asarray((labels > 0) & (labels != piece))


def _placed_mask(
    inside: MaskArray, lines: list[PlacedLine], offset: tuple[int, int], margin: int
) -> MaskArray:
    """Move the mask's edge to the placed contours.

    Pixels near a contour are inside where they lie behind its nearest point; pixels far from all
    contours stay what segmentation made them.
    """
    vertices = np.concatenate([line.vertices_rc for line in lines]) - offset
    normals = np.concatenate([line.normals_rc for line in lines])
    tree = cKDTree(vertices)
    mask = inside.copy()
    for band in bands(len(inside), margin + 1):
        seen = inside[band.seen]
        edge = seen ^ ndi.binary_erosion(seen, border_value=1)
        box = box_around(edge, margin)
        if box is None:
            continue
        # All of the band's rows, but only the columns about the edge.
        near = ndi.binary_dilation(edge[:, box[1]], iterations=margin)[band.inner]
        pixels = np.argwhere(near)
        if len(pixels) == 0:
            continue
        pixels += (band.rows.start, box[1].start)
        _, index = tree.query(pixels)
        behind = np.sum((pixels - vertices[index]) * normals[index], axis=1) < 0
        mask[band.rows, box[1]][near] = behind
    return mask


def _contour(line: PlacedLine, contour_id: int, routed: HybridResult) -> Contour:
    shape = np.asarray(routed.field.shape)
    at = np.clip(np.rint(line.raw_vertices_rc).astype(int), 0, shape - 1)
    rows, cols = at[:, 0], at[:, 1]
    confidence = routed.confidence[rows, cols].astype(np.float64)
    # Where the image did not place the edge, nothing supports it but the mask.
    lost = line.flags & np.uint8(PointFlag.LOW_SLOPE) != 0
    confidence[lost] = np.minimum(confidence[lost], 0.5)
    return line.as_contour(contour_id, routed.source_code[rows, cols], confidence)


def _source(codes: npt.NDArray[np.uint8], contours: tuple[Contour, ...]) -> Source:
    present = np.unique(np.concatenate([contour.source_code for contour in contours]))
    if len(present) == 0:
        present = np.unique(codes)
    return SOURCE_CODES[int(present[0])] if len(present) == 1 else Source.MIXED


def _confidence(contours: tuple[Contour, ...]) -> float:
    values = np.concatenate([contour.confidence for contour in contours])
    return float(np.quantile(values, LOW_QUANTILE))


def _candidate(routed: HybridResult, box: tuple[slice, slice], inside: MaskArray) -> int:
    return int(np.bincount(routed.owner[box][inside]).argmax())


def _reason(decisions: list[Decision]) -> str | None:
    """Give the reason of the part that was worst."""
    fallen = [d for d in decisions if d.reason is not None]
    if not fallen:
        return None
    worst = min(fallen, key=lambda d: d.evidence.get("sam2_confidence", 0.0))
    if len(fallen) == len(decisions):
        return worst.reason
    return f"{worst.reason} (in {len(fallen)} of {len(decisions)} tiles)"


def _needs_human(decisions: list[Decision]) -> bool:
    return any(decision.needs_human for decision in decisions)


def _mean_evidence(decisions: list[Decision]) -> dict[str, float]:
    names = sorted({name for decision in decisions for name in decision.evidence})
    return {
        name: round(float(np.mean([d.evidence[name] for d in decisions if name in d.evidence])), 4)
        for name in names
    }


def _prompts(decisions: list[Decision]) -> dict[str, object]:
    tiles = [
        {
            "window_rc": [
                d.window.row0,
                d.window.col0,
                d.window.row1,
                d.window.col1,
            ],
            **d.prompts.as_json(),
            **({"design_features": list(d.features)} if d.features else {}),
        }
        for d in decisions
    ]
    return {"tiles": tiles}
