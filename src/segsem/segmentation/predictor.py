"""The `Predictor` protocol: what the pipeline, the engine and the GUI know of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from segsem.core.types import FloatImage, ImageArray, MaskArray
from segsem.imaging.image import SEMImage
from segsem.segmentation.prompts import Prompts

MASK_THRESHOLD = 0.0
"""Logit at which a mask is cut, as in SAM2."""


@dataclass(frozen=True, slots=True)
class ImageEmbedding:
    """Features of one encoded frame; opaque to everyone but the predictor that made it.

    Attributes
    ----------
    shape : (int, int)
        (H, W) of the encoded grey image in px.
    frame_shape : (int, int)
        Part (h, w) of the model's square frame that the image fills, in frame px.
    features : Any
        The model's own tensors.
    signature : str
        Image hash, weights hash and frame: an embedding is only decoded by its own model.
    """

    shape: tuple[int, int]
    frame_shape: tuple[int, int]
    features: Any
    signature: str

    @property
    def nbytes(self) -> int:
        """Memory of the features; 0 where they do not tell."""
        return int(getattr(self.features, "nbytes", 0))


PackedEmbedding = tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]
"""An embedding taken apart for a file: plain JSON values, and arrays."""


@dataclass(frozen=True, slots=True)
class MaskPrediction:
    """Answer to one `Prompts`, best mask first as ranked by the model's predicted IoU.

    Attributes
    ----------
    logits : (M, H, W) float32
        At the resolution of the encoded image; masks are `logits > MASK_THRESHOLD`.
    low_res_logits : (M, h, w) float32
        As decoded; can be handed back as `Prompts.mask_input`.
    iou_pred : (M,) float32
        The model's own estimate; not a confidence.
    """

    logits: npt.NDArray[np.float32]
    low_res_logits: npt.NDArray[np.float32]
    iou_pred: npt.NDArray[np.float32]

    @property
    def masks(self) -> npt.NDArray[np.bool_]:
        """(M, H, W) bool masks."""
        return np.asarray(self.logits > MASK_THRESHOLD)

    @property
    def best_mask(self) -> MaskArray:
        """(H, W) bool mask that the model itself ranks first."""
        return np.asarray(self.logits[0] > MASK_THRESHOLD)

    @property
    def best_logits(self) -> FloatImage:
        """(H, W) logits of the mask ranked first."""
        return np.asarray(self.logits[0])


@runtime_checkable
class Predictor(Protocol):
    """What a model can do; stateless between calls.

    `frame_px` is the side of the model's square frame: an image (or crop) of at most that size
    is encoded at its native resolution.
    """

    @property
    def name(self) -> str:
        """Model name, as in the registry."""
        ...

    @property
    def weights_sha256(self) -> str:
        """Hash of the weights file."""
        ...

    @property
    def frame_px(self) -> int:
        """Side of the model's square frame in px."""
        ...

    def encode(self, image: SEMImage | ImageArray) -> ImageEmbedding:
        """Encode a whole image, or a (H, W) uint8 crop that is already normalised."""
        ...

    def decode(self, embedding: ImageEmbedding, prompts: Prompts) -> MaskPrediction:
        """Answer one prompt with three masks."""
        ...

    def decode_batch(
        self, embedding: ImageEmbedding, prompts: Sequence[Prompts]
    ) -> list[MaskPrediction]:
        """Answer many independent prompts on one embedding in one pass."""
        ...


@runtime_checkable
class StoresEmbeddings(Protocol):
    """A predictor whose embeddings can be kept in files."""

    @property
    def embedding_kind(self) -> str:
        """What an embedding depends on beside the pixels: code version, weights, precision."""
        ...

    def pack(self, embedding: ImageEmbedding) -> PackedEmbedding:
        """Take an embedding apart."""
        ...

    def unpack(
        self, header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
    ) -> ImageEmbedding:
        """Put an embedding together again; `ModelError` where that is not one of ours."""
        ...


@runtime_checkable
class Interruptible(Protocol):
    """A predictor whose encoding can be stopped half-way."""

    def set_checkpoint(self, checkpoint: Callable[[], None] | None) -> None:
        """Have `checkpoint` called every few steps of an encoding; what it raises ends it."""
        ...
