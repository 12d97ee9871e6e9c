"""One image from grey values to regions with contours: what `segsem extract` runs."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from segsem.contours.profiles import prepare
from segsem.core.exceptions import UsageError
from segsem.core.extraction import Extraction
from segsem.core.params import ExtractParams, Routing, Tone
from segsem.core.progress import Progress, run_to_completion
from segsem.imaging.image import SEMImage
from segsem.imaging.normalise import normalise, normalise_float
from segsem.segmentation.candidates import find_candidates
from segsem.segmentation.confidence import UNCALIBRATED, Calibration
from segsem.segmentation.hybrid import RoutingRules, route
from segsem.segmentation.predictor import Predictor
from segsem.segmentation.regions import RegionRules, build_regions
from segsem.segmentation.scale import FeatureScale, estimate_scale

DEFAULT_PARAMS = ExtractParams()


def extract(
    image: SEMImage,
    predictor: Predictor | None = None,
    params: ExtractParams = DEFAULT_PARAMS,
    on_progress: Callable[[Progress], None] | None = None,
) -> Extraction:
    """Extract all contours of one image.

    Parameters
    ----------
    image : SEMImage
        The image; rows of the data bar are left out.
    predictor : Predictor or None
        The model; None only with ``params.routing = "fallback-only"``.
    params : ExtractParams
        Tone, routing, threshold, edge definition.
    on_progress : callable, optional
        Called with each `Progress`.

    Returns
    -------
    Extraction

    Raises
    ------
    UsageError
        If there is no predictor but SAM2 was asked for.
    """
    return run_to_completion(extract_steps(image, predictor, params), on_progress)


def extract_steps(
    image: SEMImage, predictor: Predictor | None, params: ExtractParams = DEFAULT_PARAMS
) -> Generator[Progress, None, Extraction]:
    """Extract all contours of one image, step by step; closing the generator cancels.

    Yields
    ------
    Progress

    Returns
    -------
    Extraction
    """
    if predictor is None and params.routing is not Routing.SAUVOLA_ONLY:
        msg = (
            f"Expected a predictor for routing '{params.routing}', but got none; "
            "load a model, or use 'fallback-only'"
        )
        raise UsageError(msg)
    started = time.perf_counter()
    yield Progress(0, 0, "reading grey values")
    rows = slice(*image.valid_rows)
    grey = np.ascontiguousarray(normalise_float(image)[rows])
    edge_image = prepare(grey)
    tone, tone_source = wanted_tone(image, params)
    scale = estimate_scale(grey, edge_image.noise, tone)
    calibration = UNCALIBRATED
    threshold = calibration.threshold if params.threshold is None else params.threshold
    provenance = _provenance(image, predictor, params, scale, calibration, threshold)
    provenance["tone_source"] = tone_source
    if scale is None:
        warning = "no features found: the image shows no two grey levels apart from its noise"
        return _empty(image, provenance, (*image.warnings, warning), started)
    candidates = find_candidates(grey, edge_image.noise, scale, params.sauvola, params.min_area_px)
    routed = yield from route(
        np.ascontiguousarray(normalise(image)[rows]),
        candidates,
        predictor,
        RoutingRules(params.routing, calibration, threshold),
    )
    dropped_before, smallest_px = candidates.dropped, candidates.rules.smallest_piece_px
    del candidates  # 12 bytes a pixel, which a large image needs for what follows
    yield Progress(0, 0, "placing contours")
    regions, dropped = build_regions(
        routed, edge_image, RegionRules(scale.bright, params.edge, smallest_px)
    )
    confidence_map = np.full(image.shape, np.nan, dtype=np.float32)
    confidence_map[rows] = routed.confidence
    provenance["dropped_specks"] = dropped_before + dropped
    provenance["seconds"] = round(time.perf_counter() - started, 3)
    warnings = list(image.warnings)
    if not regions:
        warnings.append("no features found")
    return Extraction(
        image_id=image.name,
        shape=image.shape,
        valid_rows=image.valid_rows,
        pixel_size_nm=image.pixel_size_nm,
        pixel_size_source=image.pixel_size_source,
        regions=tuple(regions),
        confidence_map=confidence_map,
        provenance=provenance,
        warnings=tuple(warnings),
    )


def wanted_tone(image: SEMImage, params: ExtractParams) -> tuple[Tone, str]:
    """Tone to extract, and who says so: the user, the manifest, or the image itself."""
    if params.tone is not Tone.AUTO:
        return params.tone, "user"
    from_manifest = image.metadata.get("tone")
    if from_manifest in (Tone.BRIGHT.value, Tone.DARK.value):
        return Tone(from_manifest), "manifest"
    return Tone.AUTO, "image"


def _empty(
    image: SEMImage, provenance: dict[str, Any], warnings: tuple[str, ...], started: float
) -> Extraction:
    provenance["dropped_specks"] = 0
    provenance["seconds"] = round(time.perf_counter() - started, 3)
    confidence_map = np.full(image.shape, np.nan, dtype=np.float32)
    confidence_map[slice(*image.valid_rows)] = 0.0
    return Extraction(
        image_id=image.name,
        shape=image.shape,
        valid_rows=image.valid_rows,
        pixel_size_nm=image.pixel_size_nm,
        pixel_size_source=image.pixel_size_source,
        regions=(),
        confidence_map=confidence_map,
        provenance=provenance,
        warnings=warnings,
    )


def _provenance(
    image: SEMImage,
    predictor: Predictor | None,
    params: ExtractParams,
    scale: FeatureScale | None,
    calibration: Calibration,
    threshold: float,
) -> dict[str, Any]:
    """All that is needed to repeat or to doubt the result, as plain JSON values."""
    return {
        "image_path": None if image.path is None else str(image.path),
        "image_sha256": image.sha256,
        "model": None if predictor is None else predictor.name,
        "weights_sha256": None if predictor is None else predictor.weights_sha256,
        "params": params.model_dump(mode="json"),
        "threshold": threshold,
        "confidence_calibrated": calibration.calibrated,
        "tone": None if scale is None else (Tone.BRIGHT if scale.bright else Tone.DARK).value,
        "feature_width_px": None if scale is None else round(scale.feature_width_px, 2),
        "gap_width_px": None if scale is None else round(scale.gap_width_px, 2),
        "sauvola_window_px": None if scale is None else scale.window_px,
        "version": importlib.metadata.version("napari-segsem"),
    }
