"""What the client hands to its callers: states, mask candidates, errors."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from segsem.engine.messages import Message
from segsem.segmentation.predictor import MASK_THRESHOLD


class EngineState(StrEnum):
    """What the engine is doing."""

    STOPPED = "stopped"
    STARTING = "starting"
    LOADING = "loading"
    READY = "ready"
    ENCODING = "encoding"
    FAILED = "failed"


class StaleAnswerError(Exception):
    """A newer request overtook this one; nobody needs its answer."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is loaded in the engine.

    Attributes
    ----------
    name, weights_sha256 : str
        As the predictor says.
    frame_px : int
        Side of the model's frame in px.
    """

    name: str
    weights_sha256: str
    frame_px: int

    @classmethod
    def from_message(cls, answer: Message) -> ModelFacts:
        """Read the answer to `load`."""
        header = answer.header
        return cls(str(header["model"]), str(header["weights_sha256"]), int(header["frame_px"]))


@dataclass(frozen=True, slots=True)
class Candidates:
    """The three masks that the model offers for one set of prompts, best first.

    Attributes
    ----------
    offset_rc : (int, int)
        Row and column of the masks' first pixel in the image.
    logits : (M, h, w) float32
        In a window of the image at native resolution.
    iou_pred : tuple of float
        The model's own estimate for each; not a confidence.
    """

    offset_rc: tuple[int, int]
    logits: npt.NDArray[np.float32]
    iou_pred: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.iou_pred)

    def mask(self, index: int) -> npt.NDArray[np.bool_]:
        """(h, w) bool mask of one candidate."""
        return np.asarray(self.logits[index] > MASK_THRESHOLD)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the window into the (H, W) image."""
        row, col = self.offset_rc
        return slice(row, row + self.logits.shape[1]), slice(col, col + self.logits.shape[2])

    @classmethod
    def from_message(cls, answer: Message) -> Candidates:
        """Read the answer to `predict`."""
        row, col = answer.header["offset_rc"]
        scores = tuple(float(value) for value in answer.header["iou_pred"])
        return cls((int(row), int(col)), np.asarray(answer.arrays["logits"]), scores)
