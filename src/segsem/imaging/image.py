"""`SEMImage`: the grey values, their scale, and where both come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segsem.core.types import ImageArray, PixelSize


@dataclass(frozen=True, slots=True)
class SEMImage:
    """One SEM image as stored, data bar included.

    Attributes
    ----------
    data : (H, W) array
        Grey values in the file's own dtype (uint8, uint16 or float32); never changed by contrast.
    name : str
        The image id: the file's stem.
    path : Path or None
        The file; None for an image from memory.
    sha256 : str
        Of the file's bytes, or of the array's where there is no file.
    pixel_size_nm : (float, float) or None
        (y, x); None where unknown.
    pixel_size_source : str or None
        `manifest`, `vendor tag ...`, `sidecar ...` or `user`.
    data_bar_row : int or None
        First row of the data bar; None where there is none.
    metadata : dict
        What the vendor wrote that is worth keeping, as plain JSON values.
    warnings : tuple of str
        What the reader wants the user to know.
    """

    data: ImageArray
    name: str
    path: Path | None = None
    sha256: str = ""
    pixel_size_nm: PixelSize | None = None
    pixel_size_source: str | None = None
    data_bar_row: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.data.ndim != 2:
            msg = f"Expected `data` to have shape (H, W), but got {self.data.shape}"
            raise ValueError(msg)

    @property
    def shape(self) -> tuple[int, int]:
        """Stored (H, W) in px, data bar included."""
        return self.data.shape[0], self.data.shape[1]

    @property
    def valid_rows(self) -> tuple[int, int]:
        """Half-open range of rows that show the sample."""
        return 0, self.data.shape[0] if self.data_bar_row is None else self.data_bar_row

    @property
    def valid_data(self) -> ImageArray:
        """The (h, W) part above the data bar, as a view."""
        return self.data[: self.valid_rows[1]]
