"""Which window of the image the engine answers in."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage as ndi

from segsem.core.exceptions import UsageError
from segsem.engine.embedding_store import CacheLimits, EmbeddingStore
from segsem.engine.messages import Message
from segsem.engine.service import InferenceService
from segsem.segmentation.predictor import ImageEmbedding, MaskPrediction


class PiecePredictor:
    """Answers with the bright piece under the first point."""

    name = "piece"
    weights_sha256 = "0" * 64
    frame_px = 64

    def encode(self, image):
        return ImageEmbedding(image.shape, image.shape, image, "")

    def decode(self, embedding, prompts):
        pieces, _ = ndi.label(embedding.features > 128)
        row, col = (int(value) for value in prompts.points_rc[0])
        mask = (pieces > 0) & (pieces == pieces[row, col])
        logits = np.where(mask, 5.0, -5.0).astype(np.float32)[None]
        return MaskPrediction(logits, logits, np.float32([0.9]))

    def decode_batch(self, embedding, prompts):
        return [self.decode(embedding, prompt) for prompt in prompts]


@pytest.fixture
def service() -> InferenceService:
    image = np.zeros((200, 600), dtype=np.uint8)
    image[20:30, 100:220] = 255  # a line longer than a frame
    image[100:110, 300:310] = 255  # a contact
    service = InferenceService(
        lambda name: PiecePredictor(), EmbeddingStore(CacheLimits(disk_mib=0))
    )
    service.handle(Message({"request": "load", "model": "piece"}))
    service.handle(Message({"request": "image", "image_id": "a"}, {"image": image}))
    return service


class Memory:
    """What a client remembers between two questions: the window of the last answer."""

    window: list[int] | None = None


@pytest.fixture(autouse=True)
def forgotten():
    Memory.window = None


def ask(service: InferenceService, *points: tuple[int, int]) -> tuple[tuple[int, ...], int]:
    """Shape of the answered window and area of the mask."""
    prompts = {"points_rc": points, "point_labels": [1] * len(points)}
    header = {"request": "predict", "image_id": "a", "prompts": prompts, "window": Memory.window}
    answer = service.handle(Message(header))
    Memory.window = answer.header["window"]
    logits = answer.arrays["logits"]
    return logits.shape[1:], int(np.count_nonzero(logits[0] > 0))


def test_a_small_object_is_answered_at_native_resolution(service):
    assert ask(service, (104, 304)) == ((64, 64), 100)


def test_a_long_object_is_followed_until_it_is_whole(service):
    shape, area = ask(service, (25, 160))
    assert area == 10 * 120
    assert max(shape) > 64


def test_it_is_said_how_many_windows_there_were_and_whether_they_were_enough(service):
    for point, windows in (((25, 160), 3), ((104, 304), 1)):
        prompts = {"points_rc": [point], "point_labels": [1]}
        request = {"request": "predict", "image_id": "a", "prompts": prompts}
        header = service.handle(Message(request)).header
        assert (header["windows"], header["complete"]) == (windows, True)


def test_a_second_click_on_a_long_object_encodes_nothing(service):
    ask(service, (25, 160))
    encoded = service.handle(Message({"request": "stats"})).header["encoded"]
    assert ask(service, (25, 160), (25, 200))[1] == 1200
    assert service.handle(Message({"request": "stats"})).header["encoded"] == encoded


def test_the_next_object_gets_a_window_of_its_own(service):
    ask(service, (25, 160))
    assert ask(service, (104, 304)) == ((64, 64), 100)


def test_an_engine_started_anew_answers_in_the_same_windows(service):
    ask(service, (104, 304))
    remembered = Memory.window
    before = ask(service, (104, 304), (101, 309))
    assert Memory.window == remembered
    service.forget()
    assert ask(service, (104, 304), (101, 309)) == before


@pytest.mark.parametrize("window", [[0, 0, 64], "here", [0, 0, 64, 64.0], [0, 0, 64, True]])
def test_a_window_that_is_none_is_refused(service, window):
    prompts = {"points_rc": [(104, 304)], "point_labels": [1]}
    header = {"request": "predict", "image_id": "a", "prompts": prompts, "window": window}
    with pytest.raises(UsageError, match="four whole numbers"):
        service.handle(Message(header))


@pytest.mark.parametrize("window", [[-64, 270, 0, 334], [500, 270, 564, 334], [90, 300, 90, 364]])
def test_a_window_of_another_image_is_not_used(service, window):
    Memory.window = window
    assert ask(service, (104, 304)) == ((64, 64), 100)
    assert Memory.window != window


def test_what_the_first_window_shows_is_told_before_the_rest():
    parts = []
    service = InferenceService(
        lambda name: PiecePredictor(),
        EmbeddingStore(CacheLimits(disk_mib=0)),
        report=parts.append,
    )
    service.handle(Message({"request": "load", "model": "piece"}))
    image = np.zeros((200, 600), dtype=np.uint8)
    image[20:30, 100:220] = 255
    image[100:110, 300:310] = 255
    service.handle(Message({"request": "image", "image_id": "a"}, {"image": image}))
    assert ask(service, (104, 304))[1] == 100
    assert parts == []
    assert ask(service, (25, 160))[1] == 1200
    (part,) = parts
    assert not part.header["complete"]
    assert 0 < np.count_nonzero(part.arrays["logits"][0] > 0) < 1200
