"""The instrument that asks the truth: it must see every way in which contours can be wrong."""

from __future__ import annotations

import numpy as np
import pytest

from segsem.metrics.cd_error import cd_errors_px
from segsem.metrics.epe import EPEParams
from segsem.metrics.normal_epe import NormalEPE, epe_along_normals
from segsem.metrics.polyline import Polyline

SHAPE = (200, 240)
LINES = (40.0, 100.0, 160.0)
WIDTH = 30.0
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
    row = np.linspace(-0.5, SHAPE[0] - 0.5, n)
    down = np.stack([row, np.full(n, left)], axis=-1)
    up = np.stack([row[::-1], np.full(n, left + width)], axis=-1)
    return [Polyline(down, False), Polyline(up, False)]


def grating(bias: float = 0.0, shift: float = 0.0) -> list[Polyline]:
    return [edge for left in LINES for edge in line_edges(left - bias + shift, WIDTH + 2 * bias)]


def discs(bias: float = 0.0) -> list[Polyline]:
    return [disc(centre, RADIUS + bias) for centre in DISCS]


def compare(contours: list[Polyline], truth: list[Polyline]) -> NormalEPE:
    return epe_along_normals(contours, truth, SHAPE)


@pytest.mark.parametrize("truth", [grating(), discs(), [reverse(d) for d in discs()]])
def test_truth_against_itself_is_perfect(truth: list[Polyline]) -> None:
    errors = compare(truth, truth)
    assert errors.completeness == 1.0
    assert np.abs(errors.epe_px).max() < 1e-2
    assert len(errors.feature_means_px(32)) == len(truth)
    # Every point finds the contour of its own number, at the vertex before it.
    assert np.array_equal(errors.contour, errors.truth)
    before = np.array(
        [truth[c].vertices_rc[v] for c, v in zip(errors.contour, errors.vertex, strict=True)]
    )
    assert np.linalg.norm(before - errors.points_rc, axis=1).max() < 1.1


@pytest.mark.parametrize("bias", [-2.0, -0.3, 0.3, 1.0, 3.0])
def test_a_dilated_truth_is_bias_outwards(bias: float) -> None:
    for contours, truth in ((grating(bias), grating()), (discs(bias), discs())):
        errors = compare(contours, truth)
        assert errors.epe_px == pytest.approx(bias, abs=2e-2)
        assert errors.completeness == 1.0
        widths, _ = cd_errors_px(errors, contours, truth)
        assert len(widths) > 20
        assert widths == pytest.approx(2 * bias, abs=4e-2)


def test_a_dilated_hole_is_a_feature_too_small() -> None:
    truth = [disc((100, 120), 80), reverse(disc((100, 120), 30))]
    contours = [disc((100, 120), 80), reverse(disc((100, 120), 31))]
    errors = compare(contours, truth)
    assert errors.epe_px[errors.truth == 1] == pytest.approx(-1, abs=2e-2)
    widths, _ = cd_errors_px(errors, contours, truth)
    # The wall between both edges.
    assert widths == pytest.approx(-1, abs=4e-2)


@pytest.mark.parametrize("sigma", [0.2, 0.5])
def test_jitter_is_sigma_and_averages_over_features(sigma: float) -> None:
    rng = np.random.default_rng(1)
    contours = []
    for edge in grating():
        vertices = edge.vertices_rc.copy()
        vertices[:, 1] += rng.normal(0, sigma, len(vertices))
        contours.append(Polyline(vertices, False))
    errors = compare(contours, grating())
    # Linear interpolation of white noise has 2/3 of its variance, mean over the position.
    assert errors.epe_px.std() == pytest.approx(sigma * np.sqrt(2 / 3), rel=0.1)
    assert errors.feature_means_px(32).std() < 3 * sigma / np.sqrt(190)


def test_features_shifted_one_by_one_spread_their_means() -> None:
    rng = np.random.default_rng(2)
    shifts = rng.normal(0, 0.8, 6)
    contours = [
        Polyline(edge.vertices_rc + np.array([0, shift]), False)
        for edge, shift in zip(grating(), shifts, strict=True)
    ]
    means = compare(contours, grating()).feature_means_px(32)
    # The left edge of a line looks to the left.
    assert means == pytest.approx(shifts * np.tile([-1, 1], 3), abs=1e-6)


def test_half_a_pixel_is_seen_whichever_way() -> None:
    for shift_rc in ([0.5, 0.0], [0.0, 0.5], [0.5, 0.5]):
        moved = [Polyline(d.vertices_rc + shift_rc, True) for d in discs()]
        errors = compare(moved, discs())
        assert errors.epe_px.mean() == pytest.approx(0, abs=0.01)
        assert errors.epe_px.std() == pytest.approx(np.hypot(*shift_rc) / np.sqrt(2), rel=0.02)


def test_what_is_missing_is_paid_for() -> None:
    errors = compare(discs()[:3], discs())
    assert errors.completeness == pytest.approx(0.75, abs=0.01)
    assert np.percentile(errors.penalised_px(), 95) == errors.reach_px
    assert np.percentile(compare(discs(), discs()).penalised_px(), 95) < 0.01


def test_what_is_extra_is_paid_for() -> None:
    errors = compare(discs(), discs())
    length = float(errors.step_px.sum())
    penalised = errors.penalised_px(extra_length_px=length)
    assert np.mean(penalised == errors.reach_px) == pytest.approx(0.5, abs=0.01)


def test_nothing_found_and_nothing_true() -> None:
    errors = compare([], discs())
    assert errors.completeness == 0
    assert len(errors.feature_means_px(32)) == 0
    assert len(cd_errors_px(errors, [], discs())[0]) == 0
    none = compare(discs(), [])
    assert np.isnan(none.completeness)
    assert len(none.penalised_px()) == 0
    assert len(cd_errors_px(none, discs(), [])[0]) == 0


def test_contours_that_run_the_wrong_way_are_not_seen() -> None:
    assert compare([reverse(d) for d in discs()], discs()).completeness == 0


def test_the_other_edge_of_a_thin_line_is_not_taken_for_a_missing_one() -> None:
    left, right = line_edges(100, 3)
    errors = compare([left], [left, right])
    assert errors.found[errors.truth == 0].all()
    assert not errors.found[errors.truth == 1].any()


def test_two_errors_in_the_distance_of_a_corner_are_not_hidden() -> None:
    """A square whose contour lost a corner: the nearest distance there is short of it."""
    side = np.array([[60, 60], [140, 60], [140, 140], [60, 140]], dtype=float)
    cut = np.array([[60, 60], [140, 60], [140, 132], [132, 140], [60, 140]], dtype=float)
    errors = compare([Polyline(cut, True)], [Polyline(side, True)])
    assert np.nanmin(errors.epe_px) < -4.5 or errors.completeness < 1


def test_arcs_begin_anew_with_every_polyline() -> None:
    errors = compare(grating(), grating())
    for number in range(6):
        arc = errors.arc_px[errors.truth == number]
        assert arc[0] == pytest.approx(4.25, abs=0.5)
        assert np.all(np.diff(arc) > 0)


def test_reach_and_margin_are_those_asked_for() -> None:
    params = EPEParams(margin_px=20, match_px=2, step_px=1)
    errors = epe_along_normals(grating(1.9), grating(), SHAPE, params=params)
    assert errors.completeness == 1
    assert errors.step_px.sum() == pytest.approx(6 * 160, abs=6)
    assert epe_along_normals(grating(2.1), grating(), SHAPE, params=params).completeness == 0
    barred = epe_along_normals(grating(), grating(), SHAPE, valid_rows=(0, 150))
    assert barred.points_rc[:, 0].max() < 146
