from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from segsem.evaluation.contour_groups import blur_spreads, condition, grouped_scores, layer_offsets
from segsem.evaluation.contour_protocol import ImageScore
from segsem.evaluation.contour_score import Placement
from segsem.evaluation.contour_summary import of_sources, paired_difference, placement_figures
from segsem.evaluation.contour_tables import table_md
from segsem.evaluation.region_score import RegionScore

PLACEMENT = Placement(
    centred_px=np.zeros(10),
    source_code=np.zeros(10, dtype=np.int64),
    feature_means_px=np.zeros(3),
    bias_px=0.0,
    max_px=0.0,
    p95_penalised_px=0.0,
    z_sigma=1.0,
    completeness=1.0,
    truth_length_px=100.0,
    extra_length_px=0.0,
    duplicate_length_px=0.0,
    border_length_px=0.0,
    reversed_length_px=0.0,
    cd_bias_px=0.0,
    cd_sigma_px=0.0,
    cd_cuts=4,
)
REGIONS = RegionScore(1.0, 1.0, 1.0, 0.0, 0.0, 0, 0, 0, 0, 4, 0)
SCORE = ImageScore("x", "a", "lines", "bright", 8.0, 1.6, 24.0, 0.3, PLACEMENT, PLACEMENT, REGIONS)


def noisy(sigma: float, n: int = 4000, **change: float) -> Placement:
    rng = np.random.default_rng([n, int(1000 * sigma)])
    errors = rng.normal(0, sigma, n)
    return replace(PLACEMENT, centred_px=errors, source_code=np.zeros(n, dtype=np.int64), **change)


def test_every_point_counts_alike_and_every_image_has_its_mean_taken_off() -> None:
    figures = placement_figures([noisy(0.1, bias_px=0.5), noisy(0.3, 8000, bias_px=-0.1)])
    assert figures.sigma.value == pytest.approx(np.sqrt((0.01 + 2 * 0.09) / 3), rel=0.03)
    assert figures.bias == pytest.approx(0.2)
    assert figures.bias_spread == pytest.approx(0.3 * np.sqrt(2))


def test_intervals_hold_the_value_and_shrink_with_the_images() -> None:
    rng = np.random.default_rng(2)
    images = [noisy(float(s)) for s in rng.uniform(0.1, 0.3, 40)]
    few, many = placement_figures(images[:8]), placement_figures(images)
    for figures in (few, many):
        assert figures.sigma.low < figures.sigma.value < figures.sigma.high
        assert figures.p95.low < figures.p95.value < figures.p95.high
    assert many.p95.high - many.p95.low < few.p95.high - few.p95.low
    same = placement_figures([noisy(0.2)] * 9)
    assert same.p95.high - same.p95.low < 0.006
    assert same.p95.value == pytest.approx(same.p95.low, abs=0.006)


def test_lengths_are_shares_of_the_whole_truth() -> None:
    figures = placement_figures(
        [
            replace(PLACEMENT, completeness=0.5, truth_length_px=300.0, extra_length_px=20.0),
            replace(PLACEMENT, duplicate_length_px=40.0),
        ]
    )
    assert figures.completeness == pytest.approx((150 + 100) / 400)
    assert figures.extra == pytest.approx(0.05)
    assert figures.duplicates == pytest.approx(0.1)


def test_an_image_without_contours_counts_for_completeness_only() -> None:
    nothing = replace(
        PLACEMENT,
        centred_px=np.empty(0),
        source_code=np.empty(0, dtype=np.int64),
        feature_means_px=np.empty(0),
        bias_px=np.nan,
        completeness=0.0,
        z_sigma=np.nan,
    )
    figures = placement_figures([nothing, noisy(0.2)])
    assert (figures.images, figures.completeness) == (1, 0.5)
    assert figures.sigma.value == pytest.approx(0.2, rel=0.05)
    assert np.isnan(placement_figures([nothing]).sigma.value)


def test_the_spread_of_features_is_about_the_mean_of_their_image() -> None:
    means = [np.array([0.0, 0.2]), np.array([1.0, 1.2])]
    figures = placement_figures([replace(PLACEMENT, feature_means_px=m) for m in means])
    assert figures.feature_spread == pytest.approx(0.2 / np.sqrt(2))


def test_sources_are_parted_and_keep_the_mean_of_the_image() -> None:
    placed = replace(
        PLACEMENT,
        centred_px=np.repeat([0.1, -0.3], [6, 2]),
        source_code=np.repeat([0, 1], [6, 2]),
        bias_px=0.5,
    )
    parts = of_sources([replace(SCORE, placed=placed)])
    assert list(parts) == ["sam2", "sauvola"]
    assert placement_figures(parts["sauvola"]).bias == pytest.approx(0.2)
    assert placement_figures(parts["sauvola"]).sigma.value == pytest.approx(0.3)


def test_paired_differences() -> None:
    rng = np.random.default_rng(3)
    first = rng.normal(5, 3, 60)
    difference = paired_difference(list(first), list(first - 0.5 + rng.normal(0, 0.1, 60)))
    assert difference.value == pytest.approx(0.5, abs=0.05)
    assert 0.4 < difference.low < difference.high < 0.6
    with pytest.raises(ValueError, match="pairs"):
        paired_difference([1.0], [])


@pytest.mark.parametrize(
    ("snr", "blur", "name"),
    [
        (15.0, 1.0, "blur <= 2.2 px, SNR >= 8"),
        (8.0, 2.2, "blur <= 2.2 px, SNR >= 8"),
        (4.0, 2.2, "blur <= 2.2 px, SNR 4-8"),
        (2.0, 1.0, "blur <= 2.2 px, SNR < 4"),
        (15.0, 3.2, "blur > 2.2 px"),
        (float("nan"), 1.0, None),
    ],
)
def test_conditions(snr: float, blur: float, name: str | None) -> None:
    assert condition(replace(SCORE, edge_snr=snr, blur_px=blur)) == name


def test_groups_come_in_natural_order() -> None:
    names = [">= 12", "4-6", "< 3", "12-20", "3-4"]
    scores = [replace(SCORE, family=name) for name in names]
    groups = grouped_scores(scores, lambda score: score.family)
    assert list(groups) == ["< 3", "3-4", "4-6", "12-20", ">= 12"]


def layer(biases: dict[float, float], **change: object) -> list[ImageScore]:
    return [
        replace(SCORE, edge_snr=snr, placed=replace(PLACEMENT, bias_px=bias), **change)
        for snr, bias in biases.items()
    ]


def test_layers_have_one_offset_at_each_blur() -> None:
    scores = layer({2.0: 0.9, 4.0: 0.2, 8.0: 0.3, 15.0: 0.4}) + layer({4.0: 1.0}, blur_px=2.2)
    (only,) = layer_offsets(scores)
    assert (only.layer, only.blur_px, only.images) == ("lines bright", 1.6, 4)
    assert only.offset_px == pytest.approx(0.45)
    assert only.spread_px == pytest.approx(0.7)
    assert only.spread_snr4_px == pytest.approx(0.2)
    # 0.9 less the mean of 0.2, 0.3 and 0.4.
    assert only.residual_px == pytest.approx(0.6)


def test_offsets_are_compared_over_ordinary_blurs() -> None:
    snrs = (4.0, 8.0, 15.0)
    scores = [
        score
        for blur, bias in ((1.0, 0.1), (1.6, 0.2), (2.2, 0.4), (3.2, 1.4))
        for score in layer(dict.fromkeys(snrs, bias), blur_px=blur)
    ]
    (spread,) = blur_spreads(layer_offsets(scores)).items()
    assert spread == ("lines bright", (24.0, pytest.approx(0.3)))
    assert "| lines bright | 24.0 | 0.300 |" in table_md(scores, "a set")


def test_variants_are_compared_image_by_image() -> None:
    worse = replace(REGIONS, wrong=2)
    scores = [replace(SCORE, image_id=str(i)) for i in range(6)]
    scores += [replace(SCORE, variant="y", image_id=str(i), regions=worse) for i in range(6)]
    text = table_md(scores, "a set")
    assert "| x less y | gross failures per image | 6 | -2.000 (-2.000 to -2.000) |" in text
