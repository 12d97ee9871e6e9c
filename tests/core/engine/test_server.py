"""The engine's loop in this process: what is computed, what is stopped, what a failure leaves."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from segsem.core.exceptions import ModelError
from segsem.engine.embedding_store import CacheLimits, EmbeddingStore
from segsem.engine.messages import Message, read_message, write_message
from segsem.engine.schedule import Interrupted
from segsem.engine.server import Server
from segsem.segmentation.predictor import ImageEmbedding, MaskPrediction

WAIT_S = 60.0


class SteppedPredictor:
    """Encodes in two blocks, each of which can be held up; fails when told to."""

    name = "stepped"
    weights_sha256 = "0" * 64
    frame_px = 64

    def __init__(self) -> None:
        self.checkpoint: Callable[[], None] = lambda: None
        self.failures: list[BaseException] = []
        self.finished: list[tuple[int, int]] = []
        self.decoded = 0
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Semaphore(1_000_000)

    def hold(self) -> None:
        """Make encodings wait from now on until `go_on` is released."""
        self.go_on = threading.Semaphore(0)

    def set_checkpoint(self, checkpoint: Callable[[], None]) -> None:
        self.checkpoint = checkpoint

    def encode(self, image: Any) -> ImageEmbedding:
        if self.failures:
            raise self.failures.pop(0)
        self.begun.release()
        assert self.go_on.acquire(timeout=WAIT_S)
        self.checkpoint()
        self.finished.append(image.shape)
        return ImageEmbedding(image.shape, image.shape, image, "")

    def decode(self, embedding: ImageEmbedding, prompts: Any) -> MaskPrediction:
        self.decoded += 1
        logits = np.where(embedding.features > 128, 1.0, -1.0).astype(np.float32)[None]
        return MaskPrediction(logits, logits, np.float32([0.5]))

    def decode_batch(self, embedding: ImageEmbedding, prompts: Any) -> list[MaskPrediction]:
        return [self.decode(embedding, one) for one in prompts]


class Line:
    """Both ends of a running server."""

    def __init__(self) -> None:
        self.model = SteppedPredictor()
        self.load_failures: list[BaseException] = []
        asked, self.questions = self._pipe()
        self.answers, answered = self._pipe()
        store = EmbeddingStore(CacheLimits(disk_mib=0))
        server = Server(asked, answered, self._make, store)
        self._thread = threading.Thread(target=server.run, daemon=True)
        self._thread.start()
        self._streams = [asked, self.answers, answered]
        self._count = 0

    def _make(self, name: str) -> SteppedPredictor:
        if self.load_failures:
            raise self.load_failures.pop(0)
        return self.model

    @staticmethod
    def _pipe() -> tuple[Any, Any]:
        reading, writing = os.pipe()
        return os.fdopen(reading, "rb"), os.fdopen(writing, "wb")

    def send(self, request: str, arrays: Any = None, **header: Any) -> int:
        self._count += 1
        full = {"request": request, "id": self._count, **header}
        write_message(self.questions, Message(full, arrays or {}))
        return self._count

    def answer(self) -> Message:
        """The next answer that is not a state."""
        while True:
            message = read_message(self.answers)
            assert message is not None
            if "state" not in message.header:
                return message

    def ask(self, request: str, arrays: Any = None, **header: Any) -> Message:
        number = self.send(request, arrays, **header)
        answer = self.answer()
        assert answer.header["id"] == number
        return answer

    def click(self, generation: int, row: float, col: float, image_id: str = "a") -> int:
        prompts = {"points_rc": [[row, col]], "point_labels": [1]}
        return self.send("predict", image_id=image_id, prompts=prompts, generation=generation)

    def settle(self) -> dict[str, Any]:
        """Wait until everything sent before was read; its answer comes last."""
        return self.ask("stats").header

    def end(self) -> None:
        self.model.go_on.release(1000)
        self.questions.close()
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()
        for stream in self._streams:
            stream.close()


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    made.ask("load", model="stepped")
    image = np.zeros((300, 300), np.uint8)
    image[10:20, 10:20] = 255
    made.ask("image", {"image": image}, image_id="a")
    yield made
    made.end()


def begun(line: Line) -> None:
    assert line.model.begun.acquire(timeout=WAIT_S)


def wait_until_due(line: Line) -> None:
    """The reading thread has seen what the running request has to stop for."""
    while True:
        try:
            line.model.checkpoint()
        except Interrupted:
            return


def wait_until_read(line: Line) -> None:
    """The reading thread has seen all that was sent: it answers a cancelled prefetch itself."""
    line.send("prefetch", {"image": np.zeros((9, 9), np.uint8)}, image_id="x", generation=1)
    line.send("cancel_idle", generation=1_000_000)
    assert line.answer().header["stale"]


def test_a_newer_click_elsewhere_stops_the_encoding(line: Line) -> None:
    line.model.hold()
    first = line.click(1, 15, 15)
    begun(line)
    second = line.click(2, 250, 250)
    wait_until_read(line)
    line.model.go_on.release(10)
    answers = [line.answer().header for _ in range(2)]
    assert [a["id"] for a in answers] == [first, second]
    assert [a.get("stale", False) for a in answers] == [True, False]
    assert len(line.model.finished) == 1
    assert line.model.decoded == 1


def test_a_newer_click_nearby_uses_the_encoding_that_was_begun(line: Line) -> None:
    line.model.hold()
    line.click(1, 15, 15)
    begun(line)
    line.click(2, 16, 16)
    wait_until_read(line)
    line.model.go_on.release(10)
    assert [line.answer().header.get("stale", False) for _ in range(2)] == [True, False]
    assert len(line.model.finished) == 1
    assert line.model.decoded == 1


def test_a_cancel_ends_the_work_at_the_next_window(line: Line) -> None:
    # An object that reaches beyond its window is followed into others, one after the other.
    bright = np.random.default_rng(0).integers(129, 256, (300, 300)).astype(np.uint8)
    line.ask("image", {"image": bright}, image_id="bright")
    line.model.hold()
    line.click(1, 150, 150, "bright")
    begun(line)
    line.send("cancel", generation=2)
    wait_until_read(line)
    line.model.go_on.release(10)
    assert line.answer().header["stale"]
    assert (len(line.model.finished), line.model.decoded) == (1, 0)
    line.click(3, 150, 150, "bright")
    part, whole = line.answer().header, line.answer().header
    assert part["partial"]
    assert not {"partial", "stale"} & set(whole)
    # The window that was finished is not encoded again.
    assert len(line.model.finished) == line.settle()["encoded"] > 1


def test_a_click_interrupts_a_prefetch_which_goes_on_afterwards(line: Line) -> None:
    line.model.hold()
    other = np.full((64, 64), 7, np.uint8)
    prefetch = line.send("prefetch", {"image": other}, image_id="b", generation=1)
    begun(line)
    line.click(1, 15, 15)
    wait_until_due(line)
    line.model.go_on.release(10)
    first, second = line.answer(), line.answer()
    assert "logits" in first.arrays
    assert second.header["id"] == prefetch
    assert line.model.finished[-1] == (64, 64)
    assert len(line.model.finished) == 2
    line.ask("predict", image_id="b", prompts={"points_rc": [[5, 5]], "point_labels": [1]})
    assert len(line.model.finished) == 2


def test_a_cancelled_prefetch_stops_half_way(line: Line) -> None:
    line.model.hold()
    line.send("prefetch", {"image": np.ones((64, 64), np.uint8)}, image_id="b", generation=1)
    begun(line)
    line.send("cancel_idle", generation=2)
    wait_until_due(line)
    line.model.go_on.release(10)
    assert line.answer().header["stale"]
    assert line.model.finished == []


def test_warm_encodes_where_the_mouse_is(line: Line) -> None:
    line.ask("warm", image_id="a", point_rc=[15, 15], generation=1)
    assert len(line.model.finished) == 1
    line.click(1, 15, 15)
    assert "logits" in line.answer().arrays
    assert len(line.model.finished) == 1
    assert line.settle()["encoded"] == 1


def test_warm_encodes_what_a_box_needs_that_is_being_drawn(line: Line) -> None:
    answer = line.ask("warm", image_id="a", box_rc=[10, 10, 30, 34], generation=1)
    assert "logits" not in answer.arrays
    encoded = len(line.model.finished)
    line.ask("predict", image_id="a", generation=1, prompts={"box_rc": [10, 10, 31, 35]})
    assert len(line.model.finished) == encoded > 0
    wrong = line.ask("warm", image_id="a", box_rc=[10, 10], generation=1)
    assert "Cannot use these prompts" in wrong.header["error"]


def test_warm_encodes_the_middle_and_the_whole(line: Line) -> None:
    line.ask("warm", image_id="a", generation=1)
    assert line.model.finished == [(64, 64), (300, 300)]
    small = np.zeros((40, 50), np.uint8)
    line.ask("image", {"image": small}, image_id="small")
    line.ask("warm", image_id="small", generation=1)
    assert line.model.finished[2:] == [(40, 50)]
    assert line.ask("warm", image_id="never", generation=1).header["unknown_image"] == "never"


OUT_OF_MEMORY = [
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
    RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    MemoryError(),
    MemoryError("Unable to allocate 3.00 GiB for an array"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: str(error)[:30])
def test_out_of_memory_is_tried_once_more_with_empty_caches(
    line: Line, error: BaseException
) -> None:
    line.click(1, 250, 250)
    line.answer()
    assert line.settle()["embeddings"] == 1
    line.model.failures = [error]
    line.click(2, 15, 15)
    assert "logits" in line.answer().arrays
    assert line.settle()["embeddings"] == 1


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: str(error)[:30])
def test_out_of_memory_twice_says_what_to_do(line: Line, error: BaseException) -> None:
    line.model.failures = [error, error]
    line.click(1, 15, 15)
    told = line.answer().header["error"]
    assert "Not enough memory" in told
    assert "smaller model" in told
    assert "\n" not in told
    line.click(2, 15, 15)
    assert "logits" in line.answer().arrays


def test_a_cause_that_is_memory_counts(line: Line) -> None:
    outer = ValueError("could not resize")
    outer.__cause__ = MemoryError()
    line.model.failures = [outer]
    line.click(1, 15, 15)
    assert "logits" in line.answer().arrays


def test_another_failure_is_told_and_keeps_the_cache(line: Line) -> None:
    line.click(1, 250, 250)
    line.answer()
    line.model.failures = [RuntimeError("shape mismatch\nlong story"), KeyError("odd")]
    line.click(2, 15, 15)
    told = line.answer().header["error"]
    assert "shape mismatch" in told
    assert "\n" not in told
    assert line.settle()["embeddings"] == 1
    line.click(3, 15, 15)
    assert "odd" in line.answer().header["error"]
    line.click(4, 15, 15)
    assert "logits" in line.answer().arrays


def test_a_prefetch_without_memory_is_given_up_at_once(line: Line) -> None:
    line.model.failures = [MemoryError(), MemoryError()]
    answer = line.ask("prefetch", {"image": np.zeros((9, 9), np.uint8)}, image_id="b", generation=1)
    assert "Not enough memory" in answer.header["error"]
    assert len(line.model.failures) == 1


def test_a_model_that_does_not_fit_is_told(line: Line) -> None:
    # As where weights are read: what went wrong is wrapped in an error of ours.
    wrapped = ModelError("not a usable weights file")
    wrapped.__cause__ = RuntimeError("DefaultCPUAllocator: can't allocate memory")
    line.load_failures = [wrapped, MemoryError()]
    told = line.ask("load", model="large").header["error"]
    assert told.startswith("Not enough memory for this model")
    line.click(1, 15, 15)
    assert line.answer().header["error"] == told
    line.load_failures = [wrapped]
    assert line.ask("load", model="stepped").header["model"] == "stepped"
    line.click(2, 15, 15)
    assert "logits" in line.answer().arrays


def test_a_missing_model_is_not_asked_for_twice(line: Line) -> None:
    line.load_failures = [ModelError("there is no such model"), AssertionError("asked again")]
    assert line.ask("load", model="gone").header["error"] == "there is no such model"
    assert len(line.load_failures) == 1
