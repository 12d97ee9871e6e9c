"""How long one image takes from grey values to contours, stage by stage, and placement alone."""

from __future__ import annotations

import cProfile
import hashlib
import importlib
import pstats
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

import cv2

from segsem.benchmark.machine import machine_facts
from segsem.benchmark.report import Report
from segsem.benchmark.timing import Ratio, Samples, alternate
from segsem.contours.edges import fit_edges
from segsem.contours.place import place_all
from segsem.contours.profiles import EdgeImage, prepare
from segsem.contours.trace import Polyline, trace
from segsem.core.params import EdgeMethod, EdgeParams, ExtractParams, Routing, SauvolaParams, Tone
from segsem.core.progress import Progress
from segsem.imaging.image import SEMImage
from segsem.imaging.normalise import normalise_float
from segsem.models.load import load_predictor
from segsem.pipeline import extract
from segsem.segmentation.candidates import find_candidates
from segsem.segmentation.scale import estimate_scale
from segsem.synth.generate import SynthImage, generate_image
from segsem.synth.presets import get_preset

SEED = 3
SIDE_PX = 1024
FEATURE_PX = 44.0
SPACE_RATIO = 1.2

STAGES = {
    "encoding": ("sam2_predictor.py", "encode"),
    "decoding": ("sam2_predictor.py", "decode_batch"),
    "tone, sizes, smoothing": ("scale.py", "estimate_scale"),
    "candidates": ("candidates.py", "find_candidates"),
    "routing, with the model": ("hybrid.py", "route"),
    "regions, with placement": ("regions.py", "build_regions"),
    "placement": ("place.py", "place_all"),
}
"""File and function whose time, with all that they call, is a stage's; some hold others."""


def benchmark_extract(
    repeats: int, threads: int | None = None, side_px: int = SIDE_PX
) -> Generator[Progress, None, Report]:
    """Extract one synthetic image of about a hundred pillars with the bundled model and without.

    Yields
    ------
    Progress

    Returns
    -------
    Report
        Its checks hold features, contour points, points per second of each edge method (the
        inverse line scan's fit of the image's edge model included), and the profile.
    """
    yield Progress(0, 0, "loading the model")
    torch: Any = importlib.import_module("torch")
    if threads is not None:
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
    predictor = load_predictor("segsem-nano")
    made = _pillars(side_px)
    image = SEMImage(made.image, "benchmark", pixel_size_nm=(1.0, 1.0))
    tone = Tone(made.tone)
    hybrid = ExtractParams(tone=tone)
    inverse = hybrid.model_copy(update={"edge": _edge(EdgeMethod.INVERSE)})
    alone = hybrid.model_copy(update={"routing": Routing.SAUVOLA_ONLY})
    edge_image, lines = _traced(image, tone)
    bright = tone is Tone.BRIGHT
    actions: dict[str, Callable[[], object]] = {
        "extract": lambda: extract(image, predictor, hybrid),
        "extract, inverse": lambda: extract(image, predictor, inverse),
        "extract, Sauvola alone": lambda: extract(image, None, alone),
    }
    for method in EdgeMethod:
        actions[_placing(method)] = _placement(edge_image, lines, bright, _edge(method))
    times = yield from alternate(actions, repeats)
    found = extract(image, predictor, hybrid)
    points = sum(len(c.vertices_rc) for region in found.regions for c in region.contours)
    checks = {
        "features": int(made.labels.max()),
        "regions": len(found.regions),
        "contour_points": points,
        **_rates(times, edge_image, lines, bright),
        **_profiles(actions, torch),
    }
    ratios = {
        "extract / extract, Sauvola alone": Ratio.between(
            times["extract"], times["extract, Sauvola alone"]
        )
    }
    return Report("extract", _facts(made, predictor, repeats), times, ratios, checks)


def _pillars(side_px: int) -> SynthImage:
    preset = replace(
        get_preset("default"),
        families=("contacts",),
        tones=("bright",),
        shape=(side_px, side_px),
        feature_px=(FEATURE_PX, FEATURE_PX),
        space_ratio=(SPACE_RATIO, SPACE_RATIO),
    )
    return generate_image(SEED, preset, 0)


def _edge(method: EdgeMethod) -> EdgeParams:
    return EdgeParams(edge_method=method)


def _traced(image: SEMImage, tone: Tone) -> tuple[EdgeImage, list[Polyline]]:
    """What placement starts from: the outlines of Sauvola's candidates."""
    grey = normalise_float(image)
    edge_image = prepare(grey)
    scale = estimate_scale(grey, edge_image.noise, tone)
    if scale is None:  # cannot be: the image is always the same
        return edge_image, []
    candidates = find_candidates(grey, edge_image.noise, scale, SauvolaParams())
    return edge_image, trace(candidates.field)


def _placement(
    image: EdgeImage, lines: list[Polyline], bright: bool, params: EdgeParams
) -> Callable[[], object]:
    def placing() -> object:
        model = None
        if params.edge_method is EdgeMethod.INVERSE:
            model = fit_edges(image, lines, bright, params)
        return place_all(image, lines, bright, params, model)

    return placing


def _placing(method: EdgeMethod) -> str:
    return f"placement, {method.value}"


def _rates(
    times: dict[str, Samples], image: EdgeImage, lines: list[Polyline], bright: bool
) -> dict[str, dict[str, int]]:
    """Points per second on the clock, and of processor time where others compute beside it."""
    by_clock, by_processor = {}, {}
    for method in EdgeMethod:
        placed = place_all(image, lines, bright, _edge(method))
        points = sum(len(line.vertices_rc) for line in placed)
        samples = times[_placing(method)]
        by_clock[method.value] = round(1000.0 * points / samples.median_ms)
        by_processor[method.value] = round(1000.0 * points / max(samples.median_cpu_ms, 1e-3))
    return {"points_per_second": by_clock, "points_per_processor_second": by_processor}


def _profiles(actions: dict[str, Callable[[], object]], torch: Any) -> dict[str, dict[str, float]]:
    """Profiles of extraction on one core: with more, stages run in threads that nothing sees."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {
            "profile_ms": _profile(actions["extract"]),
            "profile_sauvola_alone_ms": _profile(actions["extract, Sauvola alone"]),
        }
    finally:
        torch.set_num_threads(threads)


def _profile(action: Callable[[], object]) -> dict[str, float]:
    """Milliseconds of each stage in one run under the profiler, which slows small calls."""
    profiler = cProfile.Profile()
    profiler.runcall(action)
    stats: Any = pstats.Stats(profiler)
    found = {"all": 1000.0 * stats.total_tt}
    for (file, _, function), (_, _, _, seconds, _) in stats.stats.items():
        for stage, (wanted_file, wanted) in STAGES.items():
            if function == wanted and file.replace("\\", "/").endswith(f"/{wanted_file}"):
                found[stage] = found.get(stage, 0.0) + 1000.0 * seconds
    return {name: round(value, 1) for name, value in found.items()}


def _facts(made: SynthImage, predictor: Any, repeats: int) -> dict[str, Any]:
    return {
        "model": predictor.name,
        "weights_sha256": predictor.weights_sha256,
        "image": {
            "name": f"synthetic pillars, seed {SEED}",
            "shape": list(made.image.shape),
            "sha256": hashlib.sha256(made.image.tobytes()).hexdigest(),
        },
        "settings": {"repeats": repeats, "device": "cpu", "precision": predictor.precision},
        "machine": {**machine_facts("cpu"), "opencv_threads": cv2.getNumThreads()},
    }
