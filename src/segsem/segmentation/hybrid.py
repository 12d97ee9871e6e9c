"""The router: SAM2 stands where its confidence reaches the threshold, Sauvola takes over below.

It decides for each part of each candidate in each tile, so that one bad stretch of a long line
does not cost the rest of it.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segsem.core.contour import SOURCE_CODES, Source
from segsem.core.params import Routing
from segsem.core.progress import Progress
from segsem.core.types import FloatImage, LabelArray
from segsem.segmentation.auto_prompts import Part, count_tiles, parts_by_tile
from segsem.segmentation.candidates import Candidates
from segsem.segmentation.confidence import Calibration
from segsem.segmentation.evidence import (
    EdgeMap,
    Evidence,
    boundary_agreement,
    boundary_of,
    decidedness,
    edge_share,
    stability_score,
)
from segsem.segmentation.nearest import nearest_inside
from segsem.segmentation.predictor import MASK_THRESHOLD, MaskPrediction, Predictor
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.window import Window

LOGIT_SCALE = 4.0
"""Logits this far from the threshold count as certain, like a margin of half the contrast."""

FAINT = 0.05
"""Field of pixels that cleaning put inside or outside."""

SAUVOLA_CODE = SOURCE_CODES.index(Source.SAUVOLA)

POOR = 0.5
"""A part of which neither method is more likely right than wrong needs a person."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided for one part.

    Attributes
    ----------
    label : int
        Number of the candidate.
    window : Window
        The tile.
    prompts : Prompts
        What SAM2 was asked with, in the tile's frame.
    source : Source
        Which method stands.
    confidence : float
        Of what stands.
    reason : str or None
        Why SAM2 does not stand.
    needs_human : bool
        Neither method was good enough.
    evidence : dict
        Figures of both methods, prefixed by their source.
    """

    label: int
    window: Window
    prompts: Prompts
    source: Source
    confidence: float
    reason: str | None
    needs_human: bool
    evidence: dict[str, float]


@dataclass(frozen=True, slots=True)
class HybridResult:
    """The image after routing.

    Attributes
    ----------
    field : (H, W) float32
        Positive inside features, within [-1, 1]; its zero level is the raw contour.
    owner : (H, W) int32
        Candidate number at each pixel inside a feature, 0 elsewhere.
    source_code : (H, W) uint8
        Which method stands; in the gaps, that of the nearest feature.
    confidence : (H, W) float32
        Of what stands at each pixel; in the gaps, that of the nearest feature.
    decisions : dict
        By candidate number.
    """

    field: FloatImage
    owner: LabelArray
    source_code: npt.NDArray[np.uint8]
    confidence: FloatImage
    decisions: dict[int, list[Decision]]


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

    Yields
    ------
    Progress
        Tiles done.

    Returns
    -------
    HybridResult
    """
    canvas = _Canvas.empty(candidates.labels.shape)
    side = predictor.frame_px if predictor is not None else frame_px
    total = count_tiles(candidates.labels.shape, side)
    for done, parts in enumerate(parts_by_tile(candidates.labels, side)):
        yield Progress(done, total, "segmenting")
        if not parts:
            continue
        window = parts[0].window
        edges = candidates.edges.crop(window.slices)
        predictions: list[MaskPrediction | None] = [None] * len(parts)
        if predictor is not None and rules.routing is not Routing.SAUVOLA_ONLY:
            embedding = predictor.encode(np.ascontiguousarray(window.crop(grey_u8)))
            predictions = list(predictor.decode_batch(embedding, [p.prompts for p in parts]))
        for part, prediction in zip(parts, predictions, strict=True):
            decision, part_field = _decide(part, prediction, candidates, edges, rules)
            canvas.paint(part, decision, part_field)
    yield Progress(total, total, "segmenting")
    canvas.clean(candidates)
    return canvas.result()


def _decide(
    part: Part,
    prediction: MaskPrediction | None,
    candidates: Candidates,
    edges: EdgeMap,
    rules: RoutingRules,
) -> tuple[Decision, FloatImage]:
    field = candidates.field[part.window.slices]
    sauvola_field = np.where(part.mask, np.maximum(field, 0.01), np.minimum(field, -0.01))
    sauvola = _sauvola_evidence(part, edges)
    sauvola_confidence = rules.calibration.confidence(Source.SAUVOLA, sauvola)
    figures = {"sauvola_edge": sauvola.edge, "sauvola_confidence": round(sauvola_confidence, 4)}
    if prediction is None:
        reason = "only Sauvola was asked for"
        return _stand(part, Source.SAUVOLA, sauvola_confidence, reason, figures), sauvola_field
    logits = prediction.best_logits
    sam2 = _sam2_evidence(prediction, part, edges)
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


def _sauvola_evidence(part: Part, edges: EdgeMap) -> Evidence:
    edge = edge_share(part.mask, edges, boundary_of(part.mask) & part.counted)
    return Evidence(iou_pred=0.0, stability=0.0, decided=0.0, edge=edge, agreement=0.0)


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


@dataclass(slots=True)
class _Canvas:
    """The image being put together, tile by tile."""

    field: FloatImage
    owner: LabelArray
    source_code: npt.NDArray[np.uint8]
    confidence: FloatImage
    decisions: dict[int, list[Decision]]

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> _Canvas:
        return cls(
            np.full(shape, -1.0, dtype=np.float32),
            np.zeros(shape, dtype=np.int32),
            np.full(shape, SAUVOLA_CODE, dtype=np.uint8),
            np.zeros(shape, dtype=np.float32),
            {},
        )

    def paint(self, part: Part, decision: Decision, part_field: FloatImage) -> None:
        """Lay a part's field over the core of its tile; the more certain inside wins."""
        core = part.core
        new = part.inner.crop(part_field)
        old = self.field[core.slices]
        wins = new > old
        self.field[core.slices] = np.where(wins, new, old)
        owner = self.owner[core.slices]
        owner[wins & (new > 0)] = part.label
        self.source_code[core.slices][wins] = SOURCE_CODES.index(decision.source)
        self.confidence[core.slices][wins] = decision.confidence
        self.decisions.setdefault(part.label, []).append(decision)

    def clean(self, candidates: Candidates) -> None:
        """Drop specks and holes that no edge bounds: masks meet at tiles with ragged ends."""
        mask = self.field > 0
        cleaned, _ = candidates.rules.clean(mask, candidates.edges)
        filled = cleaned & ~mask
        self.field[filled] = FAINT
        self.field[mask & ~cleaned] = -FAINT
        self._fill_from_nearest(outside=~mask, fill=filled)

    def result(self) -> HybridResult:
        """Give the gaps the source and confidence of the nearest feature: an edge has two sides."""
        outside = self.field <= 0
        self._fill_from_nearest(outside, fill=outside)
        self.owner[outside] = 0
        return HybridResult(
            self.field, self.owner, self.source_code, self.confidence, self.decisions
        )

    def _fill_from_nearest(
        self, outside: npt.NDArray[np.bool_], fill: npt.NDArray[np.bool_]
    ) -> None:
        """Take owner, source and confidence from the nearest pixel that is inside a feature."""
        for at, nearest in nearest_inside(outside, fill):
            for values in (self.owner, self.source_code, self.confidence):
                values[at] = values[nearest]
