"""The data bar: the strip of text and scale marks that SEM software writes below the scan."""

from __future__ import annotations

from segsem.core.types import ImageArray


def find_data_bar(data: ImageArray, scan_height_px: int | None = None) -> int | None:
    """First row of the data bar, or None."""
    if scan_height_px is not None:
        return scan_height_px if scan_height_px < len(data) else None
    return None
