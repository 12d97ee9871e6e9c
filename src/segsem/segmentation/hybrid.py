"""The router: SAM2 stands where its confidence reaches the threshold, Sauvola takes over below.

It decides for each part of each candidate in each tile, so that one bad stretch of a long line
does not cost the rest of it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from segsem.core.contour import Source
from segsem.core.params import Routing
from segsem.core.progress import Progress
from segsem.core.types import FloatImage, MaskArray
from segsem.segmentation.auto_prompts import Part, count_tiles, parts_by_tile
from segsem.segmentation.candidates import Candidates
from segsem.segmentation.canvas import Canvas, Decision, HybridResult
from segsem.segmentation.confidence import POOR, Calibration
from segsem.segmentation.evidence import (
    EdgeMap,
    Evidence,
    boundary_agreement,
    boundary_of,
    decidedness,
    edge_share,
    stability_score,
)
from segsem.segmentation.predictor import MASK_THRESHOLD, MaskPrediction, Predictor

LOGIT_SCALE = 4.0
"""Logits this far from the threshold count as certain, like a margin of half the contrast."""

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
    for done, tile in enumerate(parts_by_tile(candidates.labels, side)):
        yield Progress(done, total, "segmenting")
        edges = candidates.edges.crop(tile.window.slices)
        predictions: list[MaskPrediction | None] = [None] * len(tile.parts)
        if tile.parts and predictor is not None and rules.routing is not Routing.SAUVOLA_ONLY:
            embedding = predictor.encode(np.ascontiguousarray(tile.window.crop(grey_u8)))
            asked = [part.prompts for part in tile.parts]
            predictions = list(predictor.decode_batch(embedding, asked))
        decided = [
            (part, *_decide(part, prediction, candidates, edges, rules, watch))
            for part, prediction in zip(tile.parts, predictions, strict=True)
        ]
        canvas.paint(tile, decided)
    yield Progress(total, total, "segmenting")
    canvas.blend()
    canvas.clean(candidates)
    return canvas.result()


def _decide(
    part: Part,
    prediction: MaskPrediction | None,
    candidates: Candidates,
    edges: EdgeMap,
    rules: RoutingRules,
    watch: Watch | None,
) -> tuple[Decision, FloatImage]:
    field = candidates.field[part.window.slices]
    sauvola_field = np.where(part.mask, np.maximum(field, 0.01), np.minimum(field, -0.01))
    sauvola = _sauvola_evidence(part, sauvola_field, edges)
    if watch is not None:
        watch(part, Source.SAUVOLA, part.mask, sauvola)
    sauvola_confidence = rules.calibration.confidence(Source.SAUVOLA, sauvola)
    figures = {"sauvola_edge": sauvola.edge, "sauvola_confidence": round(sauvola_confidence, 4)}
    if prediction is None:
        reason = "only Sauvola was asked for"
        return _stand(part, Source.SAUVOLA, sauvola_confidence, reason, figures), sauvola_field
    logits = prediction.best_logits
    sam2 = _sam2_evidence(prediction, part, edges)
    if watch is not None:
        watch(part, Source.SAM2, prediction.best_mask, sam2)
    confidence = rules.calibration.confidence(Source.SAM2, sam2)
    figures |= {f"sam2_{name}": value for name, value in sam2.as_dict().items()}
    figures["sam2_confidence"] = round(confidence, 4)
    sam2_field = np.clip((logits - MASK_THRESHOLD) / LOGIT_SCALE, -1.0, 1.0)
    if confidence >= rules.threshold or rules.routing is Routing.SAM2_ONLY:
        return _stand(part, Source.SAM2, confidence, None, figures), sam2_field
    reason = _why(sam2, confidence, rules.threshold)
    if confidence > sauvola_confidence:
        reason += f"; Sauvola was no better ({sauvola_confidence:.2f})"
        return _stand(part, Source.SAM2, confidence, reason, figures), sam2_field
    return _stand(part, Source.SAUVOLA, sauvola_confidence, reason, figures), sauvola_field


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


def _sam2_evidence(prediction: MaskPrediction, part: Part, edges: EdgeMap) -> Evidence:
    mask, logits = prediction.best_mask, prediction.best_logits
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
