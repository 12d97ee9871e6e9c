"""The `Predictor` built on SAM2; stateless between calls."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812

from segsem.core.exceptions import InputError, ModelError
from segsem.core.types import FloatImage, ImageArray
from segsem.imaging.image import SEMImage
from segsem.imaging.normalise import normalise
from segsem.segmentation.ahead import Helpers
from segsem.segmentation.confidence import Calibration
from segsem.segmentation.division import DIVISION_PX, FrameDivision
from segsem.segmentation.frame import Frame, choose_frame
from segsem.segmentation.inference.runner import ModelRunner
from segsem.segmentation.inference.threads import side_by_side
from segsem.segmentation.predictor import ImageEmbedding, MaskPrediction, PackedEmbedding
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.sam2_embedding import EMBEDDING_VERSION, Encoded, pack, unpack
from segsem.segmentation.sam2_forward import normalise_pixels

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

CHUNK_CELLS = 32 * 64 * 64
"""Low-resolution mask cells decoded at once: 32 prompts in a 256-px frame, 2 in SAM2's own."""

LOGIT_LIMIT = 32.0
"""Low-resolution logits are clipped there before they are handed out, as SAM2 does."""


class SAM2Predictor:
    """Encodes images and answers prompts with a SAM2 model.

    Parameters
    ----------
    model : SAM2Base
        With its weights; put into evaluation mode and moved to the device. Weights that change
        later are not seen: make another predictor.
    name : str
        As in the registry.
    weights_sha256 : str
        Hash of the weights file.
    frame_px : int
        Side of the model's square frame.
    device : str
        As torch names it.
    precision : str
        Of the image encoder: `auto`, `fp32` or `bf16`, see `inference.precision`.
    release : bool
        The model is for this predictor alone, which may take it to pieces to save memory.
    """

    calibration: Calibration | None = None
    """Of these weights' confidence; set by who loads them."""

    calibration_note: str | None = None
    """Why a calibration that lies beside the weights is not used."""

    def __init__(
        self,
        model: SAM2Base,
        name: str,
        weights_sha256: str,
        frame_px: int,
        device: str = "cpu",
        precision: str = "auto",
        release: bool = False,
    ) -> None:
        self._name = name
        self._weights_sha256 = weights_sha256
        self._frame_px = frame_px
        self._device = torch.device(device)
        # SAM2's own prompt encoder knows one frame; ours takes any.
        self._fixed = not getattr(model.sam_prompt_encoder, "any_frame", False)
        self._runner = ModelRunner(model.to(device).eval(), precision, release)
        self._checkpoint: Callable[[], None] | None = None
        greys = torch.arange(256, dtype=torch.uint8, device=device).reshape(1, 16, 16)
        self._input_of_grey = normalise_pixels(greys).reshape(3, 256).t().contiguous()

    @property
    def name(self) -> str:
        """Model name, as in the registry."""
        return self._name

    @property
    def weights_sha256(self) -> str:
        """Hash of the weights file."""
        return self._weights_sha256

    @property
    def frame_px(self) -> int:
        """Side of the model's square frame in px."""
        return self._frame_px

    @property
    def precision(self) -> str:
        """In which the image encoder computes: `fp32` or `bf16`."""
        return self._runner.precision.value

    @property
    def embedding_kind(self) -> str:
        """What an embedding depends on beside the pixels: code version, weights, precision."""
        version, sha256 = EMBEDDING_VERSION, self._weights_sha256
        return f"sam2:{version}:{sha256}:{self._frame_px}:{self.precision}"

    def pack(self, embedding: ImageEmbedding) -> PackedEmbedding:
        """Take an embedding apart for a file, see `sam2_embedding.pack`."""
        return pack(embedding)

    def unpack(
        self, header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
    ) -> ImageEmbedding:
        """Put an embedding together on this model's device, see `sam2_embedding.unpack`."""
        embedding = unpack(header, arrays, self._device)
        self._checked(embedding)
        return embedding

    def set_checkpoint(self, checkpoint: Callable[[], None] | None) -> None:
        """Have `checkpoint` called every few steps of an encoding.

        Parameters
        ----------
        checkpoint : callable or None
            What it raises ends the encoding and comes out of `encode`.
        """
        self._checkpoint = checkpoint

    def helpers(self) -> AbstractContextManager[Helpers | None]:
        """Threads for many frames at once, see `side_by_side`."""
        return side_by_side(self._frame_px, self._device)

    def encode(self, image: SEMImage | ImageArray) -> ImageEmbedding:
        """Encode a whole image, or a (H, W) uint8 crop that is already normalised.

        Parameters
        ----------
        image : SEMImage or (H, W) uint8 array
            An image larger than the frame is reduced, its aspect kept.

        Returns
        -------
        ImageEmbedding

        Raises
        ------
        InputError
            If an array is not (H, W) uint8, or has no pixels.
        """
        grey = normalise(image) if isinstance(image, SEMImage) else image
        if grey.ndim != 2 or grey.dtype != np.uint8 or grey.size == 0:
            msg = (
                f"Expected a (H, W) uint8 image, but got shape {grey.shape}, dtype {grey.dtype}. "
                "Pass a SEMImage, or normalise the array first."
            )
            raise InputError(msg)
        frame = choose_frame((grey.shape[0], grey.shape[1]), self._frame_px, fixed=self._fixed)
        features = self._runner.encode(self._pixels(frame.place(grey), frame), self._checkpoint)
        encoded = Encoded(frame, features)
        image_sha256 = hashlib.sha256(grey.tobytes()).hexdigest()
        signature = f"{image_sha256}:{self._weights_sha256}:{frame.side_px}"
        return ImageEmbedding(frame.shape, frame.filled, encoded, signature)

    def decode(
        self, embedding: ImageEmbedding, prompts: Prompts, multimask: bool = True
    ) -> MaskPrediction:
        """Answer one prompt with three masks, best first as the model itself ranks them, or one.

        The one is SAM2's single-mask answer: its own token's mask, or the best of the three where
        that one is unstable.
        """
        return self.decode_batch(embedding, [prompts], multimask)[0]

    def decode_batch(
        self, embedding: ImageEmbedding, prompts: Sequence[Prompts], multimask: bool = True
    ) -> list[MaskPrediction]:
        """Answer many independent prompts on one embedding, each as `decode` would.

        Parameters
        ----------
        embedding : ImageEmbedding
            From this predictor.
        prompts : sequence of Prompts
            In the encoded image's frame.
        multimask : bool
            Three masks each, or one.

        Returns
        -------
        list of MaskPrediction
            In the order of the prompts.

        Raises
        ------
        ModelError
            If the embedding is another model's.
        InputError
            If a `mask_input` has not the shape of `low_res_logits`.
        """
        encoded = self._checked(embedding)
        groups: dict[tuple[int, bool, bool], list[int]] = defaultdict(list)
        for i, prompt in enumerate(prompts):
            kind = len(prompt.points_rc), prompt.box_rc is not None, prompt.mask_input is not None
            groups[kind].append(i)
        cells = (encoded.frame.side_px // 4) ** 2
        chunk = max(CHUNK_CELLS // cells, 1)
        answers: dict[int, MaskPrediction] = {}
        for indices in groups.values():
            for start in range(0, len(indices), chunk):
                part = indices[start : start + chunk]
                found = self._decode_alike(encoded, [prompts[i] for i in part], multimask)
                answers.update(zip(part, found, strict=True))
        return [answers[i] for i in range(len(prompts))]

    @torch.inference_mode()
    def _decode_alike(
        self, encoded: Encoded, prompts: Sequence[Prompts], multimask: bool
    ) -> list[MaskPrediction]:
        """Answer prompts that have the same number of points, all with or without box and mask."""
        frame = encoded.frame
        first = prompts[0]
        points = labels = boxes = masks = None
        if first.points_rc:
            points = self._points_xy(frame, [p.points_rc for p in prompts])
            labels = torch.tensor([list(p.point_labels) for p in prompts], device=self._device)
        if first.box_rc is not None:
            corners = [np.asarray(p.box_rc, dtype=np.float64).reshape(2, 2) for p in prompts]
            boxes = self._points_xy(frame, corners).reshape(-1, 4)
        if first.mask_input is not None:
            masks = self._mask_inputs(frame, prompts)
        answer = self._runner.decode(encoded.features, points, labels, boxes, masks, multimask)
        logits, iou_pred = (part.float().cpu().numpy() for part in answer)
        return [_ranked(*one, frame) for one in zip(logits, iou_pred, strict=True)]

    def divide(self, embedding: ImageEmbedding) -> FrameDivision | None:
        """Divide a frame that was encoded at native resolution.

        Returns
        -------
        FrameDivision or None
            Of the part of the frame that the image fills. None where the model has no such heads,
            or the image was reduced to the frame.
        """
        encoded = self._checked(embedding)
        if encoded.frame.filled != encoded.frame.shape:
            return None
        maps = self._runner.divide(encoded.features)
        if maps is None:
            return None
        height, width = (-(-size // DIVISION_PX) for size in encoded.frame.shape)
        logits, edges = (plane.float().cpu().numpy()[:height, :width] for plane in maps)
        return FrameDivision(logits, edges)

    def _checked(self, embedding: ImageEmbedding) -> Encoded:
        encoded = embedding.features
        ours = embedding.signature.split(":")[1:2] == [self._weights_sha256]
        if not ours or not isinstance(encoded, Encoded):
            msg = (
                f"This embedding was made by another model than {self._name}. "
                "Encode the image again with this one."
            )
            raise ModelError(msg)
        return encoded

    @torch.inference_mode()
    def _pixels(self, grey: npt.NDArray[np.uint8], frame: Frame) -> Tensor:
        """Normalised frame (1, 3, S, S) in channels-last order; padding is 0."""
        values = torch.from_numpy(grey).to(self._device).int()
        pixels = F.embedding(values, self._input_of_grey)
        height, width = frame.filled
        pixels = F.pad(pixels, (0, 0, 0, frame.side_px - width, 0, frame.side_px - height))
        return pixels.permute(2, 0, 1).unsqueeze(0)

    def _points_xy(self, frame: Frame, points_rc: Sequence[object]) -> Tensor:
        placed = frame.to_frame(np.asarray(points_rc, dtype=np.float64))
        xy = np.ascontiguousarray(placed[..., ::-1], dtype=np.float32)
        return torch.from_numpy(xy).to(self._device)

    def _mask_inputs(self, frame: Frame, prompts: Sequence[Prompts]) -> Tensor:
        side = frame.side_px // 4
        masks = [np.asarray(prompt.mask_input, dtype=np.float32) for prompt in prompts]
        for shape in {mask.shape for mask in masks}:
            if shape != (side, side):
                msg = (
                    f"Expected `mask_input` with the shape ({side}, {side}) of this image's "
                    f"low_res_logits, but got {shape}"
                )
                raise InputError(msg)
        return torch.from_numpy(np.stack(masks)).to(self._device).unsqueeze(1)


class _FrameLogits:
    """Logits of one answer, brought to the image's resolution where they are asked for."""

    def __init__(self, logits: npt.NDArray[np.float32], frame: Frame) -> None:
        self._logits = logits
        self._frame = frame

    def whole(self, index: int) -> FloatImage:
        return self._frame.enlarge(self._logits[index])

    def around(self, index: int) -> tuple[tuple[int, int], FloatImage]:
        return self._frame.enlarge_around(self._logits[index])


def _ranked(
    logits: npt.NDArray[np.float32], iou_pred: npt.NDArray[np.float32], frame: Frame
) -> MaskPrediction:
    order = np.argsort(-iou_pred, kind="stable")
    # Clipping is for what is handed back; outlines come from the logits as decoded.
    ranked = logits[order]
    clipped = np.clip(ranked, -LOGIT_LIMIT, LOGIT_LIMIT)
    return MaskPrediction(_FrameLogits(ranked, frame), clipped, iou_pred[order])
