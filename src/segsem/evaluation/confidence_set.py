"""Synthetic images that confidence is calibrated on, and others that it is tested on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from segsem.core.exceptions import UsageError
from segsem.core.params import Tone
from segsem.imaging.image import SEMImage
from segsem.metrics.polyline import Polyline
from segsem.metrics.right_regions import RegionTruth
from segsem.segmentation.calibration_examples import CalibrationImage
from segsem.synth.generate import generate_image

CALIBRATION_PRESET = "calibration"
CALIBRATION_SEED = 510_510_001
"""Of the split that models are calibrated on unless another is given."""

CALIBRATION_IMAGES = 100
TEST_SEED = 520_520_001
"""Of the split that figures are given for; nothing may be fitted to it."""

TEST_IMAGES = 70


def check_test_seed(seed: int, fitted_on: object) -> None:
    """Refuse to test confidence on the images that it was fitted on.

    Raises
    ------
    UsageError
        If the seeds are the same.
    """
    if str(seed) == str(fitted_on):
        msg = f"Expected a seed other than {seed}, which confidence was fitted on: give another"
        raise UsageError(msg)


def synthetic_images(seed: int, count: int) -> Iterator[CalibrationImage]:
    """Draw images of the preset "calibration" with their exact truth.

    Parameters
    ----------
    seed : int
        Of the set.
    count : int
        Number of images.

    Yields
    ------
    CalibrationImage
    """
    for index in range(count):
        drawn = generate_image(seed, CALIBRATION_PRESET, index)
        truth = RegionTruth(
            [Polyline(c.vertices_rc, c.closed) for c in drawn.contours],
            np.array([c.region_id for c in drawn.contours], dtype=np.int64),
            drawn.labels,
        )
        image = SEMImage(drawn.image, f"{CALIBRATION_PRESET}-{seed}-{index}")
        yield CalibrationImage(image, drawn.labels, Tone(drawn.tone), truth)
