from __future__ import annotations

import itertools

import numpy as np
import pytest

from segsem.core.exceptions import TaskError
from segsem.synth.training import random_crop
from segsem.training.augmentation import augment
from segsem.training.batch import make_batch
from segsem.training.crop_stream import CropStream
from segsem.training.crop_worker import crop_rng

SIDE = 64


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


def test_a_batch_names_objects_of_its_frames() -> None:
    crops = [random_crop(crop_rng(5, SIDE, i), SIDE) for i in range(6)]
    batch = make_batch(np.random.default_rng(0), crops, 3)

    assert batch.grey.shape == (6, SIDE, SIDE)
    for mask, frame in zip(batch.masks, batch.frame_index, strict=True):
        height, width = batch.filled_px[frame]
        assert mask.sum() >= 16
        assert not mask[height:].any()
        assert not mask[:, width:].any()
        assert batch.features[frame][mask].all()
        assert len(np.unique(crops[frame][1][mask])) == 1


def test_a_frame_without_objects_is_not_asked_for_any() -> None:
    empty = (np.zeros((SIDE, SIDE), np.uint8), np.zeros((SIDE, SIDE), np.int32))

    assert len(make_batch(np.random.default_rng(0), [empty, empty], 3).masks) == 0


def test_the_stream_is_the_same_however_it_was_interrupted() -> None:
    with CropStream(3, SIDE, 2) as stream:
        batches = [stream.draw(np.random.default_rng(i), 4) for i in range(6)]
    with CropStream(3, SIDE, 2, first=4) as stream:
        resumed = [stream.draw(np.random.default_rng(i), 4) for i in (4, 5)]

    for whole, again in zip(batches[4:], resumed, strict=True):
        for (image, labels), (image_again, labels_again) in zip(whole, again, strict=True):
            assert np.array_equal(image, image_again)
            assert np.array_equal(labels, labels_again)


def draw_for_ever(stream: CropStream) -> None:
    for i in itertools.count():
        stream.draw(np.random.default_rng(i), 2)


def test_a_dead_worker_is_one_clear_error() -> None:
    stream = CropStream(3, SIDE, 2)
    stream._process.kill()
    with stream, pytest.raises(TaskError, match="has died"):
        draw_for_ever(stream)
