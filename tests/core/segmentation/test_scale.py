"""Tone, sizes and smoothing, estimated from images whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from segsem.core.params import Tone
from segsem.segmentation.scale import estimate_scale, phase_widths


def scale_of(grey: np.ndarray, noise: float = 12.0, tone: Tone = Tone.AUTO):
    return estimate_scale(grey.astype(np.float32), noise, tone)


def test_lines_are_bright_and_have_their_width(scenes):
    scale = scale_of(scenes.noisy(scenes.lines()))
    assert scale.bright
    assert scale.feature_width_px == pytest.approx(18, rel=0.15)
    assert scale.gap_width_px == pytest.approx(22, rel=0.15)
    assert scale.window_px % 2 == 1


def test_round_dark_pieces_in_a_bright_film_are_holes(scenes):
    assert not scale_of(scenes.noisy(scenes.holes())).bright


def test_bright_pieces_on_dark_are_pillars(scenes):
    assert scale_of(scenes.noisy(255 - scenes.holes())).bright


def test_the_user_decides_the_tone(scenes):
    assert not scale_of(scenes.noisy(scenes.lines()), tone=Tone.DARK).bright
    assert scale_of(scenes.noisy(scenes.holes()), tone=Tone.BRIGHT).bright


@pytest.mark.parametrize("level", [0.0, 90.0, 255.0])
def test_a_flat_image_has_no_scale(level):
    assert scale_of(np.full((100, 100), level), noise=0.0) is None


def test_pure_noise_has_no_scale():
    rng = np.random.default_rng(5)
    assert scale_of(rng.normal(120, 30, (200, 200)), noise=30.0) is None


def test_more_noise_asks_for_more_smoothing(scenes):
    grey = scenes.lines()
    sigmas = [scale_of(scenes.noisy(grey, s), s).smooth_px for s in (3.0, 40.0, 70.0)]
    assert sigmas[0] < sigmas[1] < sigmas[2]


def test_width_of_a_strip():
    mask = np.zeros((200, 300), dtype=bool)
    mask[:, 100:130] = True
    assert phase_widths(mask)[0] == pytest.approx(30, rel=0.1)
