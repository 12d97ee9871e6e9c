"""Values of the nearest feature, for the gaps of a large image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from segsem.core.types import MaskArray
from segsem.segmentation.bands import BAND_ROWS, bands, with_halo

FIRST_HALO_PX = 128
"""Rows beside a band that are looked at first; doubled until the nearest feature is in them."""

Places = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]


def nearest_inside(
    outside: MaskArray, wanted: MaskArray, band_rows: int = BAND_ROWS
) -> Iterator[tuple[Places, Places]]:
    """For pixels outside the features, find the nearest pixel inside one, band by band.

    The answer is that of `scipy.ndimage.distance_transform_edt` on the whole image, whose index
    maps would take 8 bytes a pixel.

    Parameters
    ----------
    outside : (H, W) bool
        False inside the features.
    wanted : (H, W) bool
        Pixels that are asked for.
    band_rows : int
        Rows worked on at once.

    Yields
    ------
    (rows, cols), (rows, cols) : pairs of (N,) arrays
        Pixels that were asked for, and the nearest pixel inside for each. Nothing where there
        are no features at all.
    """
    if outside.all():
        return
    for band in bands(len(outside), 0, band_rows):
        if wanted[band.rows].any():
            yield _in_band(outside, wanted, band.rows)


def _in_band(outside: MaskArray, wanted: MaskArray, rows: slice) -> tuple[Places, Places]:
    height = len(outside)
    at_row, at_col = np.nonzero(wanted[rows])
    at_row += rows.start
    halo = FIRST_HALO_PX
    while True:
        seen = with_halo(rows, halo, height)
        whole = seen.start == 0 and seen.stop == height
        if whole or not outside[seen].all():
            near_row, near_col = ndi.distance_transform_edt(
                outside[seen], return_distances=False, return_indices=True
            )
            local = at_row - seen.start
            found_row = near_row[local, at_col].astype(np.intp) + seen.start
            found_col = near_col[local, at_col].astype(np.intp)
            del near_row, near_col
            # What lies beyond the rows looked at is farther than their last row.
            above = np.where(seen.start > 0, at_row - seen.start, height)
            below = np.where(seen.stop < height, seen.stop - 1 - at_row, height)
            reach = np.minimum(above, below)
            distance_sq = (found_row - at_row) ** 2 + (found_col - at_col) ** 2
            if whole or bool(np.all(distance_sq <= reach**2)):
                return (at_row, at_col), (found_row, found_col)
        halo *= 2
