"""A model asked as the viewer asks it: through the engine's own service, in this process."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segsem.engine.answers import Candidates
from segsem.engine.embedding_store import CacheLimits, EmbeddingStore
from segsem.engine.messages import Message
from segsem.engine.service import InferenceService
from segsem.segmentation.predictor import Predictor
from segsem.segmentation.prompts import Prompts

_MEMORY_MIB = 256


@dataclass(frozen=True, slots=True)
class Answer:
    """The masks for one set of prompts, best first as the model ranks them.

    Attributes
    ----------
    masks : (M, H, W) bool
        In the image's frame.
    """

    masks: npt.NDArray[np.bool_]


class EngineSession:
    """Shows images to a predictor and asks for objects in them, one after another.

    Windows and how objects are followed through them are the engine's; like its client, a session
    tells it where the last prompts were answered.

    Parameters
    ----------
    predictor : Predictor
    """

    def __init__(self, predictor: Predictor) -> None:
        store = EmbeddingStore(CacheLimits(memory_mib=_MEMORY_MIB, disk_mib=0))
        self._service = InferenceService(lambda _: predictor, store)
        self._service.handle(Message({"request": "load", "model": predictor.name}))
        self._shape = (0, 0)
        self._number = 0
        self._window: list[int] | None = None

    def show(self, image: npt.NDArray[np.uint8]) -> None:
        """Take a (H, W) image, normalised, that the prompts after this are for."""
        self._number += 1
        self._window = None
        self._shape = (image.shape[0], image.shape[1])
        header = {"request": "image", "image_id": self._id}
        self._service.handle(Message(header, {"image": image}))

    def ask(self, prompts: Prompts) -> Answer:
        """Answer prompts in the image's frame."""
        header = {"request": "predict", "image_id": self._id, "prompts": prompts.as_json()}
        answer = self._service.handle(Message({**header, "window": self._window}))
        self._window = answer.header.get("window")
        found = Candidates.from_message(answer)
        masks = np.zeros((len(found), *self._shape), dtype=bool)
        for number in range(len(found)):
            masks[number][found.slices] = found.mask(number)
        return Answer(masks)

    @property
    def _id(self) -> str:
        return str(self._number)
