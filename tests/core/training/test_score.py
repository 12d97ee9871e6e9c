from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from segsem.core.exceptions import InputError
from segsem.core.progress import run_to_completion
from segsem.segmentation.predictor import ImageEmbedding, MaskPrediction
from segsem.segmentation.prompts import Prompts
from segsem.training.score import KINDS, prompts_of, reference_frames, score, synthetic_frames


class Oracle:
    """Ranks an empty mask first and the bright object under the first prompt second."""

    name, weights_sha256, frame_px = "oracle", "", 64

    def encode(self, image):  # type: ignore[no-untyped-def]
        return ImageEmbedding(image.shape, image.shape, image, "")

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
        masks = np.stack([np.zeros_like(wanted), wanted, ~wanted])
        logits = np.where(masks, 1.0, -1.0).astype(np.float32)
        return MaskPrediction(logits, logits[:, ::4, ::4], np.array([0.9, 0.5, 0.1], np.float32))

    def decode_batch(
        self, embedding: ImageEmbedding, prompts: Sequence[Prompts]
    ) -> list[MaskPrediction]:
        return [self.decode(embedding, p) for p in prompts]


def frame() -> tuple[np.ndarray, np.ndarray]:
    labels = np.zeros((64, 64), dtype=np.int32)
    labels[5:20, 5:25], labels[30:50, 8:60] = 1, 2
    return np.where(labels > 0, 200, 20).astype(np.uint8), labels


def test_first_mask_and_best_mask_are_told_apart() -> None:
    table = run_to_completion(score(Oracle(), [frame()]))

    assert [row.kind for row in table] == list(KINDS)
    for row in table:
        assert row.count == 2
        assert (row.mean_iou, row.best_of_three, row.over_85) == (0.0, 1.0, 0.0)


def test_prompts_lie_in_and_around_the_object() -> None:
    _, labels = frame()
    mask = labels == 2
    click, box = prompts_of("click", mask, labels > 0), prompts_of("box", mask, labels > 0)

    row, col = click.points_rc[0]
    assert mask[int(row), int(col)]
    assert box.box_rc == (30, 8, 49, 59)
    assert not box.points_rc


def test_scoring_crops_are_the_same_every_time() -> None:
    first, again = list(synthetic_frames(2, 64)), list(synthetic_frames(2, 64))

    assert all(np.array_equal(a[0], b[0]) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0][0], first[1][0])


def test_reference_frames_cut_image_and_mask_alike(tmp_path: Path) -> None:
    image, labels = frame()
    for folder, data in (("sem", image), ("ref", (labels > 0).astype(np.uint8) * 255)):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "a.png"), data)
    frames = list(reference_frames(tmp_path / "sem", tmp_path / "ref", 40, 5))

    assert len(frames) == 5
    for grey, cut in frames:
        assert grey.shape == cut.shape == (40, 40)
        assert np.array_equal(cut > 0, grey > 127)


def test_an_image_without_reference_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "sem").mkdir()
    cv2.imwrite(str(tmp_path / "sem" / "a.png"), frame()[0])
    with pytest.raises(InputError, match="reference mask a"):
        next(reference_frames(tmp_path / "sem", tmp_path, 40, 1))
    with pytest.raises(InputError, match="is none"):
        next(reference_frames(tmp_path / "nothing", tmp_path, 40, 1))
