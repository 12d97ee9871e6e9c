"""One open image with everything that was done to it."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from napari_segsem._annotation import Annotation
from napari_segsem._review import Review
from segsem.core.types import PixelSize
from segsem.imaging.image import SEMImage
from segsem.imaging.normalise import grey_limits, normalise
from segsem.project.project import content_hash

PIXEL_UNITS = ("pixel", "pixel")
NM_UNITS = ("nm", "nm")


class Document:
    """An image, its annotation and, once extracted, its review."""

    def __init__(self, image: SEMImage) -> None:
        self.image = image
        self.annotation = Annotation(image.shape)
        self.review: Review | None = None
        self.notices: list[str] = []
        """What the user is to be told when it is shown."""

    @cached_property
    def grey(self) -> npt.NDArray[np.uint8]:
        """(H, W) grey values that SAM2 sees: independent of the viewer's contrast."""
        return normalise(self.image)

    @cached_property
    def display_limits(self) -> tuple[float, float]:
        """Range of the sample's own grey values, the data bar's black and white left out."""
        low, high = grey_limits(self.image)
        return (low, high) if high > low else (low, low + 1.0)

    def prepare(self) -> None:
        """Compute what showing and prompting need: takes long, so not in the GUI's thread."""
        _ = self.grey, self.display_limits

    @property
    def model_grey(self) -> npt.NDArray[np.uint8]:
        """The part above the data bar, which is what the model is asked about."""
        return self.grey[: self.image.valid_rows[1]]

    @property
    def scale(self) -> PixelSize:
        """(y, x) size of a pixel in the viewer: nm, or 1 where it is unknown."""
        return self.image.pixel_size_nm or (1.0, 1.0)

    @property
    def units(self) -> tuple[str, str]:
        """Units of `scale`, as napari names them."""
        return PIXEL_UNITS if self.image.pixel_size_nm is None else NM_UNITS

    def set_pixel_size(self, nm: float) -> None:
        """Take the user's word for the pixel size in nm."""
        self.take_pixel_size((nm, nm))

    def take_pixel_size(self, size: PixelSize) -> None:
        """Take the user's word for the (y, x) pixel size in nm."""
        self.image = replace(self.image, pixel_size_nm=size, pixel_size_source="user")

    @cached_property
    def content_hash(self) -> str:
        """Hash by which a project knows the image."""
        return content_hash(self.image)

    @property
    def nbytes(self) -> int:
        """Bytes that it takes in memory, more or less."""
        return self.image.data.nbytes + self.annotation.labels.nbytes + self.image.data.size

    @property
    def is_at_rest(self) -> bool:
        """Whether all that was done to it is kept elsewhere: nothing is asked."""
        return self.annotation.state.is_empty

    def area_text(self, area_px: int) -> str:
        """Area in the unit that is known."""
        if self.image.pixel_size_nm is None:
            return f"{area_px:,} px²"
        px_y, px_x = self.image.pixel_size_nm
        return f"{area_px * px_y * px_x:,.0f} nm²"
