from __future__ import annotations

import math

import numpy as np
import pytest

from segsem.core.contour import ReviewStatus
from segsem.review.agreement import compare_reviewers
from segsem.review.item import ItemKey

A, R, C, P = (
    ReviewStatus.ACCEPTED, ReviewStatus.REJECTED, ReviewStatus.CORRECTED, ReviewStatus.PENDING
)  # fmt: skip


def said(words: list[ReviewStatus]) -> dict[ItemKey, ReviewStatus]:
    return {ItemKey("a", n): word for n, word in enumerate(words)}


def test_cohens_own_kind_of_table() -> None:
    """45 both yes, 15 yes/no, 25 no/yes, 15 both no: kappa = (0.60 - 0.54) / (1 - 0.54)."""
    pairs = [(A, A)] * 45 + [(A, R)] * 15 + [(R, A)] * 25 + [(R, R)] * 15
    first, second = (said(list(words)) for words in zip(*pairs, strict=True))
    found = compare_reviewers("x", first, "y", second)
    assert found.agreed == pytest.approx(0.60)
    assert found.kappa == pytest.approx(0.06 / 0.46)
    assert len(found.differences) == 40


def test_against_the_confusion_matrix() -> None:
    random = np.random.default_rng(3)
    words = [A, R, C]
    one, two = random.integers(0, 3, (2, 200))
    two = np.where(random.random(200) < 0.6, one, two)
    table = np.zeros((3, 3))
    np.add.at(table, (one, two), 1)
    p_o, p_e = np.trace(table) / 200, float(table.sum(0) @ table.sum(1)) / 200**2
    found = compare_reviewers(
        "x", said([words[i] for i in one]), "y", said([words[i] for i in two])
    )
    assert found.kappa == pytest.approx((p_o - p_e) / (1 - p_e))


def test_nothing_to_compare() -> None:
    found = compare_reviewers("x", said([A, P]), "y", said([P, A]))
    assert (found.both, found.only_first, found.only_second) == (0, 1, 1)
    assert math.isnan(found.agreed)
    assert math.isnan(found.kappa)


def test_two_who_always_say_yes_have_no_kappa() -> None:
    found = compare_reviewers("x", said([A, A]), "y", said([A, A]))
    assert found.agreed == 1.0
    assert math.isnan(found.kappa)
