"""One image of a lot: where its file is, and what is read of its results. Knows no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_segsem._contour_lines import DrawnRegion, drawn, line_width_px
from napari_segsem._document import Document
from napari_segsem._lot import Lot
from segsem.core.extraction import Extraction
from segsem.export.results import read_results
from segsem.review.outline import Outline, outlines_of


@dataclass(frozen=True, slots=True)
class ImageResults:
    """All that the window needs of an image's results, so that nothing is left to work out in it.

    Attributes
    ----------
    extraction : Extraction
    outlines : dict of int to Outline
        For the record of decisions.
    lines : dict of int to DrawnRegion
        For the layers.
    """

    extraction: Extraction
    outlines: dict[int, Outline]
    lines: dict[int, DrawnRegion]


def read_image_results(folder: Path) -> ImageResults:
    """Read the results of one image; takes a while, so not in the GUI's thread.

    Raises
    ------
    InputError
        If a file is missing or damaged.
    """
    extraction = read_results(folder)
    lines = drawn(extraction.regions, line_width_px(extraction.shape))
    return ImageResults(extraction, outlines_of(extraction.regions), lines)


def image_path(lot: Lot, image_id: str) -> Path | None:
    """File of an image, as its results name it; None where they do not."""
    named = lot.results[image_id].record.provenance.get("image_path")
    return Path(str(named)) if named else None


def is_of(provenance: dict[str, object], document: Document) -> bool:
    """Whether results are of the image that is open: by its file, or by its content."""
    if document.image.sha256:
        return provenance.get("image_sha256") == document.image.sha256
    return provenance.get("content_hash") == document.content_hash
