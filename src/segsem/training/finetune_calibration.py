"""Confidence of a fine-tuned model, fitted anew on the validation sites."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage as ndi

from segsem.core.contour import Source
from segsem.core.exceptions import InputError
from segsem.core.params import Tone
from segsem.core.progress import Progress, run_to_completion
from segsem.core.types import LabelArray
from segsem.dataset.splits import Site
from segsem.imaging.image import SEMImage
from segsem.models.calibration_file import write_calibration
from segsem.segmentation.calibrate import fit
from segsem.segmentation.calibration_examples import (
    CalibrationImage,
    ExampleSet,
    collect_examples,
)
from segsem.segmentation.confidence import DEFAULT_THRESHOLD, Calibration
from segsem.segmentation.predictor import Predictor
from segsem.training.few_shot_images import SMALLEST_OBJECT_PX, FewShotImage
from segsem.training.finetune_rescale import rescaled_calibration

FEWEST_SITES = 4
"""Different groups. Of fewer nothing can be said about the next image."""

DRAWS = 2
"""Each site is extracted so many times, with other faults planted; folds keep a site together."""

MOST_SIDE_PX = 512
"""Larger sites are cut down to this: time is to be bounded."""

NEAR_PX = 12
"""What lies so near to objects tells whether they are brighter."""


@dataclass(frozen=True, slots=True)
class Recalibrated:
    """What became of the calibration.

    Attributes
    ----------
    calibrated : bool
    note : str
        One line: what it was fitted on, or why there is none.
    """

    calibrated: bool
    note: str


def calibration_images(
    images: Sequence[FewShotImage], sites: Sequence[Site], most: int
) -> list[CalibrationImage]:
    """Cut validation sites out of their images, with their masks.

    Parameters
    ----------
    images : sequence of FewShotImage
    sites : sequence of Site
    most : int
        Number of sites.
    """
    by_id = {image.image_id: image for image in images}
    made = []
    for site in sites[:most]:
        image = by_id[site.image_id]
        part = _bounded(site)
        labels = _counted(image.labels[part])
        if labels.any():
            grey = np.ascontiguousarray(image.grey[part])
            name = f"{site.image_id}, site"
            group = ", ".join(image.about.group)
            tone = tone_of(grey, labels)
            made.append(CalibrationImage(SEMImage(grey, name), labels, tone, group=group))
    return made


def recalibrate(
    predictor: Predictor,
    folder: Path,
    images: Sequence[CalibrationImage],
    seed: int,
    origin: dict[str, Any],
    base: Calibration | None = None,
) -> Generator[Progress, None, Recalibrated]:
    """Fit confidence to a new model, and write `calibration.json` beside its weights.

    A few sites cannot teach what all the evidence is worth: where the base model has a
    calibration, it is brought to the new weights by two numbers (`rescaled_calibration`).

    Parameters
    ----------
    predictor : Predictor
        The new model.
    folder : Path
        Of the new model.
    images : sequence of CalibrationImage
        Whose masks never taught it.
    seed : int
        Of the planted faults.
    origin : dict
        Kept in the file.
    base : Calibration, optional
        Of the model that the new one began as.

    Yields
    ------
    Progress

    Returns
    -------
    Recalibrated
        Where there is too little to fit to, nothing is written.
    """
    if not _enough(images):
        return _none(f"it takes validation sites of {FEWEST_SITES} different sites or images")
    drawn = [image for _ in range(DRAWS) for image in images]
    seen = yield from collect_examples(predictor, drawn, seed, len(drawn))
    # An image that is seen again is not one more that a new image may look like.
    examples = ExampleSet(seen.parts, seen.regions, seen.looks[: len(images)])
    try:
        fitted = _fitted(predictor, base, examples, seed, origin)
    except InputError as error:
        return _none(str(error).removesuffix(": give more images"))
    write_calibration(folder, fitted)
    count = fitted.origin["regions"]["sam2"]["count"]
    return Recalibrated(
        True,
        f"Confidence is calibrated on {len(images)} validation sites, {count} regions with "
        f"planted faults; regions below {fitted.threshold:.3f} need a person",
    )


def _fitted(
    predictor: Predictor,
    base: Calibration | None,
    examples: ExampleSet,
    seed: int,
    origin: dict[str, Any],
) -> Calibration:
    if base is None or Source.SAM2 not in base.regions:
        return fit(examples, predictor, seed, origin)
    seen = examples.regions[Source.SAM2]
    counts = {"count": len(seen.right), "wrong": len(seen.right) - sum(seen.right)}
    return replace(
        rescaled_calibration(base, examples),
        origin={
            **origin,
            "model": predictor.name,
            "weights_sha256": predictor.weights_sha256,
            "fault_seed": seed,
            "images": len(examples.looks),
            "regions": {Source.SAM2.value: counts},
            "rescaled_from": base.origin,
        },
    )


def seconds_of_calibration(
    predictor: Predictor, images: Sequence[CalibrationImage], seed: int
) -> float:
    """Seconds that `recalibrate` will take, from one image."""
    if not _enough(images):
        return 0.0
    began = time.perf_counter()
    run_to_completion(collect_examples(predictor, images[:1], seed, 1))
    return DRAWS * len(images) * (time.perf_counter() - began)


def _enough(images: Sequence[CalibrationImage]) -> bool:
    return len({image.group for image in images}) >= FEWEST_SITES


def tone_of(grey: np.ndarray, labels: LabelArray) -> Tone:
    """Tell whether objects are brighter or darker than what is beside them."""
    inside = labels > 0
    beside = ndi.binary_dilation(inside, iterations=NEAR_PX) & ~inside
    if not beside.any():
        return Tone.AUTO
    brighter = float(grey[inside].mean()) >= float(grey[beside].mean())
    return Tone.BRIGHT if brighter else Tone.DARK


def _bounded(site: Site) -> tuple[slice, slice]:
    return (
        slice(site.row0, min(site.row1, site.row0 + MOST_SIDE_PX)),
        slice(site.col0, min(site.col1, site.col0 + MOST_SIDE_PX)),
    )


def _counted(labels: np.ndarray) -> LabelArray:
    """Objects of a cut, counted from 1, without those of which next to nothing is left."""
    sizes = np.bincount(labels.ravel())
    kept = sizes >= SMALLEST_OBJECT_PX
    kept[0] = False
    names = np.where(kept, np.cumsum(kept), 0)
    return np.asarray(names[labels], dtype=np.int32)


def _none(why: str) -> Recalibrated:
    return Recalibrated(
        False,
        f"Confidence is not calibrated: {why}. It is a rough figure, and regions below "
        f"{DEFAULT_THRESHOLD} need a person; more annotated images help",
    )
