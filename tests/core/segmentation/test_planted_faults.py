"""Failures planted on purpose."""

from __future__ import annotations

import numpy as np
import pytest

from segsem.core.params import SauvolaParams, Tone
from segsem.segmentation.candidates import find_candidates
from segsem.segmentation.planted_faults import (
    FaultyPredictor,
    bad_prompt,
    changed_field,
    spoil_candidates,
)
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.scale import estimate_scale

SHAPE = (64, 96)


def piece(row0, col0, row1, col1):
    field = np.full(SHAPE, -4.0, dtype=np.float32)
    field[row0:row1, col0:col1] = 4.0
    return field


def test_every_change_changes_the_mask_and_nothing_else():
    field, other = piece(20, 10, 44, 40), piece(20, 50, 44, 80)
    before = field.copy()
    for seed in range(40):
        changed = changed_field(np.random.default_rng(seed), field, [field, other])
        assert changed.shape == SHAPE
        assert changed.dtype == np.float32
        assert np.isfinite(changed).all()
        assert ((changed > 0) != (field > 0)).sum() > 20
    np.testing.assert_array_equal(field, before)


def test_an_empty_answer_can_be_changed():
    nothing = np.full(SHAPE, -4.0, dtype=np.float32)
    for seed in range(20):
        assert np.isfinite(changed_field(np.random.default_rng(seed), nothing, [nothing])).all()


def test_bad_prompts_are_prompts_for_something_else():
    own = Prompts(((30.0, 20.0), (30.0, 45.0)), (1, 0), (20.0, 10.0, 40.0, 30.0))
    other = Prompts(((30.0, 60.0),), (1,), (20.0, 50.0, 40.0, 70.0))
    for seed in range(40):
        bad = bad_prompt(np.random.default_rng(seed), own, [own, other], SHAPE)
        assert bad != own
        row0, col0, row1, col1 = bad.box_rc
        assert 0 <= row0 < row1 < SHAPE[0]
        assert 0 <= col0 < col1 < SHAPE[1]


def test_a_prompt_without_a_box_stays():
    own = Prompts(((30.0, 20.0),), (1,))
    assert bad_prompt(np.random.default_rng(0), own, [own], SHAPE) is own


@pytest.mark.parametrize(("share", "faulty"), [(0.0, False), (1.0, True)])
def test_the_share_of_wrong_answers_is_as_asked(scenes, threshold_predictor, share, faulty):
    grey = scenes.noisy(scenes.holes(shape=(128, 128)))
    model = threshold_predictor(bright=False)
    prompts = [
        Prompts(((30.0, col),), (1,), (20.0, col - 10, 40.0, col + 10)) for col in (30.0, 70.0)
    ]
    answers = model.decode_batch(model.encode(grey), prompts)
    spoilt = FaultyPredictor(model, np.random.default_rng(3), share)
    assert spoilt.frame_px == model.frame_px
    found = spoilt.decode_batch(spoilt.encode(grey), prompts)
    same = [np.array_equal(a.best_mask, b.best_mask) for a, b in zip(answers, found, strict=True)]
    assert all(same) is not faulty


def test_candidates_are_spoilt_in_a_copy(scenes):
    grey = scenes.noisy(scenes.lines(shape=(128, 160))).astype(np.float32)
    scale = estimate_scale(grey, 12.0, Tone.BRIGHT)
    candidates = find_candidates(grey, 12.0, scale, SauvolaParams())
    labels, field = candidates.labels.copy(), candidates.field.copy()
    spoilt = spoil_candidates(np.random.default_rng(1), candidates, 1.0)
    np.testing.assert_array_equal(candidates.labels, labels)
    np.testing.assert_array_equal(candidates.field, field)
    assert ((spoilt.labels > 0) != (labels > 0)).sum() > 50
    np.testing.assert_array_equal(spoilt.labels > 0, spoilt.field > 0)
    same = spoil_candidates(np.random.default_rng(1), candidates, 0.0)
    np.testing.assert_array_equal(same.labels > 0, labels > 0)
