"""The instrument itself: it must see every way in which contours can be wrong."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from segsem.metrics.epe import EPEParams, EPESamples, compare_contours
from segsem.metrics.epe_report import EPEMetric, EPEReport, epe_report, fraction_within
from segsem.metrics.polyline import Polyline

SHAPE = (200, 240)
LINES = (40.0, 100.0, 160.0)
LINE_WIDTH = 30.0
DISCS = ((50.0, 60.0), (50.0, 150.0), (140.0, 60.0), (140.0, 150.0))
RADIUS = 20.0


def disc(centre: tuple[float, float], radius: float, n: int = 720) -> Polyline:
    """Counter-clockwise with y up."""
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    offset = np.stack([-np.sin(angle), np.cos(angle)], axis=-1)
    return Polyline(np.asarray(centre) + radius * offset, True)


def reverse(line: Polyline) -> Polyline:
    return Polyline(line.vertices_rc[::-1].copy(), line.closed)


def line_edges(left: float, width: float, n: int = 201) -> list[Polyline]:
    """Both edges of a vertical line cut by the field of view, the line on their left (y up)."""
    row = np.linspace(-0.5, SHAPE[0] - 0.5, n)
    down = np.stack([row, np.full(n, left)], axis=-1)
    up = np.stack([row[::-1], np.full(n, left + width)], axis=-1)
    return [Polyline(down, False), Polyline(up, False)]


def gratings(bias: float = 0.0, shift: float = 0.0) -> list[Polyline]:
    return [
        edge for left in LINES for edge in line_edges(left - bias + shift, LINE_WIDTH + 2 * bias)
    ]


def discs(bias: float = 0.0) -> list[Polyline]:
    return [disc(centre, RADIUS + bias) for centre in DISCS]


def compare(contours: list[Polyline], truth: list[Polyline]) -> EPESamples:
    return compare_contours(contours, truth, SHAPE)


def rate(contours: list[Polyline], truth: list[Polyline]) -> EPEReport:
    return epe_report(compare(contours, truth))


@pytest.mark.parametrize("truth", [gratings(), discs(), [reverse(d) for d in discs()]])
def test_truth_against_itself_is_perfect(truth: list[Polyline]) -> None:
    report = rate(truth, truth)
    assert abs(report.bias_px) < 1e-9
    assert report.max_px < 1e-9
    assert report.complete
    assert report.rateable
    assert fraction_within(compare(truth, truth), 0.1) == 1.0


def test_the_truth_that_counts_keeps_off_the_border() -> None:
    report = rate(gratings(), gratings())
    assert report.truth_length_px == pytest.approx(6 * (SHAPE[0] - 2 * 4), abs=6)
    barred = compare_contours(gratings(), gratings(), SHAPE, valid_rows=(0, 150))
    assert barred.truth_length_px == pytest.approx(6 * (150 - 2 * 4), abs=6)


@pytest.mark.parametrize("bias", [-2.0, -0.3, 0.3, 1.0, 3.0])
def test_dilated_truth_is_bias(bias: float) -> None:
    for contours, truth in ((gratings(bias), gratings()), (discs(bias), discs())):
        report = rate(contours, truth)
        assert report.bias_px == pytest.approx(bias, abs=1e-3)
        assert report.median_px == pytest.approx(bias, abs=1e-3)
        assert report.sigma_px < 1e-3
        assert report.p95_px == pytest.approx(abs(bias), abs=1e-3)
        assert report.p95_centred_px < 2e-3
        assert report.complete


def test_a_dilated_hole_has_negative_bias() -> None:
    # A hole that is too large means a feature that is too small.
    truth = [disc((100, 120), 80), reverse(disc((100, 120), 30))]
    contours = [disc((100, 120), 80), reverse(disc((100, 120), 31))]
    samples = compare(contours, truth)
    assert samples.epe_px[samples.contour == 1].mean() == pytest.approx(-1, abs=1e-3)
    assert abs(samples.epe_px[samples.contour == 0].mean()) < 1e-9


@pytest.mark.parametrize("sigma", [0.2, 0.5])
def test_jitter_is_sigma(sigma: float) -> None:
    rng = np.random.default_rng(1)
    # One vertex a pixel, so that the samples at half pixels see the polyline between vertices.
    contours = []
    for edge in gratings():
        vertices = edge.vertices_rc.copy()
        vertices[:, 1] += rng.normal(0, sigma, len(vertices))
        contours.append(Polyline(vertices, False))
    report = rate(contours, gratings())
    assert abs(report.bias_px) < 0.1 * sigma
    # Variance of a linear interpolation of white noise, mean over the position: 2/3 sigma².
    assert report.sigma_px == pytest.approx(sigma * np.sqrt(2 / 3), rel=0.1)
    assert report.p95_px == pytest.approx(1.96 * report.sigma_px, rel=0.1)
    assert report.missing_length_px == report.extra_length_px == 0


def test_features_shifted_one_by_one_are_sigma() -> None:
    rng = np.random.default_rng(2)
    shift = rng.normal(0, 1.0, (len(DISCS), 2))
    contours = [disc((c[0] + s[0], c[1] + s[1]), RADIUS) for c, s in zip(DISCS, shift, strict=True)]
    report = rate(contours, discs())
    assert abs(report.bias_px) < 0.05
    # The normal component of a shift d round a disc has variance |d|² / 2.
    assert report.sigma_px == pytest.approx(np.sqrt((shift**2).sum(axis=1).mean() / 2), rel=0.03)


def test_a_grating_shifted_as_a_whole_is_sigma_not_bias() -> None:
    report = rate(gratings(shift=1.5), gratings())
    assert abs(report.bias_px) < 1e-6
    assert report.sigma_px == pytest.approx(1.5)


def test_contours_closed_along_the_border() -> None:
    closed = []
    for left in LINES:
        down, up = line_edges(left, LINE_WIDTH)
        closed.append(Polyline(np.vstack([down.vertices_rc, up.vertices_rc]), True))
    report = rate(closed, gratings())
    # Two stretches of a line's width each.
    assert report.border_length_px == pytest.approx(len(LINES) * 2 * LINE_WIDTH, rel=0.1)
    assert not report.complete
    assert abs(report.bias_px) < 1e-9
    assert report.missing_length_px == report.extra_length_px == report.duplicate_length_px == 0
    assert rate(gratings(), gratings()).border_length_px == 0


def test_contours_closed_along_the_data_bar() -> None:
    rows = (0, 150)
    down, up = (
        Polyline(edge.vertices_rc[edge.vertices_rc[:, 0] <= 149.5], False)
        for edge in line_edges(100.0, LINE_WIDTH)
    )
    closed = Polyline(np.vstack([down.vertices_rc, up.vertices_rc]), True)
    samples = compare_contours([closed], [down, up], SHAPE, valid_rows=rows)
    assert samples.border_length_px == pytest.approx(2 * LINE_WIDTH, rel=0.1)


def test_false_blobs_are_extra() -> None:
    blob = disc((100, 105), 6)
    report = rate([*discs(), blob], discs())
    assert report.extra_length_px == pytest.approx(2 * np.pi * 6, rel=0.01)
    assert report.sigma_px < 1e-3
    assert not report.complete
    assert fraction_within(compare([*discs(), blob], discs()), 1.5) < 0.95


def test_a_missing_feature_never_scores_zero() -> None:
    report = rate(discs()[:3], discs())
    assert report.missing_length_px == pytest.approx(2 * np.pi * RADIUS, rel=0.01)
    assert not report.complete
    assert fraction_within(compare(discs()[:3], discs()), 1.5) == pytest.approx(0.75, abs=0.01)


def test_nothing_found() -> None:
    report = rate([], discs())
    assert report.n == 0
    assert np.isnan([report.bias_px, report.sigma_px, report.p95_px, report.max_px]).all()
    assert report.missing_length_px == report.truth_length_px > 0
    assert not report.complete
    assert fraction_within(compare([], discs()), 1.5) == 0


def test_nothing_true() -> None:
    report = rate(discs(), [])
    assert report.n == 0
    assert not report.rateable
    assert report.extra_length_px == pytest.approx(4 * 2 * np.pi * RADIUS, rel=0.01)
    assert np.isnan(fraction_within(compare([], []), 1.5))
    assert rate([], []).complete


def test_half_of_a_contour_is_missing() -> None:
    full = disc((100, 120), 40)
    half = Polyline(full.vertices_rc[:361], False)
    report = rate([half], [full])
    # Truth within reach of the ends counts as found.
    assert np.pi * 40 - 2 * 6 < report.missing_length_px < np.pi * 40


def test_one_edge_of_a_thin_line_is_missing_although_the_other_is_near() -> None:
    truth = line_edges(100.0, 4.0)
    report = rate(truth[:1], truth)
    assert report.missing_length_px == pytest.approx(SHAPE[0] - 8, abs=3)


@pytest.mark.parametrize("bias", [0.0, 1.0, -3.0])
def test_duplicates_are_counted(bias: float) -> None:
    again = disc(DISCS[0], RADIUS + bias)
    report = rate([*discs(), again], discs())
    assert report.duplicate_length_px == pytest.approx(2 * np.pi * RADIUS, rel=0.03)
    assert not report.complete
    assert rate([*discs(), again, again], discs()).duplicate_length_px == pytest.approx(
        2 * 2 * np.pi * RADIUS, rel=0.03
    )


def test_a_contour_in_pieces_is_no_duplicate() -> None:
    full = disc((100, 120), 40).vertices_rc
    pieces = [Polyline(full[start : start + 181], False) for start in (0, 180, 360)]
    pieces.append(Polyline(np.vstack([full[540:], full[:1]]), False))
    report = rate(pieces, [disc((100, 120), 40)])
    assert report.duplicate_length_px == 0
    assert report.missing_length_px == 0


def test_exchanged_feature_and_background() -> None:
    report = rate([reverse(d) for d in discs()], discs())
    assert report.reversed_length_px == pytest.approx(4 * 2 * np.pi * RADIUS, rel=0.01)
    assert not report.complete


def test_far_off_edges_are_missing_and_extra_rather_than_errors() -> None:
    report = rate(discs(bias=8.0), discs())
    assert report.n == 0
    assert report.missing_length_px == pytest.approx(4 * 2 * np.pi * RADIUS, rel=0.01)
    assert report.extra_length_px > 0


def test_coarse_truth_is_measured_to_its_segments() -> None:
    box = np.array([[150.0, 40.0], [150.0, 200.0], [50.0, 200.0], [50.0, 40.0]])
    dense = np.concatenate(
        [
            np.linspace(a, b, 200, endpoint=False)
            for a, b in zip(box, np.roll(box, -1, 0), strict=True)
        ]
    )
    report = rate([Polyline(dense, True)], [Polyline(box, True)])
    assert report.max_px < 1e-9
    assert report.complete


def test_rounded_corners_are_not_missing() -> None:
    box = np.array([[150.0, 40.0], [150.0, 200.0], [50.0, 200.0], [50.0, 40.0]])
    angle = np.linspace(0, np.pi / 2, 30)
    corners: list[npt.NDArray[np.float64]] = []
    for (row, col), start in zip(box, (-np.pi / 2 * 2, -np.pi / 2, 0, np.pi / 2), strict=True):
        centre_row = row - 8 if row == 150 else row + 8
        centre_col = col - 8 if col == 200 else col + 8
        a = start + angle
        corners.append(np.stack([centre_row - 8 * np.sin(a), centre_col + 8 * np.cos(a)], -1))
    report = rate([Polyline(np.concatenate(corners), True)], [Polyline(box, True)])
    assert report.missing_length_px == 0
    # The corner is cut by 8 (sqrt 2 - 1) along the diagonal; the nearest edge is 8 (1 - 1/sqrt 2).
    assert report.max_px == pytest.approx(8 * (1 - np.sqrt(0.5)), abs=0.05)


def test_several_images_take_one_mean_off_each() -> None:
    metric = EPEMetric()
    for bias in (-1.0, 1.0):
        metric.update(compare(discs(bias), discs()))
    report = metric.compute()
    assert abs(report.bias_px) < 0.06  # the larger discs have more points
    assert report.sigma_px < 1e-3
    assert report.p95_px == pytest.approx(1.0, abs=1e-3)
    assert report.p95_centred_px < 2e-3
    assert report.truth_length_px == pytest.approx(2 * 4 * 2 * np.pi * RADIUS, rel=1e-3)


def test_fraction_within_an_offset() -> None:
    samples = compare(discs(2.0), discs())
    assert fraction_within(samples, 1.5) == 0.0
    assert fraction_within(samples, 1.5, offset_px=2.0) == 1.0


def test_little_truth_is_not_rateable() -> None:
    small = disc((100, 100), 5)
    assert rate([small], [small]).truth_length_px == pytest.approx(2 * np.pi * 5, rel=1e-3)
    assert not rate([small], [small]).rateable


@pytest.mark.parametrize("change", [{"match_px": 0.0}, {"step_px": -1.0}, {"step_px": 9.0}])
def test_senseless_parameters(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="Expected `"):
        EPEParams(**change)


def test_a_contour_closed_along_the_border_is_not_extra_as_well() -> None:
    down, up = line_edges(100.0, LINE_WIDTH)
    closed = Polyline(np.vstack([down.vertices_rc, up.vertices_rc]), True)
    params = EPEParams(margin_px=0.0)
    samples = compare_contours([closed], [down, up], SHAPE, params=params)
    assert samples.border_length_px == pytest.approx(2 * LINE_WIDTH, rel=0.1)
    assert samples.extra_length_px == 0
