"""Free-form shapes: the zero set of a sum of plane waves, known in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry import Polygon
from skimage.measure import find_contours

from segsem.core.types import FloatArray, PointsRC
from segsem.synth.curves import polygons_of, round_corners
from segsem.synth.families.pattern import REACH_PX, Pattern, PatternRequest

_WAVES = 48
_GRID_PX = 2.0
_NEWTON_STEPS = 4
_CUTS = 5
_NARROW_PX = 7.0


@dataclass(frozen=True, slots=True)
class WaveField:
    """``f(r) = sum a cos(k . r + p) - level`` over plane waves.

    Attributes
    ----------
    wave_rc : (M, 2) float64
        Wave vectors in rad/px.
    amplitude, phase : (M,) float64
        Amplitudes (unit variance in sum) and phases.
    level : float
        Subtracted.
    """

    wave_rc: FloatArray
    amplitude: FloatArray
    phase: FloatArray
    level: float

    def value(self, points_rc: PointsRC) -> FloatArray:
        """F at (N, 2) points, (N,)."""
        angle = points_rc @ self.wave_rc.T + self.phase
        return np.asarray(np.cos(angle) @ self.amplitude - self.level)

    def gradient(self, points_rc: PointsRC) -> FloatArray:
        """Gradient of f at (N, 2) points, (N, 2)."""
        angle = points_rc @ self.wave_rc.T + self.phase
        return np.asarray(-(np.sin(angle) * self.amplitude) @ self.wave_rc)


def free_form(rng: np.random.Generator, request: PatternRequest) -> Pattern:
    """Islands, networks and holes of about the wanted width; necks are cut."""
    field = draw_field(rng, request.feature_px)
    rings = zero_set(field, request.shape)
    # By symmetric difference a ring inside another one becomes its hole.
    shape = Polygon()
    for ring in rings:
        # Beside a saddle, where two branches all but meet, polished vertices may cross over.
        shape = shape.symmetric_difference(shapely.make_valid(Polygon(ring)))
    radius = max(request.corner_px, 0.16 * request.feature_px, 4.0)
    smooth = _without_necks(round_corners(polygons_of(shape), radius), radius)
    smallest = (0.5 * request.feature_px) ** 2
    kept = [_without_small_holes(part, smallest) for part in smooth if part.area > smallest]
    return Pattern(kept, kept)


def _without_necks(polygons: list[Polygon], radius_px: float) -> list[Polygon]:
    """Cut necks and widen gaps too narrow to be seen, so that one truth only fits the image."""
    test = min(0.85 * radius_px, _NARROW_PX / 2)
    for _ in range(_CUTS):
        shape = shapely.union_all(polygons)
        opened = shape.buffer(-test).buffer(1.02 * test)
        closed = shape.buffer(test).buffer(-1.02 * test)
        narrow = polygons_of(shape.difference(opened).union(closed.difference(shape)))
        places = [part.centroid for part in narrow if part.area > 0.1]
        if not places:
            break
        cut = shape.difference(shapely.union_all(places).buffer(2.2 * radius_px))
        polygons = round_corners(polygons_of(cut), radius_px)
    return polygons


def draw_field(rng: np.random.Generator, feature_px: float) -> WaveField:
    """Waves of about half a period per feature, in all directions."""
    number = rng.normal(np.pi / (1.25 * feature_px), 0.22 * np.pi / feature_px, _WAVES)
    heading = rng.uniform(0, 2 * np.pi, _WAVES)
    wave = np.stack([number * np.sin(heading), number * np.cos(heading)], axis=1)
    amplitude = np.full(_WAVES, np.sqrt(2 / _WAVES))
    # Above 0 the features stay the smaller part, so that it is they, not the rest, that stand out.
    level = float(rng.uniform(0.1, 0.7))
    return WaveField(wave, amplitude, rng.uniform(0, 2 * np.pi, _WAVES), level)


def zero_set(field: WaveField, shape: tuple[int, int]) -> list[FloatArray]:
    """Closed rings (K, 2) in (x, y) px on f = 0 within the reach of an image.

    A coarse grid only tells how many rings there are; every vertex is then moved onto the zero
    set by Newton steps. Rings are closed along the far border, out of sight of the image.
    """
    axes = [np.arange(-REACH_PX, size + REACH_PX, _GRID_PX) for size in shape]
    rows, cols = np.meshgrid(*axes, indexing="ij")
    values = field.value(np.stack([rows.ravel(), cols.ravel()], axis=1)).reshape(rows.shape)
    values[[0, -1], :] = values[:, [0, -1]] = -1.0
    rings = []
    for trace in find_contours(values, 0.0):
        points = trace[:-1] * _GRID_PX - REACH_PX
        inner = np.all((trace[:-1] > 1.5) & (trace[:-1] < np.array(values.shape) - 2.5), axis=1)
        points[inner] = _polished(field, points[inner])
        if len(points) >= 4:
            rings.append(points[:, ::-1])
    return rings


def _polished(field: WaveField, points_rc: PointsRC) -> PointsRC:
    points = points_rc.copy()
    for _ in range(_NEWTON_STEPS):
        gradient = field.gradient(points)
        steepness = np.maximum(np.einsum("ij,ij->i", gradient, gradient), 1e-12)
        step = (field.value(points) / steepness)[:, None] * gradient
        # Near a saddle a full step may leave the branch; half a grid cell never does.
        length = np.linalg.norm(step, axis=1, keepdims=True)
        points -= step * np.minimum(1.0, 0.5 * _GRID_PX / np.maximum(length, 1e-12))
    return points


def _without_small_holes(polygon: Polygon, smallest: float) -> Polygon:
    holes = [ring for ring in polygon.interiors if Polygon(ring).area > smallest]
    return Polygon(polygon.exterior, holes)
