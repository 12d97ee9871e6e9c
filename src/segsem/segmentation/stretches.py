"""Stretches of a part's outline on which the two methods differ, and whom the image sides with.

One bad corner must not throw away a good line. Where SAM2's mask leaves Sauvola's by more than a
few pixels, each such place is judged by itself: if the image shows an edge on Sauvola's outline
there and none on SAM2's, Sauvola's field is put in, and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from segsem.core.types import MaskArray
from segsem.segmentation.auto_prompts import Part
from segsem.segmentation.evidence import EdgeMap, boundary_of, box_around, edge_hits

WIDER_THAN_PX = 3
"""Masks that differ by less than this share one edge, which placement finds."""

AROUND_PX = 3
SIDES_WITH = 0.8
"""Share of Sauvola's outline on an edge from which the image sides with it."""

WITHOUT = 0.5
"""Share of SAM2's outline on an edge up to which the image does not side with it."""

LEAST_PX = 6
"""Shorter outlines show nothing."""

MOST_OF_A_PART = 0.5
"""Where the methods differ by more than this share of the part, the part is decided as a whole."""

HALO_PX = 12


@dataclass(frozen=True, slots=True)
class Stretch:
    """One place where the methods differ.

    Attributes
    ----------
    where : (h, w) bool
        The place with some pixels around it, in the part's window.
    sam2_edge, sauvola_edge : float or None
        Share of either outline there on which the image shows an edge; None where it has none.
    """

    where: MaskArray
    sam2_edge: float | None
    sauvola_edge: float | None

    @property
    def sauvola_stands(self) -> bool:
        """Whether the image sides with Sauvola."""
        if self.sam2_edge is None and self.sauvola_edge is None:
            return False
        with_sauvola = self.sauvola_edge is None or self.sauvola_edge >= SIDES_WITH
        return with_sauvola and (self.sam2_edge is None or self.sam2_edge <= WITHOUT)

    @property
    def doubtful(self) -> bool:
        """Whether the image sides with neither."""
        weak = self.sam2_edge is not None and self.sam2_edge <= WITHOUT
        return weak and not self.sauvola_stands


def stretches(part: Part, sam2: MaskArray, edges: EdgeMap) -> list[Stretch]:
    """Find the places where SAM2's mask of a part differs from Sauvola's.

    Parameters
    ----------
    part : Part
        With Sauvola's mask.
    sam2 : (h, w) bool
        SAM2's mask in the part's window.
    edges : EdgeMap
        Of the same window.

    Returns
    -------
    list of Stretch
        Empty where they agree, or differ about most of the part.
    """
    different = (sam2 ^ part.mask) & part.counted
    box = box_around(different, HALO_PX)
    if box is None:
        return []
    mask, other, counted = sam2[box], part.mask[box], part.counted[box]
    blobs, count = _blobs(different[box])
    if count == 0:
        return []
    if np.count_nonzero(blobs) > MOST_OF_A_PART * np.count_nonzero(part.mask & part.counted):
        return []
    near = edges.crop(box)
    own = _Outline(boundary_of(mask) & counted, edge_hits(mask, near))
    theirs = _Outline(boundary_of(other) & counted, edge_hits(other, near))
    found = []
    for number in range(1, count + 1):
        here = _grown(blobs == number)
        where = np.zeros(sam2.shape, dtype=bool)
        where[box] = here
        found.append(Stretch(where, own.share(here), theirs.share(here)))
    return found


@dataclass(frozen=True, slots=True)
class _Outline:
    line: MaskArray
    hits: MaskArray

    def share(self, here: MaskArray) -> float | None:
        """Share of the outline here that is on an edge; None where there is next to none."""
        at = self.line & here
        return float(np.mean(self.hits[at])) if np.count_nonzero(at) >= LEAST_PX else None


def _blobs(different: MaskArray) -> tuple[npt.NDArray[np.int32], int]:
    """Label what is left of a difference without its thin rims."""
    kernel = np.ones((WIDER_THAN_PX, WIDER_THAN_PX), dtype=np.uint8)
    wide = cv2.erode(different.astype(np.uint8), kernel, borderValue=1)
    labels, count = ndi.label(cv2.dilate(wide, kernel) & different)
    return np.asarray(labels, dtype=np.int32), int(count)


def _grown(blob: MaskArray) -> MaskArray:
    kernel = np.ones((2 * AROUND_PX + 1, 2 * AROUND_PX + 1), dtype=np.uint8)
    return np.asarray(cv2.dilate(blob.astype(np.uint8), kernel) > 0)
