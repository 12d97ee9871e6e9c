"""Writing the reviewed extraction, with the override on record where one was used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from napari_segsem._document import Document
from napari_segsem._review import Review
from segsem.core.extraction import Extraction
from segsem.export.outputs import write_outputs

FORMATS = {
    "oas": "OASIS",
    "gds": "GDSII",
    "csv": "Points (CSV)",
    "png": "Overlay (PNG)",
}


def blocked_reason(review: Review, *, override: bool) -> str | None:
    """Say why the export is blocked; None where it is not."""
    undecided = len(review.undecided_ids)
    if not undecided or override:
        return None
    noun = "region needs" if undecided == 1 else "regions need"
    return f"{undecided} {noun} a decision before export: accept or reject, or override below"


def export(
    document: Document, review: Review, folder: Path, formats: Sequence[str], *, override: bool
) -> list[Path]:
    """Write an image's results; see :func:`segsem.export.outputs.write_outputs`."""
    extraction = review.extraction
    if override and review.undecided_ids:
        extraction = _with_override(extraction, review.undecided_ids)
    return write_outputs(
        extraction,
        folder,
        formats=tuple(formats),
        image=document.grey,
        allow_needs_human=override,
    )


def _with_override(extraction: Extraction, undecided: list[int]) -> Extraction:
    warning = f"Exported by override with {len(undecided)} undecided regions: {undecided}"
    return replace(
        extraction,
        provenance={**extraction.provenance, "override_undecided_regions": undecided},
        warnings=(*extraction.warnings, warning),
    )
