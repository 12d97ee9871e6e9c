"""How long Sauvola's threshold takes, beside scikit-image's, and how far the two differ."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import cv2
import numpy as np
from skimage.filters import threshold_sauvola

from segsem.benchmark.machine import machine_facts
from segsem.benchmark.report import Report
from segsem.benchmark.timing import Ratio, alternate
from segsem.core.progress import Progress
from segsem.core.types import FloatImage
from segsem.segmentation.sauvola import R_GREY, threshold

OURS, THEIRS = "segsem", "scikit-image"
SHAPE = (1248, 1692)
WINDOW_PX = 101
K = 0.2
SEED = 0


def benchmark_sauvola(
    repeats: int, shape: tuple[int, int] = SHAPE, window_px: int = WINDOW_PX
) -> Generator[Progress, None, Report]:
    """Threshold one image with both, in turns.

    scikit-image gets the image in double precision, as it makes it of any other, and `r` given.

    Yields
    ------
    Progress

    Returns
    -------
    Report
        Its checks hold the largest difference of the thresholds in grey levels, of pixels whose
        window lies inside the image: beyond the border the two continue it differently.
    """
    grey = _grating(shape)
    double = grey.astype(np.float64)
    actions: dict[str, Callable[[], Any]] = {
        OURS: lambda: threshold(grey, window_px, K),
        THEIRS: lambda: threshold_sauvola(double, window_size=window_px, k=K, r=R_GREY),
    }
    times = yield from alternate(actions, repeats)
    half = window_px // 2 + 1
    inner = (slice(half, -half), slice(half, -half))
    difference = np.abs(actions[OURS]() - actions[THEIRS]())
    flips = (grey > actions[OURS]()) != (double > actions[THEIRS]())
    checks = {
        "largest_difference_grey": round(float(difference[inner].max()), 6),
        "changed_share_of_pixels": round(float(flips[inner].mean()), 9),
    }
    facts: dict[str, Any] = {
        "image": {"name": f"grating with noise, seed {SEED}", "shape": list(shape)},
        "settings": {"repeats": repeats, "window_px": window_px, "k": K, "r": R_GREY},
        "machine": {**machine_facts("cpu"), "opencv_threads": cv2.getNumThreads()},
    }
    ratios = {f"{THEIRS} / {OURS}": Ratio.between(times[THEIRS], times[OURS])}
    return Report("sauvola", facts, times, ratios, checks)


def _grating(shape: tuple[int, int]) -> FloatImage:
    rng = np.random.default_rng(SEED)
    lines = np.where(np.arange(shape[1]) % 64 < 32, 170.0, 80.0)
    return np.clip(lines + rng.normal(0.0, 20.0, shape), 0, 255).astype(np.float32)
