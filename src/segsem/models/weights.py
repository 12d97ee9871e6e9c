"""State dicts: safetensors in and out, official `.pt` files in; never an unpickled object."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from segsem.core.exceptions import ExportError, ModelError
from segsem.core.files import atomic_path

if TYPE_CHECKING:
    from torch import Tensor, nn

_UNUSABLE = (
    SafetensorError,
    pickle.UnpicklingError,
    RuntimeError,
    OSError,
    EOFError,
    # What torch's restricted unpickler raises on bytes that are no pickle.
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
)


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a state dict.

    Parameters
    ----------
    path : Path
        `.safetensors`, or a `.pt` as Meta publishes it (the state dict, or a dict with it under
        `model`).

    Raises
    ------
    ModelError
        If the file is missing, damaged, or would have to be unpickled.
    """
    if not path.is_file():
        msg = f"Expected a weights file, but {path} is not there."
        raise ModelError(msg)
    try:
        loaded = _load_pt(path) if path.suffix != ".safetensors" else load_file(path)
    except _UNUSABLE as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        msg = (
            f"{path} is not a usable weights file ({reason}). "
            "Expected .safetensors, or an official .pt of tensors only; download it again."
        )
        raise ModelError(msg) from error
    state: object = loaded.get("model", loaded) if isinstance(loaded, dict) else loaded
    if not isinstance(state, dict) or not all(torch.is_tensor(v) for v in state.values()):
        msg = f"{path} holds no state dict: expected names and tensors."
        raise ModelError(msg)
    return state


def _load_pt(path: Path) -> object:
    # torch falls back to its old format, a bare pickle, which no published model has.
    if not zipfile.is_zipfile(path):
        msg = "not a .pt archive"
        raise pickle.UnpicklingError(msg)
    loaded: object = torch.load(path, map_location="cpu", weights_only=True)
    return loaded


def load_state(model: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Load a state dict into a model that it fits exactly.

    Parameters
    ----------
    model : nn.Module
    state : mapping of str to Tensor
    source : str
        Named in the message.

    Raises
    ------
    ModelError
        If it does not fit; names the first key that differs.
    """
    difference = first_difference(model.state_dict(), state)
    if difference is not None:
        msg = (
            f"{source} does not fit this architecture: {difference}. "
            "It is of another model, or of another version of segsem: add or train it again."
        )
        raise ModelError(msg)
    model.load_state_dict(dict(state))


def first_difference(wanted: Mapping[str, Tensor], got: Mapping[str, Tensor]) -> str | None:
    """Say where two state dicts differ first, in the model's own order; None where they agree."""
    for key, tensor in wanted.items():
        if key not in got:
            return f"{key} is missing"
        if got[key].shape != tensor.shape:
            return f"{key} has shape {tuple(got[key].shape)}, expected {tuple(tensor.shape)}"
    extra = [key for key in got if key not in wanted]
    return f"{extra[0]} is not part of it" if extra else None


def save_state(model: nn.Module, path: Path, *, half: bool = False) -> None:
    """Write a model's state dict as safetensors, atomically.

    Parameters
    ----------
    model : nn.Module
    path : Path
    half : bool
        Store floating-point numbers in 16 bits, to be loaded into 32.

    Raises
    ------
    ExportError
        If it cannot be written.
    """
    state = {k: _stored(v, half) for k, v in model.state_dict().items()}
    try:
        with atomic_path(path) as temporary:
            save_file(state, temporary)
    except SafetensorError as error:
        # safetensors reports a full disk as an error of its own.
        msg = f"Cannot write {path}: {error}. Choose a folder that is writable and has space."
        raise ExportError(msg) from error


def _stored(tensor: Tensor, half: bool) -> Tensor:
    kept = tensor.detach().cpu().contiguous()
    return kept.half() if half and kept.is_floating_point() else kept
