"""What is said of a region in a word or two."""

from __future__ import annotations

import math

import numpy as np

from segsem.core.appearance import SOURCE_STYLES
from segsem.core.contour import SOURCE_CODES, Region, ReviewStatus, Source, against_design


def confidence_text(region: Region) -> str:
    """Confidence with two decimals, or a dash where it is not rateable."""
    return "–" if math.isnan(region.confidence) else f"{region.confidence:.2f}"


def source_text(region: Region) -> str:
    """Name the method or methods that a region stands on."""
    if region.source is not Source.MIXED:
        return SOURCE_STYLES[region.source].label
    codes = {int(code) for contour in region.contours for code in np.unique(contour.source_code)}
    named = [SOURCE_STYLES[SOURCE_CODES[code]].label for code in sorted(codes)]
    return " + ".join(named) or "SAM2 + Sauvola"


def why_text(region: Region) -> str:
    """Why a region asks for a look, in the pipeline's own words."""
    if region.status is not ReviewStatus.PENDING:
        return region.status.value
    reason = region.fallback_reason or ""
    if region.needs_human:
        reason = reason or "neither method was good enough"
    return "; ".join(part for part in (against_design(region.flags), reason) if part)
