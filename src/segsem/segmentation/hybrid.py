"""The router: SAM2 stands where its confidence reaches the threshold, Sauvola takes over below.

It decides for each part of each candidate in each tile, so that one bad stretch of a long line
does not cost the rest of it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from segsem.core.contour import Source
from segsem.core.params import Routing
from segsem.core.progress import Progress
from segsem.core.types import FloatImage, MaskArray
from segsem.segmentation.ahead import Helpers, in_order
from segsem.segmentation.auto_prompts import Part, Tile, count_tiles, parts_by_tile
from segsem.segmentation.candidates import Candidates
from segsem.segmentation.canvas import Answer, Canvas, Decision, HybridResult, Mark
from segsem.segmentation.confidence import POOR, Calibration
from segsem.segmentation.design_answers import predict_parts
from segsem.segmentation.evidence import (
    EdgeMap,
    Evidence,
    boundary_agreement,
    boundary_of,
    decidedness,
    edge_share,
    stability_score,
)
from segsem.segmentation.expected import Expected
from segsem.segmentation.predictor import (
    MASK_THRESHOLD,
    MaskPrediction,
    Predictor,
    SideBySide,
)
from segsem.segmentation.stretches import stretches

LOGIT_SCALE = 4.0
"""Logits this far from the threshold count as certain, like a margin of half the contrast."""

MENDED = "on a stretch the image sides with the threshold, which stands there"

FIELD_SCALE = 8.0
"""Sauvola's field, within [-1, 1], times this is as decided as logits are."""

Watch: TypeAlias = Callable[[Part, Source, MaskArray, Evidence], None]
"""Is shown each part's mask and evidence, of both methods, as calibrating needs them."""


@dataclass(frozen=True, slots=True)
class RoutingRules:
    """Routing, calibration and threshold of one run."""

    routing: Routing
    calibration: Calibration
    threshold: float


def route(
    grey_u8: npt.NDArray[np.uint8],
    candidates: Candidates,
    predictor: Predictor | None,
    rules: RoutingRules,
    frame_px: int = 256,
    watch: Watch | None = None,
    expected: Expected | None = None,
) -> Generator[Progress, None, HybridResult]:
    """Ask SAM2 for every candidate, tile by tile, and decide what stands.

    Parameters
    ----------
    grey_u8 : (H, W) uint8
        Normalised image for SAM2, data bar cut off.
    candidates : Candidates
        From Sauvola.
    predictor : Predictor or None
        None: Sauvola only.
    rules : RoutingRules
        What may stand when.
    frame_px : int
        Tile side where there is no predictor.
    watch : callable, optional
        See `Watch`.
    expected : Expected, optional
        A design; what it shows and the threshold does not is among the candidates already.

    Yields
    ------
    Progress
        Tiles done.

    Returns
    -------
    HybridResult
    """
    canvas = Canvas.empty(candidates.labels.shape)
    side = predictor.frame_px if predictor is not None else frame_px
    total = count_tiles(candidates.labels.shape, side)
    design = None if expected is None else expected.labels
    tiles = parts_by_tile(candidates.labels, side, design)

    def answer(tile: Tile) -> list[Answer]:
        return _answers(tile, grey_u8, candidates, predictor, rules, watch)

    with _helpers(predictor, total, watch) as helpers:
        yield Progress(0, total, "segmenting")
        for done, (tile, answers) in enumerate(in_order(answer, tiles, helpers), start=1):
            canvas.paint(tile, answers)
            yield Progress(done, total, "segmenting")
    canvas.blend()
    canvas.clean(candidates)
    return canvas.result()


def _helpers(
    predictor: Predictor | None, tiles: int, watch: Watch | None
) -> AbstractContextManager[Helpers | None]:
    """Threads for the tiles; none where somebody watches, who is to see them in order."""
    if tiles > 1 and watch is None and isinstance(predictor, SideBySide):
        return predictor.helpers()
    return nullcontext()


def _answers(
    tile: Tile,
    grey_u8: npt.NDArray[np.uint8],
    candidates: Candidates,
    predictor: Predictor | None,
    rules: RoutingRules,
    watch: Watch | None,
) -> list[Answer]:
    """Say what stands for each part of a tile."""
    edges = candidates.edges.crop(tile.window.slices)
    predictions: list[MaskPrediction | None] = [None] * len(tile.parts)
    if tile.parts and predictor is not None and rules.routing is not Routing.SAUVOLA_ONLY:
        embedding = predictor.encode(np.ascontiguousarray(tile.window.crop(grey_u8)))
        predictions = list(predict_parts(predictor, embedding, tile.parts, edges))
    return [
        _decide(part, prediction, candidates, edges, rules, watch)
        for part, prediction in zip(tile.parts, predictions, strict=True)
    ]


def _decide(
    part: Part,
    prediction: MaskPrediction | None,
    candidates: Candidates,
    edges: EdgeMap,
    rules: RoutingRules,
    watch: Watch | None,
) -> Answer:
    field = candidates.field[part.window.slices]
    sauvola_field = np.where(part.mask, np.maximum(field, 0.01), np.minimum(field, -0.01))
    sauvola = _sauvola_evidence(part, sauvola_field, edges)
    if watch is not None:
        watch(part, Source.SAUVOLA, part.mask, sauvola)
    sauvola_confidence = rules.calibration.confidence(Source.SAUVOLA, sauvola)
    figures = {"sauvola_edge": sauvola.edge, "sauvola_confidence": round(sauvola_confidence, 4)}
    if prediction is None:
        reason = "only Sauvola was asked for"
        decision = _stand(part, Source.SAUVOLA, sauvola_confidence, reason, figures)
        return Answer(part, decision, sauvola_field)
    sam2 = _sam2_evidence(prediction, prediction.best_mask, part, edges)
    if watch is not None:
        watch(part, Source.SAM2, prediction.best_mask, sam2)
    scaled = (prediction.best_logits - MASK_THRESHOLD) / LOGIT_SCALE
    sam2_field = np.asarray(np.clip(scaled, -1.0, 1.0), dtype=np.float32)
    marks: tuple[Mark, ...] = ()
    if rules.routing is Routing.HYBRID:
        evidence = {Source.SAM2: sam2, Source.SAUVOLA: sauvola}
        fields = (sam2_field, sauvola_field)
        sam2_field, marks = _mended(part, fields, edges, rules.calibration, evidence)
        if marks:
            sam2 = _sam2_evidence(prediction, sam2_field > 0, part, edges)
    confidence = rules.calibration.confidence(Source.SAM2, sam2)
    figures |= {f"sam2_{name}": value for name, value in sam2.as_dict().items()}
    figures["sam2_confidence"] = round(confidence, 4)
    if confidence >= rules.threshold or rules.routing is Routing.SAM2_ONLY:
        reason_of_stretch = MENDED if any(m.source is Source.SAUVOLA for m in marks) else None
        decision = _stand(part, Source.SAM2, confidence, reason_of_stretch, figures)
        return Answer(part, decision, sam2_field, marks)
    reason = _why(sam2, confidence, rules.threshold)
    if confidence > sauvola_confidence:
        reason += f"; Sauvola was no better ({sauvola_confidence:.2f})"
        decision = _stand(part, Source.SAM2, confidence, reason, figures)
        return Answer(part, decision, sam2_field, marks)
    decision = _stand(part, Source.SAUVOLA, sauvola_confidence, reason, figures)
    return Answer(part, decision, sauvola_field)


def _mended(
    part: Part,
    fields: tuple[FloatImage, FloatImage],
    edges: EdgeMap,
    calibration: Calibration,
    evidence: dict[Source, Evidence],
) -> tuple[FloatImage, tuple[Mark, ...]]:
    """Put Sauvola in where the image sides with it; mark what the image sides with neither."""
    marks = []
    sam2_field, sauvola_field = fields
    mended = sam2_field
    for stretch in stretches(part, sam2_field > 0, edges):
        if stretch.sauvola_stands:
            source, edge = Source.SAUVOLA, stretch.sauvola_edge
            mended = np.where(stretch.where, sauvola_field, mended)
        elif stretch.doubtful:
            source, edge = Source.SAM2, stretch.sam2_edge
        else:
            continue
        local = replace(evidence[source], edge=1.0 if edge is None else edge, agreement=0.0)
        marks.append(Mark(stretch.where, source, calibration.confidence(source, local)))
    return mended, tuple(marks)


def _stand(
    part: Part, source: Source, confidence: float, reason: str | None, figures: dict[str, float]
) -> Decision:
    return Decision(
        part.label,
        part.window,
        part.prompts,
        source,
        confidence,
        reason,
        confidence < POOR,
        figures,
        part.features,
    )


def _sauvola_evidence(part: Part, field: FloatImage, edges: EdgeMap) -> Evidence:
    boundary = boundary_of(part.mask) & part.counted
    return Evidence(
        iou_pred=0.0,
        stability=0.0,
        decided=decidedness(FIELD_SCALE * field, boundary),
        edge=edge_share(part.mask, edges, boundary),
        agreement=0.0,
    )


def _sam2_evidence(
    prediction: MaskPrediction, mask: MaskArray, part: Part, edges: EdgeMap
) -> Evidence:
    logits = prediction.best_logits
    boundary = boundary_of(mask) & part.counted
    return Evidence(
        iou_pred=float(np.clip(prediction.iou_pred[0], 0.0, 1.0)),
        stability=stability_score(part.inner.crop(logits)),
        decided=decidedness(logits, boundary),
        edge=edge_share(mask, edges, boundary),
        agreement=boundary_agreement(mask, part.mask, part.counted),
    )


def _why(evidence: Evidence, confidence: float, threshold: float) -> str:
    """Name the weakest figure, in words."""
    words = {
        "edge": "its outline leaves the visible edge",
        "agreement": "its outline differs from the threshold's",
        "stability": "its mask is unstable",
    }
    figures = evidence.as_dict()
    weakest = min(words, key=lambda name: figures[name])
    return f"SAM2 confidence {confidence:.2f} below {threshold:.2f}: {words[weakest]}"
