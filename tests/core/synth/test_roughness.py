from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from shapely.geometry import Point, box

from segsem.synth.curves import curves_of
from segsem.synth.roughness import Roughness, periodic_noise, roughen


def test_the_spectrum_integrates_to_sigma_squared() -> None:
    roughness = Roughness(0.9, 14.0, 0.7)
    half, _ = quad(lambda f: float(roughness.psd(np.array(f))), 0, np.inf)
    assert 2 * half == pytest.approx(0.81, rel=1e-6)


@pytest.mark.parametrize(("xi", "alpha"), [(8.0, 0.5), (20.0, 0.75)])
def test_psd_in_is_psd_out(xi: float, alpha: float) -> None:
    """Periodograms of many edges, averaged, against the closed form, within 5 standard errors."""
    roughness = Roughness(1.2, xi, alpha)
    count, step, edges = 1024, 0.75, 400
    rng = np.random.default_rng(0)
    noise = np.stack([periodic_noise(rng, count, step, roughness) for _ in range(edges)])
    periodogram = np.mean(np.abs(np.fft.rfft(noise, axis=1)) ** 2, axis=0) * step / count
    expected = roughness.psd(np.fft.rfftfreq(count, step))
    ratio = periodogram[1:-1] / expected[1:-1]
    assert np.abs(ratio - 1).max() < 5 / np.sqrt(edges)
    assert ratio.mean() == pytest.approx(1, abs=0.01)
    assert noise.std() == pytest.approx(1.2, rel=0.06)  # what lies beyond Nyquist is missing
    assert np.abs(noise.mean(axis=1)).max() < 1e-12


def test_a_straight_edge_gets_the_whole_sigma_and_a_sharp_corner_less() -> None:
    roughness = Roughness(1.0, 6.0)
    rng = np.random.default_rng(3)
    (line,) = curves_of([box(0, 0, 4000, 4000)])
    rough = roughen(rng, line, roughness).vertices_rc
    shift = np.linalg.norm(rough - line.vertices_rc, axis=1)
    corner = np.min(np.linalg.norm(line.vertices_rc[:, None] - _corners(4000), axis=2), axis=1)
    assert np.sqrt(np.mean(shift[corner > 20] ** 2)) == pytest.approx(1.0, rel=0.06)
    assert shift[corner < 0.5].max() < 0.5


def _corners(side: float) -> np.ndarray:
    return np.array([[0, 0], [0, side], [side, 0], [side, side]])


def test_a_closed_curve_stays_closed_and_keeps_its_size() -> None:
    (disc,) = curves_of([Point(0, 0).buffer(25, quad_segs=256)])
    rough = roughen(np.random.default_rng(1), disc, Roughness(0.8, 10.0)).vertices_rc
    steps = np.linalg.norm(np.roll(rough, -1, axis=0) - rough, axis=1)
    assert steps.max() < 3.0
    assert np.hypot(*rough.T).mean() == pytest.approx(25, abs=0.05)


def test_no_roughness_is_the_same_curve() -> None:
    (disc,) = curves_of([Point(0, 0).buffer(25)])
    assert roughen(np.random.default_rng(1), disc, Roughness(0.0, 10.0)) is disc
