"""SNR, blur and saturation against images rendered here with known values."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import erf

from segsem.imaging.image import SEMImage
from segsem.imaging.quality import MAX_SNR, ImageQuality, image_quality, noise_sigma

HEIGHT = 100.0


def _lines(blur: float, noise: float, *, bright: bool = True, seed: int = 1) -> npt.NDArray:
    """Slightly slanted lines of pitch 64 px with error-function edges of height 100."""
    rows, cols = np.indices((384, 384), dtype=np.float64)
    distance = 16 - np.abs((cols + 0.03 * rows + 0.37) % 64 - 32)
    lines = 0.5 * (1 + erf(distance / (blur * np.sqrt(2))))
    if not bright:
        lines = 1 - lines
    return 60 + HEIGHT * lines + noise * np.random.default_rng(seed).normal(size=rows.shape)


def _quality(grey: npt.NDArray, dtype: type[np.generic] = np.uint8) -> ImageQuality:
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        grey = np.clip(np.rint(grey), limits.min, limits.max)
    return image_quality(SEMImage(grey.astype(dtype), "a"))


@pytest.mark.parametrize("noise", [5.0, 12.0, 25.0])
@pytest.mark.parametrize("blur", [0.8, 1.5, 2.2, 3.5])
def test_step_edges(blur: float, noise: float) -> None:
    quality = _quality(_lines(blur, noise))
    assert quality.snr == pytest.approx(HEIGHT / noise, rel=0.08)
    assert quality.blur_px == pytest.approx(blur, rel=0.15)


def test_snr_falls_with_noise_and_blur_grows_with_blur() -> None:
    snrs = [_quality(_lines(1.5, noise)).snr for noise in (2, 4, 8, 16, 30)]
    assert snrs == sorted(snrs, reverse=True)
    blurs = [_quality(_lines(blur, 8.0)).blur_px for blur in (0.6, 0.9, 1.3, 1.9, 2.8, 4.0)]
    assert blurs == sorted(blurs)


def test_both_tones_and_all_types_agree() -> None:
    expected = _quality(_lines(1.5, 8.0))
    dark = _quality(_lines(1.5, 8.0, bright=False))
    deep = _quality(256 * _lines(1.5, 8.0), np.uint16)
    real = _quality(_lines(1.5, 8.0) / 1000, np.float32)
    for other in (dark, deep, real):
        assert other.snr == pytest.approx(expected.snr, rel=0.05)
        assert other.blur_px == pytest.approx(expected.blur_px, rel=0.05)


def test_a_bright_rim_is_the_peak() -> None:
    """A ridge of sigma 2 and height 100 on lines of height 20: the flank rises by its sum."""
    rows, cols = np.indices((384, 384), dtype=np.float64)
    distance = 16 - np.abs((cols + 0.03 * rows + 0.37) % 64 - 32)
    clean = (
        60 + 20 * (0.5 * (1 + erf((distance - 2) / 2))) + 100 * np.exp(-((distance - 2) ** 2) / 8)
    )
    peak = float(clean.max()) - 60
    noisy = clean + 10 * np.random.default_rng(2).normal(size=clean.shape)
    assert _quality(noisy).snr == pytest.approx(peak / 10, rel=0.1)


def test_the_data_bar_is_left_out() -> None:
    data = np.clip(np.rint(_lines(1.5, 8.0)), 0, 255).astype(np.uint8)
    barred = np.vstack([data, np.tile(np.array([0, 255], np.uint8), (60, 192))])
    with_bar = image_quality(SEMImage(barred, "a", data_bar_row=384))
    assert with_bar == image_quality(SEMImage(data, "a"))


@pytest.mark.parametrize(
    "data",
    [
        np.zeros((64, 64), np.uint8),
        np.full((64, 64), 9, np.uint16),
        np.full((16, 16), 0.5, np.float32),
        np.random.default_rng(0).normal(100, 10, (256, 256)).astype(np.uint8),
    ],
    ids=["black", "constant", "small", "noise"],
)
def test_without_edges_there_is_no_snr(data: npt.NDArray) -> None:
    quality = image_quality(SEMImage(data, "a"))
    assert quality.snr is None
    assert quality.blur_px is None
    assert 0 <= quality.saturated_fraction <= 1


def test_without_noise_snr_is_bounded() -> None:
    quality = _quality(_lines(1.5, 0.0), np.float32)
    assert quality.snr is not None
    assert 300 < quality.snr <= MAX_SNR
    assert quality.blur_px == pytest.approx(1.5, rel=0.05)


@pytest.mark.parametrize("sigma", [0.5, 3.0, 20.0])
def test_noise_sigma(sigma: float) -> None:
    grey = _lines(1.5, 0.0) + sigma * np.random.default_rng(3).normal(size=(384, 384))
    assert noise_sigma(grey.astype(np.float32)) == pytest.approx(sigma, rel=0.08)


def test_noise_is_measured_beside_clipped_pixels() -> None:
    grey = np.clip(_lines(1.5, 10.0) - 100, 0, None)
    assert np.mean(grey == 0) > 0.4
    assert noise_sigma(grey.astype(np.float32)) == pytest.approx(10, rel=0.15)


def test_saturation_at_the_ends_of_the_type() -> None:
    data = np.clip(np.rint(_lines(1.5, 8.0)), 1, 254).astype(np.uint8)
    data[:10] = 0
    data[10:15] = 255
    quality = image_quality(SEMImage(data, "a"))
    assert quality.saturated_fraction == pytest.approx(15 / 384)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_saturation_of_a_clipped_range(dtype: type[np.generic]) -> None:
    scale = 1.0 if dtype == np.uint8 else 16.0
    grey = scale * np.clip(_lines(1.5, 8.0), 55, 170)
    expected = np.mean((_lines(1.5, 8.0) <= 55) | (_lines(1.5, 8.0) >= 170))
    assert _quality(grey, dtype).saturated_fraction == pytest.approx(expected, rel=0.1)


def test_an_unclipped_range_is_not_saturated() -> None:
    assert _quality(_lines(1.5, 8.0)).saturated_fraction == 0
    assert _quality(100 * _lines(1.5, 8.0), np.uint16).saturated_fraction == 0
    assert _quality(_lines(1.5, 8.0), np.float32).saturated_fraction == 0
