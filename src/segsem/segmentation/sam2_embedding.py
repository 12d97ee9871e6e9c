"""What SAM2 keeps of an encoded frame, and how that is taken apart for a file and put together.

Tensors are stored as they were computed, bit by bit: an answer must not depend on whether its
embedding was just made or read back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from segsem.core.exceptions import ModelError
from segsem.segmentation.frame import LOGIT_STRIDE, Frame
from segsem.segmentation.predictor import ImageEmbedding, PackedEmbedding
from segsem.segmentation.sam2_forward import Features

if TYPE_CHECKING:
    from torch import Tensor

EMBEDDING_VERSION = 2
"""To be raised with every change of what is computed from the same pixels and weights, or stored:
frame, input normalisation, architecture. Stored embeddings of another version are not used."""

_IMAGE_EMBED = "image_embed"
_HIGH_RES = "high_res_{}"
_STORED_AS = {torch.bfloat16: np.uint16}
"""Types that numpy lacks, and what their bits are stored as."""
_DTYPES = {str(dtype): dtype for dtype in (torch.float32, torch.float16, torch.bfloat16)}


@dataclass(frozen=True, slots=True)
class Encoded:
    """What `ImageEmbedding.features` holds: the frame and the model's features in it."""

    frame: Frame
    features: Features

    @property
    def nbytes(self) -> int:
        """Memory of the features."""
        return sum(tensor.nbytes for tensor in (self.features.image_embed, *self.features.high_res))

    @property
    def cells(self) -> tuple[int, int]:
        """Shape of the model's logits and mask inputs in this frame."""
        side = self.frame.side_px // LOGIT_STRIDE
        return side, side


def pack(embedding: ImageEmbedding) -> PackedEmbedding:
    """Take an embedding apart into what a file can hold.

    Parameters
    ----------
    embedding : ImageEmbedding
        From `SAM2Predictor.encode`.

    Returns
    -------
    header : dict
        Plain JSON values.
    arrays : dict of str to array
        float32, float16, or uint16 that hold bfloat16's bits; views of the embedding where it is
        in this process's memory.

    Raises
    ------
    ModelError
        If the embedding is not SAM2's.
    """
    encoded = embedding.features
    if not isinstance(encoded, Encoded):
        msg = f"Expected an embedding of SAM2, but got one of {type(encoded).__name__}"
        raise ModelError(msg)
    features = encoded.features
    tensors = {_IMAGE_EMBED: features.image_embed}
    tensors |= {_HIGH_RES.format(i): level for i, level in enumerate(features.high_res)}
    header = {
        "version": EMBEDDING_VERSION,
        "shape": list(embedding.shape),
        "frame_shape": list(embedding.frame_shape),
        "side_px": encoded.frame.side_px,
        "signature": embedding.signature,
        "dtypes": {name: str(tensor.dtype) for name, tensor in tensors.items()},
    }
    return header, {name: _to_array(tensor) for name, tensor in tensors.items()}


def unpack(
    header: Mapping[str, Any],
    arrays: Mapping[str, npt.NDArray[Any]],
    device: torch.device | str = "cpu",
) -> ImageEmbedding:
    """Put an embedding together again.

    Parameters
    ----------
    header : mapping
    arrays : mapping of str to array
        As `pack` gave them.
    device : str or torch.device
        Where its tensors shall be.

    Returns
    -------
    ImageEmbedding
        Equal to the packed one, bit by bit.

    Raises
    ------
    ModelError
        If they are of another version, or not what `pack` gives.
    """
    try:
        if header["version"] != EMBEDDING_VERSION:
            msg = f"Expected an embedding of version {EMBEDDING_VERSION}, got {header['version']}"
            raise ModelError(msg)
        shape, filled = _pair(header["shape"]), _pair(header["frame_shape"])
        tensors = {
            name: _to_tensor(arrays[name], _DTYPES[dtype]).to(device)
            for name, dtype in header["dtypes"].items()
        }
        levels = [tensors[_HIGH_RES.format(i)] for i in range(len(tensors) - 1)]
        features = Features(tensors[_IMAGE_EMBED], levels)
        frame = Frame(int(header["side_px"]), shape, filled)
        signature = str(header["signature"])
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        msg = f"This is not a stored embedding ({error}): it is made again"
        raise ModelError(msg) from error
    if features.frame_px != frame.side_px:
        msg = f"Expected features of a {frame.side_px} px frame, but got {features.frame_px} px"
        raise ModelError(msg)
    return ImageEmbedding(shape, filled, Encoded(frame, features), signature)


def _to_array(tensor: Tensor) -> npt.NDArray[Any]:
    plain = tensor.detach().contiguous().cpu()
    if plain.dtype in _STORED_AS:
        return np.asarray(plain.view(torch.int16).numpy().view(_STORED_AS[plain.dtype]))
    return np.asarray(plain.numpy())


def _to_tensor(array: npt.NDArray[Any], dtype: torch.dtype) -> Tensor:
    # torch warns of arrays that it may not write to, though nothing here ever writes.
    owned = array if array.flags.writeable else array.copy()
    if dtype in _STORED_AS:
        stored = _STORED_AS[dtype]
        if owned.dtype != stored:
            msg = f"expected {np.dtype(stored)}, got {owned.dtype}"
            raise ValueError(msg)
        return torch.from_numpy(owned.view(np.int16)).view(dtype)
    tensor = torch.from_numpy(owned)
    if tensor.dtype != dtype:
        msg = f"expected {dtype}, got {tensor.dtype}"
        raise ValueError(msg)
    return tensor


def _pair(values: Any) -> tuple[int, int]:
    height, width = values
    return int(height), int(width)
