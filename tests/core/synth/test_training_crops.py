from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from segsem.core.exceptions import UsageError
from segsem.synth import training_look
from segsem.synth.training import random_crop
from segsem.synth.training_shapes import random_distance, smooth_noise


def crops(count: int, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return [random_crop(np.random.default_rng([7, i]), size) for i in range(count)]


def test_same_state_same_crop() -> None:
    first = random_crop(np.random.default_rng(3), 96)
    again = random_crop(np.random.default_rng(3), 96)
    other = random_crop(np.random.default_rng(4), 96)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("size", [32, 101, 128, 256])
def test_types_and_shapes(size: int) -> None:
    for image, labels in crops(6, size):
        assert image.shape == labels.shape == (size, size)
        assert image.dtype == np.uint8
        assert labels.dtype == np.int32


def test_too_small_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 32 px"):
        random_crop(np.random.default_rng(0), 31)


def test_labels_count_the_connected_features() -> None:
    for _, labels in crops(60, 128):
        present = np.unique(labels)
        np.testing.assert_array_equal(present, np.arange(labels.max() + 1))
        assert labels.max() >= 1
        # scipy's default structure joins 4 neighbours: each feature is one part, none touch.
        assert ndimage.label(labels > 0)[1] == labels.max()
        for value in present[1:]:
            assert ndimage.label(labels == value)[1] == 1


def test_both_tones_and_many_counts_occur() -> None:
    drawn = crops(120, 128)
    steps = [float(i[t > 0].mean()) - float(i[t == 0].mean()) for i, t in drawn]
    bright, dark = sum(s > 25 for s in steps), sum(s < -25 for s in steps)
    assert bright > 25
    assert dark > 20
    assert sum(abs(s) <= 25 for s in steps) > 5
    counts = [int(t.max()) for _, t in drawn]
    assert min(counts) <= 2
    assert max(counts) > 20


def test_small_and_large_features_occur() -> None:
    widths = [2 * ndimage.distance_transform_edt(t > 0).max() for _, t in crops(80, 256)]
    assert min(widths) < 10
    assert max(widths) > 90


def test_label_boundary_lies_on_an_edge_of_clean_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_look, "_noise", lambda rng, image, signal: image)
    monkeypatch.setattr(training_look, "_charging", lambda rng, image, signal: image)
    gains = []
    for image, labels in crops(60, 128):
        gradient = ndimage.gaussian_gradient_magnitude(image.astype(float), 1.0)
        inside = labels > 0
        boundary = inside ^ ndimage.binary_erosion(inside, border_value=1)
        far = ndimage.distance_transform_edt(~boundary) > 6
        if far.sum() < 100:
            continue
        gains.append(gradient[boundary].mean() / (gradient[far].mean() + 0.1))
    assert len(gains) > 30
    assert np.median(gains) > 4
    assert np.quantile(gains, 0.1) > 1.3


def test_distance_grows_by_one_per_pixel_near_the_edges() -> None:
    slopes = []
    for seed in range(30):
        distance = random_distance(np.random.default_rng(seed), 160)
        dy, dx = np.gradient(distance)
        slopes.append(float(np.median(np.hypot(dy, dx)[np.abs(distance) < 2])))
    assert 0.9 < np.median(slopes) < 1.1


@pytest.mark.parametrize("scale", [0.8, 3.0, 25.0])
def test_smooth_noise_is_standardised_and_band_limited(scale: float) -> None:
    noise = smooth_noise(np.random.default_rng(1), 200, scale)
    assert noise.shape == (200, 200)
    assert abs(float(noise.mean())) < 1e-4
    assert float(noise.std()) == pytest.approx(1.0, abs=1e-3)
    # White noise smoothed by a Gaussian of sigma s has slopes of 1 / (s * sqrt(2)).
    slope = float(np.gradient(noise)[1].std())
    assert slope < 1.25 / (scale * np.sqrt(2))
