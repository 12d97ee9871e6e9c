"""What is said of a region in the repeats of its image. Knows no Qt."""

from __future__ import annotations

import math

from segsem.core.appearance import SOURCE_STYLES
from segsem.core.contour import ReviewStatus, Source
from segsem.metrology.statistics import Stats
from segsem.review.repeat_figures import RepeatComparison, RepeatRegion
from segsem.review.repeat_places import Way

STAGE_NOTE = "Places by image position include the error of the stage."


def lines_of(comparison: RepeatComparison, region: RepeatRegion) -> list[str]:
    """Say in a few short lines what a region is in one image, and how it differs."""
    how = "shown now" if region.is_shown else region.way.value
    if region.key is None:
        return [region.presence.value, how]
    how = how if region.is_shown else f"{how}, overlap {region.overlap:.2f}"
    return [
        f"{_source(region.source)}, {_confidence(region)}, {_decision(region)}",
        _cd_text(comparison, region),
        _area_text(comparison, region),
        how,
    ]


def summary_of(comparison: RepeatComparison) -> str:
    """Say in how many images the region is, with means and spreads over them."""
    there = sum(one.key is not None for one in comparison.regions)
    of = len(comparison.regions)
    lines = [f"{comparison.place}: in {there} of {of} images"]
    if (cds := comparison.cds_nm).n:
        lines.append(_stats_text("CD", cds, "nm", 2))
    if (areas := comparison.areas).n:
        lines.append(_stats_text("Area", areas, comparison.area_unit, 0))
    return "\n".join(lines)


def note_of(comparison: RepeatComparison) -> str:
    """Say who was left out, and what places by image position are worth."""
    others = [one for one in comparison.regions if not one.is_shown]
    parts = [comparison.note]
    if any(one.way is Way.POSITION for one in others):
        parts.append(STAGE_NOTE)
    return " ".join(part for part in parts if part)


def _source(source: Source | None) -> str:
    if source is None:
        return "–"
    return "SAM2+Sauvola" if source is Source.MIXED else SOURCE_STYLES[source].label


def _confidence(region: RepeatRegion) -> str:
    return "–" if math.isnan(region.confidence) else f"{region.confidence:.2f}"


def _decision(region: RepeatRegion) -> str:
    if region.waits:
        return "needs a decision"
    return "open" if region.status is ReviewStatus.PENDING else region.status.value


def _cd_text(comparison: RepeatComparison, region: RepeatRegion) -> str:
    if region.is_shown:
        return "CD –" if math.isnan(region.cd_nm) else f"CD {region.cd_nm:,.2f} nm"
    difference = comparison.cd_difference_nm(region)
    return "CD –" if math.isnan(difference) else f"CD {difference:+z,.2f} nm"


def _area_text(comparison: RepeatComparison, region: RepeatRegion) -> str:
    unit = comparison.area_unit
    if math.isnan(region.area):
        return "Area –, cut by the border"
    if region.is_shown:
        return f"Area {region.area:,.0f} {unit}"
    difference = comparison.area_difference(region)
    if math.isnan(difference):
        return f"Area {region.area:,.0f} {unit}"
    return f"Area {difference:+z,.0f} {unit} ({100 * difference / comparison.shown.area:+z.1f} %)"


def _stats_text(name: str, stats: Stats, unit: str, decimals: int) -> str:
    mean = f"{name} {stats.mean:,.{decimals}f} {unit}"
    if stats.n < 2:
        return f"{mean} (1 image)"
    return f"{mean}, 3σ {stats.three_sigma:,.{decimals}f} ({stats.n} images)"
