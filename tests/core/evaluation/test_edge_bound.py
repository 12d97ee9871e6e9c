from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from segsem.evaluation.edge_bound import bound_of_edge_px, bound_of_settings_px
from segsem.metrics.bound import efficiency
from segsem.synth.curves import Curve
from segsem.synth.detector import Detector, DoseNoise, detect
from segsem.synth.edge_response import EdgeResponse
from segsem.synth.presets import get_preset
from segsem.synth.process import draw_process
from segsem.synth.render import blurred_profile, render_yield

STEP = EdgeResponse(material=1.6, background=0.8, rim=0.0, shadow=0.0)
NOISE = Detector(noise=DoseNoise.NONE, gain=100.0, read_noise=10.0)


@pytest.mark.parametrize("sigma", [1.2, 2.2])
def test_a_plain_step_in_closed_form(sigma: float) -> None:
    # A step of 80 grey levels, blurred by the beam and by a pixel of 1/12 px² variance.
    blur = np.sqrt(sigma**2 + 1 / 12)
    expected = np.sqrt(100 + 1 / 12) / 80 * np.sqrt(2 * np.sqrt(np.pi) * blur)
    assert bound_of_edge_px(STEP, sigma, NOISE) == pytest.approx(expected, rel=0.01)


def test_shot_noise_counts_where_it_is() -> None:
    dosed = replace(NOISE, noise=DoseNoise.POISSON, electrons=100.0, read_noise=0.0)
    middle = replace(NOISE, read_noise=dosed.grey_noise(1.2))
    bound = bound_of_edge_px(STEP, 1.5, dosed)
    assert bound == pytest.approx(bound_of_edge_px(STEP, 1.5, middle), rel=0.05)
    more = bound_of_edge_px(STEP, 1.5, replace(dosed, electrons=400.0))
    assert more == pytest.approx(bound / 2, rel=0.01)


def test_an_ideal_estimator_reaches_the_bound_in_rendered_images() -> None:
    """Rows of a rendered straight edge, fitted by the very profile that they were made with."""
    rng = np.random.default_rng(12)
    process = draw_process(rng, replace(get_preset("edges"), blur_px=(1.6, 1.6)))
    detector = replace(process.detector, charging=0.0, banding=0.0)
    beam = replace(process.beam, ratio=1.0)
    shape, at = (256, 48), np.arange(48) - 23.7
    edge = np.array([[600.0, 23.7], [600.0, 400.0], [-600.0, 400.0], [-600.0, 23.7]])
    yield_ = render_yield([Curve(edge, False)], shape, process.response, beam)
    mean = detector.gain * yield_[128] + detector.offset
    step = 0.01
    slope = (
        detector.gain
        * np.diff(
            blurred_profile(process.response, beam.sigma_px, np.stack([at - step, at + step])),
            axis=0,
        )[0]
        / (2 * step)
    )
    weight = slope / np.array([detector.grey_noise(y) ** 2 + 1 / 12 for y in yield_[128]])
    grey = np.concatenate([detect(rng, detector, yield_) for _ in range(12)])
    shift = -((grey - mean) @ weight) / (slope @ weight)
    bound = bound_of_edge_px(process.response, beam.sigma_px, detector)
    assert shift.std() == pytest.approx(bound, rel=0.05)
    means = shift.reshape(-1, 32).mean(axis=1)
    # 96 pieces: their variance is known within 15 %.
    assert efficiency(bound, means) == pytest.approx(1.0, abs=0.3)


def test_without_noise_there_is_no_bound() -> None:
    assert bound_of_edge_px(STEP, 1.5, replace(NOISE, read_noise=0.0)) == 0


def test_of_what_an_image_was_made_with() -> None:
    edges = get_preset("edges")
    bounds = {}
    for index in range(edges.combinations):
        preset, layer = edges.of_image(index)
        if layer == 0:
            process = draw_process(np.random.default_rng(4), preset)
            bounds[preset.edge_snr[0], preset.blur_px[0]] = bound_of_settings_px(asdict(process))
    assert len(bounds) == 20
    # Nearly proportional to the noise; greater with more blur.
    assert bounds[2.0, 1.0] / bounds[8.0, 1.0] == pytest.approx(4, rel=0.15)
    assert bounds[4.0, 1.0] < bounds[4.0, 1.6] < bounds[4.0, 2.2] < bounds[4.0, 3.2]


@pytest.mark.parametrize("settings", [{}, {"response": {"nonsense": 1}}, {"response": 5}])
def test_what_is_not_told_is_not_known(settings: dict[str, object]) -> None:
    assert np.isnan(bound_of_settings_px(settings))
