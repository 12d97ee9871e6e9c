"""What a model can tell of a frame without being asked for anything: two classes, and edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from segsem.core.types import FloatImage
from segsem.segmentation.predictor import ImageEmbedding

CLASS_LEVELS = (-1.5, 0.0, 1.5)
"""Logits at which the two classes are cut."""

EDGE_DEPTHS = (0.1, 0.25)
"""Two basins of edge probability are parts of their own where the way from one to the other leads
over a ridge that rises by this much above both."""

DIVISION_PX = 2
"""Px per cell of a division."""


@dataclass(frozen=True, slots=True)
class FrameDivision:
    """A frame divided into two classes, and its edges, in cells of `DIVISION_PX`.

    Attributes
    ----------
    class_logits : (h, w) float32
        Which class is positive is chance, from frame to frame.
    edges : (h, w) float32
        Probability of an edge between two objects, or an object and what is beside it.
    """

    class_logits: FloatImage
    edges: FloatImage


@runtime_checkable
class Divides(Protocol):
    """A predictor that can tell parts of a frame without being asked for any."""

    def divide(self, embedding: ImageEmbedding) -> FrameDivision | None:
        """Divide what is encoded at native resolution; None where the model cannot."""
        ...
