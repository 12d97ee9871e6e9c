from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from segsem.evaluation.edge_bound import bound_of_edge_px, bound_of_settings_px
from segsem.synth.detector import Detector, DoseNoise
from segsem.synth.edge_response import EdgeResponse
from segsem.synth.presets import get_preset
from segsem.synth.process import draw_process

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
