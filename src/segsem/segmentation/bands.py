"""Bands of rows: large images are worked on piece by piece, with the result of the whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

BAND_ROWS = 512
"""Rows of a band: 16 MiB of float32 in an image 8192 px wide."""


@dataclass(frozen=True, slots=True)
class Band:
    """Some rows of an image and the rows beside them that an operation needs to see.

    Attributes
    ----------
    rows : slice
        Rows of the image whose result this band gives.
    seen : slice
        Rows of the image to look at: `rows` and a halo, cut at the image's border.
    """

    rows: slice
    seen: slice

    @property
    def inner(self) -> slice:
        """`rows`, counted from the first row of `seen`."""
        return slice(self.rows.start - self.seen.start, self.rows.stop - self.seen.start)


def bands(height: int, halo_px: int, band_rows: int = BAND_ROWS) -> Iterator[Band]:
    """Cut an image into bands.

    Parameters
    ----------
    height : int
        Rows of the image.
    halo_px : int
        Rows on either side: as far as the operation reaches. A filter that reaches no farther
        gives, pixel for pixel, the result of the whole image.
    band_rows : int
        Rows of a band.

    Yields
    ------
    Band
    """
    for start in range(0, height, band_rows):
        rows = slice(start, min(start + band_rows, height))
        yield Band(rows, with_halo(rows, halo_px, height))


def with_halo(rows: slice, halo_px: int, height: int) -> slice:
    """Add a halo to a range of rows, cut at the image's border."""
    return slice(max(rows.start - halo_px, 0), min(rows.stop + halo_px, height))
