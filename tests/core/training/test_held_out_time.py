"""How long the check on held-out images will take, from a few objects of another image."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path
from types import SimpleNamespace

import pytest

from segsem.training import held_out


def test_the_first_object_of_an_image_costs_more_than_the_others(
    five_images: Path, few_shot: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed, *others = few_shot.images_of(five_images)
    # Work takes 5, 1 and 2 s; nothing passes in between.
    clock = accumulate([0.0, 5.0, 0.0, 1.0, 0.0, 2.0])
    monkeypatch.setattr(held_out, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    asked = []
    monkeypatch.setattr(held_out, "_measure_object", lambda *given: asked.append(given[2]))

    found = held_out.seconds_of_checking(SimpleNamespace(), timed, others[:2])

    # Four objects in each of two images: one at 5 s, three at 1.5 s.
    assert found == 2 * (5 + 3 * 1.5)
    assert len(asked) == held_out.TIMED_OBJECTS
    assert all((timed.labels[mask] > 0).all() for mask in asked)
