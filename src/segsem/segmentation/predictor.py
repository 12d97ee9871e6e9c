"""The `Predictor` protocol: what the pipeline, the engine and the GUI know of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from segsem.core.types import FloatImage, ImageArray, MaskArray
from segsem.imaging.image import SEMImage
from segsem.segmentation.ahead import Helpers
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

    @property
    def cells(self) -> tuple[int, int] | None:
        """Shape of its low-resolution logits; None where the features do not tell."""
        return getattr(self.features, "cells", None)


PackedEmbedding = tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]
"""An embedding taken apart for a file: plain JSON values, and arrays."""


class LogitSource(Protocol):
    """Logits at the image's resolution, made where they are asked for."""

    def whole(self, index: int) -> FloatImage:
        """(H, W) logits of one mask."""
        ...

    def around(self, index: int) -> tuple[tuple[int, int], FloatImage]:
        """Offset (row, column) and logits of the part that holds one mask with all its edge."""
        ...


class MaskPrediction:
    """Answer to one `Prompts`, best mask first as ranked by the model's predicted IoU.

    Parameters
    ----------
    logits : (M, H, W) float32 or LogitSource
        At the resolution of the encoded image, or what makes them when they are asked for.
    low_res_logits : (M, h, w) float32
        As decoded; can be handed back as `Prompts.mask_input`.
    iou_pred : (M,) float32
        The model's own estimate; not a confidence.
    """

    __slots__ = ("_source", "_whole", "iou_pred", "low_res_logits")

    def __init__(
        self,
        logits: npt.NDArray[np.float32] | LogitSource,
        low_res_logits: npt.NDArray[np.float32],
        iou_pred: npt.NDArray[np.float32],
    ) -> None:
        self.low_res_logits = low_res_logits
        self.iou_pred = iou_pred
        self._whole: dict[int, FloatImage] = {}
        self._source: LogitSource | None = None
        if isinstance(logits, np.ndarray):
            self._whole = dict(enumerate(logits))
        else:
            self._source = logits

    def __len__(self) -> int:
        return len(self.iou_pred)

    @property
    def logits(self) -> npt.NDArray[np.float32]:
        """(M, H, W) logits of all masks; masks are `logits > MASK_THRESHOLD`."""
        return np.stack([self.logits_of(index) for index in range(len(self))])

    def logits_of(self, index: int) -> FloatImage:
        """(H, W) logits of one mask."""
        if index not in self._whole and self._source is not None:
            self._whole[index] = self._source.whole(index)
        return self._whole[index]

    def around(self, index: int = 0) -> tuple[tuple[int, int], FloatImage]:
        """Return only the part of the image that holds one mask with all its edge.

        Returns
        -------
        offset_rc : (int, int)
            Row and column of the part's first pixel in the image.
        logits : (h, w) float32
            Traced, they give the outline that all logits of the image would.
        """
        if self._source is None or index in self._whole:
            return (0, 0), self.logits_of(index)
        return self._source.around(index)

    @property
    def masks(self) -> npt.NDArray[np.bool_]:
        """(M, H, W) bool masks."""
        return np.asarray(self.logits > MASK_THRESHOLD)

    @property
    def best_mask(self) -> MaskArray:
        """(H, W) bool mask that the model itself ranks first."""
        return np.asarray(self.best_logits > MASK_THRESHOLD)

    @property
    def best_logits(self) -> FloatImage:
        """(H, W) logits of the mask ranked first."""
        return self.logits_of(0)


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


@runtime_checkable
class SideBySide(Protocol):
    """A predictor that several threads may ask at once, each answered as if it were alone."""

    def helpers(self) -> AbstractContextManager[Helpers | None]:
        """Threads to ask it from; None where one alone is quicker."""
        ...
