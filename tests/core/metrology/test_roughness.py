from __future__ import annotations

import math
from dataclasses import replace
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest

from segsem.layout.design import Design
from segsem.metrology.line_edges import facing_pairs, find_line_edges
from segsem.metrology.measured import MeasuredImage
from segsem.metrology.roughness import measure_roughness, roughness_of
from segsem.metrology.spectrum import (
    detrended,
    fit_spectrum,
    mean_spectrum,
    palasantzas,
    sampled_palasantzas,
)


def correlated(
    rng: np.random.Generator, count: int, step: float, sigma: float, xi: float
) -> npt.NDArray[np.float64]:
    """Edge with the autocovariance sigma² exp(-|x| / xi), which is H = 0.5: exact, no spectrum."""
    values = np.empty(count)
    values[0] = rng.normal(0, sigma)
    kept = np.exp(-step / xi)
    for i in range(1, count):
        values[i] = kept * values[i - 1] + rng.normal(0, sigma * np.sqrt(1 - kept**2))
    return values


def gaussian_edges(
    seed: int, edges: int, count: int, step: float, model: tuple[float, float, float]
) -> list[npt.NDArray[np.float64]]:
    """Edges with a Palasantzas spectrum, out of a circle eight times as long."""
    rng = np.random.default_rng(seed)
    total = 8 * count
    frequency = np.fft.rfftfreq(total, step)
    sigma, xi, hurst = model
    norm = 2 * np.sqrt(np.pi) * xi * np.exp(math.lgamma(hurst + 0.5) - math.lgamma(hurst))
    power = np.zeros(len(frequency))
    for fold in range(-20, 21):
        bend = 1 + (2 * np.pi * (frequency + fold / step) * xi) ** 2
        power += sigma**2 * norm / bend ** (hurst + 0.5)
    found = []
    for _ in range(edges):
        white = rng.standard_normal(len(frequency)) + 1j * rng.standard_normal(len(frequency))
        wave = white * np.sqrt(power * total / step / 2)
        wave[0] = 0
        found.append(np.fft.irfft(wave, total)[:count])
    return found


@pytest.mark.parametrize("hurst", [0.4, 0.5, 0.8])
def test_the_models_integral_is_sigma_squared(hurst: float) -> None:
    frequency = np.concatenate([np.linspace(0, 1, 200_001), np.geomspace(1, 1e6, 20_000)[1:]])
    both = 2 * np.trapezoid(palasantzas(frequency, 1.7, 12.0, hurst), frequency)
    assert both == pytest.approx(1.7**2, rel=2e-3)


def test_an_exponential_covariance_has_the_closed_form_of_h_one_half() -> None:
    """An AR(1) series has a spectrum in closed form, folds and all."""
    step, xi, sigma = 1.0, 6.0, 1.3
    frequency = np.linspace(0.01, 0.5, 50)
    kept = np.exp(-step / xi)
    exact = (
        sigma**2 * step * (1 - kept**2)
        / (1 - 2 * kept * np.cos(2 * np.pi * frequency * step) + kept**2)
    )  # fmt: skip
    folded = sampled_palasantzas(frequency, step, sigma, xi, 0.5)
    assert folded == pytest.approx(exact, rel=2e-3)


def test_white_noise_is_a_floor_of_variance_times_step() -> None:
    rng = np.random.default_rng(3)
    edges = [rng.normal(0, 0.7, 2048) for _ in range(40)]
    spectrum = mean_spectrum(edges, 0.8)
    assert spectrum.plateau == pytest.approx(0.49 * 0.8, rel=0.03)
    total = 2 * spectrum.psd.sum() / spectrum.length_nm
    assert total == pytest.approx(0.49, rel=0.02)


@pytest.mark.parametrize(
    ("model", "noise"),
    [((1.5, 20.0, 0.7), 0.8), ((1.0, 8.0, 0.5), 1.0), ((1.5, 25.0, 0.75), 0.3)],
)
def test_sigma_xi_and_hurst_come_back_within_their_errors(
    model: tuple[float, float, float], noise: float
) -> None:
    """Over 12 draws each figure is right on average and scatters as it says."""
    pulls, unbiased = [], []
    for seed in range(12):
        clean = gaussian_edges(seed, 12, 1024, 1.0, model)
        rng = np.random.default_rng(1000 + seed)
        found = roughness_of("LER", [e + rng.normal(0, noise, 1024) for e in clean], 1.0)
        assert found.fit is not None
        fit = found.fit
        pulls.append(
            [
                (fit.sigma_nm - model[0]) / fit.sigma_error_nm,
                (fit.xi_nm - model[1]) / fit.xi_error_nm,
                (fit.hurst - model[2]) / fit.hurst_error,
                (found.noise_nm - noise) / (noise * fit.floor_error / fit.floor / 2),
            ]
        )
        # What was really there, the noise not added.
        truth = np.sqrt(np.mean([np.mean(detrended(edge) ** 2) for edge in clean]))
        unbiased.append((found.unbiased_nm - truth) / found.unbiased_error_nm)
        assert found.biased_nm > found.unbiased_nm
    pulls_array = np.array(pulls)
    # Mean of 12 pulls: 0 within 4 of their standard errors, and a spread about 1.
    assert np.all(np.abs(pulls_array.mean(axis=0)) < 4 / np.sqrt(12))
    assert np.all(pulls_array.std(axis=0) < 1.6)
    assert np.abs(unbiased).max() < 2.0


def test_an_independent_generator_agrees() -> None:
    rng = np.random.default_rng(11)
    edges = [correlated(rng, 1500, 0.8, 1.2, 9.0) + rng.normal(0, 0.5, 1500) for _ in range(24)]
    fit = fit_spectrum(mean_spectrum(edges, 0.8))
    assert fit is not None
    assert abs(fit.sigma_nm - 1.2) < 3 * fit.sigma_error_nm
    assert abs(fit.xi_nm - 9.0) < 3 * fit.xi_error_nm
    assert abs(fit.hurst - 0.5) < 3 * fit.hurst_error
    assert abs(fit.floor - 0.25 * 0.8) < 3 * fit.floor_error


def test_noise_alone_has_no_roughness_and_says_so() -> None:
    rng = np.random.default_rng(5)
    found = roughness_of("LER", [rng.normal(0, 1.0, 1024) for _ in range(16)], 1.0)
    assert found.unbiased_nm < 0.2
    assert any("noise" in text for text in found.warnings)
    assert any("correlation length" in text for text in found.warnings)


def test_coarse_points_and_short_edges_are_told() -> None:
    clean = gaussian_edges(1, 60, 128, 4.0, (1.5, 12.0, 0.6))
    coarse = roughness_of("LER", clean, 4.0)
    assert any("apart" in text for text in coarse.warnings)
    clean = gaussian_edges(1, 60, 160, 1.0, (1.5, 20.0, 0.6))
    assert any("shorter" in text for text in roughness_of("LER", clean, 1.0).warnings)


def test_edges_that_are_too_short_are_refused() -> None:
    with pytest.raises(ValueError, match="16 points"):
        mean_spectrum([np.zeros(8)], 1.0)


@pytest.fixture
def rough_lines(fakes: ModuleType) -> MeasuredImage:
    """Three lines whose raw edges wander as is known, beside smooth contours."""
    design = Design.from_polygons([fakes.rectangle(x, -200, 40, 1200) for x in (60, 160, 260)])
    truth = fakes.placed((500, 180), (1.0, 2.0), (180.0, 250.0), 2.0)
    extraction = fakes.printed(design, truth)
    rng = np.random.default_rng(2)
    regions = []
    for region in extraction.regions:
        contours = []
        for contour in region.contours:
            wander = correlated(rng, len(contour), 1.0, 0.6, 12.0)
            contours.append(replace(contour, unsmoothed_px=wander))
        regions.append(replace(region, contours=tuple(contours)))
    return MeasuredImage.of(replace(extraction, regions=tuple(regions)))


def test_raw_edges_are_taken_and_not_the_smooth_contours(rough_lines: MeasuredImage) -> None:
    edges = find_line_edges(rough_lines)
    assert len(edges) == 6
    for edge in edges:
        raw = rough_lines.contours[edge.contour].unsmoothed_px
        assert raw is not None
        per_px = 2.0 / np.hypot(np.cos(np.radians(2.0)), 2 * np.sin(np.radians(2.0)))
        assert np.std(edge.deviation_nm) == pytest.approx(np.std(raw) * per_px, rel=0.2)
        assert edge.step_nm == pytest.approx(1.0, rel=0.01)
        assert edge.length_nm > 430


def test_widths_are_those_between_facing_edges(rough_lines: MeasuredImage) -> None:
    edges = find_line_edges(rough_lines)
    pairs = facing_pairs(edges)
    assert len(pairs) == 3
    for first, second, width in pairs:
        a, b = edges[first], edges[second]
        assert a.region == b.region
        assert width.mean() == pytest.approx(40.0, abs=1.5)
        assert np.var(width) == pytest.approx(
            np.var(a.deviation_nm) + np.var(b.deviation_nm), rel=0.6
        )
    ler, lwr = measure_roughness(rough_lines)
    assert (ler.kind, lwr.kind, len(ler.edges), len(lwr.edges)) == ("LER", "LWR", 6, 3)
    assert lwr.biased_nm == pytest.approx(np.sqrt(2) * ler.biased_nm, rel=0.25)


def test_smoothed_edges_are_told(fakes: ModuleType) -> None:
    design = Design.from_polygons([fakes.rectangle(60, -200, 40, 1200)])
    truth = fakes.placed((500, 180), (1.0, 2.0), (180.0, 250.0))
    provenance = {"params": {"edge": {"smooth_px": 2.5}}, "snr": 1.5}
    extraction = fakes.printed(design, truth, provenance=provenance)
    rng = np.random.default_rng(2)
    (region,) = extraction.regions
    contours = tuple(
        replace(c, vertices_rc=c.vertices_rc + rng.normal(0, 0.1, (len(c), 2)))
        for c in region.contours
    )
    image = MeasuredImage.of(replace(extraction, regions=(replace(region, contours=contours),)))
    ler = measure_roughness(image)[0]
    assert any("smoothed by 2.5 px" in text for text in ler.warnings)
    assert any("SNR 1.5" in text for text in ler.warnings)


def test_round_features_have_no_line_edge(fakes: ModuleType) -> None:
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    disk = Design.from_polygons(
        [np.column_stack([180 + 90 * np.cos(angle), 250 + 90 * np.sin(angle)])]
    )
    truth = fakes.placed((500, 360), (1.0, 1.0), (180.0, 250.0))
    assert find_line_edges(MeasuredImage.of(fakes.printed(disk, truth))) == []
