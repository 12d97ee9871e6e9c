"""Synthetic scenes and predictors without weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import ndimage as ndi
from scipy.special import erf
from skimage.filters import threshold_otsu

from segsem.imaging.image import SEMImage
from segsem.segmentation.predictor import ImageEmbedding, MaskPrediction
from segsem.segmentation.prompts import Prompts


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
