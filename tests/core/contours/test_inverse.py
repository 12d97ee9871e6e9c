"""The inverse line scan against edges known exactly: closed forms and the exact renderer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erf
from shapely.geometry import Point, Polygon, box

from segsem.contours.edges import fit_edges
from segsem.contours.place import PlacedLine, place
from segsem.contours.profiles import prepare
from segsem.contours.trace import Polyline, trace
from segsem.core.contour import PointFlag
from segsem.core.params import EdgeMethod, EdgeParams, EdgeSide
from segsem.synth.curves import Curve, curves_of
from segsem.synth.distance import CurveDistance
from segsem.synth.edge_response import EdgeResponse
from segsem.synth.render import Beam, blurred_profile, render_yield, signed_distance
from segsem.synth.roughness import Roughness, roughen

INVERSE = EdgeParams(edge_method=EdgeMethod.INVERSE)
PLAIN = EdgeResponse()
EDGE_ONLY = EdgeResponse(material=0.8, background=0.8, rim=0.9, shadow=0.2)
GAIN = 80.0
LOST = np.uint8(PointFlag.LOW_SLOPE | PointFlag.OUTLIER)


def drawn(
    polygons: list[Polygon],
    shape: tuple[int, int],
    *,
    blur: float = 1.5,
    bright: bool = True,
    response: EdgeResponse = PLAIN,
    noise: float = 0.0,
    seed: int = 0,
) -> tuple[np.ndarray, list[Curve]]:
    """Grey image and the curves that are its truth."""
    curves = curves_of(polygons)
    mean = render_yield(curves, shape, response, Beam(blur), feature_is_material=bright)
    rng = np.random.default_rng(seed)
    return (10 + GAIN * mean + noise * rng.standard_normal(shape)).astype(np.float32), curves


def placed(
    grey: np.ndarray,
    curves: list[Curve],
    *,
    bright: bool = True,
    params: EdgeParams = INVERSE,
    off: float = 0.8,
) -> list[PlacedLine]:
    """Place what segmentation would trace `off` px outside the truth."""
    image = prepare(grey)
    height, width = grey.shape
    lines = trace((signed_distance(curves, (height, width)) + off).astype(np.float32))
    model = fit_edges(image, lines, bright, params)
    return [place(image, line, bright, params, model) for line in lines]


def errors(lines: list[PlacedLine], curves: list[Curve], margin: float = 8.0) -> np.ndarray:
    """Signed distances of the placed points from the truth, outward positive."""
    exact = CurveDistance(curves)
    found = []
    for line in lines:
        keep = (line.flags & np.uint8(PointFlag.BORDER)) == 0
        if not line.closed:
            keep[: int(margin)] = keep[-int(margin) :] = False
        found.append(-exact(line.vertices_rc[keep]))
    return np.concatenate(found)


def bar(angle_deg: float, phase: float, width: float = 30.0) -> Polygon:
    """A line across an image of 110 x 110 px and far beyond."""
    direction = np.array([np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))])
    across = np.array([-direction[1], direction[0]])
    centre = np.array([55.0, 55.0]) + phase * across
    corners = [
        centre + a * 300 * direction + b * width / 2 * across
        for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]
    return Polygon(corners)


@pytest.mark.parametrize("angle_deg", [0.0, 7.0, 45.0, 90.0])
@pytest.mark.parametrize("bright", [True, False])
def test_straight_edges_have_no_staircase_and_no_bias(angle_deg, bright):
    means = []
    for phase in np.linspace(0.0, 1.0, 5):
        grey, curves = drawn([bar(angle_deg, phase)], (110, 110), bright=bright)
        means.append(errors(placed(grey, curves, bright=bright), curves).mean())
    assert np.ptp(means) < 0.03
    assert np.max(np.abs(means)) < 0.05


def test_edge_of_the_model_hardly_depends_on_blur_where_half_does():
    biases: dict[EdgeMethod, list[float]] = {
        EdgeMethod.INVERSE: [],
        EdgeMethod.HALF_OF_EXTREMES: [],
    }
    for blur in (0.8, 1.5, 2.2, 3.0):
        grey, curves = drawn([bar(12.0, 0.3)], (110, 110), blur=blur)
        for method, values in biases.items():
            params = EdgeParams(edge_method=method)
            values.append(errors(placed(grey, curves, params=params), curves).mean())
    assert np.ptp(biases[EdgeMethod.INVERSE]) < 0.1
    assert np.ptp(biases[EdgeMethod.HALF_OF_EXTREMES]) > 0.4


@pytest.mark.parametrize("bright", [True, False])
def test_edge_only_images_are_placed_as_well(bright):
    grey, curves = drawn([bar(5.0, 0.4)], (110, 110), bright=bright, response=EDGE_ONLY)
    inside, outside = grey[50:60, 50:60].mean(), grey[:6, 50:60].mean()
    assert abs(inside - outside) < 1.0  # nothing but the rims shows the edge
    assert np.abs(errors(placed(grey, curves, bright=bright), curves)).max() < 0.12


def low_snr_case(response: EdgeResponse, snr: float) -> tuple[float, float]:
    """Noise for an edge-peak SNR, and the Cramer-Rao bound of one row in px²."""
    at = np.arange(-15.0, 15.0, 0.05)
    profile = GAIN * blurred_profile(response, 1.5, at)
    noise = float(np.ptp(profile)) / snr
    return noise, noise**2 / float(np.sum(np.gradient(profile, at) ** 2) * 0.05)


@pytest.mark.parametrize("response", [PLAIN, EDGE_ONLY])
@pytest.mark.parametrize("snr", [2.0, 4.0])
def test_random_error_at_low_snr_keeps_to_the_bound(response, snr):
    noise, bound = low_snr_case(response, snr)
    means = []
    for seed in range(3):
        grey, curves = drawn(
            [bar(3.0, 0.1 * seed)], (110, 110), response=response, noise=noise, seed=seed
        )
        lines = placed(grey, curves)
        for line in lines:
            error = errors([line], curves)
            whole = len(error) // 16
            means.append(error[: 16 * whole].reshape(whole, 16).mean(axis=1))
    variance = np.mean([np.var(block, ddof=1) for block in means])
    # About 30 means with a mean of each contour taken off: the estimate of a variance scatters
    # by a quarter of itself. Efficiency 0.7 and two such errors are allowed.
    assert variance < bound / 16 / 0.7 * 1.5
    assert abs(np.mean(np.concatenate(means))) < 0.25


def test_raw_positions_carry_the_noise_of_single_rows():
    noise, bound = low_snr_case(PLAIN, 5.0)
    grey, curves = drawn([bar(0.0, 0.3)], (110, 110), noise=noise, seed=4)
    (line, other) = placed(grey, curves)
    for each in (line, other):
        raw = errors([each], curves) + each.unsmoothed_px[8:-8]
        assert np.std(raw) == pytest.approx(np.sqrt(bound), rel=0.25)
    (smooth_0, _) = placed(grey, curves, params=INVERSE.model_copy(update={"smooth_px": 0.0}))
    assert np.nanmax(np.abs(smooth_0.unsmoothed_px)) == 0.0
    assert np.std(errors([smooth_0], curves)) > 2 * np.std(errors([line], curves))
    assert np.nanmedian(smooth_0.sigma_px) == pytest.approx(np.sqrt(bound), rel=0.25)


def test_roughness_is_followed_and_sigma_tells_what_is_not():
    rng = np.random.default_rng(5)
    rough = Roughness(sigma_px=0.5, xi_px=12.0, alpha=0.6)
    plain = curves_of([box(x - 15, -300, x + 15, 500) for x in np.arange(-100, 400, 55)])
    curves = [roughen(rng, curve, rough) for curve in plain]
    grey = 10 + GAIN * render_yield(curves, (220, 220), PLAIN, Beam(1.2))
    grey = (grey + 12 * rng.standard_normal(grey.shape)).astype(np.float32)
    lines = placed(grey, curves)
    error = errors(lines, curves)
    assert error.std() < 0.4 * rough.sigma_px
    said = np.sqrt(np.mean([np.nanmean(line.sigma_px**2) for line in lines]))
    assert said == pytest.approx(error.std(), rel=0.2)


@pytest.mark.parametrize("bright", [True, False])
@pytest.mark.parametrize("diameter", [6.0, 10.0, 24.0])
def test_small_holes_and_pillars_stay(diameter, bright):
    polygons = [Point(x + 0.3, y + 0.2).buffer(diameter / 2, quad_segs=64)
                for x in (30, 75) for y in (30, 75)]  # fmt: skip
    grey, curves = drawn(polygons, (106, 106), blur=1.2, bright=bright, noise=2.0)
    lines = placed(grey, curves, bright=bright)
    assert len(lines) == 4
    assert all(line.closed and not np.any(line.flags & LOST) for line in lines)
    # Blur moves the edge of a small disc by blur²/2R, which is taken into account to first order.
    assert abs(errors(lines, curves).mean()) < (0.08 if diameter > 12 else 0.3)


def test_a_hole_in_a_feature_is_placed_on_the_same_definition():
    ring = box(20, 20, 90, 90).difference(Point(55, 55).buffer(14, quad_segs=64))
    for side, offset in ((EdgeSide.OUTER, 0.0), (EdgeSide.INNER, np.log(2) * PLAIN.rim_px)):
        grey, curves = drawn([ring], (110, 110))
        params = INVERSE.model_copy(update={"edge_side": side})
        lines = placed(grey, curves, params=params)
        (hole,) = [line for line in lines if line.is_hole]
        radius = np.hypot(*(hole.vertices_rc - 55.0).T)
        # The inner flank lies in the material: outside of the hole.
        assert radius.mean() == pytest.approx(14.0 + offset, abs=0.25)


def test_corners_are_not_rounded_away():
    square = box(30, 30, 80, 80).buffer(-4).buffer(4, quad_segs=32)
    grey, curves = drawn([square], (110, 110), blur=1.2)
    (line,) = placed(grey, curves)
    error = errors([line], curves)
    assert np.percentile(np.abs(error), 95) < 0.4
    assert np.abs(error).max() < 0.8
    (half,) = placed(grey, curves, params=EdgeParams())
    assert np.abs(error).max() < np.abs(errors([half], curves)).max()


@pytest.mark.parametrize("gap", [9.0, 14.0, 30.0])
def test_a_near_neighbour_hardly_moves_the_edge(gap):
    bars = [box(x - 12, -300, x + 12, 400) for x in np.arange(-200, 340, 24 + gap)]
    grey, curves = drawn(bars, (110, 130), blur=1.5)
    error = errors(placed(grey, curves), curves)
    assert abs(error.mean()) < (0.15 if gap < 12 else 0.06)
    assert error.std() < 0.1


def test_clipped_rims_do_not_count():
    grey, curves = drawn([bar(7.0, 0.3)], (110, 110), noise=3.0)
    top = float(grey.max())
    scaled = np.clip(grey * (255 / (0.85 * top)), 0, 255).astype(np.float32)
    assert np.mean(scaled >= 254.5) > 0.02
    assert abs(errors(placed(scaled, curves), curves).mean()) < 0.2


def test_a_step_without_a_rim_is_placed_where_it_is():
    columns = np.arange(120.0)[None, :] + np.zeros((90, 1))
    grey = 50 + 75 * (1 + erf((columns - 60.4) / (np.sqrt(2) * 1.4)))
    (traced,) = trace((columns - 59.0).astype(np.float32))
    line = place(prepare(grey.astype(np.float32)), traced, True, INVERSE)
    inner = (line.flags & np.uint8(PointFlag.BORDER)) == 0
    assert np.abs(line.vertices_rc[inner, 1] - 60.4).max() < 0.05


def test_transposed_and_shifted_images_give_transposed_and_shifted_edges():
    grey, curves = drawn([bar(20.0, 0.3)], (110, 110), noise=4.0)
    lines = sorted(placed(grey, curves), key=lambda line: line.vertices_rc[:, 1].mean())
    rolled = [Curve(np.add(c.vertices_rc, (0.0, 0.5)), c.is_hole) for c in curves]
    from_half = placed(grey, rolled)  # tracing half a pixel elsewhere changes nothing
    from_half.sort(key=lambda line: line.vertices_rc[:, 1].mean())
    for one, other in zip(lines, from_half, strict=True):
        a, b = errors([one], curves).mean(), errors([other], curves).mean()
        assert a == pytest.approx(b, abs=0.02)


def test_noise_alone_is_no_edge():
    rng = np.random.default_rng(3)
    grey = (100 + rng.normal(0, 10, (80, 80))).astype(np.float32)
    square = np.array([[20.0, 20.0], [60.0, 20.0], [60.0, 60.0], [20.0, 60.0]])
    line = place(prepare(grey), Polyline(square, closed=True), True, INVERSE)
    lost = (line.flags & np.uint8(PointFlag.LOW_SLOPE)) > 0
    assert np.isnan(line.sigma_px[lost]).all()
    good = ~lost
    assert lost.mean() > 0.5 or np.nanmedian(line.sigma_px[good]) > 0.5


def test_placed_lines_are_the_same_every_time():
    grey, curves = drawn([bar(20.0, 0.3)], (110, 110), noise=10.0)
    first, second = placed(grey, curves), placed(grey, curves)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.vertices_rc, other.vertices_rc)


def test_blank_images_and_tiny_lines_place_nothing():
    blank = prepare(np.full((60, 60), 80, dtype=np.float32))
    line = Polyline(np.array([[10.0, 10.0], [10.0, 14.0], [14.0, 14.0]]), closed=True)
    result = place(blank, line, True, INVERSE)
    assert np.isnan(result.sigma_px).all()
    assert np.isfinite(result.vertices_rc).all()
    assert fit_edges(blank, [], True, INVERSE) is None


def test_a_flake_beside_an_edge_does_not_change_the_image_model():
    grey, curves = drawn([bar(0.0, 0.3)], (110, 110), noise=3.0)
    dirty = grey.copy()
    dirty[64:84, 20:40] += 60
    clean, spoilt = (errors(placed(g, curves), curves) for g in (grey, dirty))
    assert abs(np.median(spoilt) - np.median(clean)) < 0.06
