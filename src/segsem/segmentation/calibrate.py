"""Calibrating confidence for one model: examples with planted failures, fits, thresholds."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Generator, Iterable
from typing import Any

import numpy as np

from segsem.core.contour import Source
from segsem.core.exceptions import InputError
from segsem.core.progress import Progress
from segsem.segmentation.calibration_examples import (
    CalibrationImage,
    Examples,
    ExampleSet,
    collect_examples,
)
from segsem.segmentation.calibration_fit import (
    fit_logistic,
    out_of_fold,
    smallest_safe_threshold,
)
from segsem.segmentation.confidence import DEFAULT_THRESHOLD, Calibration
from segsem.segmentation.outlier import familiar_of
from segsem.segmentation.predictor import Predictor
from segsem.segmentation.region_evidence import PART_EVIDENCE, REGION_EVIDENCE

PARTS: dict[Source, tuple[str, ...]] = {
    Source.SAM2: ("iou_pred", "stability", "decided", "edge", "agreement"),
    Source.SAUVOLA: ("edge", "decided"),
}
"""Evidence of parts that each source has."""

REGIONS: dict[Source, tuple[str, ...]] = {
    Source.SAM2: (*REGION_EVIDENCE, *PART_EVIDENCE),
    Source.SAUVOLA: tuple(
        name for name in REGION_EVIDENCE if name not in ("agreement", "agreement_run", "same_piece")
    ),
}
"""Evidence of regions; that Sauvola agrees with itself says nothing."""

LEAST_REGIONS = 60
LEAST_OF_A_KIND = 10
"""A model needs so many examples, and so many right and wrong ones."""


def fit_calibration(
    predictor: Predictor,
    images: Iterable[CalibrationImage],
    *,
    seed: int,
    total: int = 0,
    origin: dict[str, Any] | None = None,
) -> Generator[Progress, None, Calibration]:
    """Calibrate confidence for a model on images with truth that it was not trained on.

    Parameters
    ----------
    predictor : Predictor
        The model.
    images : iterable of CalibrationImage
        Truth as exact contours, or as label images (a person's corrected masks).
    seed : int
        Of the planted failures.
    total : int
        Number of the images, for the progress.
    origin : dict, optional
        What is to be kept about the images, as plain JSON values: preset, seeds, project.

    Yields
    ------
    Progress

    Returns
    -------
    Calibration

    Raises
    ------
    InputError
        If the images show too few regions, or too few right or wrong ones, for a fit.
    """
    examples = yield from collect_examples(predictor, images, seed, total)
    return fit(examples, predictor, seed, origin or {})


def fit(
    examples: ExampleSet, predictor: Predictor, seed: int, origin: dict[str, Any]
) -> Calibration:
    """Fit all models to examples; see `fit_calibration`."""
    for kind in (examples.parts, examples.regions):
        for source, own in kind.items():
            _check(own, source)
    parts = {source: fit_logistic(examples.parts[source], PARTS[source]) for source in PARTS}
    regions = {
        source: fit_logistic(examples.regions[source], REGIONS[source]) for source in REGIONS
    }
    threshold = _safe({source: examples.regions[source] for source in REGIONS}, REGIONS)
    part_threshold = _safe({Source.SAM2: examples.parts[Source.SAM2]}, PARTS)
    return Calibration(
        parts,
        threshold,
        calibrated=True,
        regions=regions,
        part_threshold=part_threshold,
        familiar=familiar_of(examples.looks),
        origin={
            **origin,
            "model": predictor.name,
            "weights_sha256": predictor.weights_sha256,
            "fault_seed": seed,
            "images": len(examples.looks),
            "regions": {s.value: _counts(e) for s, e in examples.regions.items()},
            "parts": {s.value: _counts(e) for s, e in examples.parts.items()},
            "version": importlib.metadata.version("napari-segsem"),
        },
    )


def _safe(examples: dict[Source, Examples], names: dict[Source, tuple[str, ...]]) -> float:
    """Threshold on out-of-fold confidence, all sources together."""
    confidence = np.concatenate([out_of_fold(own, names[s]) for s, own in examples.items()])
    right = np.concatenate([own.is_right for own in examples.values()])
    groups = [name for own in examples.values() for name in own.group]
    number = np.unique(groups, return_inverse=True)[1].astype(np.intp)
    found = smallest_safe_threshold(confidence, right, number)
    return max(found if found is not None else DEFAULT_THRESHOLD, 0.5)


def _counts(examples: Examples) -> dict[str, int]:
    count, right = len(examples.right), int(np.count_nonzero(examples.right))
    return {"count": count, "wrong": count - right}


def _check(examples: Examples, source: Source) -> None:
    count, right = len(examples.right), sum(examples.right)
    if count < LEAST_REGIONS or min(right, count - right) < LEAST_OF_A_KIND:
        msg = (
            f"Expected at least {LEAST_REGIONS} regions of {source.value}, {LEAST_OF_A_KIND} of "
            f"them right and {LEAST_OF_A_KIND} wrong, to calibrate on, but got {count} of which "
            f"{right} are right: give more images"
        )
        raise InputError(msg)
