"""Synthetic scenes and predictors without weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest
from scipy import ndimage as ndi
from scipy.special import erf
from skimage.filters import threshold_otsu

from segsem.imaging.image import SEMImage
from segsem.segmentation.frame import Frame, choose_frame
from segsem.segmentation.predictor import ImageEmbedding, MaskPrediction
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.window import Window


def soft(distance_px: np.ndarray, blur: float = 1.5) -> np.ndarray:
    return 0.5 * (1 + erf(distance_px / (np.sqrt(2) * blur)))


def noisy(clean: np.ndarray, sigma: float = 12.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.clip(np.rint(clean + rng.normal(0, sigma, clean.shape)), 0, 255).astype(np.uint8)


class Scenes:
    """Grey images with known geometry."""

    @staticmethod
    def lines(shape=(300, 400), pitch=40.0, width=18.0, first=20.3) -> np.ndarray:
        """Vertical bright lines centred at first + k * pitch."""
        cols = np.arange(shape[1])
        offset = (cols - first + pitch / 2) % pitch - pitch / 2
        grey = 60 + 110 * soft(width / 2 - np.abs(offset))
        return np.tile(grey, (shape[0], 1))

    @staticmethod
    def holes(shape=(300, 320), pitch=40.0, radius=9.0) -> np.ndarray:
        """Dark round holes in a bright film, none cut by the border."""
        rows, cols = np.mgrid[: shape[0], : shape[1]]
        centre_r = np.round((rows - 30) / pitch).clip(0, (shape[0] - 60) // pitch) * pitch + 30
        centre_c = np.round((cols - 30) / pitch).clip(0, (shape[1] - 60) // pitch) * pitch + 30
        distance = radius - np.hypot(rows - centre_r, cols - centre_c)
        return 180 - 110 * soft(distance)

    soft = staticmethod(soft)
    noisy = staticmethod(noisy)

    @staticmethod
    def image(grey: np.ndarray, name: str = "scene", **kwargs) -> SEMImage:
        return SEMImage(grey, name, pixel_size_nm=(1.0, 1.0), **kwargs)


class ThresholdPredictor:
    """Answers with the bright piece under the first point; `spoil` may change the mask."""

    name = "threshold"
    weights_sha256 = "0" * 64
    frame_px = 128

    def __init__(self, spoil=None, bright=True):
        self.spoil = spoil or (lambda mask, embedding: mask)
        self.sign = 1.0 if bright else -1.0
        self.encoded = 0

    def encode(self, image) -> ImageEmbedding:
        self.encoded += 1
        grey = np.asarray(image, dtype=np.float32)
        return ImageEmbedding(grey.shape, grey.shape, grey, f"test-{self.encoded}")

    def decode(self, embedding: ImageEmbedding, prompts: Prompts) -> MaskPrediction:
        grey = ndi.gaussian_filter(embedding.features, 1.5) * self.sign
        pieces, _ = ndi.label(grey > threshold_otsu(grey))
        row, col = prompts.points_rc[0]
        mask = pieces == pieces[int(row), int(col)]
        logits = np.where(self.spoil(mask, embedding), 8.0, -8.0).astype(np.float32)
        stack = np.stack([logits, logits - 1, logits - 2])
        return MaskPrediction(stack, stack[:, ::4, ::4], np.float32([0.95, 0.8, 0.6]))

    def decode_batch(
        self, embedding: ImageEmbedding, prompts: Sequence[Prompts]
    ) -> list[MaskPrediction]:
        return [self.decode(embedding, prompt) for prompt in prompts]


@pytest.fixture(scope="session")
def scenes() -> type[Scenes]:
    return Scenes


@pytest.fixture(scope="session")
def threshold_predictor() -> type[ThresholdPredictor]:
    return ThresholdPredictor


CELL_PX = 4


class Oracle:
    """Knows the truth: grey values are object numbers, answers have a real model's resolution.

    It answers with the pieces that are clicked on, or with what fills the box.

    Parameters
    ----------
    image : (H, W) uint8
        Object numbers, 0 outside.
    frame_px : int
        Side of its frame.
    guess_px : int
        So many frame px along sides that are not the image's, it sees nothing of the object.
    fixed : bool
        Whether small windows are enlarged to the frame.
    """

    name, weights_sha256 = "oracle", "0" * 64

    def __init__(
        self, image: np.ndarray, frame_px: int = 64, guess_px: int = 0, fixed: bool = False
    ) -> None:
        self.image, self.frame_px, self.guess_px, self.fixed = image, frame_px, guess_px, fixed
        self.windows: list[Window] = []
        self.asked: list[Prompts] = []
        self.spoil: Callable[[int, np.ndarray], np.ndarray] = lambda count, mask: mask

    def window(self, window: Window) -> ImageEmbedding:
        """The `Encode` of `native`."""
        self.windows.append(window)
        frame = choose_frame(window.shape, self.frame_px, fixed=self.fixed)
        grey = window.crop(self.image)
        seen = cv2.resize(grey, frame.filled[::-1], interpolation=cv2.INTER_NEAREST)
        ends = ((window.row0, window.row1), (window.col0, window.col1))
        clear = [
            slice(
                self.guess_px if start > 0 else 0,
                filled - (self.guess_px if stop < size else 0),
            )
            for (start, stop), filled, size in zip(
                ends, frame.filled, self.image.shape, strict=True
            )
        ]
        return ImageEmbedding(frame.shape, frame.filled, (frame, seen, tuple(clear)), "oracle")

    def encode(self, image: np.ndarray) -> ImageEmbedding:
        raise NotImplementedError

    def decode(self, embedding: ImageEmbedding, prompts: Prompts) -> MaskPrediction:
        self.asked.append(prompts)
        frame, seen, clear = embedding.features
        mask = np.zeros(seen.shape, dtype=bool)
        mask[clear] = self._mask(frame, seen, prompts)[clear]
        mask = self.spoil(len(self.asked), mask)
        best = _decoded(mask, frame)
        worse = _decoded(ndi.binary_dilation(mask, iterations=6), frame)
        logits, low_res = (np.stack(pair) for pair in zip(best, worse, strict=True))
        return MaskPrediction(logits, low_res, np.float32([0.9, 0.5]))

    def decode_batch(
        self, embedding: ImageEmbedding, prompts: Sequence[Prompts]
    ) -> list[MaskPrediction]:
        return [self.decode(embedding, one) for one in prompts]

    def _mask(self, frame: Frame, seen: np.ndarray, prompts: Prompts) -> np.ndarray:
        if prompts.mask_input is not None:
            assert prompts.mask_input.shape == (frame.side_px // CELL_PX,) * 2
            assert prompts.mask_input.dtype == np.float32
        if prompts.box_rc is not None:
            corners = frame.to_frame(np.reshape(prompts.box_rc, (2, 2)))
            (row0, col0), (row1, col1) = np.clip(np.rint(corners).astype(int), 0, None)
            number = np.bincount(seen[row0 : row1 + 1, col0 : col1 + 1].ravel())[1:].argmax() + 1
            return np.asarray(seen == number)
        mask = np.zeros(seen.shape, dtype=bool)
        limit = np.array(seen.shape) - 1
        for point, label in zip(prompts.points_rc, prompts.point_labels, strict=True):
            row, col = np.clip(np.rint(frame.to_frame(np.array([point]))[0]), 0, limit).astype(int)
            pieces, _ = ndi.label(seen == seen[row, col])
            piece = (pieces == pieces[row, col]) & (seen > 0)
            mask = mask | piece if label else mask & ~piece
        return mask


def _decoded(mask: np.ndarray, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Logits as a model decodes them: one value for each 4 px, enlarged bilinearly."""
    padded = np.zeros((frame.side_px, frame.side_px), dtype=np.float32)
    padded[: frame.filled[0], : frame.filled[1]] = mask
    cells = frame.side_px // CELL_PX
    low_res = padded.reshape(cells, CELL_PX, cells, CELL_PX).mean(axis=(1, 3)) * 16 - 8
    full = cv2.resize(low_res, (frame.side_px,) * 2, interpolation=cv2.INTER_LINEAR)
    full = full[: frame.filled[0], : frame.filled[1]]
    if frame.filled != frame.shape:
        full = cv2.resize(full, frame.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(full), low_res


@pytest.fixture(name="Oracle", scope="session")
def oracle_class() -> type[Oracle]:
    return Oracle
