"""How honest a model's confidence is on images that it was not calibrated on."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segsem.core.contour import Source
from segsem.core.types import FloatArray
from segsem.metrics.calibration import (
    Interval,
    Kept,
    ReliabilityRow,
    area_under_risk_coverage,
    bootstrap,
    brier_score,
    brier_skill,
    expected_calibration_error,
    kept_at,
    reliability,
    risk_coverage,
)
from segsem.segmentation.calibration_examples import ExampleSet
from segsem.segmentation.calibration_fit import probabilities
from segsem.segmentation.confidence import Calibration

COVERAGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True, slots=True)
class ConfidenceReport:
    """Figures of one group of regions (or parts).

    Attributes
    ----------
    group : str
    count, images : int
    wrong : float
        Share of wrong ones.
    ece, brier, skill, area : Interval
        Calibration error, Brier score and skill, area under risk against coverage.
    kept : Kept
        At the default threshold.
    rows : list of ReliabilityRow
    curve : list of (float, float)
        Risk at each of `COVERAGES`.
    """

    group: str
    count: int
    images: int
    wrong: float
    ece: Interval
    brier: Interval
    skill: Interval
    area: Interval
    kept: Kept
    rows: list[ReliabilityRow]
    curve: list[tuple[float, float]]


def confidence_reports(examples: ExampleSet, calibration: Calibration) -> list[ConfidenceReport]:
    """Judge a calibration on examples that it was not fitted on.

    Parameters
    ----------
    examples : ExampleSet
        Of a test split.
    calibration : Calibration
        Fitted on another one.

    Returns
    -------
    list of ConfidenceReport
        All regions; by source; parts by source.
    """
    found: list[ConfidenceReport] = []
    every: list[tuple[FloatArray, FloatArray, list[str]]] = []
    for source, own in examples.regions.items():
        if own.right:
            confidence = probabilities(calibration.regions[source], own)
            every.append((confidence, own.is_right, own.group))
            name = f"regions, {source.value}"
            found.append(_report(name, *every[-1], calibration.threshold))
    if every:
        confidence, right = (np.concatenate([each[i] for each in every]) for i in (0, 1))
        groups = [name for each in every for name in each[2]]
        found.insert(0, _report("regions", confidence, right, groups, calibration.threshold))
    stands = calibration.stands_from(None)
    for source, own in examples.parts.items():
        if own.right:
            confidence = probabilities(calibration.models[source], own)
            name = f"parts, {source.value}"
            found.append(_report(name, confidence, own.is_right, own.group, stands))
    return found


def _report(
    group: str,
    confidence: FloatArray,
    right: FloatArray,
    images: Sequence[str],
    threshold: float,
) -> ConfidenceReport:
    _, number = np.unique(images, return_inverse=True)
    image: npt.NDArray[np.intp] = number.astype(np.intp)

    def figure(value: object) -> Interval:
        return bootstrap(value, confidence, right, image)  # type: ignore[arg-type]

    coverage, risk = risk_coverage(confidence, right)
    return ConfidenceReport(
        group,
        len(right),
        int(image.max()) + 1,
        float(1.0 - right.mean()),
        figure(expected_calibration_error),
        figure(brier_score),
        figure(brier_skill),
        figure(area_under_risk_coverage),
        kept_at(threshold, confidence, right, image),
        reliability(confidence, right, image),
        [(wanted, float(risk[np.searchsorted(coverage, wanted - 1e-9)])) for wanted in COVERAGES],
    )


def table(reports: Sequence[ConfidenceReport]) -> str:
    """Write all figures as Markdown tables."""
    lines = [
        "| group | n | images | wrong | ECE | Brier skill | area | threshold | kept "
        "| right of kept | wrong flagged |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in reports:
        kept = one.kept
        lines.append(
            f"| {one.group} | {one.count} | {one.images} | {one.wrong:.3f} | {one.ece} "
            f"| {one.skill} | {one.area} | {kept.threshold:.3f} | {kept.coverage} "
            f"| {kept.right} | {kept.flagged} |"
        )
    if reports:
        lines += ["", f"Reliability, {reports[0].group}:", "", "| confidence | right | n |"]
        lines.append("|---|---|---|")
        lines += [f"| {r.confidence:.3f} | {r.right} | {r.count} |" for r in reports[0].rows]
        lines += ["", f"Risk against coverage, {reports[0].group}:", "", "| kept | wrong of kept |"]
        lines.append("|---|---|")
        lines += [f"| {kept:.1f} | {risk:.3f} |" for kept, risk in reports[0].curve]
    return "\n".join(lines) + "\n"


def regions_csv(examples: ExampleSet, calibration: Calibration) -> str:
    """Write one row for each region: image, source, confidence, right."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "source", "confidence", "right"])
    for source in (Source.SAM2, Source.SAUVOLA):
        own = examples.regions[source]
        for evidence, right, group in zip(own.evidence, own.right, own.group, strict=True):
            confidence = calibration.regions[source].probability(evidence)
            writer.writerow([group, source.value, f"{confidence:.4f}", int(right)])
    return text.getvalue()
