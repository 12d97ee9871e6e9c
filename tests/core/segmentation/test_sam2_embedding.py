"""Embeddings taken apart and put together: nothing may change."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from segsem.core.exceptions import ModelError
from segsem.models.build import build_model
from segsem.segmentation.predictor import ImageEmbedding, Interruptible, StoresEmbeddings
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.sam2_embedding import Encoded, pack, unpack
from segsem.segmentation.sam2_forward import Features
from segsem.segmentation.sam2_predictor import SAM2Predictor

CLICK = Prompts([(50.0, 60.0)], [1])


@pytest.fixture(scope="module")
def predictor() -> SAM2Predictor:
    torch.manual_seed(0)
    return SAM2Predictor(build_model("segsem-nano"), "nano", "ab" * 32, 256)


@pytest.fixture(scope="module")
def embedding(predictor: SAM2Predictor) -> ImageEmbedding:
    noise = np.random.default_rng(3).integers(0, 256, (150, 200))
    return predictor.encode(noise.astype(np.uint8))


def stored(packed: Any) -> Any:
    """What a file gives back: JSON values, arrays that nobody may write to."""
    header, arrays = packed
    copies = {name: array.copy() for name, array in arrays.items()}
    for copy in copies.values():
        copy.flags.writeable = False
    return json.loads(json.dumps(header)), copies


def test_the_answers_stay_the_same_bit_by_bit(predictor, embedding) -> None:
    again = predictor.unpack(*stored(predictor.pack(embedding)))
    before, after = predictor.decode(embedding, CLICK), predictor.decode(again, CLICK)
    np.testing.assert_array_equal(after.logits, before.logits)
    np.testing.assert_array_equal(after.iou_pred, before.iou_pred)
    assert (again.shape, again.frame_shape) == (embedding.shape, embedding.frame_shape)
    assert again.signature == embedding.signature
    assert again.nbytes == embedding.nbytes > 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_every_precision_keeps_its_bits(embedding, dtype) -> None:
    old = embedding.features
    cast = Features(
        old.features.image_embed.to(dtype), [x.to(dtype) for x in old.features.high_res]
    )
    lower = ImageEmbedding(
        embedding.shape, embedding.frame_shape, Encoded(old.frame, cast), embedding.signature
    )
    again = unpack(*stored(pack(lower))).features.features
    assert again.image_embed.dtype == dtype
    assert torch.equal(again.image_embed, cast.image_embed)
    assert all(torch.equal(a, b) for a, b in zip(again.high_res, cast.high_res, strict=True))


@pytest.mark.parametrize(
    "damage",
    [
        lambda header, arrays: header.update(version=0),
        lambda header, arrays: header.pop("signature"),
        lambda header, arrays: header.update(shape=[1]),
        lambda header, arrays: header.update(side_px=7),
        lambda header, arrays: header["dtypes"].update(image_embed="torch.float64"),
        lambda header, arrays: header["dtypes"].update(image_embed="torch.bfloat16"),
        lambda header, arrays: arrays.pop("high_res_0"),
        lambda header, arrays: arrays.update(image_embed=np.zeros(3, np.float32)),
    ],
)
def test_what_is_not_ours_is_refused(embedding, damage) -> None:
    header, arrays = stored(pack(embedding))
    damage(header, arrays)
    with pytest.raises(ModelError):
        unpack(header, arrays)


def test_another_models_embedding_is_refused(predictor, embedding) -> None:
    other = SAM2Predictor(build_model("segsem-nano"), "other", "cd" * 32, 256)
    with pytest.raises(ModelError, match="another model"):
        other.unpack(*predictor.pack(embedding))
    assert other.embedding_kind != predictor.embedding_kind


def test_embeddings_of_others_cannot_be_packed() -> None:
    with pytest.raises(ModelError, match="ndarray"):
        pack(ImageEmbedding((1, 1), (1, 1), np.zeros(1), ""))


def test_a_checkpoint_stops_an_encoding(predictor) -> None:
    class StopError(Exception):
        pass

    calls = []

    def checkpoint() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise StopError

    assert isinstance(predictor, Interruptible)
    assert isinstance(predictor, StoresEmbeddings)
    predictor.set_checkpoint(checkpoint)
    try:
        with pytest.raises(StopError):
            predictor.encode(np.zeros((64, 64), np.uint8))
    finally:
        predictor.set_checkpoint(None)
    assert len(calls) == 3
    assert predictor.encode(np.zeros((64, 64), np.uint8)).shape == (64, 64)
