from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from segsem.metrics.topology import match_regions

Labels = npt.NDArray[np.int32]


def paint(*boxes: tuple[int, int, int, int, int]) -> Labels:
    """(id, r0, c0, r1, c1) each."""
    labels = np.zeros((100, 100), dtype=np.int32)
    for label, row0, col0, row1, col1 in boxes:
        labels[row0:row1, col0:col1] = label
    return labels


TRUTH = paint((1, 10, 10, 30, 40), (2, 10, 60, 30, 90), (5, 60, 10, 80, 90))


def test_the_same_regions_under_other_ids() -> None:
    report = match_regions(
        paint((7, 10, 10, 30, 40), (3, 10, 60, 30, 90), (2, 61, 11, 80, 90)), TRUTH
    )
    assert set(report.matched) == {(7, 1), (3, 2), (2, 5)}
    assert report.perfect
    assert report.n_errors == 0


def test_missing_and_extra() -> None:
    report = match_regions(
        paint((1, 10, 10, 30, 40), (2, 60, 10, 80, 90), (9, 40, 40, 50, 50)), TRUTH
    )
    assert report.missing == (2,)
    assert report.extra == (9,)
    assert set(report.matched) == {(1, 1), (2, 5)}
    assert not report.split
    assert not report.merged
    assert report.n_errors == 2


def test_split_in_pieces() -> None:
    pieces = paint(
        (1, 10, 10, 30, 40), (2, 10, 60, 30, 90), (3, 60, 10, 80, 55), (4, 60, 57, 80, 90)
    )
    report = match_regions(pieces, TRUTH)
    assert report.split == (5,)
    assert not report.missing
    assert not report.extra
    assert report.n_errors == 1


def test_merged_by_a_bridge() -> None:
    bridged = paint((1, 10, 10, 30, 90), (3, 60, 10, 80, 90))
    report = match_regions(bridged, TRUTH)
    assert report.merged == (1,)
    assert not report.missing
    assert not report.extra
    assert report.matched == ((3, 5),)


def test_a_fragment_is_missing_and_extra() -> None:
    report = match_regions(
        paint((1, 10, 10, 30, 40), (2, 10, 60, 30, 90), (3, 60, 10, 80, 40)), TRUTH
    )
    assert report.missing == (5,)
    assert report.extra == (3,)


def test_a_crumb_beside_a_whole_region_is_extra_not_split() -> None:
    crumb = TRUTH.copy()
    crumb[60:63, 10:13] = 9
    report = match_regions(crumb, TRUTH)
    assert not report.split
    assert report.extra == (9,)


def test_small_truth_may_be_found_or_not() -> None:
    truth = TRUTH.copy()
    truth[0:2, 0:5] = 8
    for preds in (TRUTH, truth):
        assert match_regions(preds, truth, min_area_px=20).perfect
    sliver = TRUTH.copy()
    sliver[0:9, 4:7] = 8
    assert match_regions(sliver, truth, min_area_px=20).perfect
    assert match_regions(TRUTH, truth).missing == (8,)
    speck = TRUTH.copy()
    speck[95:97, 95:97] = 9
    assert match_regions(speck, TRUTH).extra == (9,)
    assert match_regions(speck, TRUTH, min_area_px=20).perfect


def test_empty_images() -> None:
    empty = paint()
    assert match_regions(empty, empty).perfect
    assert match_regions(empty, TRUTH).missing == (1, 2, 5)
    assert match_regions(TRUTH, empty).extra == (1, 2, 5)
    full = np.ones((100, 100), dtype=np.int32)
    assert match_regions(full, full).matched == ((1, 1),)
    assert match_regions(full, TRUTH).merged == (1,)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="shape"):
        match_regions(TRUTH[:50], TRUTH)
