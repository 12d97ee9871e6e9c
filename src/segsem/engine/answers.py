"""What the client hands to its callers: states, mask candidates, errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from segsem.engine.messages import Message
from segsem.segmentation.predictor import MASK_THRESHOLD

OUTLINE_PX = 2
"""Width of an outline, inside the mask."""


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
class Outline:
    """Edge of a mask, cut to where there is something to see.

    Attributes
    ----------
    offset_rc : (int, int)
        Row and column of its first pixel in the image.
    data : (h, w) uint8
        1 on the edge.
    """

    offset_rc: tuple[int, int]
    data: npt.NDArray[np.uint8]


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
    complete : bool
        False where the object goes on beyond what was looked at.
    partial : bool
        More is being looked at: another answer to the same question follows.
    """

    offset_rc: tuple[int, int]
    logits: npt.NDArray[np.float32]
    iou_pred: tuple[float, ...]
    complete: bool = True
    partial: bool = False
    _outlines: dict[int, Outline] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.iou_pred)

    def mask(self, index: int) -> npt.NDArray[np.bool_]:
        """(h, w) bool mask of one candidate."""
        return np.asarray(self.logits[index] > MASK_THRESHOLD)

    def outline(self, index: int) -> Outline:
        """Outline of one candidate; made once, so that a GUI can have it made elsewhere."""
        if index not in self._outlines:
            self._outlines[index] = outline_of(self.mask(index), self.offset_rc)
        return self._outlines[index]

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
        return cls(
            (int(row), int(col)),
            np.asarray(answer.arrays["logits"]),
            scores,
            bool(answer.header.get("complete", True)),
            bool(answer.header.get("partial", False)),
        )


def outline_of(mask: npt.NDArray[np.bool_], offset_rc: tuple[int, int]) -> Outline:
    """Find the edge of a mask.

    Parameters
    ----------
    mask : (h, w) bool
        Where it reaches a side of the window there is no edge: it may go on outside.
    offset_rc : (int, int)
        Row and column of the window's first pixel in the image.
    """
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return Outline(offset_rc, np.zeros((1, 1), dtype=np.uint8))
    # One pixel more where there is one, so that the cut is not taken for the window's side.
    row0, col0 = max(int(rows[0]) - 1, 0), max(int(cols[0]) - 1, 0)
    part = mask[row0 : rows[-1] + 2, col0 : cols[-1] + 2]
    inside = part
    for _ in range(OUTLINE_PX):
        inside = _eroded(inside)
    edge = part & ~inside
    return Outline((offset_rc[0] + row0, offset_rc[1] + col0), edge.astype(np.uint8))


def _eroded(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    smaller = mask.copy()
    smaller[1:] &= mask[:-1]
    smaller[:-1] &= mask[1:]
    smaller[:, 1:] &= mask[:, :-1]
    smaller[:, :-1] &= mask[:, 1:]
    return smaller
