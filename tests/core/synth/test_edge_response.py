from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from segsem.synth.edge_response import EdgeResponse

RESPONSES = [
    EdgeResponse(),
    EdgeResponse(
        material=0.9,
        background=0.817,
        rim=1.65,
        rim_px=2.66,
        sidewall_px=1.7,
        glow=0.3,
        glow_px=25.0,
        onset=0.64,
        onset_px=0.26,
        shadow=0.245,
        shadow_px=1.95,
        deep=0.22,
        deep_px=30.0,
    ),
]


@pytest.mark.parametrize("response", RESPONSES)
@pytest.mark.parametrize("distance", [-40.0, -1.3, -0.01, 0.02, 1.5, 1.9, 33.0])
def test_integral_is_that_of_the_yield(response: EdgeResponse, distance: float) -> None:
    breaks = [1.7] if distance > 1.7 else None
    expected, _ = quad(lambda d: float(response.at(np.array(d))), 0, distance, points=breaks)
    assert float(response.integral(np.array(distance))) == pytest.approx(expected, abs=1e-7)


def test_mean_over_an_interval_that_holds_the_jump() -> None:
    flat = EdgeResponse(material=2.0, background=1.0, rim=0.0, shadow=0.0)
    # 0.3 of the interval [-0.175, 0.075] lies in the material.
    assert float(flat.mean_over(np.array(-0.05), 0.25)) == pytest.approx(1.3)


def test_rim_is_on_the_materials_side_and_shadow_on_the_other() -> None:
    response = RESPONSES[1]
    at = response.at(np.array([-200.0, -0.5, 2.0, 300.0]))
    assert at[0] == pytest.approx(response.background, abs=1e-3)
    assert at[1] < response.background
    assert at[2] > response.material + 1.0
    assert at[3] == pytest.approx(response.material, abs=1e-3)


def test_beyond_its_reach_the_yield_is_flat() -> None:
    for response in RESPONSES:
        far = response.at(np.array([-response.reach_px, response.reach_px]))
        assert far == pytest.approx([response.background, response.material], abs=3e-3)
