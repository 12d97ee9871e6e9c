"""Embeddings in memory and on disk, through the predictor that asks for them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segsem.core.exceptions import ModelError
from segsem.engine.cached_predictor import CachedPredictor
from segsem.engine.embedding_store import WRITES_WAITING, CacheLimits, EmbeddingStore
from segsem.segmentation.predictor import ImageEmbedding, Interruptible, StoresEmbeddings

CROP = np.arange(35, dtype=np.uint8).reshape(5, 7)


class StorablePredictor:
    """Encodes an image to itself."""

    name = "storable"
    weights_sha256 = "0" * 64
    frame_px = 64

    def __init__(self, kind: str = "storable:1") -> None:
        self.embedding_kind = kind
        self.images: list[Any] = []
        self.checkpoint: Callable[[], None] | None = None
        self.refuse = False

    def set_checkpoint(self, checkpoint: Callable[[], None] | None) -> None:
        self.checkpoint = checkpoint

    def encode(self, image: Any) -> ImageEmbedding:
        self.images.append(image)
        if self.checkpoint is not None:
            self.checkpoint()
        features = image.astype(np.float32) * 2
        return ImageEmbedding(image.shape, image.shape, features, self.embedding_kind)

    def decode(self, embedding: ImageEmbedding, prompts: Any) -> Any:
        return embedding.features

    def decode_batch(self, embedding: ImageEmbedding, prompts: Any) -> Any:
        return [embedding.features]

    def pack(self, embedding: ImageEmbedding) -> Any:
        return {"shape": list(embedding.shape)}, {"x": embedding.features}

    def unpack(self, header: Any, arrays: Any) -> ImageEmbedding:
        if self.refuse:
            msg = "of another version"
            raise ModelError(msg)
        shape = tuple(header["shape"])
        return ImageEmbedding(shape, shape, arrays["x"], self.embedding_kind)


class Engine:
    """A predictor in front of a store in `folder`; a new one is an engine started anew."""

    def __init__(self, folder: Path, kind: str = "storable:1", **limits: int) -> None:
        self.model = StorablePredictor(kind)
        self.store = EmbeddingStore(CacheLimits(**limits), folder)
        self.states: list[str] = []
        self.steps: list[bool] = []
        self.predictor = CachedPredictor(
            self.model, self.store, self.steps.append, self.states.append
        )

    def encode(self, image: Any = CROP) -> ImageEmbedding:
        embedding = self.predictor.encode(image)
        self.store.flush()
        return embedding

    @property
    def encoded(self) -> int:
        return len(self.model.images)


def test_the_fake_is_what_the_engine_looks_for() -> None:
    assert isinstance(StorablePredictor(), StoresEmbeddings)
    assert isinstance(StorablePredictor(), Interruptible)


def test_nothing_is_encoded_twice(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    first = engine.encode()
    assert engine.encode() is first
    assert engine.encode(CROP.copy()) is first
    assert engine.encoded == 1
    assert engine.states == ["encoding", "ready"]
    assert engine.store.nbytes == first.features.nbytes


def test_an_engine_started_anew_reads_it_from_disk(tmp_path: Path) -> None:
    first = Engine(tmp_path).encode()
    anew = Engine(tmp_path)
    again = anew.encode()
    np.testing.assert_array_equal(again.features, first.features)
    assert (anew.encoded, anew.predictor.read_from_disk, anew.states) == (0, 1, [])
    assert anew.encode() is again
    assert anew.predictor.read_from_disk == 1


@pytest.mark.parametrize(
    "other",
    [CROP + 1, CROP.T.copy(), CROP.reshape(7, 5), CROP[:, :-1]],
    ids=["values", "transposed", "reshaped", "cut"],
)
def test_other_pixels_are_another_embedding(tmp_path: Path, other: Any) -> None:
    engine = Engine(tmp_path)
    engine.encode()
    assert engine.encode(other).shape == other.shape
    assert engine.encoded == 2


def test_other_weights_or_code_are_another_embedding(tmp_path: Path) -> None:
    Engine(tmp_path).encode()
    other = Engine(tmp_path, "storable:2")
    other.encode()
    assert other.encoded == 1


def test_a_view_is_encoded_as_it_looks(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    view = np.arange(100, dtype=np.uint8).reshape(10, 10)[2:7, 1:8]
    engine.encode(view)
    assert engine.encode(view.copy()).shape == (5, 7)
    assert engine.encoded == 1


def test_what_the_predictor_refuses_is_made_again(tmp_path: Path) -> None:
    Engine(tmp_path).encode()
    anew = Engine(tmp_path)
    anew.model.refuse = True
    anew.encode()
    assert (anew.encoded, anew.predictor.read_from_disk) == (1, 0)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    Engine(tmp_path).encode()
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    anew = Engine(tmp_path)
    anew.encode()
    assert (anew.encoded, anew.predictor.read_from_disk) == (1, 0)
    third = Engine(tmp_path)
    third.encode()
    assert (third.encoded, third.predictor.read_from_disk) == (0, 1)


def test_memory_is_bounded(tmp_path: Path) -> None:
    engine = Engine(tmp_path, memory_mib=1, disk_mib=0)
    for seed in range(5):
        # 0.4 MiB of features each.
        engine.encode(np.full((320, 320), seed, dtype=np.uint8))
    assert engine.store.count == 2
    assert engine.store.nbytes <= 1 << 20
    assert not list(tmp_path.iterdir())


def test_an_unwritable_folder_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("not a folder")
    engine = Engine(tmp_path / "file")
    with caplog.at_level(logging.WARNING):
        for seed in range(3):
            engine.encode(CROP + seed)
            engine.encode(CROP + seed)
    assert engine.encoded == 3
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "in memory only" in caplog.text


def test_a_full_disk_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, raw: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    engine = Engine(tmp_path)
    for seed in range(3):
        engine.encode(CROP + seed)
    assert engine.encoded == 3
    assert caplog.text.count("No space left") == 1
    assert not list(tmp_path.iterdir())


def test_writing_does_not_delay_the_answer(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    go_on = threading.Event()
    pack = engine.model.pack
    engine.model.pack = lambda embedding: go_on.wait(60) and pack(embedding)
    # One is being written and stuck, so many wait, and the rest is not stored at all.
    for seed in range(WRITES_WAITING + 5):
        engine.predictor.encode(CROP + seed)
    assert engine.encoded == WRITES_WAITING + 5
    assert not list(tmp_path.glob("*"))
    go_on.set()
    engine.store.flush()
    assert WRITES_WAITING <= len(list(tmp_path.glob("*"))) <= WRITES_WAITING + 1


def test_a_predictor_that_cannot_store_is_kept_in_memory(tmp_path: Path) -> None:
    class Plain:
        name, weights_sha256, frame_px = "plain", "0" * 64, 64

        def encode(self, image: Any) -> ImageEmbedding:
            return ImageEmbedding(image.shape, image.shape, image, "")

    store = EmbeddingStore(CacheLimits(), tmp_path)
    predictor = CachedPredictor(Plain(), store, lambda inside: None, lambda state: None)
    assert predictor.encode(CROP) is predictor.encode(CROP)
    store.flush()
    assert not list(tmp_path.iterdir())
    assert predictor.encoded == 1


def test_steps_tell_whether_they_are_inside_an_encoding(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    embedding = engine.encode()
    engine.predictor.decode(embedding, None)
    engine.predictor.decode_batch(embedding, [None])
    assert engine.steps == [False, True, False, False]


def test_an_encoding_that_was_stopped_is_not_kept(tmp_path: Path) -> None:
    engine = Engine(tmp_path)

    class StopError(Exception):
        pass

    def stop() -> None:
        raise StopError

    engine.model.checkpoint = stop
    with pytest.raises(StopError):
        engine.encode()
    assert engine.states == ["encoding", "ready"]
    assert engine.store.count == 0
    engine.model.checkpoint = None
    engine.encode()
    assert engine.store.count == 1
