"""QA gates: may an image, and a lot, be signed? A verdict with reasons in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from segsem.core.contour import ReviewStatus
from segsem.review.item import LOOK_BESIDE, ItemFlag, ItemKey, ReviewItem
from segsem.review.limits import Limit, QALimits
from segsem.review.outliers import find_outliers, robust_z


class Verdict(StrEnum):
    """What a gate says."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"

    @property
    def rank(self) -> int:
        """0 for pass, 2 for fail."""
        return list(Verdict).index(self)


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes
    ----------
    name : str
        What was checked, as a lithographer says it.
    verdict : Verdict
    value : str
        What was found, with its unit.
    limits : str
        What is asked for.
    reason : str
        What it means and what to do; empty where it passes.
    """

    name: str
    verdict: Verdict
    value: str
    limits: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ImageFigures:
    """What the gates look at; None where it is not known.

    Attributes
    ----------
    image_id : str
    snr, blur_px, saturated_fraction : float or None
        Quality of the image.
    pixel_size_nm : (float, float) or None
    pixel_size_source : str or None
    registration : str or None
        Verdict of the registration to a design.
    residual_px : float or None
        Its residual.
    topology : mapping of str to int, or None
        Faults against the design by kind.
    unfamiliar : tuple of str
        How the image is unlike those that confidence was calibrated on.
    cd_nm : mapping of region id to float
        Mean CD of regions, where measured.
    gone : int
        Decided regions of earlier results that are not there any more.
    """

    image_id: str
    snr: float | None = None
    blur_px: float | None = None
    saturated_fraction: float | None = None
    pixel_size_nm: tuple[float, float] | None = None
    pixel_size_source: str | None = None
    registration: str | None = None
    residual_px: float | None = None
    topology: Mapping[str, int] | None = None
    unfamiliar: tuple[str, ...] = ()
    cd_nm: Mapping[int, float] = field(default_factory=dict)
    gone: int = 0


@dataclass(frozen=True, slots=True)
class GateReport:
    """All checks of an image or a lot.

    Attributes
    ----------
    name : str
        Image id, or what the lot is called.
    checks : tuple of Check
    outliers : tuple of ItemKey
        Regions unlike the others of their image.
    """

    name: str
    checks: tuple[Check, ...]
    outliers: tuple[ItemKey, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The worst of all checks."""
        return max((check.verdict for check in self.checks), key=lambda v: v.rank, default=_PASS)

    @property
    def reasons(self) -> list[str]:
        """Why it does not pass, failures first."""
        bad = sorted((c for c in self.checks if c.reason), key=lambda c: -c.verdict.rank)
        return [f"{check.name}: {check.reason}" for check in bad]


_PASS = Verdict.PASS

Statuses = Mapping[ItemKey, ReviewStatus]


def check_image(
    figures: ImageFigures,
    items: Sequence[ReviewItem],
    statuses: Statuses,
    limits: QALimits,
) -> GateReport:
    """Check one image.

    Parameters
    ----------
    figures : ImageFigures
        What is known of the image.
    items : sequence of ReviewItem
        Its regions.
    statuses : mapping
        How each stands by now.
    limits : QALimits
        What is asked for.
    """
    outliers = image_outliers(figures, items, limits)
    checks = [
        *_quality_checks(figures, limits),
        _pixel_size_check(figures),
        *_design_checks(figures, limits),
        *_region_checks(items, statuses, limits),
        _outlier_check(outliers, items, statuses, limits),
        *_beside_check(items, statuses),
        *_familiar_check(figures),
        *_gone_check(figures),
    ]
    return GateReport(figures.image_id, tuple(checks), outliers)


def check_lot(
    name: str,
    reports: Sequence[GateReport],
    items: Sequence[ReviewItem],
    statuses: Statuses,
    limits: QALimits,
) -> GateReport:
    """Check a lot: its images, and all of its regions together."""
    counts = {v: sum(report.verdict is v for report in reports) for v in Verdict}
    bad = [report.name for report in reports if report.verdict is Verdict.FAIL]
    worst = max((r.verdict for r in reports), key=lambda v: v.rank, default=_PASS)
    reason = ""
    if worst is Verdict.FAIL:
        reason = f"{_count(len(bad), 'image')} failed: {_listed(bad)}"
    elif worst is Verdict.WARN:
        warned = [report.name for report in reports if report.verdict is Verdict.WARN]
        reason = f"{_count(len(warned), 'image')} with warnings: {_listed(warned)}"
    value = ", ".join(f"{n} {verdict}" for verdict, n in counts.items())
    outliers = tuple(key for report in reports for key in report.outliers)
    checks = [
        Check("Images", worst, value, "all pass", reason),
        *_region_checks(items, statuses, limits),
        _outlier_check(outliers, items, statuses, limits),
    ]
    return GateReport(name, tuple(checks), outliers)


def image_outliers(
    figures: ImageFigures, items: Sequence[ReviewItem], limits: QALimits
) -> tuple[ItemKey, ...]:
    """Regions of an image whose area or CD is unlike the others'.

    Regions that the border cuts have no area to compare.
    """
    whole = [item for item in items if ItemFlag.CUT not in item.flags]
    by_area = robust_z({item.key.region_id: float(item.area_px) for item in whole})
    found = dict.fromkeys(find_outliers(by_area, limits.outlier_z))
    found |= dict.fromkeys(find_outliers(robust_z(figures.cd_nm), limits.outlier_z))
    return tuple(ItemKey(figures.image_id, region_id) for region_id in found)


def _quality_checks(figures: ImageFigures, limits: QALimits) -> list[Check]:
    saturated = figures.saturated_fraction
    return [
        _at_least("SNR", figures.snr, limits.snr, "",
                  "edges scatter more than the design rules allow for; average more frames"),
        _at_most("Blur", figures.blur_px, limits.blur_px, " px",
                 "edges are out of focus and CDs of small features are biased; refocus"),
        _at_most("Saturation", None if saturated is None else 100 * saturated,
                 (100 * limits.saturated_fraction[0], 100 * limits.saturated_fraction[1]), " %",
                 "clipped pixels move edges; lower contrast or brightness"),
    ]  # fmt: skip


def _pixel_size_check(figures: ImageFigures) -> Check:
    size = figures.pixel_size_nm
    if size is None:
        return Check(
            "Pixel size", Verdict.FAIL, "unknown", "known",
            "nothing can be said in nm, and no layout is written; extract with --pixel-size NM",
        )  # fmt: skip
    value = f"{size[1]:g} nm" if size[0] == size[1] else f"{size[1]:g} x {size[0]:g} nm"
    return Check("Pixel size", _PASS, f"{value} ({figures.pixel_size_source})", "known")


def _design_checks(figures: ImageFigures, limits: QALimits) -> list[Check]:
    checks = []
    if figures.registration is not None:
        residual = _at_most(
            "Registration", figures.residual_px, limits.registration_residual_px, " px rms",
            "contours and design do not lie on each other; check cell, layer and pixel size",
        )  # fmt: skip
        if figures.registration != "good":
            found = f"{figures.registration}, {residual.value}"
            reason = (
                f"the position in the design is {figures.registration}; EPE and design "
                "coordinates may be those of another place"
            )
            residual = Check("Registration", Verdict.FAIL, found, residual.limits, reason)
        checks.append(residual)
    if figures.topology is not None:
        named = [f"{n} {kind}" for kind, n in figures.topology.items() if n]
        total = sum(figures.topology.values())
        check = _at_most(
            "Topology against design", float(total), limits.topology_faults, " faults",
            f"{', '.join(named)}: look at each before the contours go into a model",
        )  # fmt: skip
        checks.append(check)
    return checks


def _region_checks(
    items: Sequence[ReviewItem], statuses: Statuses, limits: QALimits
) -> list[Check]:
    kept = [item for item in items if statuses[item.key] is not ReviewStatus.REJECTED]
    if not items:
        return [Check("Regions", Verdict.WARN, "none", "", "no feature was found in the image")]
    total = max(len(kept), 1)
    still_open = [item for item in kept if statuses[item.key] is ReviewStatus.PENDING]
    # What a person has accepted is no longer in doubt.
    doubtful = sum(item.is_doubtful for item in still_open)
    fallback = sum(ItemFlag.FALLBACK in item.flags for item in kept)
    blocking = sum(ItemFlag.NEEDS_HUMAN in item.flags for item in still_open)
    rateable = [item.confidence for item in kept if not np.isnan(item.confidence)]
    median = float(np.median(rateable)) if rateable else None
    checks = [
        _share("Fallback", fallback, total, limits.fallback_share,
               "Sauvola took over for many regions; fine-tune the model on this layer"),
        _share("Doubtful regions", doubtful, total, limits.doubtful_share,
               "many regions lie below the confidence threshold; review them, or fine-tune"),
        _at_least("Median confidence", median, limits.confidence_median, "",
                  "the model is unsure of this layer as a whole; fine-tune it"),
        _share("Open regions", len(still_open), total, limits.open_regions,
               "nobody has decided about them yet"),
    ]  # fmt: skip
    if blocking:
        reason = "neither method was good enough there; accept, edit or reject each in Review"
        value = _count(blocking, "region")
        checks.append(Check("Waiting for a person", Verdict.FAIL, value, "none", reason))
    return checks


def _outlier_check(
    outliers: Sequence[ItemKey],
    items: Sequence[ReviewItem],
    statuses: Statuses,
    limits: QALimits,
) -> Check:
    unseen = [key for key in outliers if statuses[key] is ReviewStatus.PENDING]
    return _share(
        "Outliers", len(unseen), max(len(items), 1), limits.outlier_share,
        f"area or CD unlike the others of the image: {_listed([_named(key) for key in unseen])}",
    )  # fmt: skip


def _beside_check(items: Sequence[ReviewItem], statuses: Statuses) -> list[Check]:
    """What may be missing, until somebody has looked at the region that tells of it."""
    unseen = [item for item in items if statuses[item.key] is ReviewStatus.PENDING]
    gaps = sum(len(item.beside.gaps_rc) for item in unseen)
    edges = sum(len(item.beside.strays_rc) for item in unseen)
    features = sum(len(item.beside.missing_rc) for item in unseen)
    if not gaps + edges + features:
        return []
    value = f"{_count(gaps, 'gap')} in an array, {_count(edges, 'edge')} without a contour"
    value += f", {_count(features, 'feature')} of the design" if features else ""
    told = [_named(item.key) for item in unseen if item.flags & LOOK_BESIDE]
    reason = f"a feature may be missing there; look beside {_listed(told)}"
    return [Check("Missing features", Verdict.WARN, value, "none", reason)]


def _familiar_check(figures: ImageFigures) -> list[Check]:
    if not figures.unfamiliar:
        return []
    reason = f"{'; '.join(figures.unfamiliar)}: confidence means less here; look at all regions"
    return [Check("Calibration", Verdict.WARN, "image is unlike its images", "", reason)]


def _gone_check(figures: ImageFigures) -> list[Check]:
    if not figures.gone:
        return []
    value = _count(figures.gone, "decision")
    reason = "they were made on earlier results, and nothing like those regions is there now"
    return [Check("Lost decisions", Verdict.WARN, value, "none", reason)]


def _at_least(name: str, value: float | None, limit: Limit, unit: str, meaning: str) -> Check:
    warn, fail = limit
    asked = f"at least {warn:g}{unit}; fails below {fail:g}{unit}"
    if value is None:
        return Check(name, _PASS, "not known", asked)
    if value >= warn:
        return Check(name, _PASS, f"{value:.3g}{unit}", asked)
    verdict, bound = (Verdict.FAIL, fail) if value < fail else (Verdict.WARN, warn)
    return Check(name, verdict, f"{value:.3g}{unit}", asked,
                 f"{value:.3g}{unit} is below {bound:g}{unit}: {meaning}")  # fmt: skip


def _at_most(name: str, value: float | None, limit: Limit, unit: str, meaning: str) -> Check:
    warn, fail = limit
    asked = f"at most {warn:g}{unit}; fails above {fail:g}{unit}"
    if value is None:
        return Check(name, _PASS, "not known", asked)
    if value <= warn:
        return Check(name, _PASS, f"{value:.3g}{unit}", asked)
    verdict, bound = (Verdict.FAIL, fail) if value > fail else (Verdict.WARN, warn)
    return Check(name, verdict, f"{value:.3g}{unit}", asked,
                 f"{value:.3g}{unit} is above {bound:g}{unit}: {meaning}")  # fmt: skip


def _share(name: str, number: int, total: int, limit: Limit, meaning: str) -> Check:
    percent = (100 * limit[0], 100 * limit[1])
    check = _at_most(name, 100 * number / total, percent, " %", meaning)
    value = f"{number} of {total} ({100 * number / total:.3g} %)"
    reason = f"{value}: {meaning}" if check.reason else ""
    return Check(name, check.verdict, value, check.limits, reason)


def _named(key: ItemKey) -> str:
    return f"{key.image_id} region {key.region_id}"


def _listed(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
