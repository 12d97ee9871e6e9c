"""Values of the nearest feature, for the gaps of a large image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from segsem.core.types import MaskArray
from segsem.segmentation.bands import BAND_ROWS, bands, with_halo

FIRST_HALO_PX, LAST_HALO_PX = 128, 1024
"""Rows beside a band that are looked at first; doubled until the nearest feature is in them, or
they are too many: then the whole image is looked at, once."""

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
    whole: Places | None = None
    for band in bands(len(outside), 0, band_rows):
        if not wanted[band.rows].any():
            continue
        at_row, at_col = np.nonzero(wanted[band.rows])
        at = (at_row + band.rows.start, at_col)
        found = _near_band(outside, band.rows, at) if whole is None else None
        if found is None:
            # A wide gap: most bands will need most of the image.
            whole = _indices(outside) if whole is None else whole
            found = (whole[0][at].astype(np.intp), whole[1][at].astype(np.intp))
        yield at, found


def _near_band(outside: MaskArray, rows: slice, at: Places) -> Places | None:
    """Nearest pixels inside, from the rows about a band; None where they lie farther away."""
    height, halo = len(outside), FIRST_HALO_PX
    while halo <= LAST_HALO_PX:
        seen = with_halo(rows, halo, height)
        if not outside[seen].all():
            near = _indices(outside[seen])
            here = (at[0] - seen.start, at[1])
            found = near[0][here].astype(np.intp) + seen.start, near[1][here].astype(np.intp)
            # What lies beyond the rows looked at is farther than their last row.
            above = np.where(seen.start > 0, at[0] - seen.start, height)
            below = np.where(seen.stop < height, seen.stop - 1 - at[0], height)
            reach = np.minimum(above, below)
            distance_sq = (found[0] - at[0]) ** 2 + (found[1] - at[1]) ** 2
            if bool(np.all((distance_sq <= reach**2) | (reach == height))):
                return found
        halo *= 2
    return None


def _indices(outside: MaskArray) -> Places:
    rows, cols = ndi.distance_transform_edt(outside, return_distances=False, return_indices=True)
    return rows, cols
