from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from segsem.evaluation.engine_session import EngineSession
from segsem.segmentation.predictor import ImageEmbedding, MaskPrediction
from segsem.segmentation.prompts import Prompts


class Bright:
    """Finds the bright object that was clicked, or what is bright in the box; 64 px frames."""

    name, weights_sha256, frame_px = "bright", "0", 64

    def __init__(self) -> None:
        self.encoded: list[tuple[int, ...]] = []

    def encode(self, image):  # type: ignore[no-untyped-def]
        self.encoded.append(image.shape)
        return ImageEmbedding(image.shape, image.shape, image, f"{hash(image.tobytes())}:0:64")

    def decode(self, embedding: ImageEmbedding, prompts: Prompts) -> MaskPrediction:
        bright = (embedding.features > 127).astype(np.uint8)
        _, parts = cv2.connectedComponents(bright, connectivity=4)
        if prompts.points_rc:
            row, col = prompts.points_rc[0]
            wanted = parts == parts[int(row), int(col)]
        else:
            assert prompts.box_rc is not None
            row0, col0, row1, col1 = (int(v) for v in prompts.box_rc)
            wanted = np.zeros(bright.shape, dtype=bool)
            wanted[row0 : row1 + 1, col0 : col1 + 1] = bright[row0 : row1 + 1, col0 : col1 + 1]
        masks = np.stack([wanted, np.zeros_like(wanted), ~wanted])
        logits = np.where(masks, 1.0, -1.0).astype(np.float32)
        return MaskPrediction(logits, logits[:, ::4, ::4], np.array([0.9, 0.5, 0.1], np.float32))

    def decode_batch(
        self, embedding: ImageEmbedding, prompts: Sequence[Prompts]
    ) -> list[MaskPrediction]:
        return [self.decode(embedding, prompt) for prompt in prompts]


def bars() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(120, 200) with a short bar, and one that is longer than a frame."""
    short, long = np.zeros((120, 200), dtype=bool), np.zeros((120, 200), dtype=bool)
    short[10:20, 30:50] = True
    long[60:72, 10:190] = True
    return np.where(short | long, 200, 20).astype(np.uint8), short, long


def test_masks_come_in_the_image_frame_at_whatever_size() -> None:
    image, short, long = bars()
    session = EngineSession(Bright())
    session.show(image)

    for mask in (short, long, short):
        rows, cols = np.nonzero(mask)
        click = Prompts([(float(rows.mean()), float(cols.mean()))], [1])
        answer = session.ask(click)
        assert answer.masks.shape == (3, 120, 200)
        assert np.array_equal(answer.masks[0], mask)
        box = (float(rows.min()), float(cols.min()), float(rows.max()), float(cols.max()))
        assert np.array_equal(session.ask(Prompts(box_rc=box)).masks[0], mask)


def test_each_image_is_a_new_one() -> None:
    image, short, _ = bars()
    session = EngineSession(Bright())
    session.show(image)
    session.show(image[:, ::-1].copy())
    answer = session.ask(Prompts([(15.0, 160.0)], [1]))
    assert np.array_equal(answer.masks[0], short[:, ::-1])
