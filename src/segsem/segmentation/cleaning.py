"""Cleaning of masks: specks, and pieces or holes that no edge bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi
from skimage.measure import label as label_pieces

from segsem.core.types import LabelArray, MaskArray
from segsem.segmentation.bands import bands
from segsem.segmentation.evidence import EdgeField, boundary_of, edge_hits_in_bands

SPECK_WIDTH = 0.3
"""Pieces smaller than the square of this fraction of the feature width are noise or debris."""

GHOST_SHARE = 0.4
"""A piece with an edge on less of its outline than this is shading, not a feature."""

MIN_SPECK_PX = 12
"""No feature of fewer px can be told from noise, whatever the others measure."""


@dataclass(frozen=True, slots=True)
class CleaningRules:
    """Smallest piece and smallest hole of one image, in px²."""

    smallest_piece_px: int
    smallest_hole_px: int

    def clean(self, mask: MaskArray, edges: EdgeField) -> tuple[MaskArray, int]:
        """Drop specks, fill pinholes, drop what no edge bounds.

        Parameters
        ----------
        mask : (H, W) bool
            Features.
        edges : EdgeField
            Where the image has edges.

        Returns
        -------
        mask : (H, W) bool
            Cleaned.
        dropped : int
            Number of pieces left out.
        """
        cleaned, specks = remove_specks(mask, self.smallest_piece_px)
        # Filling holes of the size of specks must not fill the gaps of a fine pattern.
        cleaned = ~remove_specks(~cleaned, self.smallest_hole_px)[0]
        cleaned, ghosts = remove_ghosts(cleaned, edges)
        return cleaned, specks + ghosts


def speck_area_px(width_px: float) -> int:
    """Area below which a piece is a speck, for a phase of this mean width."""
    return max(MIN_SPECK_PX, round((SPECK_WIDTH * width_px) ** 2))


def remove_specks(mask: MaskArray, smallest_px: int) -> tuple[MaskArray, int]:
    """Drop 4-connected pieces below an area.

    Returns
    -------
    mask : (H, W) bool
        Without the specks.
    dropped : int
        Their number.
    """
    labels, count = ndi.label(mask)
    areas = area_by_label(labels, count)
    keep = areas >= smallest_px
    keep[0] = False
    return pixels_of(keep, labels), int(count - np.count_nonzero(keep))


def area_by_label(labels: LabelArray, count: int) -> npt.NDArray[np.intp]:
    """Pixels of each label from 0 to `count`, counted band by band (bincount copies to int64)."""
    areas = np.zeros(count + 1, dtype=np.intp)
    for band in bands(len(labels), 0):
        areas += np.bincount(labels[band.rows].ravel(), minlength=count + 1)
    return areas


def pixels_of(chosen: MaskArray, labels: LabelArray) -> MaskArray:
    """Where the labels are that a (count + 1,) table names, looked up band by band."""
    mask = np.empty(labels.shape, dtype=bool)
    for band in bands(len(labels), 0):
        mask[band.rows] = chosen[labels[band.rows]]
    return mask


def remove_ghosts(mask: MaskArray, edges: EdgeField) -> tuple[MaskArray, int]:
    """Drop pieces, and fill holes, whose outline has no edge in the image.

    A threshold also cuts through broad shading; only an edge makes a feature.

    Parameters
    ----------
    mask : (H, W) bool
        Candidates.
    edges : EdgeField
        Where the image has edges.

    Returns
    -------
    mask : (H, W) bool
        Without the ghosts.
    ghosts : int
        Their number.
    """
    hits = edge_hits_in_bands(mask, edges)
    holes = _ghost_pieces(~mask, hits)
    pieces = _ghost_pieces(mask, hits)
    count = int(label_pieces(holes | pieces, connectivity=1, return_num=True)[1])
    return np.asarray((mask | holes) & ~pieces), count


def _ghost_pieces(phase: MaskArray, hits: MaskArray) -> MaskArray:
    labels, count = ndi.label(phase)
    boundary = boundary_of(phase)
    length = np.bincount(labels[boundary], minlength=count + 1)
    on_edge = np.bincount(labels[boundary & hits], minlength=count + 1)
    ghost = on_edge < GHOST_SHARE * length
    ghost[0] = False
    return pixels_of(ghost, labels)
