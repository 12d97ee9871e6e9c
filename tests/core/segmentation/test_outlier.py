"""The gate for images unlike those of the calibration."""

from __future__ import annotations

import numpy as np
import pytest

from segsem.segmentation.outlier import BINS, Look, familiar_of, look_of


def look(snr=8.0, blur=1.5, saturated=0.0, shift=0):
    histogram = np.zeros(BINS)
    histogram[3 + shift], histogram[10] = 0.5, 0.5
    return Look(snr, blur, saturated, tuple(histogram))


@pytest.fixture
def familiar():
    return familiar_of([look(snr, blur) for snr in (4.0, 8.0, 12.0) for blur in (1.0, 2.0)])


def test_what_was_seen_is_familiar(familiar):
    assert familiar.unfamiliar(look()) == []
    assert familiar.unfamiliar(look(snr=4.0, blur=2.0)) == []


@pytest.mark.parametrize(
    ("strange", "word"),
    [
        (look(snr=1.5), "noisier"),
        (look(snr=40.0), "less noisy"),
        (look(blur=4.0), "more blurred"),
        (look(blur=0.3), "sharper"),
        (look(saturated=0.3), "more saturated"),
        (look(shift=3), "other grey levels"),
        (look(snr=None), "SNR cannot be measured"),
    ],
)
def test_what_is_far_off_is_named(familiar, strange, word):
    (said,) = familiar.unfamiliar(strange)
    assert said.startswith(word)


def test_a_little_beyond_the_range_is_within_it(familiar):
    assert familiar.unfamiliar(look(snr=12.5)) == []


def test_a_little_saturation_is_no_stranger(familiar):
    assert familiar.unfamiliar(look(saturated=0.01)) == []


def test_histograms_are_compared_with_the_nearest():
    either = familiar_of([look(), look(), look(shift=4), look(shift=4)])
    assert either.histogram_distance(look()) == 0.0
    assert either.histogram_distance(look(shift=4)) == 0.0
    assert either.histogram_distance(look(shift=2)) == pytest.approx(0.5)


def test_nothing_to_remember_is_an_error():
    with pytest.raises(ValueError, match="at least one image"):
        familiar_of([])


def test_an_image_is_looked_at(scenes):
    image = scenes.image(scenes.noisy(scenes.lines(), sigma=10.0))
    found = look_of(image, image.data.astype(np.float32))
    assert found.snr == pytest.approx(11.0, rel=0.25)
    assert found.blur_px == pytest.approx(1.5, rel=0.25)
    assert sum(found.histogram) == pytest.approx(1.0, abs=1e-3)
