from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from segsem.synth.detector import Detector, DoseNoise, detect

FLAT = np.full((200, 200), 1.0)
QUIET = Detector(electrons=400, gain=80, offset=20, read_noise=0.0)


@pytest.mark.parametrize("noise", [DoseNoise.POISSON, DoseNoise.GAMMA])
def test_snr_rises_with_the_square_root_of_the_dose(noise: DoseNoise) -> None:
    doses = np.array([50.0, 200.0, 800.0])
    snr = []
    for dose in doses:
        detector = replace(QUIET, electrons=float(dose), noise=noise)
        image = detect(np.random.default_rng(1), detector, FLAT).astype(float)
        assert image.mean() == pytest.approx(100, abs=0.3)
        snr.append(80 / np.sqrt(image.var() - 1 / 12))  # less what rounding to 8 bit adds
    slope = np.polyfit(np.log(doses), np.log(snr), 1)[0]
    assert slope == pytest.approx(0.5, abs=0.02)
    assert snr[1] == pytest.approx(np.sqrt(200), rel=0.03)


def test_promised_noise_is_the_noise() -> None:
    detector = replace(QUIET, read_noise=5.0)
    image = detect(np.random.default_rng(2), detector, FLAT).astype(float)
    assert image.std() == pytest.approx(detector.grey_noise(1.0), rel=0.03)


def test_without_noise_the_grey_values_are_gain_and_offset() -> None:
    clean = replace(QUIET, noise=DoseNoise.NONE)
    image = detect(np.random.default_rng(0), clean, np.array([[0.0, 0.5, 1.0, 9.0]]))
    assert image.tolist() == [[20, 60, 100, 255]]


def test_charging_trails_to_the_right_of_what_is_bright() -> None:
    scene = np.ones((4, 120))
    scene[:, 50:60] = 2.0
    detector = replace(QUIET, noise=DoseNoise.NONE, charging=0.5, charging_px=10.0)
    image = detect(np.random.default_rng(0), detector, scene).astype(int)
    assert np.all(image[:, :50] == 100)
    assert image[0, 61] > 110
    assert np.all(np.diff(image[0, 61:90]) <= 0)
    assert abs(image[0, 119] - 100) <= 1


def test_banding_is_constant_along_a_row_and_correlated_between_rows() -> None:
    detector = replace(QUIET, noise=DoseNoise.NONE, banding=4.0)
    image = detect(np.random.default_rng(0), detector, FLAT).astype(float)
    rows = image.mean(axis=1)
    assert np.all(image == image[:, :1])
    assert rows.std() == pytest.approx(4.0, rel=0.15)
    assert np.corrcoef(rows[:-1], rows[1:])[0, 1] > 0.9
