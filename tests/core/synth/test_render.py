from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import erf
from shapely import affinity
from shapely.geometry import Point, box

from segsem.core.coordinates import signed_area_rc
from segsem.core.types import FloatArray
from segsem.synth.curves import Curve, curves_of
from segsem.synth.edge_response import EdgeResponse
from segsem.synth.render import Beam, blurred_profile, render_yield

SIDE = 48
CENTRE = (SIDE - 1) / 2
RIMMED = EdgeResponse(
    material=1.0,
    background=0.5,
    rim=1.6,
    rim_px=2.0,
    onset=0.64,
    onset_px=0.2,
    shadow=0.2,
    shadow_px=1.5,
)
STEP = EdgeResponse(material=2.0, background=1.0, rim=0.0, shadow=0.0)


def half_plane(edge_px: float, angle_deg: float) -> tuple[list[Curve], FloatArray]:
    """Material up to `edge_px` beyond the centre along the direction; its signed distances."""
    plane = affinity.rotate(box(-150, -150, edge_px, 150), angle_deg, origin=(0, 0))
    rows, cols = np.mgrid[:SIDE, :SIDE] - CENTRE
    angle = np.deg2rad(angle_deg)
    distance = edge_px - (cols * np.cos(angle) + rows * np.sin(angle))
    return curves_of([affinity.translate(plane, CENTRE, CENTRE)]), distance


@cache
def brute_force_profile(sigma: float) -> tuple[FloatArray, FloatArray]:
    """The same edge by brute force: point-sampled yield, blurred and pixel-averaged in 1-D."""
    step = 0.005
    at = np.arange(-40, 40, step) + step / 2
    taps = np.arange(-2000, 2001) * step
    psf = np.exp(-0.5 * (taps / sigma) ** 2)
    window = np.ones(round(1 / step))
    kernel = np.convolve(psf / psf.sum(), window / window.sum())
    # An even window shifts "same" by half a step.
    return at - step / 2, np.convolve(RIMMED.at(at), kernel, mode="same")


@pytest.mark.parametrize("angle_deg", [0.0, 90.0, 45.0])
@pytest.mark.parametrize("sigma_px", [0.6, 1.5])
def test_33_phases_of_an_edge_agree_with_the_truth(angle_deg: float, sigma_px: float) -> None:
    """The rendered edge is where the curve is, to 0.01 px, in every sub-pixel phase."""
    profile = brute_force_profile(sigma_px)
    errors = []
    for phase in range(33):
        curves, distance = half_plane(phase / 33, angle_deg)
        image = render_yield(curves, (SIDE, SIDE), RIMMED, Beam(sigma_px))
        near = (np.abs(distance) < 8) & (np.hypot(*(np.mgrid[:SIDE, :SIDE] - CENTRE)) < 18)

        def misfit(
            shift: float, d: FloatArray = distance[near], z: FloatArray = image[near]
        ) -> float:
            return float(np.sum((np.interp(d + shift, *profile) - z) ** 2))

        errors.append(minimize_scalar(misfit, bounds=(-0.3, 0.3), method="bounded").x)
    assert np.abs(errors).max() < 0.01
    assert np.ptp(errors) < 0.01


@pytest.mark.parametrize("angle_deg", [45.0, 30.0, 17.0])
def test_slanted_edges_agree_with_the_blurred_profile(angle_deg: float) -> None:
    for phase in range(0, 33, 4):
        curves, distance = half_plane(phase / 33, angle_deg)
        image = render_yield(curves, (SIDE, SIDE), RIMMED, Beam(1.0))
        inner = np.hypot(*(np.mgrid[:SIDE, :SIDE] - CENTRE)) < 16
        expected = blurred_profile(RIMMED, 1.0, distance[inner])
        # A pixel's projection on a slanted normal is a trapezoid, the profile's is a box.
        assert np.abs(image[inner] - expected).max() < 0.004


def test_step_edge_is_the_error_function_in_closed_form() -> None:
    curves, distance = half_plane(0.3, 0.0)
    image = render_yield(curves, (SIDE, SIDE), STEP, Beam(1.5))

    def integral(x: FloatArray) -> FloatArray:
        scaled = x / (np.sqrt(2) * 1.5)
        gauss = 1.5 * np.sqrt(2 / np.pi) * np.exp(-(scaled**2))
        return np.asarray(1.5 * x + 0.5 * (x * erf(scaled) + gauss))

    expected = integral(distance + 0.5) - integral(distance - 0.5)
    assert np.abs(image - expected)[8:-8].max() < 5e-4


def test_wider_psf_wider_edge() -> None:
    widths = []
    for sigma in (0.6, 0.9, 1.4, 2.0, 3.0):
        curves, _ = half_plane(0.0, 0.0)
        row = render_yield(curves, (SIDE, SIDE), STEP, Beam(sigma))[SIDE // 2]
        at = np.interp([-1.84, -1.16], -row, np.arange(SIDE))
        widths.append(at[1] - at[0])
    assert np.all(np.diff(widths) > 0.3)


def test_astigmatism_blurs_one_direction_more() -> None:
    blur = {}
    for angle in (0.0, 90.0):
        curves, _ = half_plane(0.0, angle)
        beam = Beam(2.0, 0.5, angle_rad=0.0)
        blur[angle] = np.abs(np.gradient(render_yield(curves, (SIDE, SIDE), STEP, beam))).max()
    assert blur[90.0] > 1.6 * blur[0.0]


def test_tone_swap_puts_the_rim_on_the_other_side() -> None:
    disc = curves_of([Point(CENTRE, CENTRE).buffer(12, quad_segs=128)])
    beam = Beam(0.8)
    pillar = render_yield(disc, (SIDE, SIDE), RIMMED, beam)[SIDE // 2]
    hole = render_yield(disc, (SIDE, SIDE), RIMMED, beam, feature_is_material=False)[SIDE // 2]
    edge = round(CENTRE + 12)
    assert CENTRE + 9 < SIDE // 2 + np.argmax(pillar[SIDE // 2 :]) <= edge
    assert edge <= SIDE // 2 + np.argmax(hole[SIDE // 2 :]) < CENTRE + 15
    assert pillar[SIDE // 2] == pytest.approx(RIMMED.material, abs=0.01)
    assert hole[SIDE // 2] == pytest.approx(RIMMED.background, abs=0.01)


def test_a_disc_holds_its_area() -> None:
    for radius in (6.3, 11.7):
        disc = Point(CENTRE + 0.37, CENTRE - 0.21).buffer(radius, quad_segs=256)
        curves = curves_of([disc])
        image = render_yield(curves, (SIDE, SIDE), STEP, Beam(0.9))
        area = signed_area_rc(curves[0].vertices_rc)
        assert area == pytest.approx(np.pi * radius**2, rel=3e-3)
        assert float((image - 1).sum()) == pytest.approx(area, rel=2e-4)


def test_texture_and_jitter() -> None:
    curves, _ = half_plane(0.0, 0.0)
    plain = render_yield(curves, (SIDE, SIDE), STEP, Beam(1.0))
    brighter = render_yield(
        curves, (SIDE, SIDE), STEP, Beam(1.0), texture=np.full((SIDE, SIDE), 1.2)
    )
    assert np.allclose(brighter, 1.2 * plain)
    jitter = np.where(np.arange(SIDE) == 20, 1.0, 0.0)
    moved = render_yield(curves, (SIDE, SIDE), STEP, Beam(1.0), jitter_px=jitter)
    assert np.allclose(moved[20, 2:-3], plain[20, 3:-2], atol=2e-3)
    assert np.allclose(moved[10], plain[10], atol=1e-6)
