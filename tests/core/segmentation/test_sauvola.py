"""Sauvola against scikit-image, and the extensions that SEM images need."""

from __future__ import annotations

import numpy as np
from skimage.filters import threshold_sauvola

from segsem.segmentation.sauvola import margin, smooth, threshold


def test_threshold_agrees_with_scikit_image(scenes):
    grey = scenes.noisy(scenes.lines()).astype(np.float32)
    ours = threshold(grey, 31, 0.2)
    theirs = threshold_sauvola(grey.astype(np.float64), window_size=31, k=0.2, r=128)
    np.testing.assert_allclose(ours[16:-16, 16:-16], theirs[16:-16, 16:-16], atol=0.05)


def test_insides_larger_than_the_window_do_not_fall_out(scenes):
    rows, cols = np.mgrid[:300, :300]
    distance = np.minimum(np.minimum(rows - 60, 240 - rows), np.minimum(cols - 60, 240 - cols))
    grey = smooth(scenes.noisy(60 + 100 * scenes.soft(distance), 10).astype(np.float32), 1.5)
    plain = grey > threshold(grey, 41, 0.1)
    ours = margin(grey, 41, 0.1, bright=True, bright_share=0.45) > 0
    truth = distance > 0
    assert np.mean(ours == truth) > 0.99
    assert np.mean(ours == truth) > np.mean(plain == truth) + 0.05


def test_gap_and_material_share_the_edge(scenes):
    grey = smooth(scenes.noisy(scenes.lines()).astype(np.float32), 1.0)
    bright = margin(grey, 81, 0.1, bright=True, bright_share=0.45)
    np.testing.assert_array_equal(margin(grey, 81, 0.1, bright=False, bright_share=0.45), -bright)


def test_shading_does_not_move_the_features(scenes):
    flat = scenes.lines()
    shaded = flat * np.linspace(0.7, 1.3, flat.shape[1])[None, :]
    masks = [
        margin(smooth(g.astype(np.float32), 1.0), 81, 0.1, bright=True, bright_share=0.45) > 0
        for g in (flat, shaded)
    ]
    assert np.mean(masks[0] != masks[1]) < 0.02


def test_sparse_bright_features_do_not_drown_in_the_noise_of_the_dark_phase(scenes):
    rows, cols = np.mgrid[:240, :240]
    distance = 7 - np.hypot((rows % 60) - 30, (cols % 60) - 30)
    grey = smooth(scenes.noisy(40 + 120 * scenes.soft(distance), 25).astype(np.float32), 1.5)
    truth = distance > 0
    upright = margin(grey, 121, 0.2, bright=True, bright_share=0.5) > 0
    inverted = margin(grey, 121, 0.2, bright=True, bright_share=0.04) > 0
    assert np.count_nonzero(inverted & ~truth) < 0.2 * np.count_nonzero(upright & ~truth)
