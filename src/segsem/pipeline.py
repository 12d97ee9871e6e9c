"""One image from grey values to regions with contours: what `segsem extract` runs."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from segsem.core.exceptions import UsageError
from segsem.core.extraction import DESIGN, STRAY_EDGES, Extraction
from segsem.core.groups import repeat_groups
from segsem.core.params import ExtractParams, Routing, Tone
from segsem.core.progress import Progress, run_to_completion
from segsem.imaging.image import SEMImage
from segsem.layout.design_job import DesignJob
from segsem.models.calibration_file import sauvola_calibration
from segsem.pipeline_design import DesignGuide
from segsem.segmentation.confidence import UNCALIBRATED, UNFAMILIAR_CONFIDENCE, Calibration
from segsem.segmentation.predictor import Predictor
from segsem.segmentation.scale import FeatureScale
from segsem.segmentation.segment import see, segment_steps

DEFAULT_PARAMS = ExtractParams()


def extract(
    image: SEMImage,
    predictor: Predictor | None = None,
    params: ExtractParams = DEFAULT_PARAMS,
    on_progress: Callable[[Progress], None] | None = None,
    *,
    design: DesignJob | None = None,
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
    design : DesignJob, optional
        Lays the image on a design: prompts come from it, and regions are flagged against it.

    Returns
    -------
    Extraction

    Raises
    ------
    UsageError
        If there is no predictor but SAM2 was asked for.
    CalibrationError
        If there is a design, but the pixel size is unknown.
    """
    return run_to_completion(extract_steps(image, predictor, params, design), on_progress)


def extract_steps(
    image: SEMImage,
    predictor: Predictor | None,
    params: ExtractParams = DEFAULT_PARAMS,
    design: DesignJob | None = None,
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
    guide = None if design is None else DesignGuide(design, image)
    started = time.perf_counter()
    yield Progress(0, 0, "reading grey values")
    rows = slice(*image.valid_rows)
    tone, tone_source = wanted_tone(image, params)
    calibration, note = calibration_of(predictor)
    seen = see(image, tone)
    scale = seen.scale
    provenance = _provenance(image, predictor, params, scale, calibration)
    provenance["tone_source"] = tone_source
    warnings = [*image.warnings, *([note] if note else [])]
    if scale is None:
        warnings.append(
            "no features found: the image shows no two grey levels apart from its noise"
        )
        if guide is not None:
            _, provenance[DESIGN] = guide.compare([])
            warnings += guide.warnings
        return _empty(image, provenance, tuple(warnings), started)
    expect = None if guide is None else guide.expect
    found = yield from segment_steps(seen, predictor, params, calibration, expect=expect)
    del seen
    regions = found.regions
    if guide is not None:
        yield Progress(0, 0, "comparing with the design")
        regions, provenance[DESIGN] = guide.compare(regions)
        warnings += guide.warnings
    confidence_map = np.full(image.shape, np.nan, dtype=np.float32)
    confidence_map[rows] = found.confidence
    provenance["ood"] = found.unfamiliar
    provenance["threshold"] = calibration.doubtful_below(params.threshold, bool(found.unfamiliar))
    provenance[STRAY_EDGES] = [edge.as_json() for edge in found.stray_edges]
    provenance["dropped_specks"] = found.dropped
    provenance["seconds"] = round(time.perf_counter() - started, 3)
    if found.unfamiliar and found.regions:
        warnings.append(
            f"this image is unlike those that confidence was calibrated on: "
            f"{'; '.join(found.unfamiliar)}. "
            f"Confidence is held at {UNFAMILIAR_CONFIDENCE:g} or less, and regions below "
            f"{provenance['threshold']:g} wait for a person"
        )
    if not found.regions:
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


def calibration_of(predictor: Predictor | None) -> tuple[Calibration, str | None]:
    """Confidence for a model, or for Sauvola alone where there is none.

    Returns
    -------
    Calibration
        The hand-set one where the model has none of its own.
    str or None
        Why a calibration that is there is not used.
    """
    if predictor is None:
        return sauvola_calibration() or UNCALIBRATED, None
    own = getattr(predictor, "calibration", None)
    return own or UNCALIBRATED, getattr(predictor, "calibration_note", None)


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
) -> dict[str, Any]:
    """All that is needed to repeat or to doubt the result, as plain JSON values."""
    return {
        "image_path": None if image.path is None else str(image.path),
        "image_sha256": image.sha256,
        "model": None if predictor is None else predictor.name,
        "weights_sha256": None if predictor is None else predictor.weights_sha256,
        "params": params.model_dump(mode="json"),
        "threshold": calibration.doubtful_below(params.threshold),
        "part_threshold": calibration.stands_from(params.threshold),
        "confidence_calibrated": calibration.calibrated,
        "calibration": _origin(calibration),
        "tone": None if scale is None else (Tone.BRIGHT if scale.bright else Tone.DARK).value,
        "feature_width_px": None if scale is None else round(scale.feature_width_px, 2),
        "gap_width_px": None if scale is None else round(scale.gap_width_px, 2),
        "sauvola_window_px": None if scale is None else scale.window_px,
        "version": importlib.metadata.version("napari-segsem"),
        **_groups(image),
    }


def _groups(image: SEMImage) -> dict[str, Any]:
    """What tells the repeats of an image, where a manifest said it."""
    groups = repeat_groups(image.metadata.get("groups", {}))
    return {"groups": groups} if groups else {}


def _origin(calibration: Calibration) -> dict[str, Any] | None:
    """Which images confidence was fitted on."""
    names = ("preset", "seed", "project", "images", "version")
    origin = {name: calibration.origin[name] for name in names if name in calibration.origin}
    return origin if calibration.calibrated else None
