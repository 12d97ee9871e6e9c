from __future__ import annotations

import numpy as np
import pytest

from segsem.core.exceptions import TaskError
from segsem.synth.training import random_crop
from segsem.training.augmentation import augment
from segsem.training.batch import REST, Batch, make_batch
from segsem.training.curriculum import Stage
from segsem.training.example_stream import ExampleStream
from segsem.training.example_worker import draw_batch

SIDE = 64
STAGES = (Stage(0.5, 32, 2, 3), Stage(0.5, SIDE, 3, 2))


def crop(seed: int) -> tuple[np.ndarray, np.ndarray]:
    return random_crop(np.random.default_rng([5, seed]), SIDE)


def test_augmentation_moves_image_and_labels_together() -> None:
    labels = np.zeros((SIDE, SIDE), dtype=np.int32)
    labels[3:20, 40:60] = 7
    image = np.where(labels > 0, 220, 20).astype(np.uint8)
    seen = 0
    for seed in range(40):
        changed, moved = augment(np.random.default_rng(seed), (image, labels))
        assert changed.shape == moved.shape == (SIDE, SIDE)
        if (moved > 0).any() and (moved == 0).any():
            assert changed[moved > 0].mean() > changed[moved == 0].mean() + 60
            seen += 1
    assert seen > 25
    assert labels[3, 40] == 7


@pytest.mark.parametrize("inverted", [0.0, 1.0])
def test_a_batch_names_objects_of_its_frames(inverted: float) -> None:
    crops = [crop(i) for i in range(6)]
    batch = make_batch(np.random.default_rng(0), crops, 3, inverted_share=inverted)

    assert batch.grey.shape == batch.labels.shape == (6, SIDE, SIDE)
    assert len(batch.masks) == len(batch.prompts.labels) == len(batch.prior.height)
    assert (batch.inverted == (inverted == 1.0)).all()
    for mask, frame, name in zip(batch.masks, batch.frame_index, batch.object_label, strict=True):
        height, width = batch.filled_px[frame]
        assert mask.sum() >= 16
        assert not mask[height:].any()
        assert not mask[:, width:].any()
        assert 0 < name < REST
        given = np.unique(crops[frame][1][mask])
        assert len(given) == 1
        assert (given[0] == 0) == (inverted == 1.0)


def test_points_lie_in_their_objects() -> None:
    for seed in range(30):
        batch = make_batch(np.random.default_rng(seed), [crop(seed), crop(seed + 1)], 3)
        for mask, points, kinds in zip(
            batch.masks, batch.prompts.points_xy, batch.prompts.labels, strict=True
        ):
            for (x, y), kind in zip(points.astype(int), kinds, strict=True):
                if kind in (0, 1):
                    assert mask[y, x] == bool(kind)


def test_a_frame_without_objects_is_not_asked_for_any() -> None:
    empty = (np.zeros((SIDE, SIDE), np.uint8), np.zeros((SIDE, SIDE), np.int32))
    batch = make_batch(np.random.default_rng(0), [empty, empty], 3, inverted_share=0.0)

    assert batch.masks.shape == (0, SIDE, SIDE)


def same(one: Batch, other: Batch) -> bool:
    pairs = (
        (one.grey, other.grey),
        (one.labels, other.labels),
        (one.filled_px, other.filled_px),
        (one.frame_index, other.frame_index),
        (one.object_label, other.object_label),
        (one.prompts.points_xy, other.prompts.points_xy),
        (one.prompts.labels, other.prompts.labels),
        (one.prompts.boxed, other.prompts.boxed),
        (one.prior.unknown_px, other.prior.unknown_px),
        (one.prior.height, other.prior.height),
    )
    return one.prior.kind is other.prior.kind and all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_depend_neither_on_workers_nor_on_interruptions(workers: int) -> None:
    with ExampleStream(3, 8, STAGES, 0.5, first=2, workers=workers) as stream:
        batches = [stream.batch(step) for step in range(2, 8)]

    for step, batch in enumerate(batches, start=2):
        stage = STAGES[0] if step < 4 else STAGES[1]
        assert same(batch, draw_batch(3, step, stage, 0.5))


def draw_all(stream: ExampleStream, steps: int) -> None:
    for step in range(steps):
        stream.batch(step)


def test_a_dead_worker_is_one_clear_error() -> None:
    with ExampleStream(3, 1000, STAGES, 0.5) as stream:
        stream._workers[0].process.kill()
        with pytest.raises(TaskError, match="has died"):
            draw_all(stream, 1000)
