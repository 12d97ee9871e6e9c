"""Errors planted in a few images lie at the top of the queue: tools/measure_queue.py in small."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest

from segsem.evaluation.planted_errors import Planted
from segsem.evaluation.planted_lot import (
    PlantedError,
    rank_of,
    synthetic_lot,
    write_planted,
)
from segsem.export.reviewed import find_lot, open_review
from segsem.models.load import load_predictor
from segsem.review.item import ItemFlag
from segsem.review.review import Review

SEED = 731_000_003


@pytest.fixture(scope="module")
def lot(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[PlantedError], Review]:
    """Two arrays of contacts and three other patterns, extracted with planted errors."""
    folder = tmp_path_factory.mktemp("planted")
    images = chain(
        synthetic_lot(folder / "contacts", "contacts", 2, SEED),
        synthetic_lot(folder / "default", "default", 3, SEED),
    )
    errors = write_planted(images, load_predictor("segsem-nano"), folder / "results", SEED)
    return errors, open_review(find_lot([folder / "results"]))


@pytest.mark.slow
def test_planted_errors_are_in_the_first_fifth(lot: tuple[list[PlantedError], Review]) -> None:
    errors, review = lot
    standing = [error for error in errors if error.state == "stands"]
    assert len(standing) >= 6
    ranks = [rank_of(error, review) for error in standing]
    early = [rank is not None and rank < 0.2 * len(review.queue) for rank in ranks]
    assert np.mean(early) >= 0.9, list(zip(standing, ranks, strict=True))


@pytest.mark.slow
def test_a_missing_contact_is_told_by_a_neighbour(lot: tuple[list[PlantedError], Review]) -> None:
    errors, review = lot
    missing = [error for error in errors if error.kind == Planted.MISSING.value]
    assert [error.state for error in missing] == ["stands"] * len(missing)
    assert len(missing) >= 2
    for error in missing:
        rank = rank_of(error, review)
        assert rank is not None
        item = review.queue.items[rank]
        assert item.flags & {ItemFlag.GAP, ItemFlag.STRAY_EDGE}
