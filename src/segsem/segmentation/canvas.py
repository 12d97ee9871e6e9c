"""The image that the router puts together, tile by tile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segsem.core.contour import SOURCE_CODES, Source
from segsem.core.types import FloatImage, LabelArray, MaskArray
from segsem.segmentation.auto_prompts import Part, Tile
from segsem.segmentation.candidates import Candidates
from segsem.segmentation.nearest import nearest_inside
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.window import Window

FAINT = 0.05
"""Field of pixels that cleaning put inside or outside."""

SAUVOLA_CODE = SOURCE_CODES.index(Source.SAUVOLA)


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
    features : tuple of int
        Features of the design that it was asked for as, if any.
    """

    label: int
    window: Window
    prompts: Prompts
    source: Source
    confidence: float
    reason: str | None
    needs_human: bool
    evidence: dict[str, float]
    features: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of a part on which something else holds than on the rest of it.

    Attributes
    ----------
    where : (h, w) bool
        In the part's window.
    source : Source
        Which method stands there.
    confidence : float
        Of what stands there.
    """

    where: MaskArray
    source: Source
    confidence: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tile says about one part.

    Attributes
    ----------
    part : Part
    decision : Decision
    field : (h, w) float32
        Positive inside, in the part's window.
    marks : tuple of Mark
    """

    part: Part
    decision: Decision
    field: FloatImage
    marks: tuple[Mark, ...] = ()


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


@dataclass(slots=True)
class Canvas:
    """The image being put together; attributes as in `HybridResult`, and the weight so far."""

    field: FloatImage
    weight: FloatImage
    owner: LabelArray
    source_code: npt.NDArray[np.uint8]
    confidence: FloatImage
    decisions: dict[int, list[Decision]]

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> Canvas:
        """Nothing painted yet."""
        return cls(
            np.zeros(shape, dtype=np.float32),
            np.zeros(shape, dtype=np.float32),
            np.zeros(shape, dtype=np.int32),
            np.full(shape, SAUVOLA_CODE, dtype=np.uint8),
            np.zeros(shape, dtype=np.float32),
            {},
        )

    def paint(self, tile: Tile, answers: list[Answer]) -> None:
        """Lay a tile's answers over it, the most certain inside of several winning.

        Fields are blended with those of the neighbours; owner, source and confidence hold in the
        tile's core.
        """
        field = np.full(tile.window.shape, -1.0, dtype=np.float32)
        core = tile.core
        inner = core.within(tile.window).slices
        for answer in answers:
            part, decision, part_field = answer.part, answer.decision, answer.field
            wins = (part_field > field)[inner]
            self.owner[core.slices][wins & (part_field[inner] > 0)] = part.label
            self.source_code[core.slices][wins] = SOURCE_CODES.index(decision.source)
            self.confidence[core.slices][wins] = decision.confidence
            for mark in answer.marks:
                here = wins & mark.where[inner]
                self.source_code[core.slices][here] = SOURCE_CODES.index(mark.source)
                self.confidence[core.slices][here] = mark.confidence
            np.maximum(field, part_field, out=field)
            self.decisions.setdefault(part.label, []).append(decision)
        self.field[tile.window.slices] += tile.weight * field
        self.weight[tile.window.slices] += tile.weight

    def blend(self) -> None:
        """Divide by the weights. Pixels that a neighbour's answer brought in get an owner."""
        np.divide(self.field, self.weight, out=self.field)
        self.weight = np.zeros((0, 0), dtype=np.float32)
        inside = self.field > 0
        self._fill_from_nearest(
            outside=~(inside & (self.owner > 0)), fill=inside & (self.owner == 0)
        )

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
