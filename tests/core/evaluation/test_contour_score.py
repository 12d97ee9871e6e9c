"""The evaluator must catch every way in which an extraction can be wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from segsem.core.extraction import Extraction
from segsem.evaluation.contour_score import Placement, placement
from segsem.evaluation.region_score import RegionScore, region_score
from segsem.evaluation.truth_set import Truth


def score(found: Extraction, truth: Truth) -> tuple[Placement, RegionScore]:
    placed, errors = placement(found, truth)
    return placed, region_score(found, truth, errors)


def test_truth_against_itself_is_perfect(extraction, edges, labels, truth) -> None:
    placed, regions = score(extraction(edges(), labels()), truth)
    assert abs(placed.bias_px) < 2e-3
    assert placed.sigma_px < 5e-3
    assert placed.max_px < 0.02
    assert placed.completeness == 1
    assert placed.p95_penalised_px < 0.01
    assert placed.feature_spread_px < 3e-3
    assert len(placed.feature_means_px) == 6
    assert abs(placed.cd_bias_px) < 0.02
    assert placed.cd_cuts > 50
    lengths = (placed.extra_length_px, placed.duplicate_length_px, placed.border_length_px)
    assert (*lengths, placed.reversed_length_px) == (0, 0, 0, 0)
    assert regions.iou == regions.boundary_f1_1px == 1
    assert regions.hausdorff_px == 0
    assert (regions.rateable, regions.gross_failures, regions.topology_errors) == (5, 0, 0)


@pytest.mark.parametrize("bias", [-1.0, 0.4, 2.0])
def test_a_dilated_truth_is_bias_and_cd_error(extraction, edges, labels, truth, bias) -> None:
    placed, regions = score(extraction(edges(bias), labels(bias)), truth)
    assert placed.bias_px == pytest.approx(bias, abs=0.01)
    assert placed.sigma_px < 0.01
    assert placed.cd_bias_px == pytest.approx(2 * bias, abs=0.03)
    assert placed.cd_sigma_px < 0.03
    # A common offset is calibrated: nothing is wrong but the overlap.
    assert regions.gross_failures == 0
    assert regions.iou < 1


def test_jitter_is_sigma(extraction, edges, labels, truth) -> None:
    rng = np.random.default_rng(4)
    rough = [
        replace(e, vertices_rc=e.vertices_rc + rng.normal(0, 0.3, e.vertices_rc.shape))
        for e in edges()
    ]
    placed, _ = score(extraction(rough, labels(), sigma=0.3 * np.sqrt(2 / 3)), truth)
    assert abs(placed.bias_px) < 0.03
    assert placed.sigma_px == pytest.approx(0.3 * np.sqrt(2 / 3), rel=0.12)
    assert placed.p95_px == pytest.approx(1.96 * placed.sigma_px, rel=0.1)
    assert placed.z_sigma == pytest.approx(1.0, rel=0.12)
    assert placed.feature_spread_px < 0.05


def test_features_of_different_size_spread_their_means(extraction, edges, labels, truth) -> None:
    biases = {1: -0.4, 2: 0.4, 3: 0.2, 4: -0.2, 5: 0.0}
    sized = []
    for number in biases:
        sized += [e for e in edges(biases[number]) if e.region == number]
    placed, _ = score(extraction(sized, labels()), truth)
    expected = np.std([*biases.values(), 0.0], ddof=1)
    assert placed.feature_spread_px == pytest.approx(expected, rel=0.05)
    assert placed.cd_sigma_px > 0.3


def test_features_shifted_one_by_one_are_sigma(extraction, edges, labels, truth) -> None:
    shifts = {1: 1.0, 2: -1.0, 3: 0.5, 4: -0.5, 5: 2.0}
    moved = [
        replace(e, vertices_rc=e.vertices_rc + np.array([0, shifts[e.region]])) for e in edges()
    ]
    placed, regions = score(extraction(moved, labels()), truth)
    assert placed.sigma_px > 0.8
    assert placed.feature_spread_px > 1.0
    # Features that have moved are as wide as before.
    assert abs(placed.cd_bias_px) < 0.05
    assert abs(placed.bias_px) < 0.05
    # The line lies more than 1.5 px off.
    assert regions.gross_failures == 1


def test_contours_closed_along_the_border(extraction, edges, labels, truth, edge) -> None:
    open_ones = edges()
    ring = np.vstack([open_ones[4].vertices_rc, open_ones[5].vertices_rc])
    closed = [*open_ones[:4], edge(5, ring, True)]
    placed, _ = score(extraction(closed, labels()), truth)
    assert placed.border_length_px == pytest.approx(2 * 26, rel=0.1)
    assert placed.completeness == 1


def test_a_false_blob_is_extra_in_length_and_in_number(
    extraction, edges, labels, truth, edge
) -> None:
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    centre = np.array([95.0, 105.0])
    blob = centre + 12 * np.stack([-np.sin(angle), np.cos(angle)], axis=-1)
    painted = labels()
    rows, cols = np.mgrid[: painted.shape[0], : painted.shape[1]]
    painted[np.hypot(rows - centre[0], cols - centre[1]) < 12] = 6
    placed, regions = score(extraction([*edges(), edge(6, blob, True)], painted), truth)
    assert placed.extra_length_px == pytest.approx(2 * np.pi * 12, rel=0.02)
    assert placed.p95_penalised_px == 5.0
    assert placed.sigma_px < 0.01
    assert (regions.extra, regions.gross_failures, regions.missing) == (1, 1, 0)


def test_duplicates_are_counted(extraction, edges, labels, truth) -> None:
    placed, _ = score(extraction([*edges(), *edges(0.5)], labels()), truth)
    assert placed.duplicate_length_px == pytest.approx(placed.truth_length_px, rel=0.05)


def test_a_missing_feature_is_missing_and_paid_for(extraction, edges, labels, truth) -> None:
    painted = labels()
    painted[painted == 2] = 0
    placed, regions = score(extraction(edges(), painted), truth)
    share = 2 * np.pi * 20 / placed.truth_length_px
    assert placed.completeness == pytest.approx(1 - share, abs=0.01)
    assert placed.p95_penalised_px == 5.0
    assert (regions.missing, regions.wrong, regions.gross_failures) == (1, 1, 1)


def test_bridged_and_broken_features(extraction, edges, labels, truth) -> None:
    bridged = labels()
    bridged[48:53, 60:150] = 1
    bridged[bridged == 2] = 1
    _, regions = score(extraction(edges(), bridged), truth)
    assert (regions.bridged, regions.missing, regions.extra) == (1, 0, 0)
    broken = labels()
    broken[95:105, 198:228] = 0
    broken[105:, 198:228][broken[105:, 198:228] > 0] = 6
    _, regions = score(extraction(edges(), broken), truth)
    assert (regions.broken, regions.missing, regions.extra) == (1, 0, 0)
    assert regions.wrong == 1


def test_what_the_border_cuts_to_a_sliver_does_not_count(extraction, edges, labels, truth) -> None:
    painted = labels()
    painted[0:2, 10:30] = 9
    true = replace(truth, labels=np.where(painted == 9, 9, truth.labels))
    _, regions = score(extraction(edges(), labels()), true)
    assert regions.missing == 0
    _, regions = score(extraction(edges(), painted), truth)
    assert regions.extra == 0


def test_exchanged_tone_finds_nothing_and_runs_backwards(extraction, edges, labels, truth) -> None:
    backwards = [replace(e, vertices_rc=e.vertices_rc[::-1].copy()) for e in edges()]
    placed, _ = score(extraction(backwards, labels()), truth)
    assert placed.completeness == 0
    assert placed.reversed_length_px == pytest.approx(placed.truth_length_px, rel=0.05)


def test_raw_contours_are_judged_apart_from_placed_ones(extraction, edges, labels, truth) -> None:
    found = extraction(edges(0.1), labels(), raw=edges(0.9))
    placed, _ = placement(found, truth)
    raw, _ = placement(found, truth, raw=True)
    assert placed.bias_px == pytest.approx(0.1, abs=0.01)
    assert raw.bias_px == pytest.approx(0.9, abs=0.01)


def test_points_know_their_source(extraction, edges, labels, truth) -> None:
    moved = [*edges()[:4], *(e for e in edges(0.6) if e.region == 5)]
    placed, _ = placement(extraction(moved, labels(), sources={5: 1}), truth)
    own = placed.centred_px + placed.bias_px
    assert own[placed.source_code == 1] == pytest.approx(0.6, abs=0.01)
    assert own[placed.source_code == 0] == pytest.approx(0.0, abs=0.02)


def test_nothing_found(extraction, edges, labels, truth) -> None:
    placed, regions = score(extraction([], np.zeros_like(labels())), truth)
    assert np.isnan(placed.bias_px)
    assert np.isnan(placed.sigma_px)
    assert placed.completeness == 0
    assert placed.p95_penalised_px == 5.0
    assert (regions.missing, regions.wrong, regions.iou) == (5, 5, 0)
