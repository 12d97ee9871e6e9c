"""Measure edge placement alone, without segmentation, on images drawn for it: a tuning instrument.

    python tools/measure_placement.py                      straight edges and families
    python tools/measure_placement.py --methods inverse --snr 4 --blur 1.2 2.2
    python tools/measure_placement.py --straight-only --count 4        efficiency

Every contour starts from the exact edge, displaced by a pixel and by smooth noise, so what is
measured is placement only. The images come from the exact renderer with seeds of this tool
(--seed). Parameters of the placement were chosen with it: its figures are *not* the reported
benchmark, which has other seeds and other presets and goes through segmentation.

Columns: `bias` mean error, outward positive; `sigma` random error about the mean of each image;
`p95` of the absolute error about that mean; `z` root mean square of error over the sigma that the
method says; `raw` random error of the raw positions; `eff` efficiency on straight edges without
roughness: (Cramer-Rao bound per row² / 32) over the variance of means over 32 px, `eff_raw` that
of the raw positions. Smoothing over more than 32 px can lift `eff` above 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage as ndi
from shapely import affinity
from shapely.geometry import box

from segsem.contours.edges import fit_edges
from segsem.contours.place import PlacedLine, place
from segsem.contours.profiles import EdgeImage, prepare
from segsem.contours.trace import Polyline, trace
from segsem.core.contour import PointFlag
from segsem.core.params import EdgeMethod, EdgeParams
from segsem.core.types import FloatArray
from segsem.evaluation.edge_bound import bound_of_edge_px
from segsem.metrics.polyline import Polyline as Edge
from segsem.metrics.polyline import Target
from segsem.synth.curves import curves_of
from segsem.synth.detector import detect
from segsem.synth.distance import CurveDistance
from segsem.synth.generate import generate_image
from segsem.synth.presets import Preset, get_preset
from segsem.synth.process import Process, draw_process
from segsem.synth.render import render_yield, signed_distance

ROWS_MEAN = 32
MARGIN_PX = 8.0
FAMILIES = ("line_space", "contacts", "metal2d", "free_form", "line_end")


@dataclass(frozen=True)
class Scene:
    """An image with its exact signed distance, positive inside features."""

    grey: FloatArray
    distance: FloatArray
    exact: CurveDistance
    bright: bool
    bound_px2: float


def main() -> None:
    """Print one row for each kind of scene, SNR, blur and method."""
    args = _arguments()
    presets = {"plain": get_preset("default"), "edge-only": get_preset("hard")}
    for name, preset in presets.items():
        for snr in args.snr:
            for blur in args.blur:
                asked = replace(preset, edge_snr=(snr, snr), blur_px=(blur, blur))
                straight = list(_straight(asked, args.seed, args.count))
                _report(f"{name:9s} straight", snr, blur, straight, args.methods)
                if name == "plain" and args.count and not args.straight_only:
                    drawn = list(_families(asked, args.seed, args.count))
                    _report(f"{name:9s} families", snr, blur, drawn, args.methods)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=500)
    parser.add_argument("--count", type=int, default=2, help="images of each kind (and family)")
    parser.add_argument("--straight-only", action="store_true", help="efficiency alone")
    parser.add_argument("--snr", type=float, nargs="+", default=[2.0, 3.0, 4.0, 8.0, 15.0])
    parser.add_argument("--blur", type=float, nargs="+", default=[0.9, 1.5, 2.2])
    names = [method.value for method in EdgeMethod]
    parser.add_argument("--methods", nargs="+", choices=names, default=["half", "inverse"])
    return parser.parse_args()


def _straight(preset: Preset, seed: int, count: int) -> Iterator[Scene]:
    """Gratings without roughness, at several angles, with pixel noise only."""
    shape = (256, 256)
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        process = draw_process(rng, replace(preset, astigmatism=(1.0, 1.0)))
        angle = (0.0, 7.0, 45.0, 90.0)[index % 4] + rng.uniform(0, 2)
        bars = [box(x - 13, -500, x + 13, 500) for x in range(-432, 433, 54)]
        turned = [affinity.rotate(bar, angle, origin=(0, 0)) for bar in bars]
        moved = [affinity.translate(bar, 128 + rng.uniform(), 128) for bar in turned]
        curves = curves_of(moved)
        bright = index % 2 == 0
        mean = render_yield(
            curves, shape, process.response, process.beam, feature_is_material=bright
        )
        detector = replace(process.detector, charging=0.0, banding=0.0)
        grey = detect(rng, detector, mean)
        distance = signed_distance(curves, shape)
        exact = CurveDistance(curves)
        yield Scene(grey.astype(np.float64), distance, exact, bright, _bound(process))


def _bound(process: Process) -> float:
    """Cramer-Rao bound of the position of one row, px²: everything but the position known."""
    sigma_px = process.beam.sigma_px
    return bound_of_edge_px(process.response, sigma_px, process.detector) ** 2


def _families(preset: Preset, seed: int, count: int) -> Iterator[Scene]:
    """Images with all error sources."""
    small = replace(preset, shape=(320, 320), feature_px=(22.0, 44.0))
    for index in range(count * len(FAMILIES)):
        made = generate_image(seed, small, index)
        curves = [Polyline(c.vertices_rc, c.closed) for c in made.contours]
        exact = _TruthDistance(curves)
        rows, cols = np.mgrid[:320, :320].astype(np.float64)
        distance = exact(np.stack([rows.ravel(), cols.ravel()], 1)).reshape(320, 320)
        inside = made.labels > 0
        distance = np.where(inside, np.abs(distance), -np.abs(distance))
        grey = made.image.astype(np.float64)
        yield Scene(grey, distance, exact, made.tone == "bright", float("nan"))


class _TruthDistance:
    """Signed distance to truth contours, positive inside."""

    def __init__(self, curves: list[Polyline]) -> None:
        self._target = Target([Edge(c.vertices_rc, c.closed) for c in curves])

    def __call__(self, points_rc: FloatArray) -> FloatArray:
        return -self._target.nearest(points_rc).signed_px


def _report(kind: str, snr: float, blur: float, scenes: list[Scene], methods: list[str]) -> None:
    for method in methods:
        params = EdgeParams(edge_method=EdgeMethod(method))
        rows = [_measure(scene, params, index) for index, scene in enumerate(scenes)]
        text = _summary(rows)
        sys.stdout.write(f"{kind} snr {snr:4.1f} blur {blur:.1f} {method:8s} {text}\n")
        sys.stdout.flush()


@dataclass(frozen=True)
class Row:
    """Errors of one image."""

    error: FloatArray
    sigma: FloatArray
    raw: FloatArray
    means: FloatArray
    raw_means: FloatArray
    bound_px2: float


def _measure(scene: Scene, params: EdgeParams, index: int) -> Row:
    rng = np.random.default_rng([977, index])
    grey = scene.grey
    image = prepare(grey.astype(np.float32))
    wobble = ndi.gaussian_filter(rng.standard_normal(grey.shape), 4.0) * 6.0
    lines = trace((scene.distance + 1.0 + wobble).astype(np.float32))
    lines = [line for line in lines if len(line.vertices_rc) > 20]
    placed = _placed(image, lines, scene.bright, params)
    parts = [_errors(scene, line) for line in placed]
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Row(*joined, bound_px2=scene.bound_px2)


def _placed(
    image: EdgeImage, lines: list[Polyline], bright: bool, params: EdgeParams
) -> list[PlacedLine]:
    model = None
    if params.edge_method is EdgeMethod.INVERSE:
        model = fit_edges(image, lines, bright, params)
    return [place(image, line, bright, params, model) for line in lines]


def _errors(scene: Scene, line: PlacedLine) -> tuple[FloatArray, ...]:
    vertices = line.vertices_rc
    high = np.array(scene.grey.shape) - 1 - MARGIN_PX
    used = np.all((vertices > MARGIN_PX) & (vertices < high), axis=1)
    used &= (line.flags & np.uint8(PointFlag.LOW_SLOPE)) == 0
    error = -scene.exact(vertices[used])
    keep = np.abs(error) < 5.0
    raw = np.full(len(error), np.nan)
    if line.unsmoothed_px is not None:
        raw = error + line.unsmoothed_px[used]
    error, raw, sigma = error[keep], raw[keep], line.sigma_px[used][keep]
    return error, sigma, raw, _means(error), _means(raw)


def _means(values: FloatArray) -> FloatArray:
    whole = len(values) // ROWS_MEAN
    return np.asarray(values[: whole * ROWS_MEAN].reshape(whole, ROWS_MEAN).mean(axis=1))


def _summary(rows: list[Row]) -> str:
    bias = np.array([row.error.mean() for row in rows])
    centred = np.concatenate([row.error - row.error.mean() for row in rows])
    raws = [row.raw[np.isfinite(row.raw)] for row in rows]
    raw = np.concatenate([r - r.mean() for r in raws if r.size] or [np.empty(0)])
    sigma = np.concatenate([row.sigma for row in rows])
    z = centred / sigma
    text = (
        f"bias {bias.mean():+.2f} ({bias.min():+.2f} to {bias.max():+.2f}) "
        f"sigma {centred.std():.3f} p95 {np.percentile(np.abs(centred), 95):.2f} "
        f"z {np.sqrt(np.nanmean(z**2)):.2f} (core {_core(z):.2f})"
    )
    if raw.size:
        text += f" raw {raw.std():.2f}"
    if np.isfinite(rows[0].bound_px2):
        text += f" eff {_efficiency(rows, False):.2f} eff_raw {_efficiency(rows, True):.2f}"
    return text


def _core(z: FloatArray) -> float:
    return float(np.nanmedian(np.abs(z)) / 0.6745)


def _efficiency(rows: list[Row], of_raw: bool) -> float:
    ratios = []
    for row in rows:
        means = row.raw_means if of_raw else row.means
        ratios.append(np.var(means) * ROWS_MEAN / row.bound_px2)
    return float(1.0 / np.mean(ratios))


if __name__ == "__main__":
    main()
